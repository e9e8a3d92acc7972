#!/usr/bin/env python3
"""What a run leaves behind, situation by situation: the template, the state of the index, logs of failures, stale files.

    runs_oracle.py --program PATH

pipeline_oracle.py compares numbers and rows; here stands what the contract says about files, flags and keys.
"""
import argparse
import csv
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--program", type=pathlib.Path, required=True)
parser.add_argument("--helpers")
options = parser.parse_args()
numbers = np.random.default_rng(5)
FIRST, SECOND = "layers.0.experts.0.w1.weight", "layers.0.experts.1.w1.weight"
counts = {True: 0, False: 0}


def check(name, got, wanted):
    good = got == wanted
    counts[good] += 1
    print(f"{'ok  ' if good else 'FAIL'} {name}", flush=True)
    if not good:
        print(f"    {got!r}\n    expected {wanted!r}")


def weights(*shape):
    return (numbers.standard_normal(shape) * 0.02).astype(np.float32)


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Run:
    """A model folder and a run of it, both fresh."""

    def __init__(self, base, name):
        self.model, self.folder = base / name / "model", base / name / "runs/org/m/r"
        self.model.mkdir(parents=True)
        self.call("init", "--root", base / name / "runs", "--model-id", "org/m", "--run-name", "r", "--model-path", self.model)

    def call(self, *words):
        done = subprocess.run([options.program, *words], capture_output=True, text=True, timeout=300)
        self.code, self.said = done.returncode, done.stdout + done.stderr
        return self.code

    def collect(self, *words):
        return self.call("collect", "--run-dir", self.folder, *words)

    def tables(self):
        return self.call("tables", "--run-dir", self.folder)

    def set(self, **changes):
        path = self.folder / "analysis_config.json"
        config = json.loads(path.read_text())
        for key, value in changes.items():
            section, _, name = key.partition("__")
            if name:
                config[section][name] = value
            else:
                config[section] = value
        path.write_text(json.dumps(config))

    def log(self, name):
        return json.loads((self.folder / "logs" / f"{name}.json").read_text())

    def files(self, folder):
        return sorted(os.listdir(self.folder / folder))

    def rows(self, folder, name):
        with open(self.folder / folder / f"{name}.csv", newline="") as file:
            return list(csv.DictReader(file))

    def two_shards(self, index="model.safetensors.index.json", **more):
        write_safetensors(self.model / "a.safetensors", {FIRST: weights(8, 32)})
        write_safetensors(self.model / "b.safetensors", {SECOND: weights(8, 32)})
        whole = {"metadata": {"total_size": 2048, "x": [1]}, "weight_map": {FIRST: "a.safetensors", SECOND: "b.safetensors", **more}}
        (self.model / index).write_text(json.dumps(whole))


TEMPLATE = {
    "scan": {"extensions": [".safetensors", ".npz"], "experts_only": True, "include_shared_expert": True, "inventory_all_tensors": True,
             "use_safetensors_index_json": True, "strict_index": False, "max_files": None},
    "parsing": {"layer_regex": r"(?:^|\.)layers\.(\d+)(?:\.|$)", "expert_regex": r"(?:^|\.)experts\.(\d+)(?:\.|$)",
                "proj_aliases": {"down_proj": ["down_proj", "w2", ".down.", "ffn_down"], "gate_proj": ["gate_proj", "w1", ".gate.", "ffn_gate"],
                                 "up_proj": ["up_proj", "w3", ".up.", "ffn_up"]},
                "shared_expert_keywords": ["shared", "expert"], "strict_packed_split": True, "proj_group_strict": False, "families": True},
    "metadata": {"enabled": True, "mode": "validate", "config_path": None},
    "stats": {"eps": 1e-12, "sample_per_matrix": 8192, "sample_seed": 1337, "percentiles_abs": [50.0, 99.0, 99.9],
              "group_outlier_percentile": 95.0, "group_sizes_lastdim": [32, 64], "quant_compute_dtype": "bf16"},
    "quant_schemes": [{"name": n, "mode": m, "bits": b, "group_size": 32, "enabled": True}
                      for n, m, b in (("affine_q4_g32", "affine", 4), ("mxfp4_g32", "mxfp4", 4), ("affine_q8_g32", "affine", 8))],
    "delta_pairs": [{"name": "mxfp4_minus_q4", "a": "mxfp4_g32", "b": "affine_q4_g32"},
                    {"name": "q8_minus_mxfp4", "a": "affine_q8_g32", "b": "mxfp4_g32"}],
    "output": {"format": "parquet", "compression": "zstd"},
    "debug": {"dump_unmatched_tensors": True, "print_progress_every_files": 1},
}


