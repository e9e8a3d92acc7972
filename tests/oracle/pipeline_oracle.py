#!/usr/bin/env python3
"""The weights pipeline against its contract: every row of every table, every log, over the example and over models made here.

    pipeline_oracle.py --program PATH --helpers FOLDER [--seeds N] [--seed S]

pipeline_contract.py says what must come out, from the tensors alone (NumPy; MLX itself for quantisation). The models are of
random layouts, names, rules, file kinds and settings; a failing seed is printed and can be run again alone with --seed.
"""
import argparse
import csv
import json
import math
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
import pyarrow.parquet as pq

import pipeline_contract as contract

parser = argparse.ArgumentParser()
parser.add_argument("--program", type=pathlib.Path, required=True)
parser.add_argument("--helpers")
parser.add_argument("--seeds", type=int, default=60)
parser.add_argument("--seed", type=int)
options = parser.parse_args()
ROOT = pathlib.Path(__file__).resolve().parents[2]
DTYPES = {"float16": ("F16", np.float16), "bfloat16": ("BF16", ml_dtypes.bfloat16), "float32": ("F32", np.float32),
          "float64": ("F64", np.float64), "int32": ("I32", np.int32), "uint8": ("U8", np.uint8)}
IDENTITY = ["file", "source_tensor", "derived_tensor", "layer", "block4", "proj", "expert_id"]
HEADERS = {
    "tensor_inventory": ["file", "tensor_name", "dtype", "shape", "ndim", "nbytes"],
    "matrix_stats": [*IDENTITY, "is_routed_expert", "is_shared_expert", "rows", "cols", "dtype", *contract.A_METRICS],
    "quant_sim": [*IDENTITY, "is_shared_expert", "rows", "cols", "scheme", "mode", "bits", "group_size", *contract.B_METRICS, "error"],
    "unmatched_tensors": ["file", "tensor_name", "dtype", "shape", "ndim", "reason"],
    "proj_canonicalization_report": ["context", "rule_name", "raw_proj", "resolved_proj", "action", "count", "example_file",
                                     "example_source_tensor", "example_derived_tensor", "suggested_proj", "suggested_match"],
    "warnings": ["warning"],
}
EXTRAS = ["p50_abs_exact", "p99_abs_exact", "p999_abs_exact", "min", "max", "nan_count", "inf_count", "zero_count"]
LOGS = ("proj_canonicalization_report", "warnings")


# ---- reading what the program wrote ----

def cell(text, like):
    """A CSV cell as the type of the expected value."""
    if text == "":
        return "" if isinstance(like, str) else None
    if isinstance(like, bool):
        return {"True": True, "False": False}.get(text, text)
    if isinstance(like, list):
        return [int(n) for n in text.strip("()").split(",") if n.strip()]
    return type(like)(text) if isinstance(like, (int, float)) else text


def read(run, folder, name, kind):
    """(columns, rows) of a table; CSV rows are texts. None when it is not there."""
    path = run / folder / f"{name}.{kind}"
    if not path.exists():
        return None
    if kind == "parquet":
        table = pq.read_table(path)
        return table.schema.names, table.to_pylist()
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(path, newline="") as file:
        return next(csv.reader(file)), rows


def close(got, want, name):
    if got is None or want is None or isinstance(want, (str, bool, list)):
        return got == want
    if isinstance(want, float) and math.isnan(want):
        return got is None or math.isnan(got)
    if isinstance(want, int):
        return got == want
    tolerance = 3e-7 if re.match(r"g-?\d+_", name) else 1e-9
    return abs(got - want) <= tolerance * abs(want) + 1e-12


def compare_rows(what, got, want, columns, as_text):
    faults = []
    if len(got) != len(want):
        return [f"{what}: {len(got)} rows, {len(want)} expected"]
    for i, (g, w) in enumerate(zip(got, want)):
        for name in columns:
            like = w[name]
            value = cell(g.get(name, ""), like) if as_text else g.get(name)
            if as_text and isinstance(like, float) and math.isnan(like) and value is None:
                continue
            if not close(value, like, name):
                faults.append(f"{what}: row {i}: {name}: {value!r}, expected {like!r}")
    return faults


