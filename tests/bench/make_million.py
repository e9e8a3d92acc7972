#!/usr/bin/env python3
"""A model of very many tiny tensors: an index and shards as those of a real one, for timing `inspect`.

    make_million.py FOLDER [--tensors 1000000] [--shards 200]

64 layers of experts with three 2 x 2 matrices each, plus a router, a norm and attention; about 8 bytes a tensor of data.
"""
import argparse
import json
import pathlib
import struct

LAYERS = 64


def tensors(n):
    experts = max(1, n // (3 * LAYERS))
    for layer in range(LAYERS):
        p = f"model.layers.{layer}."
        yield p + "input_layernorm.weight", [2]
        yield p + "self_attn.q_proj.weight", [2, 2]
        yield p + "mlp.gate.weight", [experts, 2]
        for e in sorted(range(experts), key=str):
            for proj in ("down_proj", "gate_proj", "up_proj"):
                yield f"{p}mlp.experts.{e}.{proj}.weight", [2, 2]


def write_shard(path, members):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in members:
        n = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))
    return at


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tensors", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=200)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    everything = list(tensors(options.tensors))
    per_shard = -(-len(everything) // options.shards)
    weight_map, total = {}, 0
    for s in range(options.shards):
        members = everything[s * per_shard:(s + 1) * per_shard]
        name = f"model-{s + 1:05}-of-{options.shards:05}.safetensors"
        total += write_shard(options.folder / name, members)
        weight_map.update((member, name) for member, _ in members)
    (options.folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2))
    config = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "num_hidden_layers": LAYERS, "hidden_size": 2,
              "num_experts": max(1, options.tensors // (3 * LAYERS)), "num_experts_per_tok": 8, "moe_intermediate_size": 2}
    (options.folder / "config.json").write_text(json.dumps(config))
    print(f"{len(everything)} tensors in {options.folder}")


if __name__ == "__main__":
    main()
