#!/usr/bin/env python3
"""Writes the seeds of parquet_fuzz to corpus/parquet: one small table in several dialects. Needs pyarrow (.deps/oracle).

    make_parquet_corpus.py [TABLE_HELPER]      # with the helper of the table oracle also one file that we wrote
"""
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).resolve().parent / "corpus" / "parquet"
TABLE = pa.table({
    "i": pa.array([1, None, -3] * 3), "f": pa.array([0.5, None, float("nan")] * 3), "b": pa.array([True, None, False] * 3),
    "s": pa.array(["a", None, "model.layers.0"] * 3), "shape": pa.array([[1, 2], None, []] * 3, pa.list_(pa.int64()))})
DIALECTS = {
    "plain": {"compression": "none", "use_dictionary": False}, "dictionary": {"compression": "none"},
    "snappy": {"compression": "snappy"}, "zstd_pages_2": {"compression": "zstd", "data_page_version": "2.0"},
    "gzip_row_groups": {"compression": "gzip", "row_group_size": 4}, "lz4": {"compression": "lz4", "write_page_checksum": True},
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, options in DIALECTS.items():
    pq.write_table(TABLE, FOLDER / name, store_schema=False, **options)
if len(sys.argv) > 1:
    subprocess.run([sys.argv[1], "convert", FOLDER / "plain", FOLDER / "ours", "parquet", "none"], check=True, stdout=subprocess.DEVNULL)
    (FOLDER / "ours.parquet").rename(FOLDER / "ours")
