#!/usr/bin/env python3
"""Our Parquet and CSV against pyarrow and DuckDB: each way, exactly.

    table_oracle.py --program PATH --helpers FOLDER

Tables are made here and written by pyarrow in many dialects; table_helper reads each and writes it again; pyarrow and DuckDB
must read from that what was put in. Summaries are compared with numpy.
"""
import argparse
import csv
import io
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

parser = argparse.ArgumentParser()
parser.add_argument("--program")
parser.add_argument("--helpers", type=pathlib.Path, required=True)
arguments = parser.parse_args()
HELPER = arguments.helpers / "table_helper"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="moescope-table-"))
counts = {True: 0, False: 0}


def check(name, good, detail=""):
    counts[bool(good)] += 1
    print(f"{'ok  ' if good else 'FAIL'} {name}{'' if good else ': ' + str(detail)[:2000]}", flush=True)


def helper(*words):
    done = subprocess.run([HELPER, *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.splitlines(), done.stderr.strip()


def convert(path, form="parquet", codec="zstd"):
    code, out, err = helper("convert", path, FOLDER / "out", form, codec)
    if code != 0 or out[1]:
        raise RuntimeError(f"exit code {code}: {out} {err}")
    return out[0]


def same(a, b):
    """Values with NaN equal to NaN and null only to null."""
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return type(a) is type(b) and a == b


def difference(got, want):
    """"" or the first place where two {column: values} differ."""
    if list(got) != list(want):
        return f"columns {list(got)}, want {list(want)}"
    for name in want:
        if len(got[name]) != len(want[name]):
            return f"{name}: {len(got[name])} rows, want {len(want[name])}"
        for row, (a, b) in enumerate(zip(got[name], want[name])):
            if not same(a, b):
                return f"{name}[{row}]: {str(a)[:200]!r}, want {str(b)[:200]!r}"
    return ""


def by_duckdb(path):
    result = duckdb.sql(f"select * from read_parquet('{path}')")
    rows = result.fetchall()
    return {name: [row[i] for row in rows] for i, name in enumerate(result.columns)}


# ---- tables ----

WORDS = ["", "gate_proj", "up_proj", "model.layers.12.mlp.experts.127.down_proj.weight", "a,b", '"', "line\nbreak", "\r", "caf\u00e9",
         "\u4e2d\u6587", "\U0001f52c", "e\u0301", " blank ", "nan", "1", "True", "()", "\u200f", "x" * 300]
REALS = [0.0, -0.0, 1.0, 0.1, 1e-7, 1e16, 1.7976931348623157e308, 5e-324, math.nan, math.inf, -math.inf, 2.0 ** 53 + 2, -123.456]
INTS = [0, 1, -1, 127, -128, 2 ** 31 - 1, -2 ** 31, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63]


def table(n, seed, nulls=0.3, **kinds):
    r = random.Random(seed)

    def column(make):
        return [None if r.random() < nulls else make() for _ in range(n)]

    makers = {
        "i": lambda: r.choice(INTS) if r.random() < 0.3 else r.randrange(-1000, 1000),
        "f": lambda: r.choice(REALS) if r.random() < 0.3 else r.gauss(0, 1) * 10 ** r.randrange(-30, 30),
        "b": lambda: r.random() < 0.5,
        "s": lambda: r.choice(WORDS) if r.random() < 0.5 else f"tensor.{r.randrange(10 ** 6)}",
        "shape": lambda: [r.choice(INTS) if r.random() < 0.2 else r.randrange(5000) for _ in range(r.randrange(5))],
    }
    return {name: column(makers[name]) for name in (kinds.get("only") or makers)}


TYPES = {"i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "s": pa.string(), "shape": pa.list_(pa.int64())}


def arrow(values, types=None, nullable=True):
    kinds = dict(TYPES, **(types or {}))
    schema = pa.schema([pa.field(name, kinds[name], nullable) for name in values])
    return pa.table({name: pa.array(values[name], kinds[name]) for name in values}, schema)


def write(values, types=None, nullable=True, **options):
    path = FOLDER / "in.parquet"
    pq.write_table(arrow(values, types, nullable), path, **options)
    return path


def round_trip(name, values, types=None, nullable=True, codec="zstd", want=None, **options):
    try:
        out = convert(write(values, types, nullable, **options), codec=codec)
        want = want or values
        read = pq.read_table(out)
        problem = difference(read.to_pydict(), want) or difference(by_duckdb(out), want)
        for field in read.schema:
            if field.type not in (pa.int64(), pa.float64(), pa.bool_(), pa.string()) and not pa.types.is_list(field.type):
                problem = problem or f"{field.name} is {field.type}"
        check(name, not problem, problem)
    except Exception as error:  # noqa: BLE001  a check that breaks has failed
        check(name, False, repr(error))


def sizes():
    for n in (0, 1, 2, 7, 8, 9, 1000, 65535, 65536, 65537):
        for nulls in (0.0, 0.3, 1.0):
            round_trip(f"{n} rows, {nulls:.0%} null", table(n, n + int(10 * nulls), nulls))
    round_trip("200000 rows in four row groups", table(200000, 5, only=["i", "f", "s", "shape"]))
    long = {"s": [None if i % 3 == 0 else ("\u00e9" + chr(97 + i % 26)) * (i * 40000) for i in range(60)]}
    round_trip("strings of up to 7 MB", long)
    round_trip("lists of up to 100000 items", {"shape": [None if i % 4 == 0 else list(range(i * 5000)) for i in range(21)]})
    # runs: nulls and values in long stretches, so that levels are run-length coded over page borders
    runs = {"f": [None if (i // 5000) % 2 else float(i) for i in range(150000)],
            "s": [None if (i // 777) % 2 else "word" for i in range(150000)]}
    round_trip("long runs of nulls", runs)


def codecs():
    for codec in ("zstd", "snappy", "gzip", "lz4", "none", "SNAPPY"):
        values = table(5000, codec)
        round_trip(f"we write {codec}", values, codec=codec)
        found = pq.ParquetFile(FOLDER / "out.parquet").metadata.row_group(0).column(0).compression
        want = {"none": "UNCOMPRESSED"}.get(codec, codec.upper())
        check(f"... which pyarrow calls {want}", found == want, found)


def dialects():
    values = table(5000, 77)
    for codec in ("snappy", "gzip", "zstd", "lz4", "none"):
        round_trip(f"pyarrow writes {codec}", values, compression=codec)
    for version in ("1.0", "2.0"):
        for dictionary in (True, False):
            round_trip(f"data pages {version}, dictionary {dictionary}", values, data_page_version=version, use_dictionary=dictionary)
    round_trip("pages of 1 KiB, row groups of 999", values, data_page_size=1024, row_group_size=999)
    round_trip("pages of 1 KiB, data pages 2.0", values, data_page_size=1024, data_page_version="2.0")
    round_trip("format 1.0", values, version="1.0")
    round_trip("statistics and page index", values, write_statistics=True, write_page_index=True)
    round_trip("checksums", values, write_page_checksum=True)
    round_trip("required columns", table(3000, 8, nulls=0.0), nullable=False)
    for name, encoding in (("f", "BYTE_STREAM_SPLIT"), ("i", "DELTA_BINARY_PACKED"), ("s", "DELTA_LENGTH_BYTE_ARRAY"),
                           ("s", "DELTA_BYTE_ARRAY")):
        round_trip(f"{encoding}", {name: values[name]}, use_dictionary=False, column_encoding={name: encoding})
    r = random.Random(3)
    for bits in (8, 16, 32):
        for kind, low, high in ((f"int{bits}", -2 ** (bits - 1), 2 ** (bits - 1)), (f"uint{bits}", 0, 2 ** bits)):
            small = {"i": [None if r.random() < 0.2 else r.randrange(low, high) for _ in range(999)] + [low, high - 1]}
            round_trip(kind, small, types={"i": getattr(pa, kind)()})
    round_trip("uint64 below 2^63", {"i": [0, None, 2 ** 63 - 1]}, types={"i": pa.uint64()})
    floats = {"f": [None if r.random() < 0.2 else float(np.float32(r.gauss(0, 1))) for _ in range(999)] + [math.nan, -math.inf]}
    round_trip("float32", floats, types={"f": pa.float32()})
    round_trip("large_string", {"s": values["s"]}, types={"s": pa.large_string()})
    round_trip("dictionary of strings", {"s": values["s"]}, types={"s": pa.dictionary(pa.int32(), pa.string())})
    round_trip("list of int32", {"shape": [[1, 2], None, [], [-5]]}, types={"shape": pa.list_(pa.int32())})
    items = pa.list_(pa.field("element", pa.int64(), False))
    round_trip("list of required items", {"shape": [[1, 2], None, [], [-5]]}, types={"shape": items})
    round_trip("required list", {"shape": [[1, 2], [], [-5]]}, types={"shape": items}, nullable=False)
    round_trip("a column of nothing", {"i": [1, 2], "f": [None, None]}, types={"f": pa.null()})


def refusals():
    cases = {
        "timestamp": ([1, 2], pa.timestamp("us")), "date": ([1, 2], pa.date32()), "decimal": ([1, 2], pa.decimal128(5, 2)),
        "struct": ([{"a": 1}], pa.struct([("a", pa.int64())])), "list of strings": ([["a"]], pa.list_(pa.string())),
        "list of lists": ([[[1]]], pa.list_(pa.list_(pa.int64()))), "half": ([1.0], pa.float16()),
        "map": ([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "time": ([1], pa.time64("us")),
        "fixed": ([b"ab"], pa.binary(2)),
    }
    for name, (values, kind) in cases.items():
        code, _, err = helper("convert", write({"good": [0] * len(values), "odd one": values}, {"good": pa.int64(), "odd one": kind}),
                              FOLDER / "out", "csv")
        check(f"{name} is refused by name", code == 4 and "odd one" in err, (code, err))
    code, _, err = helper("convert", write({"u": [2 ** 63]}, {"u": pa.uint64()}), FOLDER / "out", "csv")
    check("uint64 of 2^63 is refused by name", code == 3 and "'u'" in err, (code, err))
    code, _, err = helper("convert", write({"shape": [[1, None]]}), FOLDER / "out", "csv")
    check("a null inside a list is refused by name", code == 3 and "'shape'" in err, (code, err))
    code, _, err = helper("convert", write({"s": [b"\xff"]}, {"s": pa.binary()}), FOLDER / "out", "csv")
    check("bytes that are no text are refused by name", code == 3 and "'s'" in err, (code, err))
    code, out, err = helper("convert", write({"i": [1]}), FOLDER / "out", "parquet", "brotli")
    check("an unknown compression falls back to CSV and says why", code == 0 and out[0].endswith("out.csv") and "'brotli'" in out[1], out)


def statistics():
    values = {"f": [math.nan, 1.0, -3.0, None], "g": [math.nan] * 4, "z": [0.0, -0.0, None, 0.0]}
    out = convert(write(values, {"f": pa.float64(), "g": pa.float64(), "z": pa.float64()}))
    group = pq.ParquetFile(out).metadata.row_group(0)
    found = [group.column(c).statistics for c in range(3)]
    check("min and max leave NaN out", found[0] and (found[0].min, found[0].max, found[0].null_count) == (-3.0, 1.0, 1), found[0])
    check("NaN alone gives no min", not (found[1] and found[1].has_min_max), found[1])
    got = duckdb.sql(f"select count(*) from read_parquet('{out}') where z = 0 and f > -5").fetchall()
    check("DuckDB filters by them rightly", got == [(1,)] or got == [(2,)], got)
    got = duckdb.sql(f"select count(*) from read_parquet('{out}') where g is null").fetchall()
    check("NaN is no null", got == [(0,)], got)
    created = pq.ParquetFile(out).metadata.created_by
    check("the file names us", created.startswith("moescope "), created)
    check("the same table gives the same bytes", len({pathlib.Path(convert(FOLDER / "in.parquet")).read_bytes() for _ in range(2)}) == 1)


# ---- CSV and JSON ----

def pandas_text(value):
    """What DataFrame.to_csv writes, but that integers stay integers beside nulls."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list):
        return str(tuple(value))
    return repr(value) if isinstance(value, float) else str(value)


def csv_text(values):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(values)
    writer.writerows(zip(*[[pandas_text(v) for v in column] for column in values.values()]))
    return out.getvalue()


def texts():
    for n in (0, 1, 3000):
        values = table(n, n + 1)
        values["s"] = [None if s is None else s.replace("\r", "") for s in values["s"]]  # older csv modules do not quote CR
        got = pathlib.Path(convert(write(values), "csv")).read_bytes().decode()
        want = csv_text(values)
        same_lines = next((f"{a!r}, want {b!r}" for a, b in zip(got.split("\n"), want.split("\n")) if a != b), "")
        check(f"CSV of {n} rows is what Python writes", got == want, same_lines)
        path = FOLDER / "in.csv"
        path.write_text(want, newline="")
        if n > 1:
            lost = {k: [None if v == "" or (isinstance(v, float) and math.isnan(v)) else v for v in c] for k, c in values.items()}
            read = pq.read_table(convert(path)).to_pydict()
            check("... and reads back", not difference(read, lost), difference(read, lost))
    values = table(500, 99)
    want = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in zip(values, row)}
            for row in zip(*values.values())]
    got = json.loads(pathlib.Path(convert(write(values), "json")).read_text())
    check("JSON is what Python reads", got == want, next(((a, b) for a, b in zip(got, want) if a != b), ""))


# ---- summaries ----

def summaries():
    r = np.random.default_rng(1)
    n = 20000
    layer = [None if r.random() < 0.02 else int(r.integers(0, 30)) for _ in range(n)]
    proj = [("gate", "up", "down", None)[int(r.integers(0, 4))] for _ in range(n)]
    values = r.normal(size=n) * 10.0 ** r.integers(-6, 6, size=n)
    x = [None if r.random() < 0.05 else math.nan if r.random() < 0.05 else float(v) for v in values]
    path = write({"layer": layer, "proj": proj, "x": x}, {"layer": pa.int64(), "proj": pa.string(), "x": pa.float64()})
    code, out, err = helper("summarize", path, FOLDER / "summary", "layer,proj", "x")
    check("summarize runs", code == 0, err)
    got = pq.read_table(out[0]).to_pydict()
    groups = {}
    for key, value in zip(zip(layer, proj), x):
        groups.setdefault(key, []).extend([value] if value is not None and not math.isnan(value) else [])
    order = sorted(groups, key=lambda k: [(part is None, part if part is not None else 0) for part in k])
    check("groups in order, nulls last", list(zip(got["layer"], got["proj"])) == order)
    exact = {"min": lambda v: v.min(), "max": lambda v: v.max(), "median": lambda v: np.quantile(v, 0.5),
             "p01": lambda v: np.quantile(v, 0.01), "p90": lambda v: np.quantile(v, 0.9), "p99": lambda v: np.quantile(v, 0.99)}
    for name, function in exact.items():
        want = [float(function(np.array(groups[k]))) for k in order]
        check(f"{name} to the bit", got[f"x__{name}"] == want, next(((a, b) for a, b in zip(got[f"x__{name}"], want) if a != b), ""))
    for name, function in {"mean": np.mean, "std": lambda v: np.std(v, ddof=1)}.items():
        want = [float(function(np.array(groups[k]))) for k in order]
        scale = [float(np.abs(groups[k]).mean()) for k in order]
        worst = max(abs(a - b) / s for a, b, s in zip(got[f"x__{name}"], want, scale))
        check(f"{name} to 1e-13", worst < 1e-13, worst)


sizes()
codecs()
dialects()
refusals()
statistics()
texts()
summaries()
subprocess.run(["rm", "-rf", FOLDER], check=False)
print(f"{counts[True]} passed, {counts[False]} failed")
sys.exit(1 if counts[False] else 0)
