"""What the weights pipeline must write, computed plainly with NumPy from the same tensors; used by pipeline_oracle.py.

Nothing here is fast or clever: every rule of docs/pipeline.md is one function. Settings: parsing.families is false, so the
contract alone decides.
"""
import difflib
import math
import re

import numpy as np

try:
    import mlx.core as mx

    mx.set_default_device(mx.cpu)
except ImportError:  # the quantisation tables are then not compared
    mx = None

A_METRICS = ["mean", "std", "mean_abs", "rms", "max_abs", "p50_abs", "p99_abs", "p999_abs", "outlier_max_over_mean",
             "outlier_p99_over_median", "outlier_p999_over_median"]
B_METRICS = ["w_rel_fro", "w_rel_max", "scale_mean", "scale_max", "bias_mean", "bias_max"]
COMPANIONS = ["scale", "scales", "scale_inv", "scales_inv", "biases", "zero_point", "zero_points", "zeros", "qzeros", "weight_shape",
              "g_idx", "absmax", "quant_map", "quant_state", "scale_2", "bias"]


class Fatal(Exception):
    def __init__(self, code, part):
        super().__init__(part)
        self.code, self.part = code, part


class SplitError(Exception):
    pass


class Tensor:
    def __init__(self, name, array, kind, nbytes=None):
        self.name, self.array, self.kind = name, array, kind  # kind: NumPy's name of the stored type
        self.nbytes = array.nbytes if nbytes is None else nbytes

    @property
    def is_float(self):
        return self.kind in ("float16", "bfloat16", "float32", "float64")


# ---- names ----

def infer(name, aliases):
    low = name.lower()
    for canonical, words in aliases.items():
        for word in (w.lower() for w in words):
            if word.startswith(".") and word.endswith("."):
                hit = word in low
            else:
                hit = re.search("(?<![A-Za-z0-9_])" + re.escape(word) + "(?![A-Za-z0-9_])", low) is not None
            if hit:
                return canonical
    return None


def canonical(token, aliases):
    return {key.lower(): key for key in aliases}.get(token.lower())


def suggest(token, aliases):
    spelled = {}
    for key, words in aliases.items():
        for word in [key, *words]:
            spelled.setdefault(word.lower(), word)
    close = difflib.get_close_matches(token.lower(), list(spelled), n=1, cutoff=0.6)
    if not close:
        return "", ""
    match = spelled[close[0]]
    return canonical(match, aliases) or infer(match, aliases) or "", match


def number(pattern, name):
    found = re.search(pattern, name)
    if not found or found.re.groups < 1 or found.group(1) is None:
        return None
    return int(found.group(1)) if re.fullmatch(r"[+-]?[0-9]+", found.group(1)) else None


def companion(name):
    last = name.rsplit(".", 1)[-1]
    for tail in COMPANIONS:
        if last == tail or last.endswith("_" + tail):
            return "expert_bias" if tail == "bias" else "quantization_companion"
    return None


# ---- extraction ----