def template(base):
    r = Run(base, "template")
    config = json.loads((r.folder / "analysis_config.json").read_text())
    for section, wanted in TEMPLATE.items():
        got = config[section]
        if section in ("stats",):
            got = {k: got.get(k) for k in wanted}
        check(f"template: {section}", got, wanted)
    check("template: aliases keep their order", list(config["parsing"]["proj_aliases"]), ["down_proj", "gate_proj", "up_proj"])
    check("template: model_path", config["model_path"], str(r.model))
    check("template: rules", [(x["name"], x.get("enabled", True), x["match"], x["ndim"], list(x["layout"].values()), x.get("proj_group"),
                               x.get("expert_group")) for x in config["extract_rules"]],
          [("generic_3d_expert_bank_separate", True, r".*experts.*\.(down_proj|gate_proj|up_proj)\.weight$", 3, [None, 0, 1, 2], 1, None),
           ("generic_2d_per_expert_separate", True, r".*experts\.(\d+)\.(down_proj|gate_proj|up_proj)\.weight$", 2, [None, None, 0, 1], 2, 1),
           ("EXAMPLE_fused_gate_down_split_rows", False, r".*experts.*\.(w13|gate_down_proj)\.weight$", 3, [None, 0, 1, 2], None, None)])
    check("template: the example's split", config["extract_rules"][2]["packed_split"],
          {"axis": "rows", "splits": [512, 512], "projs": ["gate_proj", "down_proj"]})
    manifest = json.loads((r.folder / "manifest.json").read_text())
    check("manifest: keys", list(manifest), ["model_id", "run_name", "created_at", "version"])
    check("manifest: values", (manifest["model_id"], manifest["run_name"], manifest["version"]), ("org/m", "r", 2))


def index_states(base):
    r = Run(base, "index")
    r.two_shards(q="c.safetensors")
    path = str(r.model / "model.safetensors.index.json")
    r.set(scan__strict_index=True)
    check("a file as model, strict: other shards do not matter", r.collect("--model-path", r.model / "a.safetensors"), 0)
    context, health = r.log("run_context"), r.log("run_health")
    check("... index", context["index"], {"status": "active", "searched": True, "found": True, "parsed": True, "active": False,
                                          "used_for_scan": False, "index_path": path})
    check("... plan", [context["scan_plan"][k] for k in ("index_discovered_but_ignored_due_to_file_model_path", "model_path_kind", "scan_mode",
                                                         "scanned_files_count", "scanned_files_example")],
          [True, "file", "walk", 1, ["a.safetensors"]])
    check("... override", (context["model_path"], context["cli_overrides"], health["config_used"]["model_path"]),
          ({"configured": str(r.model), "resolved": str(r.model / "a.safetensors"), "source": "cli_override"},
           {"model_path": str(r.model / "a.safetensors")}, str(r.model / "a.safetensors")))
    check("... no report", "index_report.json" in r.files("logs"), False)
    check("... summary", {k: v for k, v in health["index_summary"].items() if not k.endswith("_count")},
          {"active": False, "parsed": True, "used_for_scan": False, "index_path": path, "strict_index": True,
           "index_metadata": {"total_size": 2048, "x": [1]}})
    check("a folder, strict: a missing shard is fatal", r.collect() != 0 and "c.safetensors" in r.said, True)
    failure = r.log("run_failure")
    check("... run_failure", sorted(failure), ["cli_overrides", "error", "generated_at", "index", "model_path", "run", "status", "traceback"])
    check("... its error", (failure["status"], sorted(failure["error"])), ("error", ["exit_code", "message", "type"]))
    r.set(scan__strict_index=False)
    check("... and a warning that names it otherwise", r.collect() == 0 and "c.safetensors" in r.said, True)
    check("... which repairs", "run_failure.json" in r.files("logs"), False)
    r.set(scan__max_files=1)
    r.collect()
    report = r.log("index_report")
    check("max_files: the shards cut off are not missing", (report["scanned_shards"], report["missing_shards"], report["skipped_by_max_files"]),
          (["a.safetensors"], ["c.safetensors"], ["b.safetensors"]))
    r.set(scan__max_files=None, scan__use_safetensors_index_json=False)
    r.collect()
    check("disabled", r.log("run_context")["index"], {"status": "disabled", "searched": False, "found": False, "parsed": False, "active": False,
                                                      "used_for_scan": False, "index_path": None})
    check("... its report is gone", "index_report.json" in r.files("logs"), False)


