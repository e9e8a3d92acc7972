#!/usr/bin/env python3
"""Every layout of experts against NumPy: which matrices the family tables see in a model, and the values they read.

    layouts_oracle.py --helpers FOLDER [--models FOLDER]

1. Models made here, one for each layout (and without config.json, where the tensors alone must do): all matrices must be
   found, none beside them, and every value must be the stored one, bit for bit.
2. With --models (default: a folder shared/models beside the repository, if there is one): the plain layouts of
   quantised/layout_* against their expected.npz, bit for bit; the models of zoo/ by what a reference forward pass recorded: the
   norms of the outputs of the chosen experts and the router's logits.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save_file

from asking import Checks

BF16 = ml_dtypes.bfloat16
HERE = pathlib.Path(__file__).resolve()


def matrices(helpers, folder):
    """{(section, layer, role, proj, expert): f32 [rows, cols], or the message why not}; several shared ones get a number."""
    done = subprocess.run([helpers / "bank_helper", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    out, at, data = {}, 0, done.stdout
    while at < len(data):
        end = data.index(b"\n", at)
        section, layer, role, proj, expert, rows, cols, _ = data[at:end].decode().split("|", 7)
        at, end = end + 1, data.index(b"\n", end + 1)
        key = (section, int(layer), role, proj, int(expert))
        while key in out:
            key = (*key[:4], key[4] - 1)
        if data[at:at + 1] == b"!":
            out[key] = data[at + 1:end].decode()
            at = end + 1
            continue
        n = 4 * int(rows) * int(cols)
        out[key] = np.frombuffer(data[end + 1:end + 1 + n], np.float32).reshape(int(rows), int(cols))
        at = end + 1 + n
    return out


def compare(got, want):
    """Faults: what is missing, what is too much, what differs."""
    faults = [f"missing {key}" for key in want if key not in got] + [f"not wanted {key}" for key in got if key not in want]
    for key, matrix in want.items():
        have = got.get(key)
        if isinstance(have, str):
            faults.append(f"{key}: {have}")
        elif have is not None and have.shape != matrix.shape:
            faults.append(f"{key}: shape {have.shape}, want {matrix.shape}")
        elif have is not None and have.tobytes() != np.ascontiguousarray(matrix, np.float32).tobytes():
            faults.append(f"{key}: {int((have != matrix).sum())} of {matrix.size} values differ")
    return faults


# ---------------------------------------------------------------- models made here

class Model:
    """Random experts [out, in] of some layers, laid out by a function that fills .tensors; .want is the truth."""

    def __init__(self, rng, layers=(0, 2), experts=4, hidden=24, width=10, dtype=BF16, gate=True, shared=None, router=True,
                 widths=None, section=""):
        self.rng, self.layers, self.E, self.H, self.I, self.dtype = rng, layers, experts, hidden, width, dtype
        self.section, self.gate, self.shared_width = section, gate, shared
        self.widths = widths or [width] * experts
        self.tensors, self.want, self.config, self.w = {}, {}, {}, {}
        for layer in layers:
            for e, n in enumerate(self.widths):
                for proj, shape in self.projections(n):
                    self.w[layer, e, proj] = self.keep((section, layer, "expert", proj, e), shape)
            for proj, shape in self.projections(shared) if shared else ():
                self.w[layer, "shared", proj] = self.keep((section, layer, "shared_expert", proj, -1), shape)
            if router:
                self.w[layer, "router"] = self.keep((section, layer, "router", "router", -1), (experts, hidden))

    def projections(self, n):
        up = [("gate_proj", (n, self.H))] if self.gate else []
        return up + [("up_proj", (n, self.H)), ("down_proj", (self.H, n))]

    def keep(self, key, shape):
        matrix = self.rng.normal(0, 1, shape).astype(self.dtype)
        self.want[key] = matrix.astype(np.float32)
        return matrix

    def each(self, name, proj_names, shape=lambda m: m, suffix=".weight"):
        """One tensor an expert: name with {l} and {e}, proj_names: proj -> its spelling."""
        for layer in self.layers:
            for e in range(len(self.widths)):
                for proj, spelling in proj_names.items():
                    self.tensors[f"{name.format(l=layer, e=e)}{spelling}{suffix}"] = shape(self.w[layer, e, proj])

    def stack(self, layer, proj):
        return np.stack([self.w[layer, e, proj] for e in range(self.E)])

    def fused(self, layer, first="gate_proj", second="up_proj"):
        return np.concatenate([self.stack(layer, first), self.stack(layer, second)], 1)

    def routers(self, name, turned=False):
        for layer in self.layers:
            matrix = self.w[layer, "router"]
            self.tensors[name.format(l=layer)] = matrix.T if turned else matrix

    def shared(self, name, names, suffix=".weight"):
        for layer in self.layers:
            for proj, spelling in names.items():
                self.tensors[f"{name.format(l=layer)}{spelling}{suffix}"] = self.w[layer, "shared", proj]

    def around(self, prefix="model.layers", norm=".input_layernorm.weight"):
        """What stands beside experts in every model."""
        r = lambda *shape: self.rng.normal(0, 1, shape).astype(self.dtype)
        self.tensors["model.embed_tokens.weight"], self.tensors["lm_head.weight"] = r(32, self.H), r(32, self.H)
        for layer in self.layers:
            self.tensors[f"{prefix}.{layer}{norm}"] = r(self.H)
            self.tensors[f"{prefix}.{layer}.self_attn.q_proj.weight"] = r(self.H, self.H)
            self.tensors[f"{prefix}.{layer}.self_attn.gate_proj.weight"] = r(self.E, self.H)  # no router, whatever its shape

    def write(self, folder):
        folder.mkdir(parents=True)
        names = list(self.tensors)
        self.rng.shuffle(names)
        cut = len(names) // 2  # experts of one layer end up in different shards
        shards = {"model-00001-of-00002.safetensors": names[:cut], "model-00002-of-00002.safetensors": names[cut:]}
        weight_map = {}
        for shard, members in shards.items():
            save_file({n: np.ascontiguousarray(self.tensors[n]) for n in members}, folder / shard)
            weight_map.update({n: shard for n in members})
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        if self.config:
            (folder / "config.json").write_text(json.dumps(self.config))


NAMED = {"gate_proj": "gate_proj", "up_proj": "up_proj", "down_proj": "down_proj"}
W123 = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}
FC = {"up_proj": "fc1", "down_proj": "fc2"}
LAYOUTS = {}


def layout(f):
    LAYOUTS[f.__name__] = f
    return f


@layout
def per_expert(rng):
    m = Model(rng, shared=12)
    m.config = {"model_type": "qwen2_moe", "hidden_size": 24, "num_experts": 4, "num_hidden_layers": 3}
    m.each("model.layers.{l}.mlp.experts.{e}.", NAMED)
    m.routers("model.layers.{l}.mlp.gate.weight")
    m.shared("model.layers.{l}.mlp.shared_expert.", NAMED)
    m.around()
    for layer in m.layers:
        m.tensors[f"model.layers.{layer}.mlp.shared_expert_gate.weight"] = np.ones((1, 24), BF16)
    for proj in NAMED:  # the dense layer between them
        m.tensors[f"model.layers.1.mlp.{proj}.weight"] = np.ones((30, 24), BF16)
    return m


@layout
def per_expert_padded_numbers(rng):
    m = Model(rng)
    for layer in m.layers:
        for e in range(m.E):
            for proj in NAMED:
                m.tensors[f"model.layers.{layer:02}.mlp.experts.{e:04}.{proj}.weight"] = m.w[layer, e, proj]
        m.tensors[f"model.layers.{layer:02}.mlp.gate.weight"] = m.w[layer, "router"]
    return m


@layout
def per_expert_deep_prefix(rng):
    m = Model(rng, shared=20)
    m.each("thinker.model.language_model.layers.{l}.mlp.experts.{e}.", NAMED)
    m.routers("thinker.model.language_model.layers.{l}.mlp.gate.weight")
    m.shared("thinker.model.language_model.layers.{l}.mlp.shared_experts.", NAMED)
    m.tensors["thinker.visual.blocks.0.mlp.gate_proj.weight"] = np.ones((8, 8), BF16)
    return m


@layout
def per_expert_mtp(rng):
    m = Model(rng, layers=(0, 1), section="mtp")
    m.each("mtp.layers.{l}.mlp.experts.{e}.", NAMED)
    m.routers("mtp.layers.{l}.mlp.gate.weight")
    return m


@layout
def per_expert_mtp_past_the_end(rng):
    m = Model(rng, layers=(5,), section="mtp")
    m.config = {"num_hidden_layers": 5, "n_routed_experts": 4, "hidden_size": 24}
    m.each("model.layers.{l}.mlp.experts.{e}.", NAMED)
    m.routers("model.layers.{l}.mlp.gate.weight")
    m.tensors["model.layers.5.eh_proj.weight"] = np.ones((24, 48), BF16)
    return m


@layout
def mixtral(rng):
    m = Model(rng, dtype=np.float16)
    m.each("model.layers.{l}.block_sparse_moe.experts.{e}.", W123)
    m.routers("model.layers.{l}.block_sparse_moe.gate.weight")
    return m


@layout
def mixtral_first_release(rng):
    m = Model(rng)
    m.config = {"hidden_size": 24, "num_local_experts": 4}
    for layer in m.layers:
        p = f"model.layers.{layer}.block_sparse_moe."
        m.tensors[p + "w1"] = m.stack(layer, "gate_proj").reshape(-1, 24)
        m.tensors[p + "w3"] = m.stack(layer, "up_proj").reshape(-1, 24)
        m.tensors[p + "w2"] = m.stack(layer, "down_proj").transpose(0, 2, 1).reshape(-1, 24)
    m.routers("model.layers.{l}.block_sparse_moe.gate.weight")
    return m


@layout
def mistral_native(rng):
    m = Model(rng, shared=14)
    m.each("layers.{l}.experts.{e}.", W123)
    m.routers("layers.{l}.gate.weight")
    m.shared("layers.{l}.shared_experts.", W123)
    m.tensors["layers.0.attention.wq.weight"] = np.ones((24, 24), BF16)
    return m


@layout
def lfm2(rng):
    m = Model(rng)
    m.each("model.layers.{l}.feed_forward.experts.{e}.", W123)
    m.routers("model.layers.{l}.feed_forward.gate.weight")
    for name in ("w1", "w2", "w3"):  # the dense layer
        m.tensors[f"model.layers.1.feed_forward.{name}.weight"] = np.ones((24, 24), BF16)
    for layer in m.layers:
        m.tensors[f"model.layers.{layer}.feed_forward.expert_bias"] = np.ones(4, np.float32)
    return m


def stacked(m, prefix, gate_up, down):
    for layer in m.layers:
        m.tensors[f"{prefix.format(l=layer)}gate_up_proj"] = gate_up(m, layer)
        m.tensors[f"{prefix.format(l=layer)}down_proj"] = down(m, layer)


def straight(m):
    stacked(m, "model.layers.{l}.mlp.experts.", lambda m, l: m.fused(l), lambda m, l: m.stack(l, "down_proj"))
    m.routers("model.layers.{l}.mlp.gate.weight")
    return m


def turned(m, block="feed_forward", router="router"):
    stacked(m, f"model.layers.{{l}}.{block}.experts.", lambda m, l: m.fused(l).transpose(0, 2, 1),
            lambda m, l: m.stack(l, "down_proj").transpose(0, 2, 1))
    m.routers(f"model.layers.{{l}}.{block}.{router}.weight")
    return m


@layout
def stacked_fused(rng):
    return straight(Model(rng))


@layout
def stacked_fused_square(rng):  # 2I = H: the pair of shapes tells
    return straight(Model(rng, width=12))


@layout
def stacked_fused_width_is_hidden(rng):  # I = H
    return straight(Model(rng, width=24))


@layout
def gemma4(rng):
    m = Model(rng)
    m.config = {"model_type": "gemma4", "text_config": {"model_type": "gemma4_text", "num_experts": 4, "hidden_size": 24}}
    stacked(m, "model.language_model.layers.{l}.experts.", lambda m, l: m.fused(l), lambda m, l: m.stack(l, "down_proj"))
    m.routers("model.language_model.layers.{l}.router.proj.weight")
    for layer in m.layers:
        p = f"model.language_model.layers.{layer}."
        m.tensors[p + "router.scale"], m.tensors[p + "router.per_expert_scale"] = np.ones(24, BF16), np.ones(4, BF16)
        for proj in NAMED:
            m.tensors[f"{p}mlp.{proj}.weight"] = np.ones((20, 24), BF16)
    return m


@layout
def llama4(rng):
    m = turned(Model(rng, shared=16))
    m.config = {"model_type": "llama4", "text_config": {"model_type": "llama4_text", "hidden_size": 24, "num_local_experts": 4}}
    m.shared("model.layers.{l}.feed_forward.shared_expert.", NAMED)
    return m


@layout
def llama4_square(rng):
    m = turned(Model(rng, width=12))
    m.config = {"model_type": "llama4", "text_config": {"model_type": "llama4_text", "hidden_size": 24, "num_local_experts": 4}}
    return m


@layout
def llama4_without_config(rng):
    return turned(Model(rng))


@layout
def qwen3_vl(rng):
    m = turned(Model(rng), "mlp", "gate")
    m.config = {"model_type": "qwen3_vl_moe", "text_config": {"hidden_size": 24, "num_experts": 4}}
    return m


@layout
def qwen3_vl_saved_straight(rng):  # saved from memory: the shapes overrule the model type
    m = straight(Model(rng))
    m.config = {"model_type": "qwen3_vl_moe", "text_config": {"hidden_size": 24, "num_experts": 4}}
    return m


def gpt_oss_model(rng):
    m = Model(rng)
    for layer in m.layers:
        p = f"model.layers.{layer}.mlp."
        both = np.stack([m.stack(layer, "gate_proj"), m.stack(layer, "up_proj")], 2).reshape(4, 20, 24)
        m.tensors[p + "experts.gate_up_proj"] = both.transpose(0, 2, 1)
        m.tensors[p + "experts.down_proj"] = m.stack(layer, "down_proj").transpose(0, 2, 1)
        m.tensors[p + "experts.gate_up_proj_bias"] = np.ones((4, 20), BF16)
        m.tensors[p + "experts.down_proj_bias"] = np.ones((4, 24), BF16)
        m.tensors[p + "router.bias"] = np.ones(4, BF16)
    m.routers("model.layers.{l}.mlp.router.weight")
    return m


@layout
def openai_privacy_filter(rng):  # gpt-oss's names and biases, but halves
    m = turned(Model(rng), "mlp", "router")
    for layer in m.layers:
        m.tensors[f"model.layers.{layer}.mlp.experts.gate_up_proj_bias"] = np.ones((4, 20), BF16)
    m.config = {"model_type": "openai_privacy_filter", "hidden_size": 24, "num_local_experts": 4}
    return m


@layout
def gpt_oss(rng):
    m = gpt_oss_model(rng)
    m.config = {"model_type": "gpt_oss", "hidden_size": 24, "num_local_experts": 4}
    return m


@layout
def gpt_oss_without_config(rng):  # its biases give it away
    return gpt_oss_model(rng)


@layout
def granite(rng):
    m = Model(rng, shared=13)
    for layer in m.layers:
        p = f"model.layers.{layer}."
        m.tensors[p + "block_sparse_moe.input_linear.weight"] = m.fused(layer)
        m.tensors[p + "block_sparse_moe.output_linear.weight"] = m.stack(layer, "down_proj")
        m.tensors[p + "shared_mlp.input_linear.weight"] = np.concatenate(
            [m.w[layer, "shared", "gate_proj"], m.w[layer, "shared", "up_proj"]])
        m.tensors[p + "shared_mlp.output_linear.weight"] = m.w[layer, "shared", "down_proj"]
    m.routers("model.layers.{l}.block_sparse_moe.router.layer.weight")
    return m


@layout
def dbrx(rng):
    m = Model(rng)
    m.config = {"model_type": "dbrx", "d_model": 24, "ffn_config": {"moe_num_experts": 4, "ffn_hidden_size": 10}}
    for layer in m.layers:
        p = f"transformer.blocks.{layer}.ffn.experts.mlp."
        m.tensors[p + "w1"] = m.stack(layer, "gate_proj").reshape(-1, 24)
        m.tensors[p + "v1"] = m.stack(layer, "up_proj").reshape(-1, 24)
        m.tensors[p + "w2"] = m.stack(layer, "down_proj").transpose(0, 2, 1).reshape(-1, 24)
    m.routers("transformer.blocks.{l}.ffn.router.layer.weight")
    return m


@layout
def dbrx_taken_apart(rng):  # a Linear for each matrix
    m = Model(rng)
    m.each("transformer.blocks.{l}.ffn.experts.mlp.{e}.", {"gate_proj": "w1", "up_proj": "v1", "down_proj": "w2"})
    m.routers("transformer.blocks.{l}.ffn.router.layer.weight")
    return m


@layout
def inkling(rng):  # w13 alternates; without the model type nobody could know
    m = Model(rng)
    m.config = {"model_type": "inkling2", "text_config": {"n_routed_experts": 4, "hidden_size": 24}}
    for layer in m.layers:
        p = f"model.llm.layers.{layer}.mlp.experts."
        m.tensors[p + "w13_weight"] = np.stack([m.stack(layer, "gate_proj"), m.stack(layer, "up_proj")], 2).reshape(4, 20, 24)
        m.tensors[p + "w2_weight"] = m.stack(layer, "down_proj")
    m.routers("model.llm.layers.{l}.mlp.gate.weight")
    return m


@layout
def stacked_shared(rng):  # several shared experts in one tensor
    m = stacked_fused(rng)
    for layer in m.layers:
        for proj, shape in m.projections(8):
            both = [m.keep(("", layer, "shared_expert", proj, -1 - k), shape) for k in range(2)]
            m.tensors[f"model.layers.{layer}.mlp.shared_experts.{proj}"] = np.stack(both)
    return m


@layout
def llama_moe(rng):
    m = Model(rng, router=False)
    for proj, part in (("gate_proj", "gate"), ("up_proj", "up"), ("down_proj", "down")):
        for layer in m.layers:
            for e in range(m.E):
                m.tensors[f"model.layers.{layer}.mlp.calculator.experts.weight_{part}.{e}"] = m.w[layer, e, proj]
    return m


@layout
def nomic(rng):
    m = Model(rng, gate=False)
    for layer in m.layers:
        p = f"encoder.layers.{layer}.mlp.experts.mlp."
        m.tensors[p + "w1"] = m.stack(layer, "up_proj").reshape(-1, 24)
        m.tensors[p + "w2"] = m.stack(layer, "down_proj").transpose(0, 2, 1).reshape(-1, 24)
        m.tensors[f"encoder.layers.{layer}.mlp.experts.bias"] = np.ones(24, BF16)
    m.routers("encoder.layers.{l}.mlp.router.layer.weight")
    return m


@layout
def megablocks_stacked(rng):  # without sparse kernels: matrices of their own, input first
    m = Model(rng, gate=False)
    for layer in m.layers:
        p = f"transformer.layers.{layer}.mlp.experts.mlp."
        m.tensors[p + "w1"] = m.stack(layer, "up_proj").transpose(0, 2, 1)
        m.tensors[p + "w2"] = m.stack(layer, "down_proj").transpose(0, 2, 1)
    m.routers("transformer.layers.{l}.mlp.router.layer.weight")
    return m


@layout
def megablocks_moe_glu(rng):  # the block is called moe; [E, I, H] all three
    m = Model(rng)
    for layer in m.layers:
        p = f"model.layers.{layer}.moe.experts.mlp."
        m.tensors[p + "w1"], m.tensors[p + "v1"] = m.stack(layer, "gate_proj"), m.stack(layer, "up_proj")
        m.tensors[p + "w2"] = m.stack(layer, "down_proj").transpose(0, 2, 1)
    m.routers("model.layers.{l}.moe.router.layer.weight")
    return m


@layout
def deepspeed_moe(rng):
    m = Model(rng, gate=False)
    p = "language_model.encoder.layers.{l}.mlp.deepspeed_moe."
    m.each(p + "experts.deepspeed_experts.{e}.", {"up_proj": "dense_h_to_4h", "down_proj": "dense_4h_to_h"})
    m.routers(p + "gate.wg.weight")
    return m


@layout
def step(rng):
    m = Model(rng, shared=11)
    for layer in m.layers:
        for proj in NAMED:
            m.tensors[f"model.layers.{layer}.moe.{proj}.weight"] = m.stack(layer, proj)
        m.tensors[f"model.layers.{layer}.moe.router_bias"] = np.ones(4, np.float32)
    m.routers("model.layers.{l}.moe.gate.weight")
    m.shared("model.layers.{l}.share_expert.", NAMED)
    return m


@layout
def nemotron_h(rng):
    m = Model(rng, gate=False, shared=18)
    names = {"up_proj": "up_proj", "down_proj": "down_proj"}
    m.each("backbone.layers.{l}.mixer.experts.{e}.", names)
    m.routers("backbone.layers.{l}.mixer.gate.weight")
    m.shared("backbone.layers.{l}.mixer.shared_experts.", names)
    m.tensors["backbone.layers.1.mixer.in_proj.weight"] = np.ones((4, 24), BF16)
    m.tensors["backbone.layers.3.mixer.up_proj.weight"] = np.ones((4, 24), BF16)  # a dense layer
    return m


def mlx_stack(rng, spelling, names, **kw):
    m = Model(rng, **kw)
    for layer in m.layers:
        for proj, name in names.items():
            m.tensors[f"model.layers.{layer}.mlp.{spelling}.{name}.weight"] = m.stack(layer, proj)
    m.routers("model.layers.{l}.mlp.gate.weight")
    return m


@layout
def mlx_switch_mlp(rng):
    return mlx_stack(rng, "switch_mlp", NAMED)


@layout
def mlx_switch_glu(rng):
    return mlx_stack(rng, "switch_glu", NAMED)


@layout
def mlx_switch_fc(rng):
    return mlx_stack(rng, "switch_mlp", FC, gate=False)


@layout
def mlx_stacked_experts(rng):
    return mlx_stack(rng, "experts", NAMED)


@layout
def phixtral(rng):
    m = Model(rng, gate=False)
    m.each("transformer.h.{l}.moe.mlp.{e}.", FC)
    m.each("transformer.h.{l}.moe.mlp.{e}.", {"up_proj": "fc1"}, lambda w: w[:, 0], ".bias")
    m.routers("transformer.h.{l}.moe.gate.weight")
    return m


@layout
def aria(rng):
    m = Model(rng)
    m.config = {"model_type": "aria", "text_config": {"model_type": "aria_text", "moe_num_experts": 4, "hidden_size": 24}}
    for layer in m.layers:
        p = f"language_model.model.layers.{layer}.mlp.experts."
        m.tensors[p + "fc1.weight"] = m.fused(layer).transpose(0, 2, 1)
        m.tensors[p + "fc2.weight"] = m.stack(layer, "down_proj").transpose(0, 2, 1)
    m.routers("language_model.model.layers.{l}.mlp.router.weight")
    return m


@layout
def moondream(rng):
    m = Model(rng)
    for layer in m.layers:
        m.tensors[f"model.text.blocks.{layer}.mlp.fc1.weight"] = m.fused(layer)
        m.tensors[f"model.text.blocks.{layer}.mlp.fc2.weight"] = m.stack(layer, "down_proj")
    m.tensors["model.text.blocks.1.mlp.fc1.weight"] = np.ones((30, 24), BF16)  # dense
    m.tensors["model.text.blocks.1.mlp.fc2.weight"] = np.ones((24, 30), BF16)
    m.routers("model.text.blocks.{l}.mlp.router.weight")
    return m


@layout
def grok_1(rng):
    m = Model(rng)
    m.each("transformer.decoder_layer.{l}.moe.{e}.", {"gate_proj": "linear", "up_proj": "linear_v", "down_proj": "linear_1"})
    m.routers("transformer.decoder_layer.{l}.router.weight")
    return m


@layout
def smallthinker(rng):
    m = Model(rng)
    m.each("model.layers.{l}.block_sparse_moe.experts.{e}.", {"gate_proj": "gate", "up_proj": "up", "down_proj": "down"})
    m.routers("model.layers.{l}.block_sparse_moe.primary_router.weight")
    return m


@layout
def switch_transformers(rng):
    parts = [Model(rng, layers=(1,), gate=False, section=s) for s in ("encoder", "decoder")]
    for k, m in enumerate(parts):
        p = f"{m.section}.block.{{l}}.layer.{1 + k}.mlp."
        m.each(p + "experts.expert_{e}.", {"up_proj": "wi", "down_proj": "wo"})
        m.routers(p + "router.classifier.weight")
        m.tensors[f"{m.section}.block.0.layer.{1 + k}.DenseReluDense.wi.weight"] = np.ones((8, 24), BF16)
    parts[0].tensors.update(parts[1].tensors), parts[0].want.update(parts[1].want)
    return parts[0]


@layout
def nllb(rng):
    m = Model(rng, gate=False, section="encoder")
    m.each("model.encoder.layers.{l}.ffn.experts.expert_{e}.", FC)
    m.routers("model.encoder.layers.{l}.ffn.router.classifier.weight")
    m.tensors["model.decoder.layers.0.fc1.weight"] = np.ones((8, 24), BF16)
    return m


@layout
def hunyuan_large(rng):  # up first
    m = Model(rng, shared=9)
    for layer in m.layers:
        p = f"model.layers.{layer}.mlp."
        for e in range(m.E):
            both = np.concatenate([m.w[layer, e, "up_proj"], m.w[layer, e, "gate_proj"]])
            m.tensors[f"{p}experts.{e}.gate_and_up_proj.weight"] = both
            m.tensors[f"{p}experts.{e}.down_proj.weight"] = m.w[layer, e, "down_proj"]
        m.tensors[f"{p}shared_mlp.gate_and_up_proj.weight"] = np.concatenate(
            [m.w[layer, "shared", "up_proj"], m.w[layer, "shared", "gate_proj"]])
        m.tensors[f"{p}shared_mlp.down_proj.weight"] = m.w[layer, "shared", "down_proj"]
    m.routers("model.layers.{l}.mlp.gate.wg.weight")
    return m


@layout
def longcat(rng):  # two identity experts widen the router; two dense twins
    m = Model(rng, router=False)
    m.config = {"n_routed_experts": 4, "zero_expert_num": 2, "hidden_size": 24}
    m.each("model.layers.{l}.mlp.experts.{e}.", NAMED)
    for layer in m.layers:
        p = f"model.layers.{layer}."
        m.tensors[p + "mlp.router.classifier.weight"] = m.keep(("", layer, "router", "router", -1), (6, 24))
        m.tensors[p + "mlp.router.e_score_correction_bias"] = np.ones(6, np.float32)
        for twin in (0, 1):
            for proj in NAMED:
                m.tensors[f"{p}mlps.{twin}.{proj}.weight"] = np.ones((30, 24), BF16)
    return m


@layout
def ernie_vl(rng):  # text and vision experts in one numbering, of two widths; routers stored [H, E]
    m = Model(rng, widths=[10, 10, 6, 6], router=False)
    m.config = {"moe_num_experts": [2, 2], "moe_intermediate_size": [10, 6], "hidden_size": 24}
    m.each("model.layers.{l}.mlp.experts.{e}.", NAMED)
    for layer in m.layers:
        for k, suffix in enumerate(("weight", "weight_1")):
            m.tensors[f"model.layers.{layer}.mlp.gate.{suffix}"] = m.keep(("", layer, "router", "router", -1 - k), (2, 24)).T
        m.tensors[f"model.layers.{layer}.mlp.moe_statics.e_score_correction_bias"] = np.ones((2, 2), np.float32)
    return m


def megatron(rng, gate):
    m = Model(rng, gate=gate)
    for layer in m.layers:
        for e in range(m.E):
            p = f"decoder.layers.{layer}.mlp.experts.local_experts.{e}."
            first = [m.w[layer, e, proj] for proj in ("gate_proj", "up_proj") if (layer, e, proj) in m.w]
            m.tensors[p + "linear_fc1.weight"] = np.concatenate(first)
            m.tensors[p + "linear_fc2.weight"] = m.w[layer, e, "down_proj"]
    m.routers("decoder.layers.{l}.mlp.router.weight")
    return m


@layout
def megatron_gated(rng):
    return megatron(rng, True)


@layout
def megatron_plain(rng):
    return megatron(rng, False)


@layout
def llama4_original(rng):
    m = Model(rng, shared=15)
    m.config = {"dim": 24, "num_experts": 4}
    for layer in m.layers:
        p = f"layers.{layer}.feed_forward."
        for name, proj in (("moe_w_in_eD_F", "gate_proj"), ("moe_w_swiglu_eD_F", "up_proj"), ("moe_w_out_eF_D", "down_proj")):
            m.tensors[p + "experts." + name] = np.concatenate([m.w[layer, e, proj].T for e in range(4)])
        for name, proj in (("w_in_shared_FD", "gate_proj"), ("w_swiglu_FD", "up_proj"), ("w_out_shared_DF", "down_proj")):
            m.tensors[p + name + ".weight"] = m.w[layer, "shared", proj]
    m.routers("layers.{l}.feed_forward.router_DE", turned=True)
    return m


@layout
def torchtitan(rng):
    m = Model(rng)
    for layer in m.layers:
        for proj, name in W123.items():
            m.tensors[f"layers.{layer}.moe.experts.{name}"] = m.stack(layer, proj)
    m.routers("layers.{l}.moe.router.gate.weight")
    return m


def nano(rng, widths, gate, listed):
    m = Model(rng, widths=widths, gate=gate)
    if listed:
        m.config = {"n_embd": 24, "expert_sizes": [[2, widths[0]], [2, widths[2]]]}
    for layer in m.layers:
        p = f"_orig_mod.transformer.h.{layer}.mlp."
        join = lambda proj, axis: np.concatenate([m.w[layer, e, proj].T for e in range(4)], axis)
        m.tensors[p + "w1"] = join("gate_proj" if gate else "up_proj", 1)
        m.tensors[p + "w2"] = join("down_proj", 0)
        if gate:
            m.tensors[p + "w3"] = join("up_proj", 1)
    m.routers("_orig_mod.transformer.h.{l}.mlp.router.weight")
    return m


@layout
def nano_moe(rng):
    return nano(rng, [10, 10, 6, 6], False, True)


@layout
def nano_moe_swiglu(rng):
    return nano(rng, [10, 10, 6, 6], True, True)


@layout
def nano_moe_one_width(rng):
    return nano(rng, [8] * 4, False, False)


@layout
def grovemoe(rng):
    m, chunks = Model(rng), Model(rng, experts=2, section="chunk_experts", router=False)
    m.each("model.layers.{l}.mlp.experts.{e}.", NAMED)
    m.routers("model.layers.{l}.mlp.gate.weight")
    chunks.each("model.layers.{l}.mlp.chunk_experts.{e}.", NAMED)
    m.tensors.update(chunks.tensors), m.want.update(chunks.want)
    return m


@layout
def float64(rng):
    m = Model(rng, dtype=np.float64)
    m.each("model.layers.{l}.mlp.experts.{e}.", NAMED)
    m.routers("model.layers.{l}.mlp.gate.weight")
    return m


def npz(folder, rng, order, deflated):
    """The same tensors as an .npz, some of them column by column."""
    m = straight(Model(rng, dtype=np.float32))
    folder.mkdir(parents=True)
    (np.savez_compressed if deflated else np.savez)(
        folder / "weights.npz", **{name: np.array(t, order=order) for name, t in m.tensors.items()})
    return m


def check_made(checks, helpers):
    with tempfile.TemporaryDirectory() as work:
        for name, make in LAYOUTS.items():
            folder = pathlib.Path(work) / name
            model = make(np.random.default_rng(7))
            model.write(folder)
            checks.check(f"made: {name}", compare(matrices(helpers, folder), model.want))
        for order in "CF":
            for deflated in (False, True):
                name = f"npz, order {order}{', deflated' if deflated else ''}"
                folder = pathlib.Path(work) / f"npz{order}{deflated}"
                model = npz(folder, np.random.default_rng(8), order, deflated)
                checks.check(f"made: {name}", compare(matrices(helpers, folder), model.want))


# ---------------------------------------------------------------- models made elsewhere

def check_layout_folder(checks, helpers, folder):
    roles = {"router": ("router", "router", -1), "shared": ("shared_expert", None, -1)}
    want = {}
    for key, matrix in np.load(folder / "expected.npz").items():
        parts = key.split(".")
        if matrix.ndim != 2 or parts[-1].endswith("bias") or parts[1] == "dense":
            continue
        role, proj, expert = roles.get(parts[1], ("expert", None, None))
        want["", int(parts[0]), role, proj or parts[2], int(parts[1]) if expert is None else expert] = matrix
    got = {k: v for k, v in matrices(helpers, folder).items() if k[0] != "attention_experts"}
    checks.check(f"quantised/{folder.name}", compare(got, want))


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def run_expert(arch, got, layer, e, x, tensors):
    gate, up, down = (got.get(("", layer, "expert", p, e)) for p in ("gate_proj", "up_proj", "down_proj"))
    u = x @ up.T.astype(np.float64)
    if gate is None:
        return np.maximum(u, 0) ** 2 @ down.T
    g = x @ gate.T.astype(np.float64)
    if arch != "gpt_oss":
        return ((gelu_tanh if arch == "gemma4_text" else silu)(g) * u) @ down.T
    both = tensors[f"model.layers.{layer}.mlp.experts.gate_up_proj_bias"][e].astype(np.float64)
    g, u = np.minimum(g + both[0::2], 7), np.clip(u + both[1::2], -7, 7)
    return (g / (1 + np.exp(-1.702 * g)) * (u + 1)) @ down.T + tensors[f"model.layers.{layer}.mlp.experts.down_proj_bias"][e].astype(np.float64)


def check_zoo_folder(checks, helpers, folder):
    about = json.loads((folder / "expected.json").read_text())
    want, arch = np.load(folder / "expected.npz"), about["arch"]
    tensors, got, faults = load_file(folder / "model.safetensors"), matrices(helpers, folder), []
    seen = sorted({k[1] for k in got if k[2] == "expert"})
    if seen != sorted(about["moe_layers"]):
        faults.append(f"layers {seen}, want {about['moe_layers']}")
    for layer in about["moe_layers"]:
        x, ids = want[f"l{layer}.moe_in"].astype(np.float64), want[f"l{layer}.topk"]
        norms = want[f"l{layer}.f_norm"]
        if len({k[4] for k in got if k[1] == layer and k[2] == "expert"}) != about["experts"]:
            faults.append(f"layer {layer}: not {about['experts']} experts")
            continue
        for e in np.unique(ids):
            rows, ranks = np.nonzero(ids == e)
            have = np.linalg.norm(run_expert(arch, got, layer, int(e), x[rows], tensors), axis=1)
            if not np.allclose(have, norms[rows, ranks], rtol=2e-4, atol=1e-6):
                faults.append(f"layer {layer}, expert {e}: output norms differ by {np.abs(have - norms[rows, ranks]).max():.3g}")
        if arch == "gemma4_text":
            continue  # its router sees another vector, and reports probabilities
        logits = x @ got["", layer, "router", "router", -1].T.astype(np.float64)
        bias = tensors.get(f"model.layers.{layer}.mlp.router.bias")
        if bias is not None:
            logits = logits + bias.astype(np.float64)
        if not np.allclose(logits, want[f"l{layer}.router_logits"], rtol=2e-4, atol=2e-4):
            faults.append(f"layer {layer}: router logits differ")
    checks.check(f"zoo/{folder.name}", faults)


def main():
    beside = HERE.parents[2].parent / "shared" / "models"
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path)
    parser.add_argument("--helpers", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, default=beside)
    options = parser.parse_args()
    checks = Checks()
    check_made(checks, options.helpers)
    for folder in sorted(options.models.glob("quantised/layout_*")):
        check_layout_folder(checks, options.helpers, folder)
    for folder in sorted(options.models.glob("zoo/*/expected.json")):
        check_zoo_folder(checks, options.helpers, folder.parent)
    checks.finish()


if __name__ == "__main__":
    sys.exit(main())
