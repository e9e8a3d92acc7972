#!/usr/bin/env python3
"""A checkpoint of very many, very small experts: to see what memory a run takes for each matrix.

    tests/bench/make_many.py FOLDER [LAYERS [EXPERTS]]     # 64 layers of 512 experts: 98304 matrices of 64 x 32, 400 MB
"""
import json
import pathlib
import random
import struct
import sys

HIDDEN, WIDE = 64, 32
SIZE = 2 * HIDDEN * WIDE  # bytes of a matrix
SHAPES = {"gate_proj": [WIDE, HIDDEN], "up_proj": [WIDE, HIDDEN], "down_proj": [HIDDEN, WIDE]}


def weights(n):
    """Normal ones as bf16, cut off instead of rounded."""
    source = random.Random(1)
    return b"".join(struct.pack("<f", source.gauss(0, 0.02))[2:] for _ in range(n))


def write_layer(folder, layer, n_layers, n_experts, pool, weight_map):
    header, at = {}, 0
    name = f"model-{layer + 1:05d}-of-{n_layers:05d}.safetensors"
    for expert in range(n_experts):
        for proj, shape in SHAPES.items():
            tensor = f"model.layers.{layer}.mlp.experts.{expert}.{proj}.weight"
            header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + SIZE]}
            weight_map[tensor] = name
            at += SIZE
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / name, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for i in range(len(header)):
            begin = (977 * i + 13 * layer) % (len(pool) // 2 - SIZE // 2) * 2
            out.write(pool[begin:begin + SIZE])


def main():
    folder = pathlib.Path(sys.argv[1])
    n_layers, n_experts = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((2, 64), (3, 512)))
    folder.mkdir(parents=True, exist_ok=True)
    pool, weight_map = weights(1 << 17), {}
    for layer in range(n_layers):
        write_layer(folder, layer, n_layers, n_experts, pool, weight_map)
    index = {"metadata": {"total_size": SIZE * len(weight_map)}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": HIDDEN, "moe_intermediate_size": WIDE,
              "num_experts": n_experts, "num_experts_per_tok": 8, "num_hidden_layers": n_layers}
    (folder / "config.json").write_text(json.dumps(config))


main()
