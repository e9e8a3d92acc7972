#!/usr/bin/env python3
"""GGUF against ggml and the `gguf` package: every block type from random bytes, files of GGUFWriter, and the shared models.

    gguf_oracle.py --helpers FOLDER

1. Blocks of every type from random bytes (any scale, infinities and NaN too) against ggml's own row functions, by each of our
   instruction sets: bit for bit, signs of zeros too; any NaN equals any NaN. Left out where ggml_exact.so was not built.
2. The same against gguf-py, and with sane scales; -0 equals 0 (gguf-py adds where ggml multiplies).
3. Files of GGUFWriter: all metadata types, alignments, names of experts stacked and one by one.
4. shared/models/gguf beside the repository, when it is there: tensor lists, SHA-256 of the decoded values, the split set; and
   what `collect` says of each against the safetensors of the same model: matrix for matrix within the error of the storage.
"""
import csv
import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

from asking import Checks, ask, options, records

SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "models" / "gguf"
N_BLOCKS = 64
rng = np.random.default_rng(11)

# Where the f16 scales of a block lie; the others have scales in formats of which every code is sane, or are named below.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "TQ1_0": [52], "TQ2_0": [64], "IQ2_XXS": [0], "IQ2_XS": [0],
          "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ1_S": [0], "IQ4_NL": [0], "IQ4_XS": [0], "Q1_0": [0], "Q2_0": [0]}

EXTREMES = np.array([0, 0x8000, 1, 0x83FF, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00], np.uint16)  # f16


def canonical(values):
    """The bits, with one NaN and one zero."""
    values = np.asarray(values, np.float32) + np.float32(0)
    values[np.isnan(values)] = np.nan
    return values


def write(path, tensors, metadata=(), arch="mixtral", alignment=None):
    """tensors: [(name, raw or plain array, type or None)]; metadata: calls on the writer."""
    writer = gguf.GGUFWriter(path, arch)
    if alignment:
        writer.add_custom_alignment(alignment)
    for method, *arguments in metadata:
        getattr(writer, method)(*arguments)
    for name, array, kind in tensors:
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def listing(path):
    """What our reader says of a file."""
    return json.loads(ask("format_helper", "files", records([str(path).encode() + b"\0"]))[0])


def dump(path, tensor, **environment):
    """The f32 values of a tensor by the program itself, in storage order."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as out:
        done = subprocess.run([options().program, "dump", str(path), tensor, "-o", out.name], capture_output=True,
                              env=dict(os.environ, **environment))
        return np.load(out.name).astype(np.float32, copy=False) if done.returncode == 0 else done.stderr.decode()


def sane(blocks, name):
    """Scales of ordinary size in random blocks."""
    for at in HALVES.get(name, []):
        scales = (rng.normal(0, 0.02, len(blocks))).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks


# Id in files, weights and bytes a block; of the types with a row function in ggml.
GGML_TYPES = {"q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22), "q5_1": (7, 32, 24), "q8_0": (8, 32, 34),
              "q2_K": (10, 256, 84), "q3_K": (11, 256, 110), "q4_K": (12, 256, 144), "q5_K": (13, 256, 176),
              "q6_K": (14, 256, 210), "q8_K": (15, 256, 292), "iq2_xxs": (16, 256, 66), "iq2_xs": (17, 256, 74),
              "iq3_xxs": (18, 256, 98), "iq1_s": (19, 256, 50), "iq4_nl": (20, 32, 18), "iq3_s": (21, 256, 110),
              "iq2_s": (22, 256, 82), "iq4_xs": (23, 256, 136), "iq1_m": (29, 256, 56), "tq1_0": (34, 256, 54),
              "tq2_0": (35, 256, 66), "mxfp4": (39, 32, 17), "nvfp4": (40, 64, 36), "q1_0": (41, 128, 18), "q2_0": (42, 64, 18)}


def row_functions():
    """{type: a function of (bytes, n weights)} of ggml; None where it was not built."""
    path = options().helpers.resolve() / "ggml_exact.so"
    if not path.exists():
        return None
    libc = ctypes.CDLL(None)  # ctypes alone would look up at once what the one object misses of ggml
    libc.dlopen.restype = libc.dlsym.restype = ctypes.c_void_p
    library = libc.dlopen(str(path).encode(), ctypes.c_int(os.RTLD_LAZY))

    def bind(name):
        address = libc.dlsym(ctypes.c_void_p(library), f"dequantize_row_{name}".encode())
        function = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64)(address)

        def decode(data, n):
            values = np.empty(n, np.float32)
            function(data, values.ctypes.data, n)
            return values
        return decode
    return {name: bind(name) for name in GGML_TYPES}


def raw_file(path, kind, n, data):
    """A GGUF file of one tensor x [n], of any type."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"x" + struct.pack("<IQIQ", 1, n, kind, 0)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def check_ggml(checks, folder):
    functions = row_functions()
    if functions is None:
        print("skip   ggml's row functions: tools/deps --oracle did not bring ggml's source")
        return
    for name, (kind, block, size) in GGML_TYPES.items():
        n_blocks = 16384 // block
        blocks = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
        for at in HALVES.get(name.upper(), []):
            blocks[:len(EXTREMES), at:at + 2] = EXTREMES.view(np.uint8).reshape(-1, 2)
        data = blocks.tobytes()
        raw_file(folder / "x.gguf", kind, n_blocks * block, data)
        want = functions[name](data, n_blocks * block)
        faults = []
        for isa in ("scalar", "avx2", "avx512"):
            got = dump(folder / "x.gguf", "x", MOESCOPE_ISA=isa)
            if isinstance(got, str) or len(got) != len(want):
                faults.append(f"{isa}: {got}")
                continue
            differs = (got.view(np.uint32) != want.view(np.uint32)) & ~(np.isnan(got) & np.isnan(want))
            faults += [f"{isa}, value {i}: {got[i]!r}, not {want[i]!r}" for i in np.flatnonzero(differs)]
        checks.check(f"{name} against ggml, {np.isnan(want).sum()} NaN, {np.isinf(want).sum()} infinite", faults)