def other_indexes(base):
    r = Run(base, "none")
    write_safetensors(r.model / "a.safetensors", {FIRST: weights(8, 32)})
    r.collect()
    check("no index", r.log("run_context")["index"], {"status": "not_found", "searched": True, "found": False, "parsed": False, "active": False,
                                                      "used_for_scan": False, "index_path": None})
    for name, text in (("blank", " \n"), ("list", "[]"), ("no map", "{}"), ("numbers", '{"weight_map": {"a": 3}}'), ("broken", "{")):
        (r.model / "zz.safetensors.index.json").write_text(text)
        check(f"an index that is {name}", r.collect(), 0)
        index = r.log("run_context")["index"]
        check("... is an error with its path, and a warning", (index["status"], index["found"], index["parsed"], index["index_path"], bool(index["error"]),
                                                              "[index] failed to parse index" in r.said),
              ("error", True, False, str(r.model / "zz.safetensors.index.json"), True, True))
    check("... and the path is not in the summary", r.log("run_health")["index_summary"]["index_path"], None)
    (r.model / "zz.safetensors.index.json").write_text(json.dumps({"metadata": 7, "weight_map": {FIRST: "a.safetensors", "x": "../out.safetensors",
                                                                                                  "y": "sub\\b.safetensors"}}))
    write_safetensors(r.model.parent / "out.safetensors", {"x": weights(2, 2)})
    write_safetensors(r.model / "sub/b.safetensors", {"y": weights(2, 2)})
    r.collect()
    report = r.log("index_report")
    check("shards outside the folder are missing, backslashes are slashes", (report["scanned_shards"], report["missing_shards"]),
          (["a.safetensors", "sub/b.safetensors"], ["../out.safetensors"]))
    check("metadata that is no object is none", "index_metadata" in report, False)


def stale_files(base):
    r = Run(base, "stale")
    r.two_shards()
    (r.model / "config.json").write_text(json.dumps({"n_layer": 3}))
    r.collect()
    r.tables()
    kind = "parquet" if (r.folder / "data/matrix_stats.parquet").exists() else "csv"
    check("first run: data", r.files("data"), [f"{n}.{kind}" for n in ("matrix_stats", "quant_sim", "tensor_inventory", "unmatched_tensors")])
    r.set(output__format="csv", delta_pairs=[], debug__dump_unmatched_tensors=False, metadata__enabled=False)
    r.collect()
    r.tables()
    check("second run: what it no longer writes is gone", r.files("data"), [f"{n}.csv" for n in ("matrix_stats", "quant_sim", "tensor_inventory")])
    check("... logs too", [n for n in r.files("logs") if n.startswith(("model_config", "model_shape", "warnings"))], [])
    check("... tables too", r.files("tables"), sorted(f"{a}_{b}_summary.csv" for a in ("A_weight", "B_quant") for b in ("layer", "block4", "global")))
    artifacts = r.log("write_manifest")["artifacts"]
    check("... and the manifest says so", {k: (a["path"], a["format"], a["fallback"], a["error"]) for k, a in artifacts.items()},
          {k: (f"data/{k}.csv", "csv", False, "") for k in ("matrix_stats", "quant_sim", "tensor_inventory")})


