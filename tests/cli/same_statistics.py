#!/usr/bin/env python3
"""Compares what two runs (written as CSV) say of the same model stored in two ways; standard library only.

    same_statistics.py RUN RUN [--within R]

Rows of data/matrix_stats and data/quant_sim are matched by what they measured, those of tables/ by their first columns. Numbers are
equal (sums over many rows to 1e-12, since the files order the matrices differently), or, with --within, rms, std, mean_abs, p50_abs and
p99_abs of each matrix agree to that ratio and nothing else is looked at.
"""
import argparse
import csv
import pathlib

KEY = ("layer", "block4", "proj", "expert_id", "is_routed_expert", "is_shared_expert", "rows", "cols", "scheme", "section", "delta_name")
TEXTS = ("file", "source_tensor", "derived_tensor", "dtype", "storage", "extracted_by", "rule")  # of the storage, not the values
ROUGH = ("rms", "std", "mean_abs", "p50_abs", "p99_abs")


def rows_of(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {tuple(row.get(k, "") for k in KEY): {k: v for k, v in row.items() if k not in KEY and k not in TEXTS} for row in rows}, len(rows)


def differs(a, b, within):
    if a == b:
        return False
    try:
        a, b = float(a), float(b)
    except ValueError:
        return True
    return not abs(a - b) <= within * max(abs(a), abs(b))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=pathlib.Path, nargs=2)
    parser.add_argument("--within", type=float)
    options = parser.parse_args()
    names = ["data/matrix_stats.csv"]
    if options.within is None:
        names += ["data/quant_sim.csv"] + sorted(f"tables/{p.name}" for p in (options.runs[0] / "tables").iterdir())
    faults = []
    for name in names:
        (a, n), (b, m) = (rows_of(run / name) for run in options.runs)
        if a.keys() != b.keys() or len(a) != n or len(b) != m:
            faults.append(f"{name}: {n} and {m} rows, {len(a.keys() & b.keys())} of them of the same things")
            continue
        allowed = options.within or (1e-12 if name.startswith("tables") else 0)
        for key, row in a.items():
            columns = row if options.within is None else ROUGH
            faults += [f"{name}: {'/'.join(key)}: {c} is {row[c]} and {b[key][c]}" for c in columns if differs(row[c], b[key][c], allowed)]
        print(f"{n} rows of {name}")
    for fault in faults[:5]:
        print(fault)
    print(f"{len(faults)} differ")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