def check_blocks(checks, folder):
    known = {t for t in quants._type_traits if t not in (Type.F32, Type.F16, Type.BF16)}
    for kind in Type:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if block == 1:
            continue
        if kind not in known:
            print(f"skip   {kind.name}: gguf-py has no decoder (see the vectors of ggml_block_test)")
            continue
        for how in ("any bytes", "sane scales"):
            blocks = rng.integers(0, 256, (N_BLOCKS, size), dtype=np.uint8)
            if how == "sane scales":
                blocks = sane(blocks, kind.name)
            with np.errstate(all="ignore"):
                want = quants.dequantize(blocks, kind).reshape(-1)
            path = folder / f"{kind.name}.gguf"
            write(path, [("x.weight", blocks, kind)])
            got = dump(path, "x.weight")
            if isinstance(got, str):
                checks.check(f"{kind.name}, {how}", [got])
                continue
            a, b = canonical(got.reshape(-1)).view(np.uint32), canonical(want).view(np.uint32)
            wrong = np.flatnonzero(a != b) if len(a) == len(b) else [0]
            checks.check(f"{kind.name}, {how}", [f"value {i}: {got.reshape(-1)[i]!r}, not {want[i]!r}" for i in wrong])


def check_metadata(checks, folder):
    values = [("add_uint8", "k.u8", 200), ("add_int8", "k.i8", -100), ("add_uint16", "k.u16", 60000), ("add_int16", "k.i16", -3000),
              ("add_uint32", "k.u32", 4000000000), ("add_int32", "k.i32", -7), ("add_uint64", "k.u64", 2**63 + 5),
              ("add_int64", "k.i64", -2**62), ("add_float32", "k.f32", 0.25), ("add_float64", "k.f64", -1.5e300),
              ("add_bool", "k.bool", True), ("add_string", "k.text", "h\u00e9 \u4e16"), ("add_array", "k.ints", [1, 2, 3]),
              ("add_array", "k.texts", ["a", "bc"])]
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    for alignment in (None, 8, 64, 4096):
        path = folder / "metadata.gguf"
        write(path, [("a.weight", plain, None), ("b.weight", plain.astype(np.float16), None)], values, alignment=alignment)
        got = listing(path)
        faults = [] if got["status"] == "done" else [f"{got['status']}: {got.get('error')}"]
        for _, key, value in values:
            shown = got.get("metadata", {}).get(key)
            try:
                same = shown == value if isinstance(value, str) else shown is not None and json.loads(shown) == value
            except ValueError:
                same = False
            if not same:
                faults.append(f"{key}: {shown!r}, not {value!r}")
        checks.check(f"metadata of every type, alignment {alignment or 'default'}", faults)
        back = dump(path, "b.weight")
        checks.check(f"values, alignment {alignment or 'default'}",
                     [] if isinstance(back, np.ndarray) and np.array_equal(back, plain) else [f"{back}"])