def metadata_stage(base):
    r = Run(base, "meta")
    r.set(output__format="csv")
    write_safetensors(r.model / "a.safetensors", {FIRST: weights(8, 32)})
    whole = {"num_hidden_layers": 3, "junk": "x" * 199_999, "hidden_size": "064"}
    (r.model / "config.json").write_text(json.dumps(whole))
    r.collect()
    check("a config of more than 200 000 characters is trimmed", r.log("model_config.raw"),
          {"num_hidden_layers": 3, "hidden_size": "064", "_meta_trimmed": {"original_keys": 3, "original_chars": len(json.dumps(whole, separators=(",", ":")))}})
    whole["junk"] = "x" * 100
    (r.model / "config.json").write_text(json.dumps(whole))
    r.collect()
    check("... whole", r.log("model_config.raw"), whole)
    check("... the line", "[meta] hidden=64 layers=3" in r.said, True)
    (r.model / "sub").mkdir()
    (r.model / "sub/c.json").write_text('{"n_layer": "7"}')
    r.set(metadata__config_path="sub/c.json")
    r.collect()
    budget = r.log("model_shape_budget")
    check("config_path below the model", (budget["config_path"], budget["shape_budget"]["num_hidden_layers"]), (str(r.model / "sub/c.json"), 7))
    r.set(metadata__config_path="sub/none.json")
    r.collect()
    check("config_path that is not there", [x["warning"] for x in r.rows("logs", "warnings")], [f"[meta] config_path not found: {r.model}/sub/none.json"])
    check("... the search goes on", r.log("model_shape_budget")["config_path"], str(r.model / "config.json"))


def npz_and_suffixes(base):
    r = Run(base, "npz")
    r.set(output__format="csv", parsing__families=False)
    (r.model / "b/c").mkdir(parents=True)
    np.savez(r.model / "b/c/z.npz", **{SECOND: weights(4, 32)})
    np.savez_compressed(r.model / "a.npz", **{FIRST: np.asfortranarray(weights(4, 32)), "i": np.arange(3), "s": np.float32(3)})
    np.save(r.model / "q.npy", weights(2, 2))
    check("npz files, in folders too, sorted by path", r.collect(), 0)
    check("... inventory", [(x["file"], x["tensor_name"], x["dtype"], x["shape"], x["ndim"], x["nbytes"]) for x in r.rows("data", "tensor_inventory")],
          [(str(r.model / "a.npz"), FIRST, "float32", "(4, 32)", "2", "512"), (str(r.model / "a.npz"), "i", "int64", "(3,)", "1", "24"),
           (str(r.model / "a.npz"), "s", "float32", "()", "0", "4"), (str(r.model / "b/c/z.npz"), SECOND, "float32", "(4, 32)", "2", "512")])
    check("... both experts, by their names", [(x["source_tensor"], x["expert_id"]) for x in r.rows("data", "matrix_stats")], [(FIRST, "0"), (SECOND, "1")])
    r.set(scan__extensions=[".NPZ"])
    r.collect()
    check("suffixes are case-sensitive", (r.log("run_health")["scan_summary"]["files_scanned"], r.rows("data", "tensor_inventory")), (0, []))
    r.set(scan__extensions=[".npz"])
    np.savez(r.model / "o.npz", o=np.array([{1: 2}], dtype=object))
    check("pickled objects are refused", r.collect() != 0 and "o.npz" in r.said, True)


def killed(base):
    r = Run(base, "killed")
    write_safetensors(r.model / "a.safetensors", {f"layers.{i}.experts.{e}.w1.weight": weights(256, 1024) for i in range(8) for e in range(8)})
    process = subprocess.Popen([options.program, "collect", "--run-dir", r.folder, "--threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    health = r.folder / "logs/run_health.json"
    while not health.exists() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    died = process.wait() == -signal.SIGKILL
    check("a run that is killed says that it was running", not died or r.log("run_health")["status"] == "running", True)
    check("... and the next one repairs", (r.collect(), r.log("run_health")["status"]), (0, "success"))


def main():
    base = pathlib.Path(tempfile.mkdtemp(prefix="moescope-runs-")).resolve()
    for part in (template, index_states, other_indexes, stale_files, metadata_stage, npz_and_suffixes, killed):
        part(base)
    shutil.rmtree(base)
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(1 if counts[False] else 0)


main()
