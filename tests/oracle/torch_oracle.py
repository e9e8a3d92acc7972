#!/usr/bin/env python3
"""PyTorch files against torch: every container, type, view and sharing; what torch.load(weights_only=True) takes.

torch is large, so tools/deps installs it only when told (see tools/deps.oracle.txt); without it this script has nothing to do.
"""
import argparse
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import json
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import types
import uuid
import warnings
import zipfile

import numpy as np

from asking import Checks, options

try:
    import torch
    from torch import nn
except ImportError:
    print("torch is not installed: nothing is compared")
    print("0 passed, 0 failed")
    sys.exit(0)

warnings.filterwarnings("ignore")
torch.manual_seed(1)
checks = Checks()
folder = pathlib.Path(tempfile.mkdtemp())
PROGRAM = options().program

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
          torch.float8_e5m2fnuz, torch.float8_e8m0fnu]
INTEGERS = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool]
COMPLEX = [torch.complex64, torch.complex128, torch.complex32]


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True)


def inspect(path):
    done = run("inspect", path, "--json", "--tensors")
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.decode()}


def raw_bytes(tensor):
    """The elements in row-major order."""
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)  # .contiguous() keeps odd strides of axes of one
    flat.copy_(tensor.detach().reshape(-1))
    return flat.view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def compare(path, tensors, values=True):
    """All of them, and no others, bit for bit as stored and as f32."""
    faults = []
    seen = inspect(path)
    if "failed" in seen:
        return [seen["failed"]]
    listed = {t["name"]: t for t in seen["tensors"]}
    if set(listed) != set(tensors):
        faults.append(f"names: {sorted(set(listed) ^ set(tensors))[:6]} are in one list only")
    for name, tensor in tensors.items():
        if name not in listed:
            continue
        if listed[name]["shape"] != list(tensor.shape):
            faults.append(f"{name}: shape {listed[name]['shape']}, torch has {list(tensor.shape)}")
        done = run("dump", path, name, "--raw", "-o", "-")
        if done.returncode:
            faults.append(f"{name}: {done.stderr.decode().strip()}")
            continue
        array = np.load(io.BytesIO(done.stdout))
        if np.ascontiguousarray(array).tobytes() != raw_bytes(tensor.int_repr() if tensor.is_quantized else tensor):
            faults.append(f"{name}: other bytes than torch")
        if not values or tensor.dtype in COMPLEX:
            continue
        done = run("dump", path, name, "-o", "-")
        if done.returncode:
            faults.append(f"{name}: {done.stderr.decode().strip()}")
            continue
        got, want = np.load(io.BytesIO(done.stdout)), (tensor.dequantize() if tensor.is_quantized else tensor).detach().to(torch.float32).numpy()
        scheme = ("torch_affine_channel" if "channel" in str(tensor.qscheme()) else "torch_affine") if tensor.is_quantized else listed[name]["scheme"]
        if listed[name]["scheme"] != scheme:
            faults.append(f"{name}: scheme {listed[name]['scheme']}, want {scheme}")
        if got.shape != want.shape or not np.array_equal(got, want, equal_nan=True):
            faults.append(f"{name}: other values than torch")
    return faults


def noise(dtype, *shape):
    """Random bits of a type, all of them meaningful."""
    if dtype == torch.bool:
        return torch.rand(*shape) < 0.5
    n = int(np.prod(shape, dtype=np.int64)) * torch.empty(0, dtype=dtype).element_size()
    return torch.randint(0, 256, (n,), dtype=torch.uint8).view(dtype).reshape(shape)


# ---- containers ----

class TarSaver(pickle.Pickler):
    """torch.save of 0.1: tensors and storages are numbers in the pickle."""

    def __init__(self, file, protocol=2):
        super().__init__(file, protocol)
        self.tensors, self.storages = {}, {}

    def persistent_id(self, value):
        if not isinstance(value, torch.Tensor):
            return None
        storage = value.untyped_storage()
        self.storages[storage.data_ptr()] = (storage, value.dtype)
        key = 1000 + len(self.tensors)
        self.tensors[key] = value
        return str(key)


