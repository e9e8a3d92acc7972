#!/usr/bin/env python3
"""Quantised exports: every matrix and every plain tensor of a model against its true values.

    quantised_oracle.py --program build/release/moescope --helpers build/release [--models FOLDER ...]

1. Models made here in every scheme that can be decoded (quantised_schemes.py: encoders in NumPy, from the formulas), with odd
   shapes and several seeds. Where a producer's own package is installed (mlx, compressed-tensors, bitsandbytes, transformers)
   its decoder, or its encoder, is asked too; the line says which were not.
2. Folders with an expected.npz (default: shared/models/quantised beside the repository, if there is one): its matrices,
   biases and dense layers within the folder's own tolerance.

Everything is read twice: as the banks see it, and by `dump MODEL --layer L --expert E --proj P` and `dump MODEL TENSOR`.
"""
import argparse
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import quantised_schemes
from asking import Checks
from layouts_oracle import matrices

HERE = pathlib.Path(__file__).resolve()
SHORT = {"gate_proj": "gate", "up_proj": "up", "down_proj": "down", "router": "router"}


class Program:
    """The program, asked in the ways that scripts ask it."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *arguments):
        done = subprocess.run([self.path, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise RuntimeError(done.stderr.decode().strip() or f"exit code {done.returncode}")
        return done.stdout

    def dump(self, *arguments):
        """An array, or the message why there is none."""
        try:
            return np.load(io.BytesIO(self.run("dump", self.folder, *arguments, "-o", "-")))
        except RuntimeError as error:
            return str(error)

    def tensors(self):
        return json.loads(self.run("inspect", self.folder, "--tensors", "--json"))["tensors"]


def difference(have, want, tolerance):
    """None when they agree: bits (zeros of either sign) at tolerance 0, else within tolerance of the largest value."""
    if isinstance(have, str):
        return have
    if have.shape != want.shape:
        return f"shape {have.shape}, want {want.shape}"
    alike = (have == want) | (np.isnan(have) & np.isnan(want))
    if tolerance:
        alike |= np.abs(have.astype(np.float64) - want) <= tolerance * np.abs(want).max(initial=0)
    if alike.all():
        return None
    at = np.unravel_index(np.argmin(alike), alike.shape)
    return f"{np.size(alike) - np.count_nonzero(alike)} of {alike.size} values differ; {list(map(int, at))} is {have[at]!r}, want {want[at]!r}"


def bank_keys(expected):
    """{key of layouts_oracle.matrices: matrix} of the routed, shared and router matrices among the expected ones."""
    out = {}
    for name, matrix in expected.items():
        layer, *rest = name.split(".")
        if rest == ["router"]:
            out["", int(layer), "router", "router", -1] = matrix
        elif len(rest) == 2 and rest[0] == "shared":
            out["", int(layer), "shared_expert", rest[1], -1] = matrix
        elif len(rest) == 2 and rest[0].isdigit():
            out["", int(layer), "expert", rest[1], int(rest[0])] = matrix
    return out


def check_banks(helpers, folder, want, tolerance):
    got = {k: v for k, v in matrices(helpers, folder).items() if k[0] == ""}
    faults = [f"not wanted: {key}" for key in got if key not in want]
    for key, matrix in want.items():
        fault = difference(got[key], matrix, tolerance) if key in got else "missing"
        if fault:
            faults.append(f"{key}: {fault}")
    return faults


def check_dump(program, want, tolerance, most_expert=sys.maxsize):
    """One by one up to expert most_expert, and all experts of a projection at once."""
    faults = []
    for (_, layer, role, proj, expert), matrix in want.items():
        if expert > most_expert:
            continue
        chosen = ["--expert", expert] if role == "expert" else ["--shared"] if role == "shared_expert" else []
        fault = difference(program.dump("--layer", layer, "--proj", SHORT[proj], *chosen), matrix, tolerance)
        if fault:
            faults.append(f"dump, layer {layer}, {role} {expert}, {proj}: {fault}")
    stacks = {(k[1], k[3]) for k in want if k[2] == "expert"}
    for layer, proj in sorted(stacks):
        members = [want[k] for k in sorted(want) if k[1:4] == (layer, "expert", proj)]
        if len({m.shape for m in members}) > 1:
            continue
        fault = difference(program.dump("--layer", layer, "--proj", SHORT[proj]), np.stack(members), tolerance)
        if fault:
            faults.append(f"dump, layer {layer}, all of {proj}: {fault}")
    return faults


def stored_tensors(folder):
    """{name: f32 array} of the stored floats."""
    import ml_dtypes
    types = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
    out = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        n = int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:8 + n]).items():
            if name == "__metadata__" or entry["dtype"] not in types:
                continue
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[8 + n + begin:8 + n + end], types[entry["dtype"]])
            out[name] = values.reshape(entry["shape"]).astype(np.float32)
    return out


def check_plain(program, folder):
    """Every plain tensor, dumped by its name, is what the file holds; no other tensor passes for plain."""
    faults, stored = [], stored_tensors(folder)
    for tensor in program.tensors():
        name = tensor["name"]
        if tensor.get("scheme") or tensor["role"] == "quant_aux" or name not in stored:
            continue
        fault = difference(program.dump(name), stored[name], 0)
        if fault:
            faults.append(f"{name}: {fault}")
    return faults


# ---------------------------------------------------------------- folders made elsewhere

def check_named(program, expected, about):
    """What is no bank: dense layers, and biases and correction bias where one tensor holds just that."""
    faults, stored = [], stored_tensors(program.folder)
    for name, values in expected.items():
        named = (about["matrices"].get(name, {}).get("tensors") or [None])[0]
        is_other = ".dense." in name or values.ndim == 1
        if not is_other or not named or (values.ndim == 1 and (named not in stored or stored[named].size != values.size)):
            continue
        have = program.dump(named)
        fault = difference(have if isinstance(have, str) else have.reshape(values.shape), values, about["relative_tolerance"])
        if fault:
            faults.append(f"{name} ({named}): {fault}")
    return faults


def check_folder(checks, options, folder):
    expected, about = np.load(folder / "expected.npz"), json.loads((folder / "expected.json").read_text())
    program, want = Program(options.program, folder), bank_keys(expected)
    tolerance = about["relative_tolerance"]
    faults = check_banks(options.helpers, folder, want, tolerance)
    faults += check_dump(program, want, tolerance) + check_named(program, expected, about) + check_plain(program, folder)
    checks.check(f"{folder.parent.name}/{folder.name}: {len(want)} matrices", faults)


# ---------------------------------------------------------------- models made here

def check_made(checks, options, made, folder):
    made.write(folder)
    program = Program(options.program, folder)
    faults = check_banks(options.helpers, folder, made.want, made.tolerance)
    faults += check_dump(program, made.want, made.tolerance, 0)
    faults += check_plain(program, folder)
    schemes = {t["scheme"] for t in program.tensors() if t["role"] == "expert"}
    if made.scheme and schemes != {made.scheme}:
        faults.append(f"inspect says {schemes}, want {made.scheme}")
    faults += made.producer_faults
    checks.check(f"made: {made.name}{made.producer_text}", faults)


def main():
    beside = HERE.parents[2].parent / "shared" / "models" / "quantised"
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--helpers", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, nargs="*", default=[beside])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    options = parser.parse_args()
    checks = Checks()
    for text in quantised_schemes.missing_producers():
        print(f"SKIPPED {text}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for seed in options.seeds:
            for made in quantised_schemes.make_all(seed):
                check_made(checks, options, made, pathlib.Path(work) / f"{seed}-{made.name.replace(' ', '_')}")
    folders = [f.parent for root in options.models for f in sorted(root.glob("*/expected.json"))]
    if not folders:
        print("SKIPPED no folder of models made elsewhere")
    for folder in folders:
        check_folder(checks, options, folder)
    checks.finish()


if __name__ == "__main__":
    sys.exit(main())
