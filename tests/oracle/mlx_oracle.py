#!/usr/bin/env python3
"""Our MLX quantisers against MLX itself, bit for bit: words, scales, biases, dequantised values, error texts; and the error
metrics against NumPy in float64.

    mlx_oracle.py --helpers FOLDER_OF_mlx_helper [--seeds N]

Needs mlx (with its CPU backend), numpy, ml_dtypes. The release installed decides the profile: 0.32.2 and later are `cpu`,
0.29.4 to 0.32.1 `cpu-0.32.1`, 0.29.0 to 0.29.3 `cpu-0.29.0`. One line a check, then "N passed, N failed".

Left out: groups whose shared-exponent quotient t = max |w| / M is below 2^-126, where MLX's logarithm is wrong.
Any NaN equals any NaN; everything else is compared as bits.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import ml_dtypes
import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
N_COLS = 512
MX = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
NP = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}


RELEASE = tuple(int(x) for x in mx.__version__.split(".")[:3])
HAS_ONE_BIT, HAS_GLOBAL = RELEASE >= (0, 32, 4), RELEASE >= (0, 31, 0)
PROFILE = "cpu" if RELEASE >= (0, 32, 2) else "cpu-0.32.1" if RELEASE >= (0, 29, 4) else "cpu-0.29.0"


def kinds(rng):
    """name -> float32 [rows, N_COLS]"""
    normal = lambda rows=8: rng.standard_normal((rows, N_COLS))
    grid = rng.integers(-15, 16, (8, N_COLS))
    out = {
        "gaussian_0.02": normal(16) * 0.02,
        "gaussian_0.002": normal() * 0.002,
        "gaussian_1": normal(),
        "gaussian_300": normal() * 300,
        "heavy_tail": rng.standard_t(2, (16, N_COLS)) * 0.01,
        "constant": np.repeat(rng.standard_normal((8, N_COLS // 16)), 16, axis=1),
        "constant_rows": np.repeat(np.array([[0.25], [-0.25], [1e-8], [4e-8], [-6e-8], [1e-6], [3.0], [-1000.0]]), N_COLS, axis=1),
        "zeros": np.zeros((2, N_COLS)),
        "mostly_zeros": normal() * (rng.random((8, N_COLS)) < 0.02),
        "negative_zeros": np.where(rng.random((2, N_COLS)) < 0.9, -0.0, 1e-3),
        "positive": np.abs(normal()) + 0.5,
        "negative": -np.abs(normal()) - 0.5,
        "tiny_1e-6": normal() * 1e-6,
        "tiny_1e-8": normal() * 1e-8,
        "tiny_1e-20": normal() * 1e-20,
        "tiny_1e-30": normal() * 1e-30,
        "large_1e4": normal() * 1e4,
        "large_1e20": normal() * 1e20,
        "large_1e37": np.clip(normal(), -3, 3) * 1e37,
        "ties_half": grid * 0.5,
        "ties_quarter": grid * 0.25,
        "ties_powers": np.sign(normal()) * 2.0 ** rng.integers(-12, 4, (8, N_COLS)),
        "ties_of_fp4": rng.choice([.25, .75, 1.25, 1.75, 2.5, 3.5, 5, 6, -.25, -.75, -5, 0], (8, N_COLS)),
        "ties_of_fp8": rng.integers(-64, 65, (8, N_COLS)) * 2.0 ** rng.integers(-14, 3, (8, N_COLS)),
        "outliers": normal() * np.where(rng.random((8, N_COLS)) < 0.01, 50, 1),
        "scales_vary": normal(16) * 10.0 ** rng.uniform(-7, 4, (16, N_COLS // 16)).repeat(16, axis=1),
        # maxima at and beside powers of two times 6 and 448: where exponents step
        "exponent_steps": normal(16) * 0.1 + 0,
        "any_bits": rng.integers(0, 1 << 32, (8, N_COLS)).astype(np.uint32).view(np.float32),
        "any_bits_in_a_window": ((rng.integers(0, 1 << 32, (32, N_COLS)) & 0x807FFFFF)  # sign and fraction; 8 octaves a row
                                 | (rng.integers(0, 247, (32, 1)) + rng.integers(0, 8, (32, N_COLS))) << 23)
                                .astype(np.uint32).view(np.float32),
        "not_finite": normal(),
    }
    steps = out["exponent_steps"]
    steps[:] = np.clip(steps, -1, 1) * 1e-3
    m = np.where(rng.random((16, N_COLS // 32)) < 0.5, 6.0, 448.0) * 2.0 ** rng.integers(-9, 7, (16, N_COLS // 32))
    steps[:, ::32] = np.float32(m) * (1 + rng.integers(-3, 4, m.shape) * 2.0 ** -23) * rng.choice([1, 1.4142135], m.shape)
    odd = out["not_finite"]
    for row in range(odd.shape[0]):
        odd[row, rng.integers(0, N_COLS, 3)] = [np.nan, np.inf, -np.inf, -np.nan][row % 4]
        odd[row, rng.integers(0, N_COLS, 5)] = 0
    with np.errstate(over="ignore", invalid="ignore"):
        return {k: v.astype(np.float32) for k, v in out.items()}


def schemes(profile):
    for bits in ([1] if HAS_ONE_BIT else []) + [2, 3, 4, 5, 6, 8]:
        for group in (32, 64, 128):
            yield f"affine_q{bits}_g{group}", dict(mode="affine", bits=bits, group_size=group), None
    yield "mxfp4", dict(mode="mxfp4", bits=4, group_size=32), None
    if profile != "cpu-0.29.0":
        yield "mxfp8", dict(mode="mxfp8", bits=8, group_size=32), None
        yield "nvfp4", dict(mode="nvfp4", bits=4, group_size=16), None
    if HAS_GLOBAL:
        yield "nvfp4_global", dict(mode="nvfp4", bits=4, group_size=16), "max"


def mlx_result(w, compute, options, global_scale, profile):
    a = mx.array(w).astype(MX[compute])
    extra = {} if global_scale is None else {"global_scale": mx.array(np.float32(global_scale))}
    parts = mx.quantize(a, **options, **extra)
    if options["mode"] == "affine":
        values = mx.dequantize(*parts, **options)
    elif profile == "cpu-0.29.0":
        values = mx.dequantize(parts[0], parts[1], **options)
    else:
        values = mx.dequantize(parts[0], parts[1], **options, **extra, dtype=MX[compute])
    return np.array(parts[0]), [np.array(p.astype(mx.float32)) for p in parts[1:] if p is not None], np.array(values.astype(mx.float32))


def comparable(w, compute, scheme, profile):
    """False for groups that MLX itself gets wrong."""
    if not scheme.startswith("mx"):
        return np.ones(w.shape, bool)
    with np.errstate(over="ignore", invalid="ignore"):
        t = np.abs(w.astype(NP[compute]).astype(np.float64)).reshape(-1, 32).max(axis=1) / (6 if "4" in scheme else 448)
    fine = (t == 0) | (t >= 2.0 ** -126) | ~np.isfinite(t)
    return np.repeat(fine, 32).reshape(w.shape)


def same(a, b):
    return (a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))


class Tally:
    passed = failed = 0

    def add(self, ok, text):
        self.passed += bool(ok)
        self.failed += not ok
        print(("ok    " if ok else "FAIL  ") + text)


def check_metrics(tally, label, helper, args, w, values, words_args):
    lines = subprocess.run([helper, "error", *args, words_args], check=True, capture_output=True, text=True).stdout.split("\n")
    got = dict(line.split() for line in lines if line)
    w64, v64 = w.astype(np.float64), values.astype(np.float64)
    norm = np.sqrt((w64 ** 2).sum())
    want = {
        "w_rel_fro": np.sqrt(((v64 - w64) ** 2).sum()) / (norm + 1e-12),
        "w_rel_max": np.abs(v64 - w64).max() / (np.abs(w64).max() + 1e-12),
        "w_cos": (w64 * v64).sum() / norm / np.sqrt((v64 ** 2).sum()) if (v64 != 0).any() else np.nan,
    }
    bad = [f"{k}: got {got[k]}, want {v!r}" for k, v in want.items() if not np.isclose(float(got[k]), v, rtol=1e-11, atol=1e-15, equal_nan=True)]
    tally.add(not bad, f"{label} metrics {'; '.join(bad)}")


def check_scheme(tally, helper, folder, profile, name, options, with_global, compute, rows):
    bad, compared, skipped = [], 0, 0
    for kind, w in rows.items():
        finite = np.abs(w[np.isfinite(w)])
        global_scale = np.float32(finite.max()) if with_global else None
        words, scales, values = mlx_result(w, compute, options, global_scale, profile)
        path, out = os.path.join(folder, "in"), os.path.join(folder, "out")
        w.tofile(path)
        shown = "-" if global_scale is None else repr(float(global_scale))
        args = [name.replace("_global", ""), profile, compute, "f32", str(w.shape[0]), str(w.shape[1]), shown]
        subprocess.run([helper, "pack", *args, path, out], check=True)
        raw = open(out, "rb").read()
        fine = comparable(w, compute, name, profile)
        groups_fine = fine.reshape(-1, options["group_size"]).all(axis=1)
        bits = options["bits"]
        got_words = np.frombuffer(raw, np.uint8, words.nbytes).reshape(-1, options["group_size"] * bits // 8)
        at = words.nbytes
        problems = [] if (got_words == words.view(np.uint8).reshape(got_words.shape)).all(axis=1)[groups_fine].all() else ["words"]
        for title, part in zip(("scales", "biases"), scales):
            if options["mode"] == "affine":
                size = part.size * (4 if compute == "f32" else 2)
                got = np.frombuffer(raw, NP[compute], part.size, at).astype(np.float32)
            else:
                size, got = part.size, np.frombuffer(raw, np.uint8, part.size, at).astype(np.float32)
            at += size
            if not same(got, part.ravel())[groups_fine].all():
                problems.append(title)
        got_values = np.frombuffer(raw, np.float32, w.size, at).reshape(w.shape)
        if not same(got_values, values)[fine].all():
            problems.append("values")
        compared, skipped = compared + int(groups_fine.sum()), skipped + int((~groups_fine).sum())
        if problems:
            bad.append(f"{kind}: {', '.join(problems)} differ")
        elif kind in ("gaussian_0.02", "heavy_tail", "outliers", "scales_vary", "tiny_1e-6", "ties_half"):
            check_metrics(tally, f"{name} {compute} {kind}", helper, args, w, got_values, path)
    note = f", {skipped} left out" if skipped else ""
    tally.add(not bad, f"{name} {compute}: {compared} groups of {len(rows)} kinds{note} {'; '.join(bad)}")


def check_errors(tally, helper, profile):
    cases = [("affine", 4, 32, "F32", (4, 48)), ("affine", 4, 32, "BF16", (2, 4, 48)), ("affine", 4, 16, "F32", (4, 64)),
             ("affine", 4, 256, "F32", (4, 64)), ("affine", 4, 256, "F32", (4, 256)), ("affine", 4, -32, "F32", (4, 64)),
             ("affine", 4, 1, "F16", (4, 64)), ("affine", 4, 64, "F32", (64,)), ("affine", 4, 64, "F32", (4, 64))]
    cases += [("affine", bits, 32, "F32", (4, 64)) for bits in (-3, 0, 1, 7, 9, 16) if HAS_ONE_BIT or profile != "cpu"]
    cases += [("affine", 4, 64, dtype, (4, 64)) for dtype in ("I32", "U8", "BOOL", "I64", "C64", "U16")]
    cases += [("foo", 4, 32, "I32", (4,)), ("mxfp4", 4, 64, "F32", (4, 64)), ("mxfp4", 8, 32, "F32", (4, 64)),
              ("mxfp4", 8, 64, "F32", (4, 64)), ("mxfp8", 4, 32, "F32", (4, 64)), ("mxfp8", 8, 64, "F32", (4, 64)),
              ("nvfp4", 4, 32, "F32", (4, 64)), ("nvfp4", 8, 16, "F32", (4, 64)), ("nvfp4", 4, 16, "F32", (4, 40))]
    dtypes = {"F32": mx.float32, "BF16": mx.bfloat16, "F16": mx.float16, "I32": mx.int32, "U8": mx.uint8, "BOOL": mx.bool_,
              "I64": mx.int64, "C64": mx.complex64, "U16": mx.uint16}
    for with_global in ([False, True] if HAS_GLOBAL else [False]):
        for mode, bits, group, dtype, shape in cases:
            extra = {"global_scale": mx.array(1.0)} if with_global else {}
            try:
                mx.eval(mx.quantize(mx.zeros(shape, dtype=dtypes[dtype]), bits=bits, group_size=group, mode=mode, **extra))
                want = "ok"
            except ValueError as e:
                want = str(e)
            args = [mode, bits, group, "1" if with_global else "-", profile, dtype, *shape]
            got = subprocess.run([helper, "check", *map(str, args)], check=True, capture_output=True, text=True).stdout.rstrip("\n")
            tally.add(got == want, f"error of {args}" + ("" if got == want else f": got {got!r}, want {want!r}"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", help="not used: the quantisers are asked through mlx_helper")
    parser.add_argument("--helpers", required=True)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    profile, helper = PROFILE, os.path.join(options.helpers, "mlx_helper")
    print(f"MLX {mx.__version__}, profile {profile}")
    tally = Tally()
    check_errors(tally, helper, profile)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            rows = kinds(np.random.default_rng(20260922 + seed))
            for name, arguments, with_global in schemes(profile):
                for compute in ("f32", "f16", "bf16"):
                    check_scheme(tally, helper, folder, profile, name, arguments, with_global, compute, rows)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
