#!/usr/bin/env python3
"""The sample, its cache and the statistics of a matrix against NumPy."""
import json
import pathlib
import struct
import subprocess
import tempfile

import ml_dtypes
import numpy as np
from asking import Checks, ask, options

EPS = 1e-12
SEED, K = 1337, 8192
DTYPES = {"BF16": ml_dtypes.bfloat16, "F16": np.float16, "F32": np.float32, "F64": np.float64, "F8_E4M3": ml_dtypes.float8_e4m3fn,
          "I8": np.int8}


def triples():
    """Both branches of Generator.choice, their border, 32-bit and 64-bit bounds."""
    yield from ((n, k, 1337) for n in (1, 2, 7, 50, 9999, 10000) for k in {0, 1, n // 2, n - 1, n})
    yield from ((n, k, 1337) for n in (10001, 20000, 409600) for k in (1, n // 50, n // 50 + 1, n // 3, n))
    yield from ((n, 8192, 1337) for n in (786432, 1572864, 5000000, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33 + 12345, 2**40))
    yield from ((2**20 + 3, 500, seed) for seed in (0, 1, 2**31, 2**32 - 1, 2**32, 2**40 + 7, 2**63, 2**64 - 1))
    random = np.random.default_rng(5)
    for _ in range(200):
        n = int(10 ** random.uniform(0, 7))
        yield n, min(n, int(10 ** random.uniform(0, 4))), int(random.integers(0, 2**32))


def check_choice(checks):
    asked = list(triples())
    lines = ask("scan_helper", "choice", "".join(f"{n} {k} {seed}\n" for n, k, seed in asked).encode())
    faults = []
    for (n, k, seed), line in zip(asked, lines, strict=True):
        wanted = np.random.default_rng(seed).choice(n, k, replace=False)
        if not np.array_equal(np.array(line.split(), dtype=np.int64), wanted):
            faults.append(f"n {n} k {k} seed {seed}")
    checks.check(f"choice without replacement, {len(asked)} samples", faults)


def check_cache(checks, folder):
    asked = [(1000, 10, 1337), (1572864, 8192, 1337), (200000, 8192, 7)]
    subprocess.run([options().helpers / "scan_helper", "cache", folder],
                   input="".join(f"{n} {k} {seed}\n" for n, k, seed in asked).encode(), check=True)
    faults = []
    for n, k, seed in asked:
        wanted = np.random.default_rng(seed).choice(n, k, replace=False)
        path = folder / f"idx_N{n}_k{k}_seed{seed}.npy"
        found = np.load(path)
        np.save(folder / "again.npy", found)
        if found.dtype != np.int64 or not np.array_equal(found, wanted) or path.read_bytes() != (folder / "again.npy").read_bytes():
            faults.append(path.name)
    checks.check("the cache is what numpy.save writes", faults)


def matrices():
    random = np.random.default_rng(3)

    def normal(shape, sigma=0.02):
        return (random.standard_normal(shape) * sigma).astype(np.float64)

    heavy = random.standard_t(4, (300, 512)) * 0.02
    odd = normal((64, 256))
    odd[3, 5], odd[10, 200], odd[63, 255] = np.nan, np.inf, -np.inf
    odd[20] = np.nan
    for dtype in DTYPES:
        scale = 100 if dtype == "I8" else 1
        yield f"{dtype}.small", dtype, normal((2, 32)) * scale
        yield f"{dtype}.heavy", dtype, heavy * scale
        yield f"{dtype}.odd_shape", dtype, normal((37, 101)) * scale
        yield f"{dtype}.one", dtype, normal((1, 1)) * scale
        if dtype != "I8":
            yield f"{dtype}.odd", dtype, odd
        yield f"{dtype}.zeros", dtype, np.zeros((16, 64))
        yield f"{dtype}.sampled", dtype, normal((700, 768)) * scale
        yield f"{dtype}.offset", dtype, (1 + normal((40, 320), 1e-3)) * (1 if scale == 1 else 50)


def save(path):
    """A safetensors file of them; returns name -> array as stored."""
    stored, header, body = {}, {}, b""
    for name, dtype, values in matrices():
        array = values.astype(DTYPES[dtype])
        data = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        stored[name] = array
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return stored


def expected(array):
    """The columns by their definition, in f64 over the finite f32 values."""
    w = array.astype(np.float32).astype(np.float64)
    flat = w.ravel()
    fine = flat[np.isfinite(flat)]
    a = np.abs(fine)
    index = np.random.default_rng(SEED).choice(flat.size, K, replace=False) if flat.size > K else np.arange(flat.size)
    sample = np.abs(flat[index])
    sample = sample[np.isfinite(sample)]
    p50, p99, p999 = np.percentile(sample, [50, 99, 99.9])
    square = np.mean(fine**2)
    with np.errstate(all="ignore"):
        out = {"mean": fine.mean(), "std": fine.std(), "mean_abs": a.mean(), "rms": np.sqrt(square), "max_abs": a.max(),
               "p50_abs": p50, "p99_abs": p99, "p999_abs": p999, "outlier_max_over_mean": a.max() / (a.mean() + EPS),
               "outlier_p99_over_median": p99 / (p50 + EPS), "outlier_p999_over_median": p999 / (p50 + EPS), "min": fine.min(),
               "max": fine.max(), "nan_count": np.isnan(flat).sum(), "inf_count": np.isinf(flat).sum(),
               "zero_count": (flat == 0).sum(), "kurtosis": np.mean(fine**4) / square**2}
    out.update(zip(["p50_abs_exact", "p99_abs_exact", "p999_abs_exact"], np.percentile(a, [50, 99, 99.9])))
    for size in (32, 64):
        out[f"g{size}_p95_outlier"] = out[f"g{size}_max_outlier"] = np.nan
        if w.shape[1] % size == 0:
            groups = np.abs(w.reshape(-1, size))
            groups[~np.isfinite(groups)] = np.nan
            groups = groups[~np.isnan(groups).all(axis=1)]
            ratios = np.nanmax(groups, axis=1) / (np.nanmean(groups, axis=1) + EPS)
            out[f"g{size}_p95_outlier"], out[f"g{size}_max_outlier"] = np.percentile(ratios, 95), ratios.max()
    return out


def compare(stored, lines):
    faults = []
    for line in lines:
        got = json.loads(line)
        want = expected(stored[got["name"]])
        for key, value in want.items():
            tolerance = 3e-7 if "_outlier" in key and key[0] == "g" else 1e-11
            scale = want["mean_abs"] if key == "mean" else abs(value)
            slack = 1e-15 * want["max_abs"]
            if key == "std" and value > 0:  # sums of squares in f64: what a large mean costs
                slack += 4e-15 * want["rms"] ** 2 / value
            same = np.isnan(value) and np.isnan(got[key]) or abs(got[key] - value) <= tolerance * scale + slack
            if not same:
                faults.append(f"{got['name']} {key}: got {got[key]!r}, want {value!r}")
    return faults


def main():
    checks = Checks()
    check_choice(checks)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_cache(checks, folder)
        stored = save(folder / "m.safetensors")
        outputs = []
        for threads in (1, 2, 5):
            done = subprocess.run([options().helpers / "scan_helper", "stats", folder / "m.safetensors", str(threads)],
                                  stdout=subprocess.PIPE, check=True)
            outputs.append(done.stdout.decode())
        checks.check(f"all columns of {len(stored)} matrices", compare(stored, outputs[0].splitlines()))
        checks.check("the same bytes for 1, 2 and 5 threads", [] if len(set(outputs)) == 1 else ["they differ"])
    checks.finish()


main()
