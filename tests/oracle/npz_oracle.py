#!/usr/bin/env python3
"""Our npy and npz readers against NumPy, and our npy writer.

Arrays of every type, order and rank go through numpy.save, savez and savez_compressed; archives above 4 GiB and above 65,535
members are read; and of broken files, whatever we accept NumPy must accept too and read the same.
"""
import io
import json
import pathlib
import random
import tempfile
import warnings
import zipfile
import zlib

import ml_dtypes
import numpy as np

from asking import Checks, ask, records

random.seed(5)
warnings.simplefilter("ignore")
checks = Checks()
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="moescope-npz-"))

TYPES = {  # NumPy's type: our name for it
    "?": "BOOL", "i1": "I8", "u1": "U8", "<i2": "I16", "<u2": "U16", "<f2": "F16", "<i4": "I32", "<u4": "U32", "<f4": "F32",
    "<i8": "I64", "<u8": "U64", "<f8": "F64", "<c8": "C64", ml_dtypes.bfloat16: "BF16", "V2": "BF16",
    ml_dtypes.float8_e4m3fn: "UNKNOWN", "<c16": "UNKNOWN", "<U3": "UNKNOWN", "S5": "UNKNOWN", "<M8[s]": "UNKNOWN",
}


def stored(array):
    """The elements in the order of the file: Fortran order when that is the only one that fits, as numpy.save decides."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return array.ravel(order="F" if fortran else "C"), fortran


def expectation(array, name):
    flat, fortran = stored(array)
    data = flat.tobytes()
    values = None
    if name == "BF16":
        values = np.frombuffer(data, ml_dtypes.bfloat16).astype(np.float32)
    elif name != "UNKNOWN":
        with np.errstate(all="ignore"):
            values = (flat.real if name == "C64" else flat).astype(np.float32)
    if values is not None:
        values = np.array(values)
        values[np.isnan(values)] = np.float32(np.nan)
    return [name, list(array.shape), fortran and array.ndim > 1, len(data), zlib.crc32(data),
            None if values is None else zlib.crc32(values.tobytes())]


def random_array():
    kind, name = random.choice(list(TYPES.items()))
    dtype = np.dtype(kind)
    shape = tuple(random.choice((0, 1, 2, 3, 5)) for _ in range(random.randrange(5)))
    n = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "U":
        array = np.array([random.choice(("", "a", "\u00e9\u20ac")) for _ in range(n)], dtype).reshape(shape)
    elif dtype.kind == "b":
        array = np.array([random.random() < 0.5 for _ in range(n)], dtype).reshape(shape)
    else:
        array = np.frombuffer(random.randbytes(n * dtype.itemsize), dtype).reshape(shape)
    if random.random() < 0.4:
        array = np.asfortranarray(array)
    if random.random() < 0.2 and array.ndim > 1:
        array = array[::1, ::2]
    return array, name


def compare(answer, want):
    if answer["status"] != "done":
        return [answer["error"]]
    got = {t[0]: t[1:] for t in answer["tensors"]}
    return [f"{key!r}: got {got.get(key)}, want {want.get(key)}" for key in got.keys() | want.keys() if got.get(key) != want.get(key)]


def check_npy():
    cases = []
    for _ in range(800):
        array, name = random_array()
        out = io.BytesIO()
        np.lib.format.write_array(out, array, version=random.choice([None, (1, 0), (2, 0), (3, 0)]))
        cases.append((out.getvalue(), expectation(array, name)))
    answers = ask("format_helper", "list", records([b"dir/a.b.npy\0" + data for data, _ in cases]))
    faults = [f for (_, want), a in zip(cases, answers) for f in compare(json.loads(a), {"a.b": want})]
    checks.check(f"{len(cases)} npy files of every type, order and version", faults)


def check_npz():
    cases = []
    for i in range(500):
        arrays, want = {}, {}
        for _ in range(random.randrange(6)):
            key = random.choice(["w", "layers/0/w", "a.b.c", "\u00e9\u20ac", "x y", "arr_0"]) + str(random.randrange(50))
            arrays[key], name = random_array()
            want[key] = expectation(arrays[key], name)
        out = io.BytesIO()
        (np.savez_compressed if i % 2 else np.savez)(out, **arrays)
        cases.append((out.getvalue(), want))
    answers = ask("format_helper", "list", records([b"w.npz\0" + data for data, _ in cases]))
    faults = [f for (_, want), a in zip(cases, answers) for f in compare(json.loads(a), want)]
    checks.check(f"{len(cases)} npz files, stored and compressed", faults)


class Stream(io.BytesIO):
    """Cannot seek: zipfile then writes sizes behind the members."""

    def seek(self, *_):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation

    def seekable(self):
        return False


def check_streams():
    cases = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for force in (False, True):
            out, want = Stream(), {}
            with zipfile.ZipFile(out, "w", compression) as archive:
                archive.comment = b"a comment PK\5\6"
                for i in range(3):
                    array, name = random_array()
                    want[str(i)] = expectation(array, name)
                    with archive.open(f"{i}.npy", "w", force_zip64=force) as member:
                        np.lib.format.write_array(member, array)
            cases.append((out.getvalue(), want))
    answers = ask("format_helper", "list", records([b"w.npz\0" + data for data, _ in cases]))
    checks.check("archives written to streams", [f for (_, want), a in zip(cases, answers) for f in compare(json.loads(a), want)])


def check_refused():
    rows = [(np.array([{}, 1], object), "unsupported"), (np.zeros(3, ">f4"), "unsupported"),
            (np.zeros(3, [("a", "<f4"), ("b", "<i8")]), "unsupported")]
    inputs = []
    for array, _ in rows:
        npy, npz = io.BytesIO(), io.BytesIO()
        np.save(npy, array, allow_pickle=True)
        np.savez(npz, x=array)
        inputs += [b"x.npy\0" + npy.getvalue(), b"x.npz\0" + npz.getvalue()]
    answers = [json.loads(a) for a in ask("format_helper", "list", records(inputs))]
    checks.check("objects, structures and big-endian arrays are refused",
                 [a for a, (_, status) in zip(answers, [r for r in rows for _ in (0, 1)]) if a["status"] != status])


def check_mixed():
    """What cannot be read is left out, and the rest is there."""
    plain = np.arange(6, dtype="<f4").reshape(2, 3)
    other = {"objects": np.array([{}, 1], object), "big": np.zeros(3, ">f4"), "fields": np.zeros(3, [("a", "<f4")])}
    faults = []
    for pack in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        pack(out, plain=plain, **other)
        answer = json.loads(ask("format_helper", "list", records([b"x.npz\0" + out.getvalue()]))[0])
        faults += compare(answer, {"plain": expectation(plain, "F32")})
    checks.check("beside objects, structures and big-endian arrays the others are read", faults)


def check_large():
    """A sparse archive whose second member begins above 4 GiB, and one of 70,000 members."""
    path = FOLDER / "large.npz"
    n = (4 << 30) + 4096
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (n // 4,)})
    with open(path, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        info = zipfile.ZipInfo("big.npy")
        member = archive.open(info, "w", force_zip64=True)
        member.write(head.getvalue())
        out.flush()
        out.seek(n, io.SEEK_CUR)  # a hole; nobody checks the CRC of what is mapped
        member._file_size += n
        member._compress_size = member._file_size
        member.close()
        small = np.arange(12, dtype=np.float32).reshape(3, 4)
        with archive.open("small.npy", "w") as second:
            np.lib.format.write_array(second, small)
    many = FOLDER / "many.npz"
    np.savez(many, **{f"a{i}": np.array(i, np.int32) for i in range(70000)})
    answers = [json.loads(a) for a in ask("format_helper", "files", records([str(p).encode() + b"\0" for p in (path, many)]))]
    want = {"big": ["F32", [n // 4], False, n, None, None], "small": expectation(small, "F32")}
    checks.check("a member above 4 GiB (ZIP64)", compare(answers[0], want))
    with np.load(path) as loaded:
        checks.check("... and NumPy reads the second one of that file", [] if (loaded["small"] == small).all() else ["differs"])
    got = {t[0]: t[4:6] for t in answers[1].get("tensors", [])}
    checks.check("70,000 members (ZIP64)", [f"a{i}" for i in range(70000)
                                            if got.get(f"a{i}") != [4, zlib.crc32(np.int32(i).tobytes())]])
    path.unlink(), many.unlink()


def mutate(data):
    data = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(data))
        kind = random.randrange(5)
        if kind == 0:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[at] = random.choice(b"\0\1\xff PK'(),{}0123456789TrueFals")
        elif kind == 2:
            del data[at:at + random.randrange(1, 5)]
        elif kind == 3:
            data[at:at] = data[at:at + random.randrange(1, 9)]
        else:
            data[at:at + 4] = random.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\1\0\0\0"])
        if not data:
            return b"\0"
    return bytes(data)


def numpy_reads(name, data):
    """{key: (shape, fortran, bytes)} or why not."""
    try:
        if name == "npy":
            loaded = {"x": np.load(io.BytesIO(data), allow_pickle=False)}
        else:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                loaded = {key: archive[key] for key in archive.files}
    except Exception as error:  # whatever it is, it is a refusal
        return f"{type(error).__name__}: {error}"
    return {key: [list(a.shape), zlib.crc32(stored(a)[0].tobytes())] for key, a in loaded.items() if isinstance(a, np.ndarray)}


def check_broken():
    seeds = []
    for i in range(60):
        npy, npz = io.BytesIO(), io.BytesIO()
        arrays = {key: random_array()[0] for key in ("w", "layers/0", "b")[:random.randrange(1, 4)]}
        np.save(npy, next(iter(arrays.values())))
        (np.savez_compressed if i % 2 else np.savez)(npz, **arrays)
        seeds += [("npy", npy.getvalue()), ("npz", npz.getvalue())]
    cases = [(name, mutate(data)) for name, data in random.choices(seeds, k=40000)]
    answers = ask("format_helper", "list", records([b"x." + name.encode() + b"\0" + data for name, data in cases]))
    faults, n_accepted = [], 0
    for (name, data), text in zip(cases, answers):
        answer = json.loads(text)
        if answer["status"] != "done" or any(isinstance(t[5], str) for t in answer["tensors"]):
            continue
        n_accepted += 1
        theirs = numpy_reads(name, data)
        if isinstance(theirs, str) and any(why in theirs for why in ("Bad CRC-32", "max_header_size", "invalid literal", "'<M8[")):
            continue  # what is mapped is not summed up; a longer header does no harm; the L of Python 2; units are not looked at
        if isinstance(theirs, dict) and name == "npz":
            theirs = {key: value for key, value in theirs.items() if key in {t[0] for t in answer["tensors"]}}
        got = {t[0]: [t[2], t[5]] for t in answer["tensors"]}
        if got != theirs:
            faults.append(f"{data[:400]!r}: ours {got}, NumPy {theirs}")
    checks.check(f"{len(cases)} broken files: the {n_accepted} that we accept, NumPy reads the same", faults)


def check_writer():
    """`moescope dump` and the sample cache write npy; here: what the unit test pins for one shape, for many."""
    rows = []
    for name, dtype in (("F32", "<f4"), ("I64", "<i8"), ("U8", "|u1")):
        for shape in ((), (1,), (3, 4), (123456789,), (5, 1, 1, 7)):
            out = io.BytesIO()
            np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
            rows.append((name, shape, out.getvalue()))
    request = [f"{name} {' '.join(map(str, shape))}".encode() + b"\0" for name, shape, _ in rows]
    answers = ask("format_helper", "npy", records(request))
    checks.check("npy headers are those of NumPy, byte for byte",
                 [f"{shape}: {bytes.fromhex(a)}, want {want}" for (_, shape, want), a in zip(rows, answers) if a != want.hex()])


check_npy()
check_npz()
check_streams()
check_refused()
check_mixed()
check_large()
check_broken()
check_writer()
checks.finish()
