#!/usr/bin/env python3
"""Makes a GGUF file, or a split set, of a Qwen2-MoE model in bf16 safetensors, as llama.cpp's converter names things; standard
library only.

    make_gguf.py MODEL FILE.gguf [--type BF16|F16|F32] [--parts N] [--single]

--type: of the matrices (BF16 unless given; vectors and routers are F32). --parts: FILE-00001-of-0000N.gguf and so on. --single: one
tensor an expert, as before spring 2024.
"""
import argparse
import json
import pathlib
import re
import struct

TYPES = {"F32": 0, "F16": 1, "BF16": 30}
PARTS = {"mlp.gate": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output"}
OTHERS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def read(folder):
    """{name: (shape, bf16 bytes)} of all shards."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        n = struct.unpack_from("<Q", data)[0]
        for name, t in json.loads(data[8:8 + n]).items():
            if name != "__metadata__":
                begin, end = t["data_offsets"]
                tensors[name] = (t["shape"], data[8 + n + begin:8 + n + end])
    return tensors


def name_of(name):
    """The GGUF name and the expert's number, or None."""
    module, _, leaf = name.rpartition(".")
    if module in OTHERS:
        return f"{OTHERS[module]}.{leaf}", None
    layer, part = re.fullmatch(r"model\.layers\.(\d+)\.(.*)", module).groups()
    expert = re.fullmatch(r"mlp\.experts\.(\d+)\.(\w+)_proj", part)
    shared = re.fullmatch(r"mlp\.shared_expert\.(\w+)_proj", part)
    if expert:
        return f"blk.{layer}.ffn_{expert[2]}", int(expert[1])
    return f"blk.{layer}.{f'ffn_{shared[1]}_shexp' if shared else PARTS[part]}.{leaf}", None


def convert(raw, kind):
    if kind == "BF16":
        return raw
    wide = bytearray(2 * len(raw))
    wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
    n = len(raw) // 2
    return bytes(wide) if kind == "F32" else struct.pack(f"<{n}e", *struct.unpack(f"<{n}f", wide))


def gather(tensors, kind, single):
    """[(name, shape, type, bytes)]"""
    out, banks = [], {}
    for name, (shape, raw) in tensors.items():
        new, expert = name_of(name)
        if expert is None:
            plain = "F32" if len(shape) == 1 or "gate_inp" in new else kind
            shape = shape[1:] if "inp_shexp" in new else shape
            out.append((new, shape, plain, convert(raw, plain)))
        elif single:
            out.append((f"{new}.{expert}.weight", shape, kind, convert(raw, kind)))
        else:
            banks.setdefault(new, {})[expert] = (shape, raw)
    for name, experts in banks.items():
        raw = b"".join(experts[e][1] for e in range(len(experts)))
        out.append((f"{name}_exps.weight", [len(experts), *experts[0][0]], kind, convert(raw, kind)))
    return out


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def put(path, pairs, tensors):
    """pairs: [(key, type number, packed value)]"""
    head, data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)), b""
    for key, number, value in pairs:
        head += text(key) + struct.pack("<I", number) + value
    for name, shape, kind, raw in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), TYPES[kind], len(data))
        data += raw + bytes(-len(raw) % 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--type", default="BF16", choices=list(TYPES))
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--single", action="store_true")
    options = parser.parse_args()
    config = json.loads((options.model / "config.json").read_text())
    pairs = [("general.architecture", 8, text("qwen2moe"))]
    for key, word in (("block_count", "num_hidden_layers"), ("embedding_length", "hidden_size"), ("expert_count", "num_experts"),
                      ("expert_used_count", "num_experts_per_tok"), ("expert_feed_forward_length", "moe_intermediate_size")):
        pairs.append((f"qwen2moe.{key}", 4, struct.pack("<I", config[word])))
    tensors = gather(read(options.model), options.type, options.single)
    if options.parts == 1:
        return put(options.file, pairs, tensors)
    for i in range(options.parts):
        path = options.file.with_name(f"{options.file.stem}-{i + 1:05}-of-{options.parts:05}.gguf")
        about = [("split.no", 2, struct.pack("<H", i)), ("split.count", 2, struct.pack("<H", options.parts)),
                 ("split.tensors.count", 5, struct.pack("<i", len(tensors)))]
        size = -(-len(tensors) // options.parts)
        put(path, about + (pairs if i == 0 else []), tensors[i * size:(i + 1) * size])


if __name__ == "__main__":
    main()