def check_experts(checks, folder):
    """E experts stacked, each in a tensor of its own, and gate above up: dump by layer, projection and expert finds the matrices."""
    n, hidden, width = 4, 64, 32
    shapes = {"gate": (width, hidden), "up": (width, hidden), "down": (hidden, width)}
    values = {p: rng.normal(0, 1, (n, *s)).astype(np.float32) for p, s in shapes.items()}
    keys = [("add_expert_count", n), ("add_expert_used_count", 2), ("add_block_count", 1), ("add_embedding_length", hidden)]
    router = [("blk.0.ffn_gate_inp.weight", rng.normal(0, 1, (n, hidden)).astype(np.float32), None)]
    stacked = [(f"blk.0.ffn_{p}_exps.weight", values[p], None) for p in shapes]
    single = [(f"blk.0.ffn_{p}.{e}.weight", values[p][e], None) for p in shapes for e in range(n)]
    fused = [("blk.0.ffn_gate_up_exps.weight", np.concatenate([values["gate"], values["up"]], axis=1), None), stacked[2]]
    for name, tensors in (("stacked", stacked), ("one by one", single), ("gate and up in one", fused)):
        path = folder / f"experts-{name.replace(' ', '-')}.gguf"
        write(path, router + tensors, keys, arch="llama")
        faults = []
        for proj in shapes:
            for e in range(n):
                with tempfile.NamedTemporaryFile(suffix=".npy") as out:
                    done = subprocess.run([options().program, "dump", str(path), "--layer", "0", "--proj", proj, "--expert", str(e),
                                           "-o", out.name], capture_output=True, text=True)
                    if done.returncode:
                        faults.append(f"{proj} {e}: {done.stderr.strip()}")
                    elif not np.array_equal(np.load(out.name), values[proj][e]):
                        faults.append(f"{proj} {e}: values differ")
        checks.check(f"experts {name}", faults)


def check_second_scale(checks, folder):
    """NVFP4 with one scale, with one an expert, with the other spelling, and without."""
    blocks = rng.integers(0, 256, (3, 4, 72), dtype=np.uint8)  # 3 experts of 4 rows of two blocks
    with np.errstate(all="ignore"):
        values = quants.dequantize(blocks, Type.NVFP4).reshape(3, 4, 128)
    three = np.array([0.5, 1.25, -3], np.float32)
    name = "blk.0.ffn_up_exps"
    cases = {"one an expert": (name + ".scale", three), "one": (name + ".scale", three[1:2]),
             ".weight.scale": (name + ".weight.scale", three), "none": (name + ".input_scale", three)}
    for what, (leaf, scale) in cases.items():
        path = folder / "nvfp4.gguf"
        write(path, [(name + ".weight", blocks, Type.NVFP4), (leaf, scale, None)], [("add_expert_count", 3)], arch="llama")
        got = dump(path, name + ".weight")
        factor = np.float32(1) if what == "none" else scale.reshape(-1, 1, 1)
        good = isinstance(got, np.ndarray) and np.array_equal(canonical(got.reshape(3, 4, 128)), canonical(values * factor))
        checks.check(f"NVFP4, second scale: {what}", [] if good else [got if isinstance(got, str) else "values differ"])


