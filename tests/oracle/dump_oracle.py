#!/usr/bin/env python3
"""moescope dump against safetensors, NumPy and ml_dtypes: the example model, every dtype and shape, and layouts of experts."""
import io
import json
import pathlib
import subprocess
import tempfile

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file

from asking import Checks, options

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = SOURCE / "examples" / "tiny-qwen2-moe"
rng = np.random.default_rng(5)

TYPES = {  # name in a header: dtype here
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "I16": np.int16, "U16": np.uint16, "I32": np.int32, "U32": np.uint32,
    "I64": np.int64, "U64": np.uint64, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E8M0": ml_dtypes.float8_e8m0fnu,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
}


def write_safetensors(path, tensors):
    """{name: (dtype name, array)}; safetensors' own writer lacks some of the types."""
    header, data = {}, b""
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def dump(model, *arguments):
    """The array, or the message with which it was refused."""
    done = subprocess.run([options().program, "dump", str(model), *map(str, arguments), "-o", "-"], capture_output=True)
    return np.load(io.BytesIO(done.stdout)) if done.returncode == 0 else f"exit {done.returncode}: {done.stderr.decode().strip()}"


def differs(what, got, want):
    """[] when got has the shape and the bits of want (any NaN equals any NaN), else what to say."""
    if isinstance(got, str):
        return [f"{what}: {got}"]
    if got.shape != want.shape:
        return [f"{what}: shape {got.shape}, not {want.shape}"]
    got, want = np.ascontiguousarray(got), np.ascontiguousarray(want)
    same = (got == want) | ((got != got) & (want != want)) if want.dtype.kind == "f" else got.view(np.uint8) == want.view(np.uint8)
    return [] if np.all(same) else [f"{what}: values differ"]


def as_f32(array):
    with np.errstate(all="ignore"):
        return array.astype(np.float32)


def check_example(checks):
    tensors = {}
    for shard in sorted(EXAMPLE.glob("*.safetensors")):
        tensors.update(load_file(shard))
    names = sorted(tensors)
    faults = [f for name in names[::7] for f in differs(name, dump(EXAMPLE, name), as_f32(tensors[name]))]
    checks.check(f"{len(names[::7])} tensors of the example, decoded", faults)
    faults = [f for name in names[::31] for f in differs(name, dump(EXAMPLE, name, "--raw").view(np.uint16), tensors[name].view(np.uint16))]
    checks.check(f"{len(names[::31])} tensors of the example, raw", faults)
    faults = []
    for layer, proj in ((0, "gate"), (3, "up"), (5, "down")):
        want = np.stack([as_f32(tensors[f"model.layers.{layer}.mlp.experts.{e}.{proj}_proj.weight"]) for e in range(16)])
        faults += differs(f"layer {layer} {proj}", dump(EXAMPLE, "--layer", layer, "--proj", proj), want)
        faults += differs(f"expert {layer}", dump(EXAMPLE, "--layer", layer, "--proj", proj, "--expert", 9), want[9])
    checks.check("experts of the example, stacked and alone", faults)


def check_types(checks, folder):
    shapes = [(), (7,), (3, 5), (2, 3, 4), (1, 2, 1, 3), (2, 1, 2, 1, 3), (0,), (4, 0, 2)]
    for name, dtype in TYPES.items():
        tensors = {}
        for i, shape in enumerate(shapes):
            n = int(np.prod(shape)) * np.dtype(dtype).itemsize
            raw = rng.integers(0, 2 if name == "BOOL" else 256, n, dtype=np.uint8)
            tensors[f"t{i}"] = (name, raw.view(dtype).reshape(shape))
        path = folder / f"{name}.safetensors"
        write_safetensors(path, tensors)
        faults = []
        for key, (_, array) in tensors.items():
            faults += differs(f"{key} {array.shape}", dump(path, key), as_f32(array))
            raw = dump(path, key, "--raw")
            if isinstance(raw, str) or raw.tobytes() != array.tobytes() or raw.shape != array.shape:
                faults.append(f"{key} {array.shape}: raw: {raw if isinstance(raw, str) else raw.dtype}")
        checks.check(f"{name}: {len(shapes)} shapes, decoded and raw", faults)


def check_npz(checks, folder):
    arrays = {"c": rng.normal(size=(5, 7)).astype(np.float32), "f": np.asfortranarray(rng.normal(size=(5, 7)).astype(np.float16)),
              "i": rng.integers(-9, 9, (3, 2, 4)), "f3": np.asfortranarray(rng.normal(size=(3, 4, 5)))}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    for file in ("stored.npz", "deflated.npz"):
        faults = []
        for name, array in arrays.items():
            faults += differs(name, dump(folder / file, name), as_f32(array))
            faults += differs(f"{name} raw", dump(folder / file, name, "--raw"), array)
        checks.check(f"{file}: C and Fortran order", faults)


def check_layouts(checks, folder):
    n_experts, hidden, inner = 4, 6, 10
    gate, up = (rng.normal(size=(2, n_experts, inner, hidden)).astype(np.float32) for _ in range(2))
    down = rng.normal(size=(2, n_experts, hidden, inner)).astype(np.float32)
    router = rng.normal(size=(2, n_experts, hidden)).astype(np.float32)
    config = {"hidden_size": hidden, "moe_intermediate_size": inner, "num_experts": n_experts, "num_local_experts": n_experts,
              "num_hidden_layers": 2, "num_experts_per_tok": 2}

    def per_expert(i):
        names = {"gate": gate, "up": up, "down": down}
        return {f"mlp.experts.{e}.{p}_proj.weight": a[i, e] for p, a in names.items() for e in range(n_experts)}

    def fused(i):
        return {"mlp.experts.gate_up_proj": np.concatenate([gate[i], up[i]], 1), "mlp.experts.down_proj": down[i]}

    def gpt_oss(i):
        both = np.stack([gate[i], up[i]], 2).reshape(n_experts, 2 * inner, hidden)  # gate and up alternate
        return {"mlp.experts.gate_up_proj": both.transpose(0, 2, 1), "mlp.experts.down_proj": down[i].transpose(0, 2, 1),
                "mlp.experts.gate_up_proj_bias": np.zeros((n_experts, 2 * inner), np.float32),
                "mlp.experts.down_proj_bias": np.zeros((n_experts, hidden), np.float32)}

    layouts = {"qwen3_moe": (per_expert, "mlp.gate.weight"), "qwen3_5_moe": (fused, "mlp.gate.weight"),
               "gpt_oss": (gpt_oss, "mlp.router.weight")}
    for model_type, (layout, router_name) in layouts.items():
        model = folder / model_type
        model.mkdir()
        (model / "config.json").write_text(json.dumps({"model_type": model_type, **config}))
        tensors = {}
        for i in range(2):
            for name, array in {**layout(i), router_name: router[i]}.items():
                tensors[f"model.layers.{i}.{name}"] = ("F32", array)
        write_safetensors(model / "model.safetensors", tensors)
        faults = []
        for i in range(2):
            for proj, array in (("gate", gate), ("up", up), ("down", down)):
                faults += differs(f"layer {i} {proj}", dump(model, "--layer", i, "--proj", proj), array[i])
                faults += differs(f"layer {i} {proj} 2", dump(model, "--layer", i, "--proj", proj, "--expert", 2), array[i, 2])
            faults += differs(f"layer {i} router", dump(model, "--layer", i, "--proj", "router"), router[i])
        checks.check(f"experts as {model_type} stores them", faults)


def main():
    checks = Checks()
    check_example(checks)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_types(checks, folder)
        check_npz(checks, folder)
        check_layouts(checks, folder)
    checks.finish()


main()