CLASSES = {torch.float32: torch.FloatStorage, torch.float64: torch.DoubleStorage, torch.float16: torch.HalfStorage, torch.bfloat16: torch.BFloat16Storage,
           torch.int64: torch.LongStorage, torch.int32: torch.IntStorage, torch.int16: torch.ShortStorage, torch.int8: torch.CharStorage,
           torch.uint8: torch.ByteStorage, torch.bool: torch.BoolStorage}


def tar_bytes(value, pax=True, view=False):
    def dump(x):
        return pickle.dumps(x, 2)
    body = io.BytesIO()
    saver = TarSaver(body)
    saver.dump(value)
    storages = dump(len(saver.storages))
    for key, (storage, dtype) in saver.storages.items():
        data = bytes(storage.cpu().tolist()) if storage.nbytes() else b""
        storages += dump((key, "cpu", CLASSES[dtype])) + struct.pack("<q", len(data) // dtype.itemsize) + data
    views = []
    if view:  # a view of the first storage, which the first tensor is said to lie in
        key, (storage, dtype) = next(iter(saver.storages.items()))
        views = [(7, key, 0, storage.nbytes() // dtype.itemsize)]
    storages += dump(views)
    tensors = dump(len(saver.tensors))
    for i, (key, tensor) in enumerate(saver.tensors.items()):
        place = 7 if view and i == 0 else tensor.untyped_storage().data_ptr()
        tensors += dump((key, place, type(tensor)))
        tensors += struct.pack("<i4x", tensor.dim())
        tensors += struct.pack(f"<{2 * tensor.dim() + 1}q", *tensor.shape, *tensor.stride(), tensor.storage_offset())
    system = dump({"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as tar:
        for name, data in (("sys_info", system), ("pickle", body.getvalue()), ("storages", storages), ("tensors", tensors)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1500000000.25 if pax else 1500000000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def repacked(path, method):
    """The same members in another archive: deflated, the pickle last."""
    to = path.with_suffix(".repacked.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", method) as new:
        for name in sorted(old.namelist(), key=lambda n: n.endswith("data.pkl")):
            new.writestr(name, old.read(name))
    return to


def save_all_ways(name, value):
    """(title, path) of every container that can hold the value."""
    made = []
    for protocol in range(2, 6):
        path = folder / f"{name}.{protocol}.pt"
        torch.save(value, path, pickle_protocol=protocol)
        made.append((f"zip, protocol {protocol}", path))
    for protocol in (2, 4):
        path = folder / f"{name}.legacy{protocol}.pth"
        torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
        made.append((f"stacked, protocol {protocol}", path))
    made.append(("zip, packed again", repacked(folder / f"{name}.2.pt", zipfile.ZIP_STORED)))
    return made


def containers():
    plain = {f"layer.{i}.{str(d)[6:]}": noise(d, 3, 4 + i) for i, d in enumerate(FLOATS + INTEGERS + COMPLEX)}
    for title, path in save_all_ways("types", plain):
        checks.check(f"all types: {title}", compare(path, plain))
    path = folder / "types.2.pt"
    deflated = repacked(path, zipfile.ZIP_DEFLATED)
    checks.check("all types: zip, deflated", compare(deflated, plain))
    old = {n: t for n, t in plain.items() if t.dtype in CLASSES}
    for pax in (True, False):
        for view in (True, False):
            path = folder / "old.pth.tar"
            path.write_bytes(tar_bytes(old, pax, view))
            again = torch.load(path, weights_only=False)  # torch itself takes what we wrote
            same = all(torch.equal(again[n].view(torch.uint8), old[n].view(torch.uint8)) for n in old)
            checks.check(f"all types: tar, {'pax' if pax else 'gnu'}{', a storage that is a view' if view else ''}",
                         compare(path, old) + ([] if same else ["torch reads something else"]))


# ---- what tensors can be ----

def views_of(base):
    yield "whole", base
    yield "turned", base.t()
    yield "rows", base[2:5]
    yield "columns", base[:, 1:4]
    yield "steps", base[::2, ::3]
    yield "row", base[3]
    yield "column", base[:, 2]
    yield "one", base[1, 1]
    yield "spread", base[0].expand(4, base.shape[1])
    yield "none", base[3:3]
    yield "axes", base.reshape(2, 4, 9).permute(2, 0, 1)
    yield "slim", base.unsqueeze(1)
    yield "diagonal", base.diagonal()
    yield "windows", base.flatten().unfold(0, 5, 2)
    yield "scalar", torch.tensor(3.5)


def views():
    for dtype in (torch.float32, torch.bfloat16, torch.int8, torch.float64, torch.complex64):
        base = noise(dtype, 8, 9)
        state = dict(views_of(base))
        for title, path in save_all_ways("views", state):
            checks.check(f"views of {str(dtype)[6:]}: {title}", compare(path, state))
        if dtype in CLASSES:
            path = folder / "views.tar"
            path.write_bytes(tar_bytes(state))
            checks.check(f"views of {str(dtype)[6:]}: tar", compare(path, state))
    rng = random.Random(5)
    state = {}
    for i in range(60):
        storage = torch.randn(rng.randint(1, 400))
        rank = rng.randint(0, 5)
        shape = [rng.randint(0, 4) for _ in range(rank)]
        strides = [rng.choice([0, 1, 1, 2, 3, 7]) for _ in range(rank)]
        reach = sum((n - 1) * s for n, s in zip(shape, strides)) if all(shape) else 0
        if reach < len(storage):
            state[f"t{i}"] = storage.as_strided(shape, strides, rng.randint(0, len(storage) - 1 - reach))
    for title, path in save_all_ways("random", state):
        checks.check(f"{len(state)} random strides: {title}", compare(path, state))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(5, 7), nn.Linear(7, 5, bias=False)
        self.register_buffer("scale", torch.rand(7))
        self.experts = nn.ModuleList(nn.Linear(5, 3) for _ in range(3))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(5, 11, bias=False)
        self.head.weight = self.embed.weight


class Labelled(torch.Tensor):
    pass


def dig(value, kind):
    """A tensor in each form that torch rebuilds."""
    if kind == "parameter":
        return nn.Parameter(value)
    if kind == "parameter with state":
        made = nn.Parameter(value)
        made.note = "kept"
        return made
    if kind == "attribute":
        value.note = {"a": 1}
        return value
    if kind == "subclass":
        return value.as_subclass(Labelled)
    return nn.parameter.Buffer(value)


def objects():
    model = Model()
    state = model.state_dict()
    for title, path in save_all_ways("state", state):
        checks.check(f"state of a module: {title}", compare(path, state))
    for title, path in save_all_ways("module", model):
        checks.check(f"a whole module: {title}", compare(path, dict(state)))
    script = folder / "script.pt"
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))), script)
    want = {n: t for n, t in torch.jit.load(script).state_dict().items()}
    checks.check("TorchScript", compare(script, want))
    forms = ("parameter", "parameter with state", "attribute", "subclass", "buffer")
    made = {kind: dig(torch.randn(3, 4), kind) for kind in forms}
    for title, path in save_all_ways("forms", made):
        checks.check(f"forms of tensors: {title}", compare(path, {k: v.as_subclass(torch.Tensor) for k, v in made.items()}))
    wraps = {"best": torch.tensor(0.5), "step": 7, "optimizer": {"state": {0: {"exp_avg": torch.randn(500)}}},
             "model": {f"_orig_mod.module.w{i}": torch.randn(2, 3) for i in range(3)}}
    torch.save(wraps, folder / "wraps.pt")
    checks.check("a checkpoint with an optimiser, compiled and wrapped",
                 compare(folder / "wraps.pt", {k[len("_orig_mod.module."):]: v for k, v in wraps["model"].items()}))
    inside = {f"layers.0.{w}.mlp.w{i}": torch.randn(2, 3) for i, w in enumerate(("_orig_mod", "_fsdp_wrapped_module._checkpoint_wrapped_module", "_orig_mod._orig_mod"))}
    torch.save(inside, folder / "inside.pt")
    checks.check("layers wrapped one by one", compare(folder / "inside.pt", {f"layers.0.mlp.w{i}": v for i, v in enumerate(inside.values())}))
    pair = {"fc.scale": torch.tensor(0.5), "fc.zero_point": torch.tensor(1), "fc.dtype": torch.qint8, "fc.packed": (torch.randn(3, 4), None), "head.w": torch.randn(2)}
    torch.save(pair, folder / "pair.pt")
    checks.check("packed parameters of quantised modules", compare(folder / "pair.pt", {
        **{k: v for k, v in pair.items() if isinstance(v, torch.Tensor)}, "fc.packed.0": pair["fc.packed"][0]}))
    unusual = {"optim": {"a": torch.randn(50)}, "small": {"a": torch.randn(3)}, "large": {"a": torch.randn(9), "b": torch.randn(4)}}
    torch.save(unusual, folder / "unusual.pt")
    checks.check("the mapping with most bytes", compare(folder / "unusual.pt", unusual["large"]))
    torch.save(made["parameter"], folder / "single.pt")
    checks.check("a tensor by itself", compare(folder / "single.pt", {"tensor": made["parameter"]}))
    torch.save([torch.randn(2), (torch.randn(3), {"x": torch.randn(4)})], folder / "list.pt")
    again = torch.load(folder / "list.pt")
    checks.check("a list", compare(folder / "list.pt", {"0": again[0], "1.0": again[1][0], "1.1.x": again[1][1]["x"]}))


def quantised():
    """Decoded as torch does it: every type of code, channels along any axis, views, in both layouts of files."""
    state = {"plain": torch.randn(5, 6)}
    for dtype in (torch.qint8, torch.quint8, torch.qint32):
        cube = torch.randn(5, 6, 7) * 3
        state[f"{dtype} one"] = torch.quantize_per_tensor(cube, 0.0437, 3, dtype)
        state[f"{dtype} turned"] = torch.quantize_per_tensor(torch.randn(5, 6), 0.021, 0, dtype).t()
        state[f"{dtype} view"] = torch.quantize_per_tensor(cube, 0.05, 1, dtype)[1:4, ::2, 2:]
        for axis in range(3):
            n = cube.shape[axis]
            state[f"{dtype} axis {axis}"] = torch.quantize_per_channel(cube, torch.rand(n, dtype=torch.float64) * 0.1 + 0.01, torch.randint(0, 9, (n,)), axis, dtype)
            if dtype != torch.qint32:  # torch itself dies of that
                state[f"{dtype} floats {axis}"] = torch.quantize_per_channel(cube, torch.rand(n) * 0.1 + 0.01, torch.rand(n) * 9, axis, dtype)
        image = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
        state[f"{dtype} channels last"] = torch.quantize_per_channel(image, torch.rand(3).double() + 0.1, torch.zeros(3, dtype=torch.int64), 1, dtype)
    for title, path in save_all_ways("quantised", state):
        checks.check(f"quantised tensors: {title}", compare(path, state))
    four = torch.quantize_per_channel(torch.randn(4, 6), torch.rand(4), torch.rand(4), 0, torch.quint4x2)
    torch.save({"plain": state["plain"], "four": four}, folder / "four.pt")
    faults = compare(folder / "four.pt", {"plain": state["plain"]})
    if not any("torch.narrow" in text and "'four'" in text for text in inspect(folder / "four.pt").get("warnings", [])):
        faults.append("no warning torch.narrow")
    checks.check("codes of 4 bits are left out by name", faults)


def others():
    """Tensors that are no plain matrix: named, left out, and the rest is there."""
    weight = torch.randn(4, 4)
    kinds = {"torch.sparse": weight.to_sparse(), "torch.no_data": torch.empty(3, device="meta"), "torch.lazy": torch.randn(3, dtype=torch.complex64).conj(),
             "torch.nested": torch.nested.nested_tensor([torch.randn(2), torch.randn(3)])}
    csr = weight.to_sparse_csr()
    for code, other in [*kinds.items(), ("torch.sparse", csr)]:
        path = folder / "other.pt"
        torch.save({"plain": weight, "other": other}, path)
        faults = compare(path, {"plain": weight})
        warned = inspect(path).get("warnings", [])
        if not any(code in text and "'other'" in text for text in warned):
            faults.append(f"no warning {code}: {warned}")
        checks.check(f"{code}: left out by name", faults)


def folders():
    """Shards under an index, as transformers saved them; what lies beside is not taken for weights."""
    path = folder / "sharded"
    path.mkdir()
    state = {f"model.layers.{i}.mlp.experts.{e}.{p}_proj.weight": torch.randn(3, 4) for i in range(2) for e in range(2) for p in ("up", "gate")}
    parts = [dict(list(state.items())[:5]), dict(list(state.items())[5:])]
    names = [f"pytorch_model-{i + 1:05}-of-00002.bin" for i in range(2)]
    for name, part in zip(names, parts):
        torch.save(part, path / name)
    torch.save({"lr": 1}, path / "training_args.bin")
    torch.save({"w": torch.ones(3)}, path / "optimizer.pt")
    index = {"metadata": {"total_size": 12 * 4 * 8}, "weight_map": {n: names[i] for i in range(2) for n in parts[i]}}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    for target in (path, path / names[1], path / "pytorch_model.bin.index.json"):
        faults = compare(target, state)
        if any("index" in w for w in inspect(target).get("warnings", [])):
            faults.append(str(inspect(target)["warnings"]))
        checks.check(f"shards of PyTorch by {target.name}", faults)
    moved = dict(index, weight_map=dict(index["weight_map"], gone=names[0]))
    (path / "pytorch_model.bin.index.json").write_text(json.dumps(moved))
    checks.check("an index that names what is not there", [] if any("index.tensor_missing" in w for w in inspect(path)["warnings"]) else ["no finding"])
    single = folder / "single"
    single.mkdir()
    torch.save(state, single / "pytorch_model.bin")
    torch.save(state, single / "optimizer.bin")
    checks.check("a single pytorch_model.bin", compare(single, state))


def packed():
    """nanoMoEchat and nanoMOE: experts of different width in one matrix, and all that may say how it is cut."""
    widths, hidden = [256, 256, 128, 384], 32
    state, want = {}, {}
    for layer in range(2):
        bank = {n: torch.randn((hidden, sum(widths)) if n != "w2" else (sum(widths), hidden)) for n in ("w1", "w2", "w3")}
        state.update({f"_orig_mod.transformer.h.{layer}.mlp.{n}": t for n, t in bank.items()})
        state[f"_orig_mod.transformer.h.{layer}.mlp.router.weight"] = torch.randn(len(widths), hidden)
        begin = 0
        for e, width in enumerate(widths):
            cut = slice(begin, begin + width)
            begin += width
            want[layer, e, "gate"], want[layer, e, "up"] = bank["w1"][:, cut].t(), bank["w3"][:, cut].t()
            want[layer, e, "down"] = bank["w2"][cut].t()
    pairs = [[2, 256], [1, 128], [1, 384]]
    place = folder / "packed"
    place.mkdir()

    def dumped(path, *more):
        faults = []
        for (layer, expert, proj), matrix in want.items():
            done = run("dump", path, "--layer", layer, "--expert", expert, "--proj", proj, "-o", "-", *more)
            if done.returncode:
                return [done.stderr.decode()]
            got = np.load(io.BytesIO(done.stdout))
            if got.shape != tuple(matrix.shape) or not np.array_equal(got, matrix.numpy()):
                faults.append(f"layer {layer}, expert {expert}, {proj}: not that part of the bank")
        return faults

    path = place / "model_000100.pt"
    torch.save(state, path)
    warned = [w for w in inspect(path)["warnings"] if "bank.widths" in w]
    checks.check("packed experts: nothing says their widths", [] if len(warned) == 1 else [f"{len(warned)} warnings"])
    checks.check("packed experts: the user says them", dumped(path, "--expert-widths", "2x256,128,384"))
    done = run("dump", path, "--layer", 0, "--proj", "gate", "-o", "-", "--expert-widths", "2x256,x")
    checks.check("packed experts: the user says nonsense", [] if done.returncode == 2 else [f"exit code {done.returncode}"])
    (place / "meta_000100.json").write_text(json.dumps({"step": 100, "model_config": {"n_layer": 2, "n_embd": hidden, "expert_sizes": pairs, "num_active_experts": 2}}))
    checks.check("packed experts: meta_000100.json says them", dumped(path))
    torch.save({"model": state, "model_args": {"n_embd": hidden, "expert_sizes": [(2, 256), (1, 100), (1, 300)], "num_experts": 4}}, folder / "ckpt.pt")
    checks.check("packed experts: model_args, widths to be rounded to 128", dumped(folder / "ckpt.pt"))
    for layer in range(2):
        state[f"_orig_mod.transformer.h.{layer}.mlp.expert_size_blocks"] = torch.tensor([w // 128 for w in widths], dtype=torch.int32)
    torch.save(state, folder / "buffers.pt")
    checks.check("packed experts: buffers say them", dumped(folder / "buffers.pt"))


# ---- weights_only ----

class Colour(enum.Enum):
    RED = 1


class Thing:
    def __init__(self):
        self.x = torch.ones(2)


def samples():
    tensor = torch.ones(2)
    yield "state dict", {"a": tensor}
    yield "OrderedDict", collections.OrderedDict(a=tensor)
    yield "Counter", {"a": tensor, "c": collections.Counter("abca")}
    yield "defaultdict", {"a": tensor, "d": collections.defaultdict(int)}
    yield "deque", {"a": tensor, "d": collections.deque([1])}
    yield "set", {"a": tensor, "s": {1, 2}}
    yield "frozenset", {"a": tensor, "s": frozenset({1})}
    yield "bytes", {"a": tensor, "b": b"\x00\xff"}
    yield "bytearray", {"a": tensor, "b": bytearray(b"abc")}
    yield "complex", {"a": tensor, "c": 1j}
    yield "large integer", {"a": tensor, "i": 2**80, "j": -(2**40)}
    yield "slice", {"a": tensor, "s": slice(1, 2)}
    yield "range", {"a": tensor, "r": range(3)}
    yield "Namespace", {"a": tensor, "args": argparse.Namespace(lr=1)}
    yield "SimpleNamespace", {"a": tensor, "args": types.SimpleNamespace(lr=1)}
    yield "numpy scalar", {"a": tensor, "n": np.float64(1)}
    yield "numpy array", {"a": tensor, "n": np.ones(3)}
    yield "numpy dtype", {"a": tensor, "n": np.dtype("f4")}
    yield "device", {"a": tensor, "d": torch.device("cpu")}
    yield "dtype", {"a": tensor, "d": torch.bfloat16}
    yield "Size", {"a": tensor, "s": torch.Size([1, 2])}
    yield "layout", {"a": tensor.to_sparse(), "b": tensor}
    yield "quantised", {"a": torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)}
    yield "quantised by channel", {"a": torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8)}
    yield "parameter", {"a": nn.Parameter(tensor)}
    yield "parameter with state", {"a": dig(torch.ones(2), "parameter with state")}
    yield "subclass", {"a": tensor.as_subclass(Labelled)}
    yield "module", nn.Linear(2, 2)
    yield "storage", {"a": tensor.untyped_storage()}
    yield "typed storage", {"a": tensor.storage()}
    yield "meta", {"a": torch.empty(2, device="meta")}
    yield "path", {"a": tensor, "p": pathlib.PurePosixPath("/x")}
    yield "time", {"a": tensor, "t": datetime.datetime(2024, 1, 1)}
    yield "uuid", {"a": tensor, "u": uuid.UUID(int=5)}
    yield "decimal", {"a": tensor, "d": decimal.Decimal(1)}
    yield "fraction", {"a": tensor, "d": fractions.Fraction(1, 2)}
    yield "enum", {"a": tensor, "e": Colour.RED}
    yield "partial", {"a": tensor, "f": functools.partial(print, 1)}
    yield "function", {"a": tensor, "f": len}
    yield "class", {"a": tensor, "c": Thing}
    yield "object", {"a": tensor, "o": Thing()}
    yield "optimiser", {"a": tensor, "o": torch.optim.AdamW([nn.Parameter(tensor)]).state_dict()}
    yield "complex numbers", {"a": torch.ones(2, dtype=torch.complex64).conj()}
    yield "float8", {"a": torch.ones(2).to(torch.float8_e4m3fn)}


def torch_takes(path, weights_only=True):
    try:
        torch.load(path, weights_only=weights_only, map_location="cpu")
        return True
    except Exception:
        return False


def not_for_its_names(path):
    """What torch cannot load at all: storages without a type in stacked pickles (an error of torch 2.15)."""
    return path.suffix == ".pth" and not torch_takes(path, weights_only=False)


def verdict_faults(path, title):
    seen = inspect(path)
    if "failed" in seen:
        return [f"{title}: {seen['failed']}"]
    want = torch_takes(path)
    if seen["pickle"]["weights_only"] is want or (not want and not_for_its_names(path)):
        return []
    return [f"{title}: we say {seen['pickle']}, torch {want}"]


def verdicts():
    for name, value in samples():
        faults = []
        for title, path in save_all_ways("verdict", value):
            faults += verdict_faults(path, title)
        checks.check(f"weights_only: {name}", faults)
    path = folder / "verdict.tar"
    path.write_bytes(tar_bytes({"a": torch.ones(2)}))
    checks.check("weights_only: tar", verdict_faults(path, "tar"))
    checks.check("weights_only: TorchScript", verdict_faults(folder / "script.pt", "script"))


def with_pickle(data):
    """A sound file whose pickle is replaced."""
    path = folder / "replaced.pt"
    torch.save({"a": torch.ones(2)}, folder / "sound.pt")
    with zipfile.ZipFile(folder / "sound.pt") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name.endswith("data.pkl") else old.read(name))
    return path


def names():
    """Every name that torch allows, and what surrounds them: a global that is only mentioned."""
    import torch._weights_only_unpickler as restricted
    wanted = sorted(restricted._get_allowed_globals()) + ["__builtin__.set", "__builtin__.bytearray", "__builtin__.eval", "builtins.eval", "builtins.getattr",
                                                          "builtins.object", "os.system", "posix.system", "torch.load", "torch.nn.modules.linear.Linear", "torch.Sizes",
                                                          "torch.storage._load_from_bytes", "torch.nn.parameter.Buffer", "torch.jit.load", "torch.float", "torch.half",
                                                          "collections.deque", "numpy.core.multiarray.scalar", "torch._utils._rebuild_nested_tensor",
                                                          "torch._tensor._rebuild_from_type", "torch.cuda.QInt8Storage", "torch.device.x", "copy_reg._reconstructor"]
    faults = []
    for name in wanted:
        module, _, attribute = name.rpartition(".")
        path = with_pickle(b"\x80\x02}q\0X\x01\0\0\0fc" + module.encode() + b"\n" + attribute.encode() + b"\ns.")
        faults += verdict_faults(path, name)
    checks.check(f"{len(wanted)} names, as torch judges them", faults)


containers()
views()
objects()
quantised()
others()
folders()
packed()
verdicts()
names()
checks.finish()