class Extraction:
    """Of one model under one configuration: banks, unmatched tensors, warnings, the canonicalisation report."""

    def __init__(self, config):
        self.parsing = config.get("parsing", {})
        self.rules = [r for r in config.get("extract_rules", []) if r.get("enabled", True)]
        self.aliases = self.parsing["proj_aliases"]
        self.warnings, self.report, self.n_without_aliases = [], {}, 0

    def is_shared(self, name):
        words = self.parsing["shared_expert_keywords"]
        return bool(words) and all(w.lower() in name.lower() for w in words)

    def is_expertish(self, t):
        if "experts" in t.name.lower() or self.is_shared(t.name):
            return True
        return any(re.match(r["match"], t.name) and r.get("ndim") in (None, t.array.ndim) for r in self.rules)

    def note(self, file, t, rule, context, action, raw, resolved, derived):
        key = (context, rule["name"], raw, resolved, action)
        if key in self.report:
            self.report[key]["count"] += 1
            return
        proj, match = suggest(raw, self.aliases)
        self.report[key] = {"context": context, "rule_name": rule["name"], "raw_proj": raw, "resolved_proj": resolved,
                            "action": action, "count": 1, "example_file": file, "example_source_tensor": t.name,
                            "example_derived_tensor": derived, "suggested_proj": proj, "suggested_match": match}

    def layout(self, rule, array):
        layout = rule.get("layout") or {}
        rows, cols = layout.get("rows_axis"), layout.get("cols_axis")
        if rows is None or cols is None:
            raise ValueError("layout must include rows_axis and cols_axis")
        stack = rule.get("row_stack")
        if stack:
            if array.shape[0] % stack:
                raise ValueError(f"row_stack {stack} does not divide axis 0 of length {array.shape[0]}")
            array = array.reshape(stack, array.shape[0] // stack, *array.shape[1:])
        axes = [a for a in (layout.get("layer_axis"), layout.get("expert_axis"), rows, cols) if a is not None]
        if len(axes) != array.ndim:
            raise ValueError(f"layout axes {axes} do not cover ndim={array.ndim}")
        for axis in axes:
            if not -array.ndim <= axis < array.ndim:
                raise ValueError(f"axis {axis} is out of bounds for array of dimension {array.ndim}")
        if len({a % array.ndim for a in axes}) != len(axes):
            raise ValueError(f"repeated axis in layout {axes}")
        return array.transpose(axes)

    def split(self, rule, t, whole):
        spec = rule["packed_split"]
        axis = whole.ndim - (2 if spec["axis"] == "rows" else 1)
        length, sizes, projs = whole.shape[axis], spec["splits"], spec["projs"]
        where = f"for rule={rule['name']} tensor={t.name}"
        if sizes == "equal":
            if not projs or length % len(projs):
                raise SplitError(f"packed_split failed {where}: {len(projs)} equal parts do not divide {length} along axis {axis}")
            sizes = [length // len(projs)] * len(projs)
        if not sizes:
            raise SplitError(f"packed_split failed {where}: splits must be non-empty")
        for size in sizes:
            if not isinstance(size, int):
                raise SplitError(f"packed_split failed {where}: split sizes must be integers; got {type(size).__name__}")
            if size <= 0:
                raise SplitError(f"packed_split failed {where}: split sizes must be positive; got {size}")
        if sum(sizes) != length:
            raise SplitError(f"packed_split failed {where}: split sizes sum to {sum(sizes)}, expected {length} along axis {axis}")
        interleaved = spec.get("interleave", False)
        if interleaved and len(set(sizes)) > 1:
            other = next(s for s in sizes if s != sizes[0])
            raise SplitError(f"packed_split failed {where}: interleaved parts must be equal; got sizes {sizes[0]} and {other}")
        if len(sizes) != len(projs):
            raise SplitError(f"packed_split projs and splits length mismatch {where}")
        begin = 0
        for k, size in enumerate(sizes):
            part = slice(k, None, len(sizes)) if interleaved else slice(begin, begin + size)
            begin += size
            yield whole[(slice(None),) * axis + (part,)]

    def by_rule(self, file, t):
        """banks, or None for the next stage, or a reason to stop."""
        for rule in self.rules:
            found = re.match(rule["match"], t.name)
            if not found or rule.get("ndim") not in (None, t.array.ndim):
                continue
            expert = None
            if rule.get("expert_group") is not None and rule["expert_group"] <= found.re.groups:
                text = found.group(rule["expert_group"])
                expert = int(text) if text and re.fullmatch("[+-]?[0-9]+", text) else None
            if rule.get("packed_split"):
                return self.by_split(file, t, rule, expert)
            return self.by_plain_rule(file, t, rule, found, expert)
        return None

    def by_plain_rule(self, file, t, rule, found, expert):
        if rule.get("proj_group") is None:
            proj = infer(t.name, self.aliases)
            if proj is None:
                return None
        else:
            raw = found.group(rule["proj_group"])
            proj = canonical(raw, self.aliases) or infer(raw, self.aliases)
            if proj is None:
                strict = self.parsing.get("proj_group_strict", False)
                if self.aliases:
                    self.note(file, t, rule, "proj_group", "dropped_strict" if strict else "kept_raw", raw, raw, f"{t.name}::{raw}")
                if strict:
                    self.n_without_aliases += not self.aliases
                    return "proj_group_strict_unmapped" if self.aliases else "proj_group_strict_no_alias_map"
                proj = raw
        return [self.bank(t, self.layout(rule, t.array), f"{t.name}::{proj}", proj, expert)]

    def by_split(self, file, t, rule, expert):
        whole, banks = self.layout(rule, t.array), []
        kind = rule["packed_split"]["axis"] + (",interleaved" if rule["packed_split"].get("interleave") else "")
        for raw, part in zip(rule["packed_split"]["projs"], list(self.split(rule, t, whole))):
            proj = canonical(raw, self.aliases) or infer(raw, self.aliases)
            derived = f"{t.name}::split[{kind}]::{proj or raw}"
            if proj is None and self.aliases:
                self.note(file, t, rule, "packed_split", "kept_raw", raw, raw, derived)
            banks.append(self.bank(t, part, derived, proj or raw, expert))
        return banks

    def by_guess(self, t):
        proj = infer(t.name, self.aliases)
        if proj is None or t.array.ndim not in (2, 3):
            return None
        if companion(t.name):
            return companion(t.name)
        expert = number(self.parsing["expert_regex"], t.name) if t.array.ndim == 2 else None
        return [self.bank(t, t.array, f"{t.name}::{proj}", proj, expert)]

    def bank(self, t, values, derived, proj, expert):
        layer = number(self.parsing["layer_regex"], t.name)
        values = values[None] if values.ndim == 2 else values
        if values.ndim == 3:
            blocks = [(-1 if layer is None else layer, values)]
        else:
            blocks = [((layer or 0) + i, block) for i, block in enumerate(values)]
        return {"derived": derived, "proj": proj, "expert": expert, "shared": self.is_shared(t.name), "blocks": blocks}

    def extract(self, file, t):
        """(via, banks or reason)"""
        try:
            found = self.by_rule(file, t)
        except SplitError as e:
            if self.parsing.get("strict_packed_split", True):
                raise Fatal(2, str(e)) from e
            self.warnings.append(f"[extract] {e}")
            found = None
        except ValueError as e:
            self.warnings.append(f"[extract] rule application failed for {t.name}: {e}")
            found = None
        if isinstance(found, list):
            return "rule", found
        if found is None:
            found = self.by_guess(t)
            if isinstance(found, list):
                return "fallback", found
        return "none", found or "no_rule_match_or_proj_infer"


# ---- numbers ----

def percentile(values, q):
    return float(np.percentile(np.asarray(values, np.float64), q))


def sample_of(n, k, seed):
    return np.arange(n) if k >= n else np.random.default_rng(seed).choice(n, size=k, replace=False)


def stats_of(matrix, stats):
    w = np.asarray(matrix, dtype=np.float32).astype(np.float64)
    a, eps = np.abs(w), stats["eps"]
    sample = a.reshape(-1)[sample_of(a.size, stats["sample_per_matrix"], stats["sample_seed"])]
    out = {"mean": w.mean(), "std": w.std(), "mean_abs": a.mean(), "rms": math.sqrt((w * w).mean()), "max_abs": a.max(),
           "p50_abs": percentile(sample, 50), "p99_abs": percentile(sample, 99), "p999_abs": percentile(sample, 99.9)}
    out["outlier_max_over_mean"] = out["max_abs"] / (out["mean_abs"] + eps)
    out["outlier_p99_over_median"] = out["p99_abs"] / (out["p50_abs"] + eps)
    out["outlier_p999_over_median"] = out["p999_abs"] / (out["p50_abs"] + eps)
    p = stats["group_outlier_percentile"]
    for g in stats["group_sizes_lastdim"]:
        names = f"g{g}_p{int(p)}_outlier", f"g{g}_max_outlier"
        if g <= 0 or w.shape[1] % g:
            out[names[0]] = out[names[1]] = math.nan
            continue
        groups = a.reshape(-1, g)
        ratio = groups.max(axis=1) / (groups.mean(axis=1) + eps)
        out[names[0]], out[names[1]] = percentile(ratio, p), ratio.max()
    for name, q in (("p50_abs_exact", 50), ("p99_abs_exact", 99), ("p999_abs_exact", 99.9)):
        out[name] = percentile(a, q)
    out |= {"min": w.min(), "max": w.max(), "zero_count": int((w == 0).sum()), "nan_count": 0, "inf_count": 0}
    return {k: float(v) for k, v in out.items()}


def decode_scales(scales, mode):
    scales = np.array(scales.astype(mx.float32) if mode == "affine" else scales)
    if mode == "affine":
        return scales.astype(np.float64)
    if mode in ("mxfp4", "mxfp8"):
        return np.exp2(scales.astype(np.float64) - 127)
    exponent, mantissa = scales >> 3 & 15, (scales & 7).astype(np.float64)
    value = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * np.exp2(exponent.astype(np.float64) - 7))
    return np.where(scales & 128, -value, value)


def quant_of(bank, scheme, compute, eps):
    """One dict per expert, or the text of MLX's complaint."""
    mode, bits, group = scheme["mode"], scheme.get("bits", 4), scheme.get("group_size", 32)
    w = np.asarray(bank, dtype=np.float32)
    converted = mx.array(w).astype({"bf16": mx.bfloat16, "fp16": mx.float16, "fp32": mx.float32}[compute])
    try:
        words, scales, *biases = mx.quantize(converted, group_size=group, bits=bits, mode=mode)
        back = mx.dequantize(words, scales, *biases, group_size=group, bits=bits, mode=mode, dtype=converted.dtype)
        mx.eval(back)
    except ValueError as e:
        return str(e)
    back = np.array(back.astype(mx.float32)).astype(np.float64)
    scale = decode_scales(scales, mode)
    bias = np.array(biases[0].astype(mx.float32)).astype(np.float64) if mode == "affine" else None
    rows = []
    for e in range(w.shape[0]):
        stored = w[e].astype(np.float64)
        error = back[e] - stored
        rows.append({"w_rel_fro": np.linalg.norm(error) / (np.linalg.norm(stored) + eps),
                     "w_rel_max": np.abs(error).max() / (np.abs(stored).max() + eps),
                     "scale_mean": scale[e].mean(), "scale_max": scale[e].max(),
                     "bias_mean": None if bias is None else bias[e].mean(), "bias_max": None if bias is None else bias[e].max()})
    return rows


# ---- the run ----

def base_row(path, t, bank, layer, expert):
    return {"file": path, "source_tensor": t.name, "derived_tensor": bank["derived"], "layer": layer,
            "block4": layer // 4 if layer >= 0 else None, "proj": bank["proj"], "expert_id": expert}


def expected(config, files, index, folder):
    """files: [(path, shard or None, [Tensor] in the order of the rows)] as the scan plan has them.

    index: None, or what the index says: {"map", "metadata", "expected", "missing", "extra_on_disk", "skipped"}.
    """
    scan, stats = config["scan"], config["stats"]
    x = Extraction(config)
    out = {"tensor_inventory": [], "matrix_stats": [], "quant_sim": [], "unmatched_tensors": []}
    counts = {"rule": 0, "fallback": 0, "none": 0}
    examples = {"rule": [], "fallback": [], "none": []}
    quant_warnings, seen, n_tensors = [], set(), 0
    schemes = [s for s in config["quant_schemes"] if s.get("enabled", True)] if config["mlx"]["enabled"] else []
    for path, _, tensors in files:
        for t in tensors:
            n_tensors += 1
            seen.add(t.name)
            shape = list(t.array.shape)
            row = {"file": path, "tensor_name": t.name, "dtype": t.kind, "shape": shape, "ndim": len(shape), "nbytes": t.nbytes}
            if index:
                row |= {"in_index": t.name in index["map"], "index_shard": index["map"].get(t.name)}
            if scan["inventory_all_tensors"] or t.is_float:
                out["tensor_inventory"].append(row)
            if not t.is_float:
                continue
            expertish = x.is_expertish(t)
            if scan["experts_only"] and (not expertish or (x.is_shared(t.name) and not scan["include_shared_expert"])):
                continue
            via, found = x.extract(path, t)
            if via == "none" and not (scan["experts_only"] and expertish):
                continue
            counts[via] += 1
            if t.name not in examples[via] and len(examples[via]) < 25:
                examples[via].append(t.name)
            if via == "none":
                out["unmatched_tensors"].append({k: row[k] for k in ("file", "tensor_name", "dtype", "shape", "ndim")} | {"reason": found})
                continue
            for bank in found:
                for layer, block in bank["blocks"]:
                    single = bank["expert"] is not None and block.shape[0] == 1
                    ids = [-1 if bank["shared"] else bank["expert"] if single else e for e in range(block.shape[0])]
                    for e, matrix in enumerate(block):
                        out["matrix_stats"].append(base_row(path, t, bank, layer, ids[e]) | {
                            "is_routed_expert": not bank["shared"], "is_shared_expert": bank["shared"], "rows": matrix.shape[0],
                            "cols": matrix.shape[1], "dtype": t.kind} | stats_of(matrix, stats))
                    for s in schemes if mx else []:
                        result = quant_of(block, s, stats["quant_compute_dtype"], stats["eps"])
                        if isinstance(result, str):
                            quant_warnings.append(f"[quant_sim] scheme={s['name']} failed: {result}")
                        for e, matrix in enumerate(block):
                            metrics = dict.fromkeys(B_METRICS) if isinstance(result, str) else result[e]
                            out["quant_sim"].append(base_row(path, t, bank, layer, ids[e]) | {
                                "is_shared_expert": bank["shared"], "rows": matrix.shape[0], "cols": matrix.shape[1],
                                "scheme": s["name"], "mode": s["mode"], "bits": s.get("bits", 4),
                                "group_size": s.get("group_size", 32)} | metrics | {
                                    "error": f"ValueError: {result}" if isinstance(result, str) else None})
    out["proj_canonicalization_report"] = list(x.report.values())
    out["warnings"] = x.warnings + quant_warnings + late_warnings(config, x, out, index, seen)
    out["counts"], out["examples"], out["n_tensors"] = counts, examples, n_tensors
    if index:
        out["index_report"] = index_report(index, files, seen)
    return out


def index_report(index, files, seen):
    wanted = {name for name, shard in index["map"].items() if shard not in index["skipped"]}
    return {"expected_shards": sorted(index["expected"]), "scanned_shards": sorted(shard for _, shard, _ in files),
            "missing_shards": sorted(index["missing"]), "extra_scanned_shards": [], "missing_tensors": sorted(wanted - seen),
            "extra_tensors": sorted(seen - set(index["map"])), "extra_safetensors_files_on_disk": sorted(index["extra_on_disk"])}


def late_warnings(config, x, out, index, seen):
    lines = []
    if index:
        report = index_report(index, [], seen)
        for key, text in (("missing_shards", "missing shards"), ("missing_tensors", "missing tensors"),
                          ("extra_tensors", "extra tensors"), ("extra_safetensors_files_on_disk", "extra safetensors files on disk")):
            names = report[key]
            if names:
                more = f" and {len(names) - 20} more, all of them in logs/index_report.json" if len(names) > 20 else ""
                lines.append(f"[index] {text}: {', '.join(names[:20])}{more}")
    suffix = "parquet" if config["output"]["format"] == "parquet" else "csv"
    see = f"See logs/proj_canonicalization_report.{suffix}"
    rows = list(x.report.values())
    kept, dropped = ([r for r in rows if r["action"] == action] for action in ("kept_raw", "dropped_strict"))
    if kept:
        packed, group = (sum(r["count"] for r in kept if r["context"] == c) for c in ("packed_split", "proj_group"))
        lines.append(f"[proj] unmapped proj tokens kept raw: packed_split={packed}, proj_group={group} "
                     f"(unique={len({r['raw_proj'] for r in kept})}, occurrences={packed + group}). {see}")
    if dropped:
        lines.append("[proj] strict proj_group dropped tensors due to unmapped proj tokens: "
                     f"occurrences={sum(r['count'] for r in dropped)} (unique={len({r['raw_proj'] for r in dropped})}). {see}")
    if x.n_without_aliases:
        where = (f"See data/unmatched_tensors.{suffix} for details." if config["debug"]["dump_unmatched_tensors"] else
                 "Enable debug.dump_unmatched_tensors=true to write unmatched_tensors.*.")
        lines.append("[config] parsing.proj_group_strict=true but parsing.proj_aliases is empty; strict proj_group drops occurred "
                     f"(occurrences={x.n_without_aliases}). {where}")
    return lines


# ---- summaries ----

def grouped(rows, keys):
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    return sorted(groups.items(), key=lambda item: [(v is None, v if v is not None else 0) for v in item[0]])


AGGREGATES = {
    "min": lambda v: v.min(), "max": lambda v: v.max(), "mean": lambda v: v.mean(), "median": lambda v: np.quantile(v, 0.5),
    "p01": lambda v: np.quantile(v, 0.01), "p90": lambda v: np.quantile(v, 0.9), "p99": lambda v: np.quantile(v, 0.99),
    "std": lambda v: v.std(ddof=1) if len(v) > 1 else None,
}


def summary(rows, keys, metrics, aggregates):
    out = []
    for values, members in grouped(rows, keys):
        row = dict(zip(keys, values))
        for metric in metrics:
            v = np.array([m[metric] for m in members if m[metric] is not None and not math.isnan(m[metric])], np.float64)
            for a in aggregates:
                row[f"{metric}__{a}"] = None if len(v) == 0 else AGGREGATES[a](v)
        out.append(row)
    return out


def tables(config, stats, quant):
    """The A_ and B_ tables from rows of matrix_stats and quant_sim."""
    metrics = A_METRICS + [f"g{g}_{what}_outlier" for g in config["stats"]["group_sizes_lastdim"]
                           for what in (f"p{int(config['stats']['group_outlier_percentile'])}", "max")]
    layer, whole = ["median", "mean", "std", "p90", "p99"], ["min", "p01", "median", "p99", "max"]
    quants = ["median", "mean", "p90", "p99"]
    out = {"A_weight_layer_summary": summary(stats, ["layer", "proj"], metrics, layer),
           "A_weight_block4_summary": summary(stats, ["block4", "proj"], metrics, layer),
           "A_weight_global_summary": summary(stats, ["proj"], metrics, whole),
           "B_quant_layer_summary": summary(quant, ["layer", "proj", "scheme"], B_METRICS, quants),
           "B_quant_block4_summary": summary(quant, ["block4", "proj", "scheme"], B_METRICS, quants),
           "B_quant_global_summary": summary(quant, ["proj", "scheme"], B_METRICS, whole)}
    if config["delta_pairs"]:
        out["B_quant_deltas"] = deltas(config, quant)
    return out


def deltas(config, quant):
    keys = ["derived_tensor", "layer", "block4", "proj", "expert_id", "rows", "cols"]
    known, out = {r["scheme"] for r in quant}, []
    for pair in config["delta_pairs"]:
        if not {pair["a"], pair["b"]} <= known:
            continue
        for values, members in grouped(quant, keys + ["file"]):
            by_scheme = {}
            for m in members:
                by_scheme.setdefault(m["scheme"], []).append(m)
            for k in range(max(map(len, by_scheme.values()))):  # stacked shared experts have one id
                a, b = (by_scheme.get(pair[s], [])[k:k + 1] for s in "ab")
                row = dict(zip(keys, values)) | {"delta_name": pair["name"]}
                for metric in ("w_rel_fro", "w_rel_max"):
                    both = a and b and a[0][metric] is not None and b[0][metric] is not None
                    row[f"delta_{metric}"] = a[0][metric] - b[0][metric] if both else None
                out.append(row)
    return out

