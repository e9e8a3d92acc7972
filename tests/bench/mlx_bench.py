#!/usr/bin/env python3
"""How fast MLX's CPU backend finds the same numbers: quantise, dequantise, norm of the difference; the peer of quant_bench.

    mlx_bench.py [--rows N] [--cols N] [--threads N] [--quant-bench PATH]

The same matrix size as quant_bench, weights in the computing type as the original has them. MLX's CPU backend does all this on
one thread; --threads pins the process to so many cores, for those who want to see it. With --quant-bench the ratio is printed too.
"""
import argparse
import os
import re
import subprocess
import time

import mlx.core as mx
import numpy as np

SCHEMES = {
    "affine_q4_g32": dict(mode="affine", bits=4, group_size=32),
    "mxfp4": dict(mode="mxfp4", bits=4, group_size=32),
    "affine_q8_g32": dict(mode="affine", bits=8, group_size=32),
}
TYPES = {"bf16": mx.bfloat16, "f16": mx.float16, "f32": mx.float32}


def one_pass(w, options):
    parts = mx.quantize(w, **options)
    if options["mode"] == "affine":
        values = mx.dequantize(*parts, **options)
    else:
        values = mx.dequantize(parts[0], parts[1], **options, dtype=w.dtype)
    result = mx.linalg.norm(values - w) / (mx.linalg.norm(w) + 1e-12)
    mx.eval(result)


def seconds(w, options):
    one_pass(w, options)
    best, end = float("inf"), time.perf_counter() + 1.5
    while time.perf_counter() < end:
        begin = time.perf_counter()
        one_pass(w, options)
        best = min(best, time.perf_counter() - begin)
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--cols", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quant-bench")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    mx.set_default_device(mx.cpu)
    w = np.random.default_rng(1).standard_normal((options.rows, options.cols)).astype(np.float32) * np.float32(0.02)
    ours = {}
    if options.quant_bench:
        text = subprocess.run([options.quant_bench, "--rows", str(options.rows), "--cols", str(options.cols)],
                              check=True, capture_output=True, text=True).stdout
        print(text.split("\n")[0])
        for scheme, kind, rate in re.findall(r"(\S+) +(\S+) +([0-9.]+) G weights", text):
            ours[scheme, kind] = float(rate)
    print(f"MLX {mx.__version__}, CPU, {options.threads} core(s), {options.rows} x {options.cols} weights")
    n = options.rows * options.cols
    for kind, dtype in TYPES.items():
        total = total_ours = 0
        for scheme, arguments in SCHEMES.items():
            took = seconds(mx.array(w).astype(dtype), arguments)
            total += took
            rate = n / took * 1e-9
            peer = ""
            if (scheme, kind) in ours:
                total_ours += n / ours[scheme, kind] * 1e-9
                peer = f"   moescope {ours[scheme, kind]:.3f} a core: {ours[scheme, kind] * options.threads / rate:.0f}x"
            print(f"{scheme:16} {kind:5} {rate:8.4f} G weights/s{peer}", flush=True)
        ratio = f"   {total / total_ours * options.threads:.0f}x" if total_ours else ""
        print(f"three default schemes, {kind}: {3 * n / total * 1e-9:.4f} G weight-schemes/s{ratio}")


if __name__ == "__main__":
    main()
