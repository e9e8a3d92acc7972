#!/usr/bin/env python3
"""Makes a safetensors file of small random weights, for the cases beside it; standard library only.

    make_model.py FILE [--index INDEX] NAME=SHAPE[:DTYPE] ...

    make_model.py m/a.safetensors 'layers.0.experts.0.w1.weight=8x32' 'scales=4:U8'

DTYPE: F32 (unless given), F16, BF16, U8, I32. --index: also maps the names to the file in that index, made or added to.
"""
import json
import os
import random
import struct
import sys


def encode(dtype, values):
    if dtype == "F32":
        return struct.pack(f"<{len(values)}f", *values)
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    if dtype == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    if dtype == "U8":
        return bytes(int(abs(v) * 1000) % 256 for v in values)
    if dtype == "I32":
        return struct.pack(f"<{len(values)}i", *(int(v * 1000) for v in values))
    raise SystemExit(f"{dtype}: no such type here")


def main():
    path, arguments = sys.argv[1], sys.argv[2:]
    index = None
    if arguments[:1] == ["--index"]:
        index, arguments = arguments[1], arguments[2:]
    chance = random.Random(1)
    header, data = {}, b""
    for argument in arguments:
        name, _, spec = argument.rpartition("=")
        shape, _, dtype = spec.partition(":")
        shape = [int(n) for n in shape.split("x")] if shape else []
        n = 1
        for extent in shape:
            n *= extent
        raw = encode(dtype or "F32", [chance.gauss(0, 0.02) for _ in range(n)])
        header[name] = {"dtype": dtype or "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    if index:
        known = {"metadata": {}, "weight_map": {}}
        if os.path.exists(index):
            with open(index) as file:
                known = json.load(file)
        known["weight_map"].update({name: os.path.basename(path) for name in header})
        with open(index, "w") as file:
            json.dump(known, file)


if __name__ == "__main__":
    main()
