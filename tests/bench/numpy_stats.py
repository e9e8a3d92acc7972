#!/usr/bin/env python3
"""The statistics of a scan in plain NumPy: the peer of scan_bench. Prints weights per second, as JSON.

    numpy_stats.py FOLDER [--matrices 8]

bf16 matrices of safetensors files, one by one, mapped; f32 arithmetic, as the original pipeline has it.
"""
import argparse
import json
import pathlib
import struct
import time

import numpy as np

EPS = 1e-12


def matrices(folder):
    """(array of bf16 patterns [R, C]) of all files, in the order of their bytes."""
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
        data = np.memmap(path, np.uint8, "r", offset=8 + size)
        tensors = [t for name, t in header.items() if name != "__metadata__" and t["dtype"] == "BF16" and len(t["shape"]) == 2]
        for tensor in sorted(tensors, key=lambda t: t["data_offsets"]):
            begin, end = tensor["data_offsets"]
            yield data[begin:end].view(np.uint16).reshape(tensor["shape"])


def statistics(patterns, index):
    w = (patterns.astype(np.uint32) << 16).view(np.float32)
    fine = np.isfinite(w)
    counts = [np.isnan(w).sum(), np.isinf(w).sum(), (w == 0).sum()]
    if not fine.all():
        raise SystemExit("this peer takes finite weights only")
    a = np.abs(w)
    square = np.square(w)
    mean_square = square.mean(dtype=np.float64)
    out = [w.mean(), w.std(), a.mean(), np.sqrt(mean_square), a.max(), w.min(), w.max(),
           np.square(square).mean(dtype=np.float64) / mean_square**2, *counts]
    out += list(np.percentile(a.ravel()[index], [50, 99, 99.9]))
    out += list(np.percentile(a, [50, 99, 99.9]))
    for size in (32, 64):
        groups = a.reshape(-1, size)
        ratios = groups.max(axis=1) / (groups.mean(axis=1) + np.float32(EPS))
        out += [np.percentile(ratios, 95), ratios.max()]
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--matrices", type=int, default=8)
    options = parser.parse_args()
    indexes, n_weights, best = {}, 0, float("inf")
    for k, patterns in enumerate(matrices(options.folder)):
        if k > options.matrices:
            break
        size = patterns.size
        if size not in indexes:
            indexes[size] = np.random.default_rng(1337).choice(size, min(8192, size), replace=False)
        begin = time.perf_counter()
        statistics(patterns, indexes[size])
        if k > 0:  # the first one warms up
            n_weights = size
            best = min(best, (time.perf_counter() - begin) / size)
    print(json.dumps({"numpy": np.__version__, "weights_per_s": 1 / best, "matrix": n_weights}))


main()
