#!/usr/bin/env python3
"""Every family by its own names: what inspect says about models that are nothing but names, shapes and a config.

    families_oracle.py --program build/release/moescope

One small model for each way of naming in use, with the tensors that stand around experts: dense layers, shared experts, biases,
correction bias, tables of hash-routed layers, layers for multi-token prediction, things that look like routers and are none.
Checked: the role of every tensor, the family, the layers with their experts, chosen and shared ones, the counts of parameters,
and that there is no warning. (Values are the business of layouts_oracle.py.)
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from asking import Checks

E, H, I, S, K, V = 4, 24, 10, 14, 2, 32  # experts, hidden, width, shared width, chosen, vocabulary
NAMED = {"gate_proj": (I, H), "up_proj": (I, H), "down_proj": (H, I)}
W123 = {"w1": (I, H), "w3": (I, H), "w2": (H, I)}
SIZES = {"BF16": 2, "F32": 4, "I64": 8, "U8": 1}
FAMILIES = {}


class Family:
    """Tensors with the role each should have; {l} in a name stands for the layers, {e} for the experts."""

    def __init__(self, family, config=None, layers=(0, 1, 2), dense=(), experts=E, shared=0, top_k=K, sections=None, warnings=()):
        self.family, self.config, self.layers, self.dense, self.E = family, config, layers, dense, experts
        self.shared, self.top_k, self.sections, self.warnings = shared, top_k, sections or {}, warnings
        self.tensors = {}
        if config is not None:
            self.config = {"hidden_size": H, "num_hidden_layers": 3, "num_experts_per_tok": K, **config}
        self.add("model.embed_tokens.weight", (V, H), "embedding")
        self.add("lm_head.weight", (V, H), "embedding")
        self.add("model.norm.weight", (H,), "norm")

    def add(self, name, shape, role, dtype="BF16", layers=None):
        for layer in self.layers if layers is None else layers:
            for e in range(self.E) if "{e}" in name else (0,):
                self.tensors[name.format(l=layer, e=e)] = (shape, role, dtype)
        return self

    def each(self, prefix, parts, role="expert", suffix=".weight", layers=None):
        for part, shape in parts.items():
            self.add(f"{prefix}{part}{suffix}", shape, role, layers=layers)
        return self

    def attention(self, prefix="model.layers.{l}"):
        """Among it what looks like a router: E rows of H."""
        every = [*self.layers, *self.dense]
        self.add(f"{prefix}.input_layernorm.weight", (H,), "norm", layers=every)
        self.add(f"{prefix}.self_attn.q_proj.weight", (H, H), "attention", layers=every)
        self.add(f"{prefix}.self_attn.gate_proj.weight", (self.E, H), "attention", layers=every)
        return self.add(f"{prefix}.self_attn.g_proj.weight", (self.E, H), "attention", layers=every)

    def mlp(self, prefix="model.layers.{l}.mlp.", parts=None):
        wide = parts or {"gate_proj": (30, H), "up_proj": (30, H), "down_proj": (H, 30)}
        return self.each(prefix, wide, "dense_ffn", layers=self.dense)

    def write(self, folder):
        folder.mkdir(parents=True)
        header, at = {}, 0
        for name, (shape, _, dtype) in self.tensors.items():
            n = SIZES[dtype]
            for extent in shape:
                n *= extent
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + n]}
            at += n
        text = json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
        if self.config is not None:
            (folder / "config.json").write_text(json.dumps(self.config))


def family(f):
    FAMILIES[f.__name__] = f
    return f


MOE = {"num_experts": E, "moe_intermediate_size": I}
ROUTED = {"n_routed_experts": E, "moe_intermediate_size": I}
LOCAL = {"num_local_experts": E, "intermediate_size": I}
SHARED = {"gate_proj": (S, H), "up_proj": (S, H), "down_proj": (H, S)}


@family
def mixtral():
    f = Family("per-expert-w123", {"model_type": "mixtral", **LOCAL}).attention()
    return f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123).add("model.layers.{l}.block_sparse_moe.gate.weight", (E, H), "router")


@family
def mixtral_native():
    f = Family("per-expert-w123", {"dim": H, "moe": {}, "num_experts": E})
    f.each("layers.{l}.feed_forward.experts.{e}.", W123).add("layers.{l}.attention.wq.weight", (H, H), "attention")
    return f.add("layers.{l}.feed_forward.gate.weight", (E, H), "router").add("layers.{l}.ffn_norm.weight", (H,), "norm")


@family
def minimax_text_01():
    f = Family("per-expert-w123", {"model_type": "minimax", **LOCAL, "shared_intermediate_size": S}, shared=1).attention()
    f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123).add("model.layers.{l}.block_sparse_moe.gate.weight", (E, H), "router")
    f.each("model.layers.{l}.shared_mlp.", SHARED, "shared_expert")
    return f.add("model.layers.{l}.coefficient.weight", (1, H), "router_aux")


@family
def minimax_m2():
    f = Family("per-expert-w123", {"model_type": "minimax_m2", **LOCAL}).attention()
    f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123).add("model.layers.{l}.block_sparse_moe.gate.weight", (E, H), "router")
    return f.add("model.layers.{l}.block_sparse_moe.e_score_correction_bias", (E,), "router_aux", "F32")


def qwen(config, prefix="model.layers.{l}", shared=True, **more):
    f = Family("per-expert", {**MOE, **config}, shared=int(shared), **more).attention(prefix)
    f.each(f"{prefix}.mlp.experts.{{e}}.", NAMED).add(f"{prefix}.mlp.gate.weight", (E, H), "router")
    if shared:
        f.each(f"{prefix}.mlp.shared_expert.", SHARED, "shared_expert")
        f.add(f"{prefix}.mlp.shared_expert_gate.weight", (1, H), "shared_gate")
    return f


@family
def qwen2_moe():
    return qwen({"model_type": "qwen2_moe", "mlp_only_layers": [1], "decoder_sparse_step": 1}, layers=(0, 2), dense=(1,)).mlp()


@family
def qwen3_moe():
    return qwen({"model_type": "qwen3_moe"}, shared=False)


@family
def qwen3_next():
    f = qwen({"model_type": "qwen3_next"}, sections={"mtp": (0,)})
    f.add("model.layers.{l}.linear_attn.in_proj_qkvz.weight", (40, H), "attention").add("mtp.fc.weight", (H, 2 * H), "other", layers=(0,))
    f.each("mtp.layers.{l}.mlp.experts.{e}.", NAMED, layers=(0,)).add("mtp.layers.{l}.mlp.gate.weight", (E, H), "router", layers=(0,))
    f.each("mtp.layers.{l}.mlp.shared_expert.", SHARED, "shared_expert", layers=(0,))
    return f.add("mtp.layers.{l}.mlp.shared_expert_gate.weight", (1, H), "shared_gate", layers=(0,))


@family
def qwen3_5():
    f = Family("stacked-fused", {"model_type": "qwen3_5_moe", "text_config": {"model_type": "qwen3_5_moe_text", **MOE}}, shared=1)
    p = "model.language_model.layers.{l}"
    f.attention(p).add(f"{p}.mlp.experts.gate_up_proj", (E, 2 * I, H), "expert").add(f"{p}.mlp.experts.down_proj", (E, H, I), "expert")
    f.add(f"{p}.mlp.gate.weight", (E, H), "router").each(f"{p}.mlp.shared_expert.", SHARED, "shared_expert")
    return f.add(f"{p}.mlp.shared_expert_gate.weight", (1, H), "shared_gate").add("model.visual.blocks.{l}.mlp.linear_fc1.weight", (8, 8), "dense_ffn")


@family
def qwen3_omni():
    return qwen({"model_type": "qwen3_omni_moe", "thinker_config": {"text_config": {**MOE}}}, prefix="thinker.model.layers.{l}", shared=False)


@family
def qwen3_vl_moe():
    f = Family("stacked-transposed", {"model_type": "qwen3_vl_moe", "text_config": MOE})
    p = "model.language_model.layers.{l}"
    f.attention(p).add(f"{p}.mlp.experts.gate_up_proj", (E, H, 2 * I), "expert").add(f"{p}.mlp.experts.down_proj", (E, I, H), "expert")
    return f.add(f"{p}.mlp.gate.weight", (E, H), "router")


@family
def olmoe():
    return qwen({"model_type": "olmoe"}, shared=False)


def deepseek(config, **more):
    f = Family("per-expert", {**ROUTED, "first_k_dense_replace": 1, "n_shared_experts": 2, **config}, layers=(1, 2), dense=(0,), shared=2,
               **more).attention()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    return f.each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert").mlp()


@family
def deepseek_v2():
    return deepseek({"model_type": "deepseek_v2"})


@family
def deepseek_v3_with_mtp():
    f = deepseek({"model_type": "deepseek_v3", "num_nextn_predict_layers": 1}, sections={"mtp": (3,)})
    f.add("model.layers.{l}.mlp.gate.e_score_correction_bias", (E,), "router_aux", "F32", layers=(1, 2, 3))
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED, layers=(3,)).add("model.layers.{l}.mlp.gate.weight", (E, H), "router", layers=(3,))
    f.each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert", layers=(3,))
    f.add("model.layers.3.embed_tokens.weight", (V, H), "embedding", layers=(3,)).add("model.layers.3.shared_head.head.weight", (V, H), "embedding", layers=(3,))
    f.add("model.layers.3.enorm.weight", (H,), "norm", layers=(3,)).add("model.layers.3.shared_head.norm.weight", (H,), "norm", layers=(3,))
    return f.add("model.layers.3.eh_proj.weight", (H, 2 * H), "other", layers=(3,)).add(
        "model.layers.{l}.self_attn.indexer.weights_proj.weight", (E, H), "attention")


@family
def kimi_vl():
    f = deepseek({"model_type": "kimi_vl", "text_config": {"model_type": "deepseek_v3", **ROUTED}})
    f.tensors = {n.replace("model.layers", "language_model.model.layers"): t for n, t in f.tensors.items()}
    return f.add("language_model.model.layers.{l}.mlp.gate.e_score_correction_bias", (E,), "router_aux", "F32")


@family
def dots1():
    return deepseek({"model_type": "dots1"}).add("model.layers.{l}.mlp.gate.e_score_correction_bias", (E,), "router_aux", "F32")


@family
def deepseek_v4():
    f = Family("per-expert-w123", {"model_type": "deepseek_v4", **ROUTED, "n_shared_experts": 1}, shared=1)
    f.each("layers.{l}.ffn.experts.{e}.", W123).add("layers.{l}.ffn.gate.weight", (E, H), "router")
    f.add("layers.{l}.ffn.gate.bias", (E,), "router_aux", "F32", layers=(1, 2)).add("layers.0.ffn.gate.tid2eid", (V, K), "router_aux", "I64", layers=(0,))
    f.each("layers.{l}.ffn.shared_experts.", {"w1": (I, H), "w3": (I, H), "w2": (H, I)}, "shared_expert")
    return f.add("layers.{l}.attn.wq_a.weight", (H, H), "attention").add("layers.{l}.attn.compressor.wgate.weight", (E, H), "attention")


@family
def mistral_large_3():
    f = Family("per-expert-w123", {"dim": H, "moe": {"num_experts": E}, "num_experts": E, "n_shared_experts": 1}, shared=1)
    f.each("layers.{l}.experts.{e}.", W123).add("layers.{l}.gate.weight", (E, H), "router")
    return f.each("layers.{l}.shared_experts.", {"w1": (S, H), "w3": (S, H), "w2": (H, S)}, "shared_expert")


@family
def gpt_oss():
    f = Family("gpt-oss", {"model_type": "gpt_oss", "num_local_experts": E, "intermediate_size": 32, "experts_per_token": K}).attention()
    base = "model.layers.{l}.mlp.experts."
    for proj, out in (("gate_up_proj", 64), ("down_proj", H)):
        f.add(f"{base}{proj}_blocks", (E, out, 1, 16), "expert", "U8").add(f"{base}{proj}_scales", (E, out, 1), "quant_aux", "U8")
        f.add(f"{base}{proj}_bias", (E, out), "expert_bias")
    return f.add("model.layers.{l}.mlp.router.weight", (E, H), "router").add("model.layers.{l}.mlp.router.bias", (E,), "router_aux")


@family
def gpt_oss_original():
    f = Family("gpt-oss-original", {"num_experts": E, "experts_per_token": K})
    for name, out in (("mlp1", 64), ("mlp2", H)):
        f.add(f"block.{{l}}.mlp.{name}_weight.blocks", (E, out, 1, 16), "expert", "U8")
        f.add(f"block.{{l}}.mlp.{name}_weight.scales", (E, out, 1), "quant_aux", "U8").add(f"block.{{l}}.mlp.{name}_bias", (E, out), "expert_bias")
    f.add("block.{l}.mlp.gate.weight", (E, H), "router").add("block.{l}.mlp.gate.bias", (E,), "router_aux")
    return f.add("block.{l}.attn.qkv.weight", (H, H), "attention").add("block.{l}.mlp.norm.scale", (H,), "norm")


@family
def llama4():
    f = Family("stacked-transposed", {"model_type": "llama4", "text_config": {"model_type": "llama4_text", **LOCAL, "interleave_moe_layer_step": 2}},
               layers=(1,), dense=(0, 2), shared=1)
    p = "language_model.model.layers.{l}.feed_forward"
    f.add(f"{p}.experts.gate_up_proj", (E, H, 2 * I), "expert").add(f"{p}.experts.down_proj", (E, I, H), "expert")
    f.add(f"{p}.router.weight", (E, H), "router").each(f"{p}.shared_expert.", SHARED, "shared_expert")
    return f.mlp(f"{p}.").add("vision_model.model.layers.0.mlp.fc1.weight", (8, 8), "dense_ffn").add("vision_model.model.layers.0.mlp.fc1.bias", (8,), "dense_ffn")


@family
def granite():
    f = Family("granite", {"model_type": "granitemoeshared", **LOCAL, "shared_intermediate_size": S}, shared=1).attention()
    p = "model.layers.{l}.block_sparse_moe"
    f.add(f"{p}.input_linear.weight", (E, 2 * I, H), "expert").add(f"{p}.output_linear.weight", (E, H, I), "expert")
    f.add(f"{p}.router.layer.weight", (E, H), "router").add("model.layers.{l}.shared_mlp.input_linear.weight", (2 * S, H), "shared_expert")
    return f.add("model.layers.{l}.shared_mlp.output_linear.weight", (H, S), "shared_expert")


@family
def jetmoe():
    f = Family("granite", {"model_type": "jetmoe", **LOCAL}, sections={"attention_experts": (0, 1, 2)})
    f.add("model.layers.{l}.mlp.input_linear.weight", (E, 2 * I, H), "expert").add("model.layers.{l}.mlp.output_linear.weight", (E, H, I), "expert")
    f.add("model.layers.{l}.mlp.router.layer.weight", (E, H), "router").add("model.layers.{l}.mlp.bias", (H,), "expert_bias")
    p = "model.layers.{l}.self_attention.experts"
    f.add(f"{p}.input_linear.weight", (E, 8, H), "expert").add(f"{p}.output_linear.weight", (E, H, 8), "expert")
    f.add(f"{p}.router.layer.weight", (E, H), "router").add(f"{p}.bias", (H,), "expert_bias")
    return f.add("model.layers.{l}.self_attention.kv_proj.weight", (16, H), "attention")


@family
def dbrx():
    f = Family("megablocks", {"model_type": "dbrx", "d_model": H, "n_layers": 3, "ffn_config": {"moe_num_experts": E, "moe_top_k": K, "ffn_hidden_size": I}})
    p = "transformer.blocks.{l}.ffn"
    for name in ("w1", "v1", "w2"):
        f.add(f"{p}.experts.mlp.{name}", (E * I, H), "expert")
    f.add(f"{p}.router.layer.weight", (E, H), "router").add("transformer.blocks.{l}.norm_attn_norm.norm_1.weight", (H,), "norm")
    return f.add("transformer.blocks.{l}.norm_attn_norm.attn.Wqkv.weight", (H, H), "attention")


@family
def dbrx_taken_apart():
    f = Family("per-expert-w123", {"model_type": "dbrx", "ffn_config": {"moe_num_experts": E, "moe_top_k": K}})
    f.each("transformer.blocks.{l}.ffn.experts.mlp.{e}.", {"w1": (I, H), "v1": (I, H), "w2": (H, I)})
    return f.add("transformer.blocks.{l}.ffn.router.layer.weight", (E, H), "router")


@family
def jamba():
    f = Family("per-expert", {"model_type": "jamba", "num_experts": E, "intermediate_size": I, "expert_layer_period": 2, "expert_layer_offset": 1},
               layers=(1,), dense=(0, 2))
    f.each("model.layers.{l}.feed_forward.experts.{e}.", NAMED).add("model.layers.{l}.feed_forward.router.weight", (E, H), "router")
    return f.mlp("model.layers.{l}.feed_forward.").add("model.layers.{l}.mamba.x_proj.weight", (E, H), "attention").add("model.layers.{l}.mamba.dt_proj.bias", (H,), "attention")


@family
def jamba_early():  # dense layers hold a single experts.0
    f = Family("per-expert", {"model_type": "jamba", "num_experts": E, "intermediate_size": I, "expert_layer_period": 2, "expert_layer_offset": 1},
               layers=(1,), dense=(0, 2))
    f.each("model.layers.{l}.feed_forward.experts.{e}.", NAMED).add("model.layers.{l}.feed_forward.router.weight", (E, H), "router")
    return f.mlp("model.layers.{l}.feed_forward.experts.0.")


@family
def phimoe():
    f = Family("per-expert-w123", {"model_type": "phimoe", **LOCAL})
    f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123).add("model.layers.{l}.block_sparse_moe.gate.weight", (E, H), "router")
    return f.add("model.layers.{l}.input_layernorm.bias", (H,), "norm").add("model.layers.{l}.self_attn.q_proj.bias", (H,), "attention")


@family
def phimoe_v5():
    f = Family("stacked-fused", {"model_type": "phimoe", **LOCAL})
    f.add("model.layers.{l}.mlp.experts.gate_up_proj", (E, 2 * I, H), "expert").add("model.layers.{l}.mlp.experts.down_proj", (E, H, I), "expert")
    return f.add("model.layers.{l}.mlp.router.weight", (E, H), "router")


@family
def arctic():
    f = Family("per-expert-w123", {"model_type": "arctic", **LOCAL}, layers=(1, 2), dense=(0,)).attention()
    f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123).add("model.layers.{l}.block_sparse_moe.gate.weight", (E, H), "router")
    f.mlp("model.layers.{l}.block_sparse_moe.mlp.", {"w1": (30, H), "w3": (30, H), "w2": (H, 30)})
    f.each("model.layers.{l}.residual_mlp.", {"w1": (30, H), "w3": (30, H), "w2": (H, 30)}, "dense_ffn")
    return f.add("model.layers.{l}.residual_layernorm.weight", (H,), "norm")


@family
def grok_1():
    f = Family("grok-1", {"model_type": "grok-1", "num_experts": E})
    f.each("transformer.decoder_layer.{l}.moe.{e}.", {"linear": (I, H), "linear_v": (I, H), "linear_1": (H, I)})
    f.add("transformer.decoder_layer.{l}.router.weight", (E, H), "router").add("transformer.decoder_layer.{l}.rms_norm.weight", (H,), "norm")
    return f.add("transformer.decoder_layer.{l}.multi_head_attention.query.weight", (H, H), "attention")


@family
def grok_2():
    f = Family("per-expert-w123", {"model_type": "grok", **LOCAL, "moe_intermediate_size": I, "intermediate_size": 30}).attention()
    f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123).add("model.layers.{l}.block_sparse_moe.gate.weight", (E, H), "router")
    return f.each("model.layers.{l}.mlp.", {"gate_proj": (30, H), "up_proj": (30, H), "down_proj": (H, 30)}, "dense_ffn")


@family
def hunyuan():
    f = Family("per-expert", {"model_type": "hunyuan_v1_moe", "num_experts": [E] * 3, "moe_topk": [K] * 3, "moe_intermediate_size": [I] * 3,
                              "num_shared_expert": [1] * 3, "num_experts_per_tok": None}, shared=1).attention()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.wg.weight", (E, H), "router", "F32")
    return f.each("model.layers.{l}.mlp.shared_mlp.", SHARED, "shared_expert")


@family
def hunyuan_v3():
    f = Family("per-expert", {"model_type": "hy_v3", **MOE, "num_shared_experts": 1}, shared=1)
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.router.gate.weight", (E, H), "router")
    return f.add("model.layers.{l}.mlp.expert_bias", (E,), "router_aux", "F32").each("model.layers.{l}.mlp.shared_mlp.", SHARED, "shared_expert")


@family
def ernie4_5():
    f = Family("per-expert", {"model_type": "ernie4_5_moe", "moe_num_experts": E, "moe_k": K, "moe_intermediate_size": I, "moe_layer_start_index": 1,
                              "moe_num_shared_experts": 2, "num_experts_per_tok": None}, layers=(1, 2), dense=(0,), shared=2).attention()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router", "F32").mlp()
    f.add("model.layers.{l}.mlp.moe_statics.e_score_correction_bias", (1, E), "router_aux", "F32")
    return f.each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")


@family
def ernie4_5_saved_from_memory():
    f = ernie4_5()
    f.tensors = {n: t for n, t in f.tensors.items() if "moe_statics" not in n}
    return f.add("model.layers.{l}.mlp.gate.moe_statics.e_score_correction_bias", (1, E), "router_aux", "F32")


@family
def ernie4_5_vl():  # two routers, stored [H, E]; text experts first, then those for pictures; the config as transformers 5 writes it
    f = Family("per-expert", {"model_type": "ernie4_5_vl_moe", "text_config": {"moe_num_experts": E, "moe_k": K, "moe_intermediate_size": [I, I]},
                              "moe_num_shared_experts": 1, "num_experts_per_tok": None}, experts=2 * E, shared=1)
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (H, E), "router", "F32")
    f.add("model.layers.{l}.mlp.gate.weight_1", (H, E), "router", "F32")
    f.add("model.layers.{l}.mlp.moe_statics.e_score_correction_bias", (2, E), "router_aux", "F32")
    return f.each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")


@family
def kolibri():  # a width and no number: one shared expert
    f = Family("per-expert", {"model_type": "kolibri1", **MOE, "shared_expert_intermediate_size": S}, shared=1)
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    return f.each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")


@family
def nemotron_h():
    f = Family("per-expert", {"model_type": "nemotron_h", **ROUTED, "hybrid_override_pattern": "ME*", "n_shared_experts": 1}, layers=(1,), shared=1)
    f.each("backbone.layers.{l}.mixer.experts.{e}.", {"up_proj": (I, H), "down_proj": (H, I)})
    f.add("backbone.layers.{l}.mixer.gate.weight", (E, H), "router").add("backbone.layers.{l}.mixer.gate.e_score_correction_bias", (E,), "router_aux", "F32")
    f.each("backbone.layers.{l}.mixer.shared_experts.", {"up_proj": (S, H), "down_proj": (H, S)}, "shared_expert")
    f.add("backbone.layers.{l}.mixer.fc1_latent_proj.weight", (H, H), "dense_ffn").add("backbone.layers.{l}.mixer.fc2_latent_proj.weight", (H, H), "dense_ffn")
    f.add("backbone.layers.0.mixer.in_proj.weight", (40, H), "attention").add("backbone.layers.2.mixer.q_proj.weight", (H, H), "attention")
    return f.add("backbone.layers.{l}.norm.weight", (H,), "norm")


@family
def nomic():
    f = Family("megablocks", {"model_type": "nomic_bert", "n_embd": H, "hidden_size": None, "num_experts": E, "moe_top_k": K, "moe_every_n_layers": 2, "n_layer": 3,
                              "num_hidden_layers": None, "num_experts_per_tok": None}, layers=(1,), dense=(0, 2))
    f.add("encoder.layers.{l}.mlp.experts.mlp.w1", (E * I, H), "expert").add("encoder.layers.{l}.mlp.experts.mlp.w2", (E * I, H), "expert")
    f.add("encoder.layers.{l}.mlp.router.layer.weight", (E, H), "router").add("encoder.layers.{l}.mlp.experts.bias", (H,), "expert_bias")
    f.each("encoder.layers.{l}.mlp.", {"fc1": (30, H), "fc2": (H, 30)}, "dense_ffn", layers=(0, 2))
    return f.add("encoder.layers.{l}.mlp.fc1.bias", (30,), "dense_ffn", layers=(0, 2))


@family
def switch():
    f = Family("switch", {"model_type": "switch_transformers", "num_experts": E, "d_model": H, "num_layers": 3, "decoder_sparse_step": 2,
                          "encoder_sparse_step": 2, "hidden_size": None, "num_experts_per_tok": None, "num_hidden_layers": None},
               layers=(1,), top_k=1, sections={"encoder": (1,), "decoder": (1,)})
    for side, k in (("encoder", 1), ("decoder", 2)):
        f.each(f"{side}.block.{{l}}.layer.{k}.mlp.experts.expert_{{e}}.", {"wi": (I, H), "wo": (H, I)})
        f.add(f"{side}.block.{{l}}.layer.{k}.mlp.router.classifier.weight", (E, H), "router")
        f.each(f"{side}.block.{{l}}.layer.{k}.mlp.", {"wi": (30, H), "wo": (H, 30)}, "dense_ffn", layers=(0, 2))
        f.add(f"{side}.block.{{l}}.layer.{k}.layer_norm.weight", (H,), "norm", layers=(0, 1, 2))
        f.add(f"{side}.block.{{l}}.layer.0.SelfAttention.q.weight", (H, H), "attention", layers=(0, 1, 2))
    f.layers = ()
    return f


@family
def nllb():
    f = Family("per-expert-fc", {"model_type": "nllb-moe", "num_experts": E, "d_model": H, "num_hidden_layers": 3, "hidden_size": None, "num_experts_per_tok": None},
               layers=(1,), dense=(0, 2), sections={"encoder": (1,), "decoder": (1,)})
    for side in ("encoder", "decoder"):
        p = f"model.{side}.layers.{{l}}.ffn"
        f.each(f"{p}.experts.expert_{{e}}.", {"fc1": (I, H), "fc2": (H, I)}).add(f"{p}.experts.expert_{{e}}.fc1.bias", (I,), "expert_bias")
        f.add(f"{p}.router.classifier.weight", (E, H), "router").mlp(f"{p}.", {"fc1": (30, H), "fc2": (H, 30)})
        f.add(f"{p}.fc1.bias", (30,), "dense_ffn", layers=(0, 2)).add(f"{p}.fc2.bias", (H,), "dense_ffn", layers=(0, 2))
    f.layers = ()
    return f


@family
def aria():
    f = Family("stacked-fc", {"model_type": "aria", "text_config": {"moe_num_experts": E, "moe_topk": K, "intermediate_size": I, "moe_num_shared_experts": 2},
                              "num_experts_per_tok": None}, shared=2)
    p = "language_model.model.layers.{l}.mlp"
    f.add(f"{p}.experts.fc1.weight", (E, H, 2 * I), "expert").add(f"{p}.experts.fc2.weight", (E, I, H), "expert").add(f"{p}.router.weight", (E, H), "router")
    f.add("vision_tower.encoder.layers.{l}.mlp.fc1.bias", (8,), "dense_ffn").add("vision_tower.encoder.layers.{l}.mlp.fc1.weight", (8, 8), "dense_ffn")
    return f.each(f"{p}.shared_experts.", SHARED, "shared_expert")


@family
def kimi_linear():
    f = Family("per-expert-w123", {"model_type": "kimi_linear", **MOE, "num_experts_per_token": K, "num_experts_per_tok": None, "num_shared_experts": 1,
                                   "first_k_dense_replace": 1}, layers=(1, 2), dense=(0,), shared=1).attention().mlp()
    p = "model.layers.{l}.block_sparse_moe"
    f.each(f"{p}.experts.{{e}}.", W123).add(f"{p}.gate.weight", (E, H), "router").add(f"{p}.gate.e_score_correction_bias", (E,), "router_aux", "F32")
    f.each(f"{p}.shared_experts.", SHARED, "shared_expert").add(f"{p}.routed_expert_norm.weight", (H,), "norm")
    return f.add(f"{p}.routed_expert_down_proj.weight", (H, H), "dense_ffn").add(f"{p}.routed_expert_up_proj.weight", (H, H), "dense_ffn")


@family
def bailing():
    f = Family("per-expert", {"model_type": "bailing_moe_v2", **MOE, "num_shared_experts": 1, "first_k_dense_replace": 1}, layers=(1, 2), dense=(0,), shared=1)
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router").mlp()
    f.add("model.layers.{l}.mlp.gate.expert_bias", (E,), "router_aux", "F32").each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")
    return f.add("model.word_embeddings.weight", (V, H), "embedding").add("model.layers.{l}.attention.query_key_value.weight", (H, H), "attention")


@family
def afmoe():
    f = Family("per-expert", {"model_type": "afmoe", **MOE, "num_dense_layers": 1, "num_shared_experts": 1}, layers=(1, 2), dense=(0,), shared=1).attention()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.router.gate.weight", (E, H), "router").mlp()
    return f.add("model.layers.{l}.mlp.expert_bias", (E,), "router_aux", "F32").each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")


@family
def lfm2():
    f = Family("per-expert-w123", {"model_type": "lfm2_moe", **MOE, "num_dense_layers": 1}, layers=(1, 2), dense=(0,))
    f.each("model.layers.{l}.feed_forward.experts.{e}.", W123).add("model.layers.{l}.feed_forward.gate.weight", (E, H), "router")
    f.mlp("model.layers.{l}.feed_forward.", {"w1": (30, H), "w3": (30, H), "w2": (H, 30)})
    f.add("model.layers.{l}.conv.conv.weight", (H, 1, 3), "attention").add("model.layers.{l}.operator_norm.weight", (H,), "norm")
    return f.add("model.layers.{l}.feed_forward.expert_bias", (E,), "router_aux", "F32")


@family
def exaone():
    f = Family("per-expert", {"model_type": "exaone_moe", **MOE, "is_moe_layer": [False, True, True], "num_shared_experts": 1}, layers=(1, 2), dense=(0,), shared=1).mlp()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    return f.add("model.layers.{l}.mlp.e_score_correction_bias", (E,), "router_aux", "F32").each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")


@family
def step():
    f = Family("step", {"model_type": "step3p5", "moe_num_experts": E, "moe_top_k": K, "moe_intermediate_size": I, "moe_layers_enum": "1,2", "share_expert_dim": S,
                        "num_experts_per_tok": None}, layers=(1, 2), dense=(0,), shared=1).attention().mlp()
    f.each("model.layers.{l}.moe.", {"gate_proj": (E, I, H), "up_proj": (E, I, H), "down_proj": (E, H, I)}).add("model.layers.{l}.moe.gate.weight", (E, H), "router")
    return f.add("model.layers.{l}.moe.router_bias", (E,), "router_aux", "F32").each("model.layers.{l}.share_expert.", SHARED, "shared_expert")


@family
def longcat():
    f = Family("per-expert", {"model_type": "longcat_flash", "n_routed_experts": E, "expert_ffn_hidden_size": I, "moe_topk": K, "zero_expert_num": 3, "num_layers": 3,
                              "num_hidden_layers": None, "num_experts_per_tok": None})
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.router.classifier.weight", (E + 3, H), "router", "F32")
    f.add("model.layers.{l}.mlp.router.e_score_correction_bias", (E + 3,), "router_aux", "F32")
    for k in (0, 1):
        f.each(f"model.layers.{{l}}.mlps.{k}.", {"gate_proj": (30, H), "up_proj": (30, H), "down_proj": (H, 30)}, "dense_ffn")
        f.add(f"model.layers.{{l}}.input_layernorm.{k}.weight", (H,), "norm").add(f"model.layers.{{l}}.self_attn.{k}.o_proj.weight", (H, H), "attention")
    return f


@family
def longcat_saved_from_memory():  # transformers 5 has gates for identity experts
    f = longcat()
    f.family, f.tensors = "stacked-fused", {n: t for n, t in f.tensors.items() if ".experts." not in n}
    f.add("model.layers.{l}.mlp.experts.gate_up_proj", (E + 3, 2 * I, H), "expert")
    return f.add("model.layers.{l}.mlp.experts.down_proj", (E, H, I), "expert")


@family
def mimo():
    f = Family("per-expert", {"model_type": "mimo_v2_flash", **ROUTED, "moe_layer_freq": [0, 1, 1]}, layers=(1, 2), dense=(0,)).attention().mlp()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    f.add("model.layers.{l}.mlp.gate.e_score_correction_bias", (E,), "router_aux", "F32")
    return f.each("model.mtp.layers.0.mlp.", {"gate_proj": (30, H), "up_proj": (30, H), "down_proj": (H, 30)}, "dense_ffn")


@family
def laguna():
    f = Family("per-expert", {"model_type": "laguna", **MOE}, shared=1).attention()
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    return f.add("model.layers.{l}.mlp.experts.e_score_correction_bias", (E,), "router_aux", "F32").each("model.layers.{l}.mlp.shared_expert.", SHARED, "shared_expert")


@family
def smallthinker():
    f = Family("per-expert-short", {"model_type": "smallthinker", "moe_num_primary_experts": E, "moe_num_active_primary_experts": K, "moe_ffn_hidden_size": I,
                                    "num_experts_per_tok": None}).attention()
    f.each("model.layers.{l}.block_sparse_moe.experts.{e}.", {"gate": (I, H), "up": (I, H), "down": (H, I)})
    return f.add("model.layers.{l}.block_sparse_moe.primary_router.weight", (E, H), "router")


@family
def grovemoe():
    f = Family("per-expert", {"model_type": "grove_moe", **MOE}, sections={"chunk_experts": (0, 1, 2)})
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    for c in range(E // 2):
        f.each(f"model.layers.{{l}}.mlp.chunk_experts.{c}.", {"gate_proj": (6, H), "up_proj": (6, H), "down_proj": (H, 6)})
    return f


@family
def klear():
    f = Family("per-expert", {"model_type": "Klear", **MOE, "n_shared_experts": 1}, shared=1)
    f.each("model.layers.{l}.mlp.experts.{e}.", NAMED).add("model.layers.{l}.mlp.gate.weight", (E, H), "router")
    f.add("model.layers.{l}.mlp.expert_bias", (E,), "router_aux", "F32").each("model.layers.{l}.mlp.shared_experts.", SHARED, "shared_expert")
    return f.add("model.layers.{l}.mlp.coefficient.weight", (2, H), "router_aux").add("model.layers.{l}.mlp.coefficient.bias", (2,), "router_aux")


@family
def gemma4():
    f = Family("stacked-fused", {"model_type": "gemma4", "text_config": {"num_experts": E, "top_k_experts": K, "moe_intermediate_size": I, "enable_moe_block": True},
                                 "num_experts_per_tok": None})
    p = "model.language_model.layers.{l}"
    f.add(f"{p}.experts.gate_up_proj", (E, 2 * I, H), "expert").add(f"{p}.experts.down_proj", (E, H, I), "expert").add(f"{p}.router.proj.weight", (E, H), "router")
    f.add(f"{p}.router.scale", (H,), "router_aux").add(f"{p}.router.per_expert_scale", (E,), "router_aux")
    return f.each(f"{p}.mlp.", {"gate_proj": (30, H), "up_proj": (30, H), "down_proj": (H, 30)}, "dense_ffn")


@family
def phixtral():
    f = Family("per-expert-fc", {"model_type": "phi-msft", "n_embd": H, "num_local_experts": E, "hidden_size": None})
    f.each("transformer.h.{l}.moe.mlp.{e}.", {"fc1": (I, H), "fc2": (H, I)}).add("transformer.h.{l}.moe.mlp.{e}.fc1.bias", (I,), "expert_bias")
    return f.add("transformer.h.{l}.moe.gate.weight", (E, H), "router").add("transformer.h.{l}.ln.weight", (H,), "norm")


@family
def zaya():
    f = Family("megatron", {"model_type": "zaya", "num_experts": E})
    p = "model.layers.{l}.zaya_block"
    f.each(f"{p}.experts.local_experts.{{e}}.", {"linear_fc1": (2 * I, H), "linear_fc2": (H, I)}).add(f"{p}.router.down_proj.weight", (16, H), "router_aux")
    for k in (0, 2, 4):
        f.add(f"{p}.router.router_mlp.{k}.weight", (E + 1 if k == 4 else 16, 16), "router_aux")
    return f.add(f"{p}.router.balancing_biases", (E + 1,), "router_aux")


@family
def moondream3():
    f = Family("stacked-fc", {"num_experts": E, "dim": H, "hidden_size": None, "num_hidden_layers": None})
    p = "model.text.blocks.{l}.mlp"
    f.add(f"{p}.fc1.weight", (E, 2 * I, H), "expert").add(f"{p}.fc2.weight", (E, H, I), "expert")
    return f.add(f"{p}.router.weight", (E, H), "router").add(f"{p}.router.bias", (E,), "router_aux")


@family
def mlx_bailing():
    f = Family("mlx-switch", {"model_type": "bailing_moe", **MOE})
    f.each("model.layers.{l}.mlp.switch_mlp.", {"gate_proj": (E, I, H), "up_proj": (E, I, H), "down_proj": (E, H, I)})
    return f.add("model.layers.{l}.mlp.gate.gate_proj.weight", (E, H), "router")


@family
def mlx_step():
    f = Family("mlx-switch", {"model_type": "step3p5", "moe_num_experts": E}, shared=1)
    f.each("model.layers.{l}.mlp.switch_mlp.", {"gate_proj": (E, I, H), "up_proj": (E, I, H), "down_proj": (E, H, I)})
    f.add("model.layers.{l}.mlp.gate.gate.weight", (E, H), "router").add("model.layers.{l}.mlp.gate.router_bias", (E,), "router_aux")
    return f.each("model.layers.{l}.mlp.share_expert.", SHARED, "shared_expert")


@family
def nanomoe_chat():
    f = Family("nano-moe", {"expert_sizes": [[2, 8], [2, 4]], "num_active_experts": K, "n_embd": H, "hidden_size": None, "num_experts_per_tok": None})
    f.add("transformer.h.{l}.mlp.w1", (H, 24), "expert").add("transformer.h.{l}.mlp.w3", (H, 24), "expert").add("transformer.h.{l}.mlp.w2", (24, H), "expert")
    f.add("transformer.h.{l}.mlp.router.weight", (E, H), "router").add("transformer.h.{l}.attn.c_q.weight", (H, H), "attention")
    return f.add("transformer.h.{l}.mlp.expert_bias", (E,), "router_aux", "F32").add("transformer.h.{l}.mlp.expert_bias_momentum", (E,), "router_aux", "F32")


@family
def inkling():
    f = Family("inkling", {"model_type": "inkling2", "text_config": ROUTED})
    f.add("model.llm.layers.{l}.mlp.experts.w13_weight", (E, 2 * I, H), "expert").add("model.llm.layers.{l}.mlp.experts.w2_weight", (E, H, I), "expert")
    return f.add("model.llm.layers.{l}.mlp.gate.weight", (E, H), "router").add("model.llm.layers.{l}.mlp.gate.bias", (E,), "router_aux").add(
        "model.llm.unembed.weight", (V, H), "embedding")


@family
def llama_moe():
    f = Family("llama-moe", {"model_type": "llama_moe", "num_experts": E, "num_selects": K, "top_k_experts": K, "num_experts_per_tok": None})
    for part, shape in (("gate", (I, H)), ("up", (I, H)), ("down", (H, I))):
        f.add(f"model.layers.{{l}}.mlp.calculator.experts.weight_{part}.{{e}}", shape, "expert")
    f.add("model.layers.{l}.mlp.gate.gate_network.0.weight", (E, H), "router_aux").add("model.layers.{l}.mlp.gate.gate_network.2.weight", (E, E), "router_aux")
    return f.add("model.layers.{l}.mlp.gate.weight_noise.weight", (E, H), "router_aux")


@family
def dense_model():  # no experts, and a tensor that is named like a router
    f = Family(None, {"model_type": "llama"}, layers=(), dense=(0, 1, 2), experts=0).attention().mlp()
    f.tensors = {n: t for n, t in f.tensors.items() if 0 not in t[0]}
    return f


# ---------------------------------------------------------------- checking

def n_elements(tensors, *roles, mtp=None):
    total = 0
    for name, (shape, role, dtype) in tensors.items():
        if role not in roles or (mtp is not None and mtp(name)):
            continue
        n = 1
        for extent in shape:
            n *= extent
        total += n * 2 if dtype == "U8" else n
    return total


def check_layers(f, told):
    faults, want = [], {("", layer): f.E for layer in f.layers}
    for section, layers in f.sections.items():
        want |= {(section, layer): E // 2 if section == "chunk_experts" else E for layer in layers}
    got = {(layer.get("section", ""), layer["layer"]): layer for layer in told}
    if set(got) != set(want):
        return [f"layers {sorted(got)}, want {sorted(want)}"]
    for key, layer in got.items():
        if layer["experts"] != want[key]:
            faults.append(f"layer {key}: {layer['experts']} experts, want {want[key]}")
        if layer["top_k"] != f.top_k and key[0] != "chunk_experts":
            faults.append(f"layer {key}: {layer['top_k']} chosen, want {f.top_k}")
        if key[0] in ("", "mtp", "encoder", "decoder") and layer["shared_experts"] != f.shared:
            faults.append(f"layer {key}: {layer['shared_experts']} shared, want {f.shared}")
    return faults


def check_family(program, f, folder):
    f.write(folder)
    told = json.loads(subprocess.run([program, "inspect", folder, "--tensors", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    faults = [f"family {told['family']}, want {f.family}"] if told["family"] != f.family else []
    faults += [f"warning: {text}" for text in told["warnings"]]
    for tensor in told["tensors"]:
        want = f.tensors[tensor["name"]][1]
        if tensor["role"] != want:
            faults.append(f"{tensor['name']}: {tensor['role']}, want {want}")
    faults += check_layers(f, told["layers"])
    every = {role for _, role, _ in f.tensors.values()} - {"quant_aux"}
    if told["parameters"]["total"] != n_elements(f.tensors, *every):
        faults.append(f"{told['parameters']['total']} parameters, want {n_elements(f.tensors, *every)}")
    if f.config is not None and f.top_k and "chunk_experts" not in f.sections:  # MTP layers do not run for a token
        def aside(name):
            return name.startswith(("mtp.", "model.mtp.", "model.layers.3."))
        routed = n_elements(f.tensors, "expert", "expert_bias", mtp=aside)
        active = n_elements(f.tensors, *every, mtp=aside) - routed + routed * f.top_k // f.E if f.E else n_elements(f.tensors, *every)
        if abs((told["parameters"]["active"] or 0) - active) > len(told["layers"]):  # rounded layer by layer
            faults.append(f"{told['parameters']['active']} active, want {active}")
    text = subprocess.run([program, "inspect", folder], stdout=subprocess.PIPE, check=True, text=True).stdout
    if f.family and not re.search(rf"family +{re.escape(f.family)} .*\n +\d+ tensors are named like ", text):
        faults.append("inspect does not say which family, and why")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--helpers", type=pathlib.Path)
    options = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as work:
        for name, make in FAMILIES.items():
            checks.check(name, check_family(options.program, make(), pathlib.Path(work) / name))
    checks.finish()


if __name__ == "__main__":
    sys.exit(main())