def check_shared(checks):
    for path in sorted(SHARED.glob("*.gguf")):
        about = path.with_name(path.name.replace(".gguf", ".expected.json"))
        split = "-split-" in path.name
        if split:
            about = path.with_name(path.name.split("-split-")[0] + ".expected.json")
            if not path.name.split("-split-")[1].startswith("00001"):
                continue
        want = json.loads(about.read_text()).get("tensors", {}) if about.exists() else {}
        if not want or "sha256_of_f32" not in next(iter(want.values())):
            print(f"skip   {path.name}: nothing to compare with")
            continue
        found = {}
        parts = sorted(SHARED.glob(path.name.replace("00001-of", "*-of"))) if split else [path]
        for part in parts:
            got = listing(part)
            found.update({t[0]: t for t in got.get("tensors", [])})
        faults = [f"{n}: missing" for n in want if n not in found] + [f"{n}: not expected" for n in found if n not in want]
        for name, t in want.items():
            if name in found and (found[name][2] != t["ne"][::-1] or found[name][4] != t["bytes"]):
                faults.append(f"{name}: {found[name]}")
        checks.check(f"{path.name}: tensors", faults)
        faults = []
        for name, t in want.items():
            got = dump(path, name)
            digest = got if isinstance(got, str) else hashlib.sha256(np.ascontiguousarray(got).tobytes()).hexdigest()
            if digest != t["sha256_of_f32"]:
                faults.append(f"{name} ({t['type']}): {digest}")
        checks.check(f"{path.name}: values", faults)


def statistics(model, folder):
    """{(layer, proj, expert, shared): row of matrix_stats}"""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    program = [str(options().program)]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(program + ["init", "--root", str(folder), "--model-id", "run", "--run-name", "r", "--model-path", str(model)], **quiet)
    config = run / "r" / "analysis_config.json"
    settings = json.loads(config.read_text())
    settings["output"]["format"] = "csv"
    settings["quant_schemes"] = []
    config.write_text(json.dumps(settings))
    subprocess.run(program + ["collect", "--run-dir", str(run / "r"), "-q"], **quiet)
    with open(run / "r" / "data" / "matrix_stats.csv", newline="") as file:
        return {tuple(r[k] for k in ("layer", "proj", "expert_id", "is_shared_expert")): r for r in csv.DictReader(file)}


def matrix(model, key, folder):
    layer, proj, expert, is_shared = key
    which = ["--shared"] if is_shared == "True" else ["--expert", expert]
    out = folder / "matrix.npy"
    subprocess.run([str(options().program), "dump", str(model), "--layer", layer, "--proj", proj, *which, "-qo", str(out)], check=True)
    return np.load(out).astype(np.float64)


def check_same_model(checks, folder):
    """With e the error of a matrix: rms, mean and mean of absolutes move by at most e's rms, extremes and quantiles by its maximum."""
    originals, matrices = {}, {}
    for path in sorted(SHARED.glob("*.gguf")):
        base = next((b for b in ("tiny-mixtral", "tiny-qwen2-moe") if path.name.startswith(b + "-")), None)
        if not base or not (SHARED.parent / base).exists() or "-split-00001" in path.name or "-split-00003" in path.name:
            continue
        if base not in originals:
            originals[base] = statistics(SHARED.parent / base, folder)
        want, got, faults, worst = originals[base], statistics(path, folder), [], 0
        if want.keys() != got.keys():
            faults.append(f"{len(want)} matrices and {len(got)}, {len(want.keys() & got.keys())} of them the same")
        for key in [k for k in want if k in got and k[2] in ("1", "", "-1")]:
            if (base, key) not in matrices:
                matrices[base, key] = matrix(SHARED.parent / base, key, folder)
            error = matrix(path, key, folder) - matrices[base, key]
            rms, most = float(np.sqrt(np.mean(error * error))), float(np.abs(error).max())
            worst = max(worst, rms / float(want[key]["rms"]))
            for column, bound in (("rms", rms), ("mean", rms), ("mean_abs", rms), ("max_abs", most), ("min", most), ("max", most),
                                  ("p50_abs_exact", most), ("p99_abs_exact", most)):
                a, b = float(want[key][column]), float(got[key][column])
                if abs(a - b) > bound + 1e-12 * abs(a):
                    faults.append(f"{'/'.join(key)}: {column} is {b}, {a} in the original; the error allows {bound:g}")
        checks.check(f"{path.name}: statistics as in safetensors, error {worst:.2g} of rms", faults)


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        check_ggml(checks, folder)
        check_blocks(checks, folder)
        check_metadata(checks, folder)
        check_experts(checks, folder)
        check_second_scale(checks, folder)
        if SHARED.exists():
            check_shared(checks)
            check_same_model(checks, folder)
    checks.finish()


if __name__ == "__main__":
    main()