# ---- making models ----

def write_safetensors(path, tensors, chance):
    """tensors in any order of bytes; the header in another."""
    order = tensors[:]
    chance.shuffle(order)
    header, data = {}, b""
    for t in order:
        raw = t.array.astype(t.array.dtype.newbyteorder("<") if t.kind != "bfloat16" else t.array.dtype).tobytes()
        header[t.name] = {"dtype": DTYPES[t.kind][0], "shape": list(t.array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    names = list(header)
    chance.shuffle(names)
    text = json.dumps({name: header[name] for name in names}).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_npz(path, tensors, chance):
    arrays = {t.name: np.asfortranarray(t.array) if t.array.ndim > 1 and chance.random() < 0.4 else t.array for t in tensors}
    path.parent.mkdir(parents=True, exist_ok=True)
    (np.savez if chance.random() < 0.5 else np.savez_compressed)(path, **arrays)


class Maker:
    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.tensors, self.rules, self.names = [], [], set()

    def pick(self, *items):
        return self.chance.choice(items)

    def values(self, shape, kind):
        scale = self.pick(1e-3, 0.02, 1.0)
        w = np.asarray(self.numbers.standard_normal(shape) * scale)
        if self.chance.random() < 0.3:
            w = w**3 / scale**2
        if shape and self.chance.random() < 0.2:
            w[self.numbers.random(shape) < 0.3] = 0
        return w.astype(DTYPES[kind][1]) if kind in ("float16", "bfloat16", "float32", "float64") else (w * 1e3).astype(DTYPES[kind][1])

    def add(self, name, shape, kind=None):
        if name in self.names:
            return
        self.names.add(name)
        kind = kind or self.kind
        self.tensors.append(contract.Tensor(name, self.values(shape, kind), kind))

    def size(self):
        return self.pick(4, 8, 32, 64, 96)

    def rule(self, name, match, ndim, layout, **more):
        axes = dict(zip(("layer_axis", "expert_axis", "rows_axis", "cols_axis"), layout))
        self.rules.append({"name": name, "match": match, "ndim": self.pick(ndim, ndim, None), "layout": axes} | more)

    def prefix(self):
        layer = self.pick(0, 1, 3, 5, 17)
        text = self.pick(f"{layer}", f"{layer:03d}")
        return self.pick(f"model.layers.{text}.mlp.", f"layers.{text}.block_sparse_moe.", f"model.language_model.layers.{text}.ffn.",
                         f"h.{layer}.", f"layers.{text}.a b..")

    def per_expert(self):
        proj, r, c, base = self.pick("gate_proj", "w1", "W2", "up_proj", "w3", "wobble"), self.size(), self.size(), self.prefix()
        for e in range(self.pick(1, 3, 5)):
            self.add(f"{base}experts.{self.pick(str(e), f'{e:04d}')}.{proj}.weight", (r, c))
        if self.chance.random() < 0.6:
            self.rule("single", r".*experts\.(\d+)\.(\w+)\.weight$", 2, (None, None, 0, 1), expert_group=self.pick(1, None),
                      proj_group=self.pick(2, None))

    def stacked(self):
        e, r, c, tag = self.pick(1, 2, 5), self.size(), self.size(), self.chance.randrange(10**6)
        axes = self.chance.sample(range(3), 3)
        shape = [0, 0, 0]
        for axis, extent in zip(axes, (e, r, c)):
            shape[axis] = extent
        proj = self.pick("down_proj", "w1", "ffn_up", "strange")
        self.add(f"{self.prefix()}experts.s{tag}.{proj}.weight", tuple(shape))
        if self.chance.random() < 0.8:
            layout = (None, *(a if self.chance.random() < 0.8 else a - 3 for a in axes))
            self.rule(f"stack{tag}", rf".*experts\.s{tag}\.(\w+)\.weight$", 3, layout, proj_group=self.pick(1, None))

    def fused(self):
        e, c, tag = self.pick(1, 3), self.size(), self.chance.randrange(10**6)
        rows = self.chance.random() < 0.6
        sizes = [self.pick(4, 8, 32) for _ in range(self.pick(2, 3))]
        equal, interleave = self.chance.random() < 0.4, self.chance.random() < 0.3
        if equal or interleave:
            sizes = [sizes[0]] * len(sizes)
        splits = "equal" if equal else sizes[:]
        if self.chance.random() < 0.15:
            splits = self.pick([*sizes[:-1], sizes[-1] + 1], sizes[:-1] + [0, sizes[-1]], [], [*sizes, 1.5])
        shape = (e, sum(sizes), c) if rows else (e, c, sum(sizes))
        self.add(f"{self.prefix()}experts.f{tag}.{self.pick('w13', 'w1')}", shape)
        projs = self.chance.sample(["w1", "W3", "down_proj", "other", "GATE_PROJ"], len(sizes) + (self.chance.random() < 0.1))
        spec = {"axis": "rows" if rows else "cols", "splits": splits, "projs": projs} | ({"interleave": True} if interleave else {})
        self.rule(f"fused{tag}", rf".*experts\.f{tag}\.", 3, (None, 0, 1, 2), packed_split=spec)

    def four_axes(self):
        tag, axes = self.chance.randrange(10**6), self.chance.sample(range(4), 4)
        shape = [0] * 4
        for axis, extent in zip(axes, (self.pick(1, 3), self.pick(1, 3), self.size(), self.size())):
            shape[axis] = extent
        self.add(f"{self.pick('', self.prefix())}experts.q{tag}.w2", tuple(shape))
        if self.chance.random() < 0.8:
            self.rule(f"four{tag}", rf".*experts\.q{tag}", 4, tuple(axes))

    def row_stacked(self):
        tag, e, r, c = self.chance.randrange(10**6), self.pick(2, 3), self.size(), self.size()
        self.add(f"{self.prefix()}experts.r{tag}.w2", (e * r, c))
        layout = (None, 0, 1, 2) if self.chance.random() < 0.5 else (None, 0, 2, 1)
        self.rule(f"rows{tag}", rf".*experts\.r{tag}\.", 2, layout, row_stack=e if self.chance.random() < 0.9 else e * r + 1)

    def shared(self):
        base, word = self.prefix(), self.pick("shared_expert", "shared_experts", "SHARED.expert")
        self.add(f"{base}{word}.{self.pick('up_proj', 'w1')}.weight", (self.size(), self.size()))
        if self.chance.random() < 0.3:
            self.add(f"{base}{word}.down_proj.stacked", (2, self.size(), 32))
        self.add(f"{base}shared_expert_gate.weight", (1, 32))

    def noise(self):
        base = self.prefix()
        self.add(f"{base}experts.0.w1.weight_scale_inv", (2, 3))
        self.add(f"{base}experts.1.down_proj.bias", (6,))
        self.add(f"{base}experts.down_proj.scales", (2, 3, 4))
        self.add(f"{base}gate.weight", (4, 32))
        self.add(f"{base}self_attn.q_proj.weight", (8, 8))
        self.add(f"{base}mlp.up_proj.weight", (8, 32))
        self.add(f"{base}experts.ids", (5,), "int32")
        self.add(f"{base}experts.2.w3.packed", (4, 8), "uint8")
        self.add("model.norm.weight", (7,))
        self.add(f"{base}experts.nothing", ())
        self.add(f"{base}experts.\u00e9t\u00e9 \u4e16.w1", (4, 4))

    def make(self):
        self.kind = self.pick("bfloat16", "float16", "float32", "float64", "bfloat16")
        makers = [self.per_expert, self.stacked, self.fused, self.four_axes, self.row_stacked, self.shared, self.noise]
        for _ in range(self.pick(2, 4, 8)):
            if self.chance.random() < 0.2:
                self.kind = self.pick("bfloat16", "float16", "float32", "float64")
            self.pick(*makers)()
        self.chance.shuffle(self.rules)
        return self

    def config(self):
        flag = lambda p: self.chance.random() < p
        aliases = {"down_proj": ["down_proj", "w2", ".down.", "ffn_down"], "gate_proj": ["gate_proj", "w1", ".gate.", "ffn_gate"],
                   "up_proj": ["up_proj", "w3", ".up.", "ffn_up"]}
        if flag(0.15):
            aliases = self.pick({}, dict(reversed(aliases.items())), {"Only": ["w1", ".weight"]})
        schemes = [("affine", 4, 32), ("mxfp4", 4, 32), ("affine", 8, 64), ("mxfp8", 8, 32), ("nvfp4", 4, 16), ("affine", 3, 32),
                   ("affine", 7, 32), ("banana", 4, 32), ("affine", 2, 128), ("affine", 6, 64), ("affine", 1, 32)]
        chosen = self.chance.sample(schemes, self.pick(0, 1, 2, 3))
        names = [f"s{i}_{m}" for i, (m, _, _) in enumerate(chosen)]
        pairs = [{"name": f"{a}-{b}", "a": a, "b": b} for a in names for b in [*names, "unknown"] if a != b][:3]
        return {
            "scan": {"extensions": [".safetensors", ".npz"], "experts_only": flag(0.8), "include_shared_expert": flag(0.8),
                     "inventory_all_tensors": flag(0.8), "use_safetensors_index_json": flag(0.8), "strict_index": False,
                     "max_files": self.pick(None, None, None, 1, 2)},
            "parsing": {"layer_regex": self.pick(r"(?:^|\.)layers\.(\d+)(?:\.|$)", r"(?:layers|h)\.(\d+)"),
                        "expert_regex": r"(?:^|\.)experts\.(\d+)(?:\.|$)", "proj_aliases": aliases,
                        "shared_expert_keywords": self.pick(["shared", "expert"], ["shared", "expert"], ["SHARED"]),
                        "strict_packed_split": flag(0.15), "proj_group_strict": flag(0.3), "families": False},
            "metadata": {"enabled": flag(0.5)}, "extract_rules": self.rules, "mlx": {"enabled": flag(0.8), "device": "cpu"},
            "stats": {"eps": self.pick(1e-12, 1e-6), "sample_per_matrix": self.pick(10, 100, 500, 8192), "sample_seed": self.pick(1337, 0, 7),
                      "percentiles_abs": [50.0, 99.0, 99.9], "group_outlier_percentile": self.pick(95.0, 50.0, 99.5),
                      "group_sizes_lastdim": self.pick([32, 64], [4], [0, 8, 7]), "quant_compute_dtype": self.pick("bf16", "fp16", "fp32")},
            "quant_schemes": [{"name": n, "mode": m, "bits": b, "group_size": g} for n, (m, b, g) in zip(names, chosen)],
            "delta_pairs": pairs, "output": {"format": self.pick("parquet", "csv"), "compression": self.pick("zstd", "snappy", None)},
            "debug": {"dump_unmatched_tensors": flag(0.8), "print_progress_every_files": 1},
        }

    def write(self, folder):
        """Files with shards; returns [(path, tensors in the order of the rows)] and the index or None."""
        n_files, written, tensors = self.pick(1, 2, 3), {}, self.tensors[:]
        self.chance.shuffle(tensors)
        for i in range(n_files):
            part = tensors[i::n_files]
            as_npz = self.chance.random() < 0.3 and all(t.kind != "bfloat16" for t in part)
            sub = self.pick("", "", "sub/", "sub-2/")
            name = f"{sub}{self.pick('model', 'Z', 'a')}-{i}.{'npz' if as_npz else 'safetensors'}"
            (write_npz if as_npz else write_safetensors)(folder / name, part, self.chance)
            written[name] = part if as_npz else sorted(part, key=lambda t: t.name)
        (folder / "notes.txt").write_text("no weights here")
        return written

    def write_index(self, folder, written):
        if self.chance.random() < 0.5:
            return None
        weight_map = {t.name: self.pick(name, name.replace("/", "\\")) for name, part in written.items() for t in part}
        for name in self.chance.sample(sorted(weight_map), min(len(weight_map), self.pick(0, 0, 2, 30))):
            del weight_map[name]
        for i in range(self.pick(0, 0, 3, 25)):
            weight_map[f"ghost.{i}"] = self.pick("gone.safetensors", next(iter(written)))
        if self.chance.random() < 0.3:
            write_safetensors(folder / "stray.safetensors", [contract.Tensor("stray", np.zeros((2, 2), np.float32), "float32")], self.chance)
        metadata = self.pick({}, {"made_by": "oracle"})
        name = self.pick("model.safetensors.index.json", "b.safetensors.index.json")
        (folder / name).write_text(json.dumps({"metadata": metadata, "weight_map": weight_map}))
        return {"map": {k: v.replace("\\", "/") for k, v in weight_map.items()}, "metadata": metadata, "path": str(folder / name)}


def plan(config, folder, written, index):
    """([(path, shard, tensors)], index as the contract wants it or None)"""
    limit = config["scan"]["max_files"]
    on_disk = dict(written)
    if (folder / "stray.safetensors").exists():
        on_disk["stray.safetensors"] = [contract.Tensor("stray", np.zeros((2, 2), np.float32), "float32")]
    if not index or not config["scan"]["use_safetensors_index_json"]:
        files = [(str(folder / n), None, on_disk[n]) for n in sorted(on_disk, key=lambda n: (folder / n).parts)]
        return files if limit is None else files[:limit], None
    accepted = {s for s in index["map"].values() if s.endswith((".safetensors", ".npz"))}
    there = sorted(s for s in accepted if (folder / s).exists())
    beside = {n for n in on_disk if "/" not in n and n.endswith(".safetensors")}
    kept = there if limit is None else there[:limit]
    return ([(str(folder / s), s, on_disk[s]) for s in kept],
            index | {"expected": accepted, "missing": accepted - set(there), "extra_on_disk": beside - accepted,
                     "skipped": set(there) - set(kept)})


# ---- checking one run ----

def write_meta(maker, folder, config):
    """config.json of the model; returns (warnings, budget or None)."""
    kind = maker.pick("none", "good", "empty", "foreign")
    path = folder / "config.json"
    budget = None
    if kind == "good":
        known = {"n_layer": "12", "hidden_size": 64.0, "d_model": 3, "num_experts": True, "n_routed_experts": 8, "moe_intermediate_size": None,
                 "expert_intermediate_size": " 16 ", "experts_per_token": 2, "mlp_only_layers": [0, "1", "003"], "decoder_sparse_step": 1}
        path.write_text(json.dumps(known))
        budget = {"num_hidden_layers": 12, "hidden_size": 64, "moe_intermediate_size": 16, "shared_expert_intermediate_size": None,
                  "num_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": None, "decoder_sparse_step": 1,
                  "full_attention_interval": None, "first_k_dense_replace": None, "mlp_only_layers": [0, 1, 3]}
    elif kind != "none":
        path.write_text("" if kind == "empty" else '{"color": "red"}')
    if not config["metadata"]["enabled"]:
        return [], None
    return {"none": ["[meta] config.json not found; skipping"], "good": [], "empty": [f"[meta] config.json empty or invalid: {path}"],
            "foreign": [f"[meta] no recognized fields in {path}"]}[kind], budget


def run_program(command, run):
    return subprocess.run([options.program, command, "--run-dir", run], capture_output=True, text=True, timeout=300)


def check_tables_of_collect(run, config, want, kind):
    faults = []
    groups = [f"g{g}_{what}_outlier" for g in config["stats"]["group_sizes_lastdim"]
              for what in (f"p{int(config['stats']['group_outlier_percentile'])}", "max")]
    for name, header in HEADERS.items():
        got = read(run, "logs" if name in LOGS else "data", name, kind)
        rows = [{"warning": w} for w in want["warnings"]] if name == "warnings" else want[name]
        if name == "quant_sim" and contract.mx is None:
            continue
        absent = (not rows) if name in LOGS else name == "unmatched_tensors" and not config["debug"]["dump_unmatched_tensors"]
        if absent or got is None:
            if absent != (got is None):
                faults.append(f"{name}: {'there' if absent else 'missing'}")
            continue
        header = header + (groups if name == "matrix_stats" else [])
        if name == "tensor_inventory" and "index_report" in want:
            header = header + ["in_index", "index_shard"]
        if got[0][:len(header)] != header:
            faults.append(f"{name}: columns {got[0]}")
            continue
        columns = header + (EXTRAS if name == "matrix_stats" else [])
        faults += compare_rows(name, got[1], rows, columns, kind == "csv")
    return faults


def check_logs(run, config, want, files, index, folder, budget):
    faults = []

    def equal(what, got, wanted):
        if got != wanted:
            faults.append(f"{what}: {got!r}, expected {wanted!r}")

    health, context, manifest = (json.loads((run / "logs" / f"{n}.json").read_text()) for n in ("run_health", "run_context", "write_manifest"))
    for what, log in (("run_health", health), ("run_context", context), ("write_manifest", manifest)):
        equal(f"{what} keys", list(log), sorted(log))
    equal("status", health["status"], "success")
    equal("config_used", health["config_used"], config)
    equal("scan_summary", health["scan_summary"], {"files_scanned": len(files), "tensors_observed": want["n_tensors"]})
    counts = want["counts"]
    equal("extraction_summary", health["extraction_summary"],
          {"extracted_by_rule": counts["rule"], "extracted_by_fallback": counts["fallback"], "unmatched_expertish": counts["none"]})
    equal("tensor_name_examples", health["tensor_name_examples"],
          {"rule_extracted": want["examples"]["rule"], "fallback_extracted": want["examples"]["fallback"],
           "unmatched_expertish": want["examples"]["none"]})
    dump = config["debug"]["dump_unmatched_tensors"]
    quant_rows = len(want["quant_sim"]) if contract.mx else health["outputs_written"]["quant_sim_rows"]
    equal("outputs_written", health["outputs_written"],
          {"format": config["output"]["format"], "tensor_inventory_rows": len(want["tensor_inventory"]),
           "matrix_stats_rows": len(want["matrix_stats"]), "quant_sim_rows": quant_rows,
           "unmatched_tensors_rows": len(want["unmatched_tensors"]) if dump else 0, "warnings_rows": len(want["warnings"]),
           "wrote_unmatched_tensors": dump, "wrote_warnings": bool(want["warnings"]), "wrote_index_report": index is not None})
    equal("enabled_extract_rules", health["tensor_name_formats"]["enabled_extract_rules"],
          [{"name": r["name"], "match": r["match"], "ndim": r["ndim"]} for r in config["extract_rules"] if r.get("enabled", True)])
    report = want.get("index_report")
    summary = {k: v for k, v in health["index_summary"].items() if k.endswith("_count")}
    equal("index_summary", summary, {f"{k}_count": len(v) if report else 0 for k, v in (report or dict.fromkeys(
        ("expected_shards", "scanned_shards", "missing_shards", "extra_scanned_shards", "missing_tensors", "extra_tensors",
         "extra_safetensors_files_on_disk"), [])).items()})
    if report:
        got = json.loads((run / "logs/index_report.json").read_text())
        equal("index_report", {k: got[k] for k in report}, report)
        equal("index_report keys", list(got)[:len(report)], list(report))
    elif (run / "logs/index_report.json").exists():
        faults.append("index_report.json: there")
    scan = context["scan_plan"]
    equal("scan_mode", scan["scan_mode"], "index" if index else "walk")
    equal("scanned_files_example", scan["scanned_files_example"], [os.path.relpath(p, folder) for p, _, _ in files[:3]])
    equal("model_path", context["model_path"], {"configured": str(folder), "resolved": str(folder), "source": "config"})
    rows = {name: a["rows"] for name, a in manifest["artifacts"].items()}
    artifacts = {"tensor_inventory", "matrix_stats", "quant_sim"} | ({"unmatched_tensors"} if dump else set())
    artifacts |= {name for name in LOGS if want[name]}
    equal("artifacts", set(rows), artifacts)
    budget_path = run / "logs/model_shape_budget.json"
    equal("shape_budget", json.loads(budget_path.read_text())["shape_budget"] if budget_path.exists() and budget else None, budget)
    return faults


def typed(run, name, kind, numbers):
    rows = read(run, "data", name, kind)[1]
    if kind == "parquet":
        return rows
    integers = {"layer", "block4", "expert_id", "rows", "cols"}
    return [{k: (None if v == "" else int(v) if k in integers else float(v) if k in numbers else v) for k, v in row.items()} for row in rows]


def has_doubles(quant):
    """Two parts of one fused tensor that got the same name: not to be told apart."""
    keys = [tuple(r[k] for k in [*IDENTITY, "rows", "cols", "scheme"]) for r in quant if r["expert_id"] >= 0]
    return len(keys) != len(set(keys))


def check_summaries(run, config, kind):
    done = run_program("tables", run)
    if config["delta_pairs"] and has_doubles(typed(run, "quant_sim", kind, set(contract.B_METRICS))):
        return [] if done.returncode == 3 and "twice under scheme" in done.stderr else [f"tables: {done.returncode}: {done.stderr}"]
    if done.returncode != 0:
        return [f"tables: exit code {done.returncode}: {done.stderr}"]
    groups = [f"g{g}_{what}_outlier" for g in config["stats"]["group_sizes_lastdim"]
              for what in (f"p{int(config['stats']['group_outlier_percentile'])}", "max")]
    stats = typed(run, "matrix_stats", kind, {*contract.A_METRICS, *groups})
    for row in stats:
        row |= {g: math.nan if row[g] is None else row[g] for g in groups}
    faults = []
    wanted = contract.tables(config, stats, typed(run, "quant_sim", kind, set(contract.B_METRICS)))
    for name, rows in wanted.items():
        got = read(run, "tables", name, kind)
        if got is None:
            faults.append(f"{name}: missing")
            continue
        columns = list(rows[0]) if rows else []
        if rows and got[0] != columns:
            faults.append(f"{name}: columns {got[0]}")
        faults += compare_rows(name, got[1], [{k: None if v is None else v if isinstance(v, (str, int)) else float(v)
                                               for k, v in row.items()} for row in rows], columns, kind == "csv")
    there = {p.stem for p in (run / "tables").iterdir()}
    if there != set(wanted):
        faults.append(f"tables: {sorted(there)}")
    return faults


def check_seed(seed, base):
    maker = Maker(seed).make()
    folder, run = base / f"model{seed}", base / f"run{seed}"
    folder.mkdir()
    run.mkdir()
    written = maker.write(folder)
    index = maker.write_index(folder, written)
    config = {"model_path": str(folder)} | maker.config()
    (run / "analysis_config.json").write_text(json.dumps(config))
    meta_warnings, budget = write_meta(maker, folder, config)
    files, index = plan(config, folder, written, index)
    done = run_program("collect", run)
    try:
        want = contract.expected(config, files, index, folder)
    except contract.Fatal as fatal:
        health = json.loads((run / "logs/run_health.json").read_text())
        good = done.returncode == fatal.code and fatal.part in done.stderr and health["status"] == "error"
        return [] if good else [f"exit code {done.returncode}, expected {fatal.code} '{fatal.part}': {done.stderr}"]
    if done.returncode != 0:
        return [f"exit code {done.returncode}: {done.stderr}"]
    want["warnings"] = meta_warnings + want["warnings"] + smoke(run, config, want, files, folder)
    kind = "parquet" if config["output"]["format"] == "parquet" else "csv"
    faults = check_tables_of_collect(run, config, want, kind)
    faults += check_logs(run, config, want, files, index, folder, budget)
    return faults or check_summaries(run, config, kind)


def smoke(run, config, want, files, folder):
    """Warnings of our own about a collect that found nothing."""
    lines = []
    if not files:
        lines.append(f"[collect] no weight file with an accepted suffix (scan.extensions) at {folder}")
    words = ("expert", "moe", "switch_mlp", "switch_glu", "ffn_gate_exps")
    names = [t.name for _, _, tensors in files for t in tensors
             if t.is_float and t.array.ndim >= 2 and any(w in t.name.lower() for w in words)]
    if config["scan"]["experts_only"] and names and not want["matrix_stats"] and not want["counts"]["none"]:
        lines.append("[smoke] effectively empty collect: experts_only=true observed plausible MoE expert candidates="
                     f"{len(names)} but wrote zero matrix_stats rows and recorded zero unmatched expertish tensors. Examples: "
                     f"{', '.join(list(dict.fromkeys(names))[:3])}. Check parsing.expert_regex, extract_rules, and projection naming.")
    return lines


# ---- the example ----

def read_safetensors(path):
    raw = path.read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    kinds = {short: (name, dtype) for name, (short, dtype) in DTYPES.items()}
    for name in sorted(k for k in header if k != "__metadata__"):
        begin, end = (8 + n + o for o in header[name]["data_offsets"])
        kind, dtype = kinds[header[name]["dtype"]]
        yield contract.Tensor(name, np.frombuffer(raw[begin:end], dtype).reshape(header[name]["shape"]), kind)


def check_example(base, families):
    folder, run = ROOT / "examples/tiny-qwen2-moe", base / "runs/tiny/example"
    shutil.rmtree(run, ignore_errors=True)
    subprocess.run([options.program, "init", "--root", base / "runs", "--model-id", "tiny", "--run-name", "example", "--model-path", folder],
                   check=True, capture_output=True)
    config = json.loads((run / "analysis_config.json").read_text())
    config["parsing"]["families"] = families
    (run / "analysis_config.json").write_text(json.dumps(config))
    written = {p.name: list(read_safetensors(p)) for p in sorted(folder.glob("*.safetensors"))}
    whole = json.loads((folder / "model.safetensors.index.json").read_text())
    index = {"map": whole["weight_map"], "metadata": whole["metadata"]}
    files, index = plan(config, folder, written, index)
    done = run_program("collect", run)
    if done.returncode != 0:
        return [f"exit code {done.returncode}: {done.stderr}"]
    want = contract.expected(config, files, index, folder)
    if families:
        for row in want["unmatched_tensors"]:
            row["reason"] = "shared_expert_gate"
    faults = check_tables_of_collect(run, config, want, "parquet")
    if not families:
        budget = json.loads((run / "logs/model_shape_budget.json").read_text())["shape_budget"]
        faults += check_logs(run, config, want, files, index, folder, budget)
    return faults or check_summaries(run, config, "parquet")


def main():
    passed = failed = 0
    base = pathlib.Path(tempfile.mkdtemp(prefix="moescope-pipeline-"))
    if contract.mx is None:
        print("note: no mlx here, quantisation is not compared")
    checks = [("the example, by the contract", lambda: check_example(base, False)), ("the example, with families", lambda: check_example(base, True))]
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    checks = checks * (options.seed is None) + [(f"model of seed {s}", lambda s=s: check_seed(s, base)) for s in seeds]
    for name, check in checks:
        faults = check()
        passed, failed = passed + (not faults), failed + bool(faults)
        print(f"{'FAIL' if faults else 'ok  '} {name}", flush=True)
        for fault in faults[:8]:
            print(f"    {fault[:600]}")
    if options.seed is None:
        shutil.rmtree(base)
    else:
        print(f"left in {base}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
