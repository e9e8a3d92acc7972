#!/usr/bin/env python3
"""Our safetensors reader, writer and decoders against the packages safetensors and ml_dtypes.

Every code of every small type is decoded; sound files must be listed and rewritten the same to the byte; malformed ones must
be refused by both, for the same reason. Where we differ on purpose, a line of DELIBERATE says so.
"""
import json
import random
import re
import struct
import zlib

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, TensorSpec, deserialize, serialize

from asking import Checks, ask, records

random.seed(3)
checks = Checks()

TYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu, "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "I16": np.int16, "U16": np.uint16, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I32": np.int32, "U32": np.uint32,
    "F32": np.float32, "C64": np.complex64, "F64": np.float64, "I64": np.int64, "U64": np.uint64,
}
BITS = {name: 8 * np.dtype(kind).itemsize for name, kind in TYPES.items()} | {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


def as_f32(name, data):
    """The bytes as f32 values, by NumPy and ml_dtypes; NaN in one spelling. None: the type has no decoder."""
    if name.startswith("F6_"):
        return None
    if name == "F4":
        codes = np.frombuffer(data, np.uint8)
        codes = np.stack([codes & 15, codes >> 4], axis=1).reshape(-1)
        values = codes.view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    elif name == "BOOL":
        values = (np.frombuffer(data, np.uint8) != 0).astype(np.float32)
    elif name == "C64":
        values = np.frombuffer(data, np.complex64).real.astype(np.float32)
    else:
        with np.errstate(all="ignore"):
            values = np.frombuffer(data, TYPES[name]).astype(np.float32)
    values = np.array(values)
    values[np.isnan(values)] = np.float32(np.nan)
    return values


# ---- decoders ----

def samples(name):
    if BITS[name] <= 8:
        return bytes(range(256))
    if BITS[name] == 16:
        return np.arange(65536, dtype=np.uint16).tobytes()
    kind = np.dtype(TYPES[name])
    data = random.randbytes(kind.itemsize * 20000)
    if kind.kind in "iu":
        edges = [np.iinfo(kind).max, np.iinfo(kind).min, 0, 1]
        edges += [2**k + d for k in range(kind.itemsize * 8 - 1) for d in (-1, 0, 1)]
        edges += [2**k + 2**(k - 24) * odd for k in range(25, kind.itemsize * 8 - 1) for odd in (1, 3)]
        data += np.array([e for e in edges if np.iinfo(kind).min <= e <= np.iinfo(kind).max], kind).tobytes()
    if name == "F64":
        edges = [2.0**k * (1 + d) for k in range(-160, 135) for d in (0, 2**-24, 3 * 2**-24, 2**-23, 2**-52)]
        data += np.array(edges + [-e for e in edges] + [np.inf, -np.inf, np.nan, 0.0, -0.0]).tobytes()
    return data


def check_decoders():
    names = [name for name in BITS if not name.startswith("F6_")]
    inputs = {name: samples(name) for name in names}
    answers = ask("format_helper", "decode", records([name.encode() + b"\0" + data for name, data in inputs.items()]))
    for (name, data), answer in zip(inputs.items(), answers):
        want = as_f32(name, data)
        got = np.frombuffer(bytes.fromhex(answer), np.float32)
        wrong = np.flatnonzero(got.view(np.uint32) != want.view(np.uint32)) if got.shape == want.shape else [0]
        checks.check(f"decode {name}, {want.size} values", [f"element {i}: got {got[i]!r}, want {want[i]!r}" for i in wrong])
    answers = ask("format_helper", "decode", records([name + b"\0abc" for name in (b"F6_E2M3", b"F6_E3M2", b"X")]))
    checks.check("types without a decoder are refused", [a for a in answers if not a.startswith("!")])


# ---- sound files ----

NAMES = ["weight", "model.layers.0.mlp.experts.1.down_proj.weight", "", "\u00e9\u20ac\U0001f389", "a\nb\t\"\\\x01\x7f", "x y..z/w"]


def sound_tensors(n):
    tensors = {}
    for i in range(n):
        name = random.choice(list(BITS))
        while True:
            shape = [random.choice((0, 1, 2, 3, 4, 8)) for _ in range(random.randrange(5))]
            n_bits = int(np.prod(shape, dtype=np.int64)) * BITS[name]
            if n_bits % 8 == 0:
                break
        tensors[random.choice(NAMES) + (str(i) if i else "")] = (name, shape, random.randbytes(n_bits // 8))
    return tensors


def spell(name):  # what the package wants in `serialize`
    special = {"F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu",
               "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "BF16": "bfloat16", "C64": "complex64",
               "F4": "float4_e2m1fn_x2"}
    return special.get(name) or np.dtype(TYPES[name]).name


def written_by_reference(tensors, metadata):
    specs, alive = {}, []
    for key, (name, shape, data) in tensors.items():
        array = np.frombuffer(data or b"x", np.uint8)
        alive.append(array)
        packed = shape[:-1] + [shape[-1] // 2] if name == "F4" else shape
        specs[key] = TensorSpec(dtype=spell(name), shape=packed, data_ptr=array.ctypes.data, data_len=len(data))
    return bytes(serialize(specs, metadata or None))  # 0.8.0 writes broken JSON for {}: '{},"__metadata__":{}}'


def with_header(header, data=b""):
    text = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + data


def written_by_hand(tensors, metadata):
    """In any order, with blanks, without padding: as others write."""
    header, at = {}, 0
    for key, (name, shape, data) in tensors.items():
        header[key] = {"dtype": name, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    items = list(header.items())
    random.shuffle(items)
    header = ({"__metadata__": metadata} if metadata is not None else {}) | dict(items)
    style = random.choice([{"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}, {}])
    return with_header(json.dumps(header, **style) + " " * random.randrange(9), b"".join(t[2] for t in tensors.values()))


def faults_of_listing(answer, tensors, metadata):
    if answer["status"] != "done":
        return [answer["error"]]
    got = {t[0]: t[1:] for t in answer["tensors"]}
    want = {}
    for key, (name, shape, data) in tensors.items():
        values = as_f32(name, data)
        want[key] = [name, shape, False, len(data), zlib.crc32(data), None if values is None else zlib.crc32(values.tobytes())]
    faults = [f"{key!r}: got {got.get(key)}, want {want.get(key)}" for key in want.keys() | got.keys() if got.get(key) != want.get(key)]
    if answer["metadata"] != (metadata or {}):
        faults.append(f"metadata {answer['metadata']}, want {metadata}")
    return faults


def check_sound_files():
    cases, refused = [], []
    for i in range(600):
        tensors, metadata = sound_tensors(random.randrange(9)), random.choice([None, {}, {"format": "pt"}])
        by_reference = i % 2 and all(not t[0].startswith("F6_") and not (t[0] == "F4" and (not t[1] or t[1][-1] % 2))
                                     for t in tensors.values())
        data = written_by_reference(tensors, metadata) if by_reference else written_by_hand(tensors, metadata)
        try:
            deserialize(data)
        except SafetensorError as error:
            refused.append(f"our own sound file is refused by the reference: {error}")
        cases.append((tensors, metadata, data, by_reference))
    answers = ask("format_helper", "list", records([b"x.safetensors\0" + data for _, _, data, _ in cases]))
    faults = [f for (tensors, metadata, _, _), a in zip(cases, answers) for f in faults_of_listing(json.loads(a), tensors, metadata)]
    checks.check(f"{len(cases)} sound files are listed and decoded as they were made", faults + refused)

    whole = [data for _, _, data, by_reference in cases if by_reference]
    answers = ask("format_helper", "rewrite", records(whole))
    faults = [f"got {bytes.fromhex(a)[:200]}, want {w[:200]}" if not a.startswith("!") else a
              for w, a in zip(whole, answers) if a != w.hex()]
    checks.check(f"{len(whole)} files of the reference are rewritten byte for byte", faults)


# ---- malformed files ----

REASONS = [  # the reference's text, ours
    ("header too small", "header too small"), ("header too large", "header too large"),
    ("invalid header length", "invalid header length"), ("invalid UTF-8 in header", "invalid UTF-8 in header"),
    ("invalid JSON in header", "invalid JSON in header"), ("invalid offset for tensor", "invalid offset for tensor"),
    ("invalid shape, data type, or offset", "invalid shape, data type, or offset"),
    ("overflow computing buffer size", "overflow computing buffer size"), ("slicing for subbytes", "misaligned slice"),
    ("incomplete metadata", "incomplete metadata"),
]


def deliberate(data, reference_error, answer):
    """Why the two may differ about this file, or None."""
    ours = answer.get("error", "")
    if re.search(r"is empty \(0 bytes\)|Git LFS pointer|web page", ours):
        return "files that stand for weights have messages of their own"
    if data[:4] in (b"PK\3\4", b"PK\5\6", b"GGUF") or data[:6] == b"\x93NUMPY":
        return "the content decides the format"
    header = data[8:8 + struct.unpack("<Q", data[:8])[0]]
    if "occurs twice" in ours:
        return "no name may occur twice (the text of the specification says so, the reference lets the last one win)"
    if re.search(rb'"(E8M0|UE8|FP4)"', header):
        return "the Hub's other spellings of two types are read"
    if reference_error is None and re.search(rb":\s*\[\s*\"", header):
        return "a tensor is an object; the reference also takes an array of the three values"
    if "surrogate" in ours:
        return "texts that nobody reads are checked like all others"
    if reference_error and "recursion limit" in reference_error and b"[" * 126 in header:
        return "128 levels may be nested, in the reference 127"
    if reference_error and ours and share_a_range(header):
        return "of two tensors over the same bytes either may be named; the reference's order is random"
    return None


def share_a_range(header):
    try:
        ranges = [tuple(t["data_offsets"]) for key, t in json.loads(header).items() if key != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return len(set(ranges)) < len(ranges)


def malformed():
    base = {"a": {"dtype": "U8", "shape": [2, 3], "data_offsets": [0, 6]}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [6, 14]},
            "z": {"dtype": "F4", "shape": [0, 5], "data_offsets": [14, 14]}}
    values = [0, 1, 2, 3, 6, 14, 15, -1, -0.0, 1.0, 1e3, 2**31, 2**32, 2**53, 2**63, 2**64 - 1, 2**64, None, True, "1", [], {}, [1], "x"]
    data = random.randbytes(14)
    for field in ("dtype", "shape", "data_offsets"):
        for tensor in base:
            for value in values + list(BITS) + ["E8M0", "UE8", "FP4", "f32", "", "F32 "]:
                for put in ([value] if field == "dtype" else [value, [value], [value, 6], [0, value], [2, value], [0, 6, value]]):
                    changed = json.loads(json.dumps(base))
                    changed[tensor][field] = put
                    yield with_header(json.dumps(changed), data)
            changed = json.loads(json.dumps(base))
            del changed[tensor][field]
            yield with_header(json.dumps(changed), data)
            text = json.dumps(base)
            yield with_header(text.replace(f'"{field}":', f'"{field}": null, "{field}":', 1), data)
    for value in values:
        yield with_header(json.dumps(base | {"__metadata__": value}), data)
        yield with_header(json.dumps(base | {"__metadata__": {"k": value}}), data)
        yield with_header(json.dumps(base | {"c": value}), data)
        yield with_header(json.dumps(base | {"a": base["a"] | {"extra": value}}), data)
        yield with_header(json.dumps(value), data)
    text = json.dumps(base)
    for n in range(-3, 4):
        yield with_header(text, data[:14 + n] if n < 0 else data + b"x" * n)
    for blanks in (" \t\r\n", "\0", "\v", "\f", "\u00a0", "\ufeff", "//", ","):
        yield with_header(blanks + text, data)
        yield with_header(text + blanks, data)
    for n in (0, 1, 8, 10**8 - 1, 10**8, 10**8 + 1, 2**63, 2**64 - 1, 2**64 - 8):
        yield struct.pack("<Q", n) + text.encode() + data
    for n in range(len(text) + 24):
        yield with_header(text, data)[:n]
    for depth in (126, 127, 128, 129, 1000):
        yield with_header('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":' + "[" * depth + "]" * depth + "}}")
    yield with_header('{"__metadata__":{},"__metadata__":{}}')
    yield with_header('{"\\ud800":' + json.dumps(base["z"] | {"data_offsets": [0, 0]}) + "}")
    sound = [written_by_hand(sound_tensors(3), {"format": "pt"}) for _ in range(40)]
    for _ in range(20000):
        yield mutate(random.choice(sound))


def mutate(data):
    data = bytearray(data)
    n_header = min(8 + struct.unpack("<Q", data[:8])[0], len(data))
    for _ in range(random.randrange(1, 4)):
        if not data:
            break
        at = random.randrange(8, n_header) if random.random() < 0.9 and 8 < n_header <= len(data) else random.randrange(len(data))
        kind = random.randrange(6)
        if kind == 0:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[at] = random.choice(b'"{}[],:0123456789-+.eE\\ntrufals \n\0\xff\xc3\x80')
        elif kind == 2:
            digits = [i for i in range(8, min(n_header, len(data))) if 48 <= data[i] < 58]
            if digits:
                data[random.choice(digits)] = random.choice(b"0123456789")
        elif kind == 3:
            del data[at:at + random.randrange(1, 9)]
        elif kind == 4:
            data[at:at] = data[at:at + random.randrange(1, 40)]
        else:
            del data[random.randrange(len(data)):]
        if random.random() < 0.8 and len(data) > 8:  # keep the length true, so that the deeper rules are reached
            end = data.rfind(b"}", 8) + 1
            if end > 8:
                data[:8] = struct.pack("<Q", end - 8)
    return bytes(data)


def check_malformed():
    cases = [data for data in malformed() if len(data) >= 8 or not data]
    answers = ask("format_helper", "list", records([b"x.safetensors\0" + data for data in cases]))
    verdicts, reasons, excused = [], [], {}
    n_refused = 0
    for data, text in zip(cases, answers):
        answer = json.loads(text)
        try:
            deserialize(data)
            error = None
        except SafetensorError as caught:
            error = str(caught)
        n_refused += error is not None
        same = (error is None) == (answer["status"] == "done")
        known = [ours for theirs, ours in REASONS if error and theirs in error]
        same_reason = not error or (known and known[0] in answer["error"])
        if same and same_reason:
            continue
        why = deliberate(data, error, answer)
        if why:
            excused[why] = excused.get(why, 0) + 1
        else:
            (reasons if same else verdicts).append(f"{data[:300]!r}: reference: {error}; ours: {answer['error'] or 'accepted'}")
    for why, n in sorted(excused.items()):
        print(f"       deliberate ({n}): {why}")
    checks.check(f"{len(cases)} files, {n_refused} of them malformed: the verdict of the reference", verdicts)
    checks.check("... and its reason", reasons)


check_decoders()
check_sound_files()
check_malformed()
checks.finish()
