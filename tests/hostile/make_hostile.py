#!/usr/bin/env python3
"""Hostile and merely odd models, one for each mechanism that broke a reader somewhere, with the verdict they must get.

    make_hostile.py FOLDER           writes FOLDER/NAME/..., one folder a case
    for case in make_hostile.cases(): case.name, case.files, case.target, case.inspect, case.verify, case.finding, case.why, case.options

Names say the mechanism, `why` where it comes from. Only the standard library; the same bytes on every run.
"""
import dataclasses
import io
import json
import pathlib
import pickle
import struct
import sys
import zipfile
import zlib

CASES = []


@dataclasses.dataclass
class Case:
    name: str
    files: dict        # name: bytes; or a tuple ("link", target)
    target: str        # what is named on the command line; "." is the folder
    inspect: int       # exit code of `inspect`
    verify: int        # exit code of `verify`
    finding: tuple     # (code, severity) that `verify --json` must hold; None: no error and no warning
    why: str
    options: tuple     # more words for `verify`


def case(name, files, finding, inspect=3, verify=None, target=None, why="", options=()):
    if isinstance(files, bytes):
        extension = name.split("_")[0]
        extension = {"pickle": "pt", "torch": "pt", "zip": "npz"}.get(extension, extension)
        files = {f"x.{extension}": files}
    if target is None:
        target = next(iter(files)) if len(files) == 1 else "."
    if verify is None:
        verify = int(finding is not None and finding[1] == "error")
    CASES.append(Case(name, files, target, inspect, verify, finding, why, options))


def unreadable(name, files, why="", inspect=3, **more):
    case(name, files, ("file.unreadable", "error"), inspect=inspect, why=why, **more)


# ---- safetensors ----

def tensor(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


FORMAT = {"__metadata__": {"format": "pt"}}


def st(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps({**FORMAT, **header}).encode()
    if length is None and not isinstance(header, bytes):
        text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def safetensors_cases():
    one = {"a": tensor([2, 2], 0, 16)}
    unreadable("safetensors_empty_file", b"")
    unreadable("safetensors_shorter_than_its_length", b"\x08\0\0\0")
    unreadable("safetensors_header_length_over_100_MB", st(one, bytes(16), 100_000_001))
    unreadable("safetensors_header_length_2_64_less_1", st(one, bytes(16), 2**64 - 1))
    unreadable("safetensors_header_longer_than_the_file", st(one, bytes(16), 5000))
    unreadable("safetensors_header_not_utf8", st(b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)))
    unreadable("safetensors_header_no_json", st(b'{"a":', b""))
    unreadable("safetensors_lone_surrogate", st(b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)))
    unreadable("safetensors_nesting_200", st(b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"))
    unreadable("safetensors_text_behind_the_header", st(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}{}', bytes(4)))
    for name, number in (("exponent", b"1e3"), ("minus_zero", b"-0"), ("negative", b"-1"), ("fraction", b"2.5"), ("2_64", b"18446744073709551616")):
        unreadable(f"safetensors_extent_{name}", st(b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % number, bytes(4)))
    case("safetensors_name_twice", st(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
         ("safetensors.duplicate", "error"))
    case("safetensors_metadata_no_text", st(b'{"__metadata__":{"n":1},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
         ("safetensors.metadata", "error"))
    case("safetensors_unknown_dtype", st({"a": tensor([4], 0, 16, "Q9")}, bytes(16)), ("safetensors.unknown_dtype", "error"))
    case("safetensors_hole", st({"a": tensor([1], 0, 4), "b": tensor([1], 8, 12)}, bytes(12)), ("safetensors.gap", "error"), why="polyglots")
    case("safetensors_hole_at_the_begin", st({"a": tensor([1], 4, 8)}, bytes(8)), ("safetensors.gap", "error"), why="polyglots")
    case("safetensors_overlap", st({"a": tensor([4], 0, 16), "b": tensor([4], 8, 24)}, bytes(24)), ("safetensors.overlap", "error"),
         why="many names over the same bytes are a memory bomb")
    case("safetensors_offsets_reversed", st({"a": tensor([1], 0, 4), "b": tensor([1], 4, 2)}, bytes(4)), ("safetensors.reversed", "error"))
    case("safetensors_size_is_not_the_shape", st({"a": tensor([3], 0, 16)}, bytes(16)), ("safetensors.size", "error"))
    case("safetensors_product_wraps", st({"a": tensor([2**32, 2**32], 0, 0)}), ("safetensors.overflow", "error"))
    case("safetensors_bits_wrap", st({"a": tensor([2**62], 0, 0)}), ("safetensors.overflow", "error"))
    case("safetensors_half_a_byte", st({"a": tensor([3], 0, 1, "F4")}, bytes(1)), ("safetensors.misaligned", "error"))
    case("safetensors_cut_short", st({"a": tensor([4], 0, 16)}, bytes(12)), ("safetensors.truncated", "error"))
    case("safetensors_bytes_behind", st(one, bytes(16) + b"PK\x03\x04"), ("safetensors.trailing", "error"), why="polyglots")
    case("safetensors_name_with_escape", st({"a\x1b[2J": tensor([1], 0, 4)}, bytes(4)), ("name.control", "error"), inspect=0,
         why="terminal injection")
    case("safetensors_name_with_bidi", st({"a\u202eb": tensor([1], 0, 4)}, bytes(4)), ("name.control", "error"), inspect=0)
    case("safetensors_name_with_newline", st({"a\nb": tensor([1], 0, 4)}, bytes(4)), ("name.control", "error"), inspect=0)
    case("safetensors_metadata_with_escape", st({"__metadata__": {"format": "pt", "note": "\x1b]0;x\x07"}, "a": tensor([1], 0, 4)}, bytes(4)),
         ("metadata.escape", "warning"), inspect=0)
    unreadable("safetensors_header_is_a_list", st(b'[{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}]', bytes(4)))
    unreadable("safetensors_header_is_one_brace", st(b"{"))
    unreadable("safetensors_length_of_negative_size", b"\x3c\0\0\0\0\xff\xff\xff" + bytes(60))
    unreadable("safetensors_offsets_of_three", st(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}', bytes(8)))
    unreadable("safetensors_shape_is_text", st(b'{"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}}', bytes(4)))
    unreadable("safetensors_without_a_shape", st(b'{"a":{"dtype":"F32","data_offsets":[0,4]}}', bytes(4)))
    case("safetensors_two_halves_in_two_bytes", st({"a": tensor([2], 0, 2, "F4")}, bytes(2)), ("safetensors.size", "error"))
    case("safetensors_ten_names_for_the_same_bytes", st({f"t{i}": tensor([2, 2], 0, 16) for i in range(10)}, bytes(16)), ("safetensors.overlap", "error"))
    case("safetensors_100000_names_for_the_same_bytes", st({f"t{i}": tensor([64], 0, 256) for i in range(100_000)}, bytes(256)),
         ("safetensors.overlap", "error"), why="a memory bomb, and no quadratic search for it")
    case("safetensors_100000_times_one_name", st(b"{" + b",".join([b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'] * 100_000) + b"}"),
         ("safetensors.duplicate", "error"))
    case("safetensors_million_keys_of_one_byte", st(b'{"__metadata__":{"format":"pt",' + b",".join([b'"a":""'] * 1_000_000) + b"}}"), None, inspect=0)
    case("safetensors_name_with_nul", st({"a\0b": tensor([1], 0, 4)}, bytes(4)), ("name.control", "error"), inspect=0)
    case("safetensors_bomb_of_empty_tensors", st({"a": tensor([2**62, 0, 2**62], 0, 0)}), None, inspect=0, why="nothing times anything is nothing")
    # what must not be refused
    case("safetensors_white_space_around", st(b' \r\n\t{"__metadata__":{"format":"pt"}} \t\r\n'), None, inspect=0)
    case("safetensors_rank_300", st({"a": tensor([1] * 300, 0, 4)}, bytes(4)), None, inspect=0, why="the reference has no limit")
    case("safetensors_header_begins_with_blank", st(b' {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
         None, inspect=0, why="the specification forbids it, the reference reads it")
    case("safetensors_nan_and_inf", st({"a": tensor([4], 0, 16)}, struct.pack("<4f", float("nan"), float("inf"), -float("inf"), 0)), None, inspect=0)
    case("safetensors_empty_tensor", st({"a": tensor([0, 5], 0, 0), "b": tensor([1], 0, 4)}, bytes(4)), None, inspect=0)
    case("safetensors_only_empty_tensors", st({"a": tensor([0], 0, 0), "b": tensor([3, 0], 0, 0)}), None, inspect=0)
    case("safetensors_rank_0", st({"a": tensor([], 0, 4)}, bytes(4)), None, inspect=0)
    case("safetensors_no_tensors", st({}), None, inspect=0)
    case("safetensors_name_of_300", st({"a" * 300: tensor([1], 0, 4)}, bytes(4)), None, inspect=0)
    case("safetensors_name_in_unicode", st({"gewicht.\u00e4\u6f22": tensor([1], 0, 4)}, bytes(4)), None, inspect=0)
    case("safetensors_trailing_blanks", st(json.dumps({**FORMAT, "a": tensor([1], 0, 4)}).encode() + b" " * 4001, bytes(4)), None, inspect=0)
    case("safetensors_unknown_metadata", st({"__metadata__": {"format": "pt", "anything": "x" * 5000}, "a": tensor([1], 0, 4)}, bytes(4)), None, inspect=0)
    many = {f"t.{i}": tensor([1], i, i + 1, "U8") for i in range(600_000)}
    case("safetensors_600000_tensors", st(many, bytes(len(many))), None, inspect=0)


def index_cases():
    a, b = st({"a": tensor([1], 0, 4)}, bytes(4)), st({"b": tensor([1], 0, 4)}, bytes(4))
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

    def model(weight_map, total=8, **more):
        text = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}).encode()
        return {names[0]: a, names[1]: b, "model.safetensors.index.json": text, **more}

    sound = {"a": names[0], "b": names[1]}
    case("index_sound", model(sound), None, inspect=0)
    case("index_shard_absolute", model({**sound, "c": "/etc/passwd"}), ("index.shard_outside", "error"), inspect=0)
    case("index_shard_dot_dot", model({**sound, "c": "../x.safetensors"}), ("index.shard_outside", "error"), inspect=0)
    case("index_shard_missing", model({**sound, "c": "gone.safetensors"}), ("index.missing_shard", "error"), inspect=0)
    case("index_tensor_nowhere", model({**sound, "c": names[0]}), ("index.tensor_missing", "error"), inspect=0)
    case("index_tensor_elsewhere", model({"a": names[1], "b": names[0]}), ("index.tensor_elsewhere", "warning"), inspect=0)
    case("index_tensor_unlisted", model({"a": names[0]}), ("index.file_unlisted", "warning"), inspect=0)
    case("index_total_size", model(sound, 9), ("index.total_size", "warning"), inspect=0)
    case("index_tensor_twice", {**model(sound), names[1]: st({"a": tensor([1], 0, 4), "b": tensor([1], 4, 8)}, bytes(8))},
         ("index.duplicate_tensor", "warning"), inspect=0)
    case("index_shard_behind_a_backslash", model({**sound, "c": "..\\x.safetensors"}), ("index.shard_outside", "error"), inspect=0)
    case("index_shard_in_a_folder_that_leads_out", model({**sound, "c": "sub/../../x.safetensors"}), ("index.shard_outside", "error"), inspect=0)
    case("index_shard_with_nul", model({**sound, "c": "x\0.safetensors"}), ("index.shard_outside", "error"), inspect=0)
    case("index_shard_is_no_text", {**model(sound), "model.safetensors.index.json": b'{"weight_map":{"a":1}}'}, ("model.unreadable", "error"))
    case("index_shard_is_a_folder", {**model({**sound, "c": "sub"}), "sub/x": b""}, ("index.missing_shard", "error"), inspect=0)
    case("index_shard_is_a_link_to_elsewhere", {**model(sound), names[1]: ("link", "../index_sound/" + names[1])}, ("folder.link_outside", "info"), inspect=0)
    case("index_shard_is_a_link_to_itself", {**model(sound), names[1]: ("link", names[1])}, ("index.missing_shard", "error"), inspect=0)
    case("index_key_twice", {**model(sound), "model.safetensors.index.json": b'{"weight_map":{"a":"%s","a":"%s","b":"%s"}}' % tuple(n.encode() for n in (*names, names[1]))},
         ("index.tensor_elsewhere", "warning"), inspect=0)
    case("index_total_size_is_text", model(sound, "8"), None, inspect=0, why="seen in the wild")
    case("index_without_metadata", {**model(sound), "model.safetensors.index.json": json.dumps({"weight_map": sound}).encode()}, None, inspect=0)
    case("index_shard_in_a_folder", {**{n: d for n, d in model({"a": names[0], "b": "sub/" + names[1]}).items() if n != names[1]}, "sub/" + names[1]: b}, None, inspect=0)
    case("index_no_json", {**model(sound), "model.safetensors.index.json": b"{"}, ("model.unreadable", "error"))
    case("index_set_with_a_gap", {names[0]: a}, ("files.missing_part", "error"), inspect=0, target=names[0])
    case("index_shard_is_a_pointer", {**model(sound), names[1]: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n"},
         ("file.unreadable", "error"), inspect=4)
    case("index_shard_is_a_web_page", {**model(sound), names[1]: b"<!DOCTYPE html><title>404</title>"}, ("file.unreadable", "error"))


def config_cases():
    plain = st({"a": tensor([1], 0, 4)}, bytes(4))

    def model(config, weights=plain, **more):
        return {"model.safetensors": weights, "config.json": config if isinstance(config, bytes) else json.dumps(config).encode(), **more}

    case("config_no_json", model(b"{"), ("config.invalid", "warning"), inspect=0)
    case("config_empty", model(b""), ("config.empty", "warning"), inspect=0)
    case("config_is_a_list", model(b"[]"), ("config.invalid", "warning"), inspect=0)
    case("config_nesting_100000", model(b'{"a":' + b"[" * 100_000), ("config.invalid", "warning"), inspect=0, why="recursion")
    case("config_asks_for_code", model({"auto_map": {"AutoModel": "modeling.Model"}}), ("config.remote_code", "info"), inspect=0)
    case("config_is_a_link_to_elsewhere", {**model({}), "config.json": ("link", "../config_no_json/config.json")}, ("folder.link_outside", "info"), inspect=0)
    case("config_template_breaks_out", model({}, **{"chat_template.jinja": b"{{ ''.__class__.__mro__ }}"}), ("template.escape", "warning"), inspect=0,
         why="CVE-2024-34359")
    case("folder_name_with_escape", model({}, **{"a\x1b[2Jb.txt": b"x"}), ("folder.name", "warning"), inspect=0)
    case("folder_holds_a_program", model({}, helper=b"\x7fELF" + bytes(60)), ("folder.program", "warning"), inspect=0)
    # what must not be refused: layers without experts, no output head, a config of a kind that nobody knows
    layer = "model.layers.%d.mlp.%s.weight"
    moe = {layer % (1, "gate"): [2, 4]} | {layer % (1, f"experts.{e}.{p}_proj"): [4, 4] for e in (0, 1) for p in ("gate", "up", "down")}
    dense = {layer % (0, f"{p}_proj"): [4, 4] for p in ("gate", "up", "down")}
    tensors, at = {}, 0
    for name, shape in {**dense, **moe}.items():
        n = 4 * shape[0] * shape[1]
        tensors[name], at = tensor(shape, at, at + n), at + n
    mixed = {"architectures": ["Qwen2MoeForCausalLM"], "model_type": "qwen2_moe", "num_experts": 2, "num_experts_per_tok": 1, "num_hidden_layers": 2,
             "hidden_size": 4, "mlp_only_layers": [0], "tie_word_embeddings": True}
    case("config_layers_without_experts", model(mixed, st(tensors, bytes(at))), None, inspect=0)
    case("config_of_an_unknown_kind", model({"model_type": "nobody_knows", "architectures": ["NobodyKnows"]}), None, inspect=0)


# ---- GGUF ----

def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def kv(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def info(name, dims, kind=0, offset=0):
    return text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", kind, offset)


ARCH = kv("general.architecture", 8, text("llama"))


def gguf(kvs=(ARCH,), infos=(), data=b"", version=3, n_tensors=None, n_kv=None, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos) if n_tensors is None else n_tensors, len(kvs) if n_kv is None else n_kv)
    head += b"".join(kvs) + b"".join(infos)
    return head + bytes(-len(head) % alignment) + data


def split_cases():
    def part(number, count, n_tensors, name="a"):
        keys = [kv("split.no", 2, struct.pack("<H", number)), kv("split.count", 2, struct.pack("<H", count)),
                kv("split.tensors.count", 5, struct.pack("<i", n_tensors))]
        return gguf([ARCH, *keys] if number == 0 else keys, [info(name, [8])], bytes(32))
    def files(*parts):
        return {f"m-{i + 1:05}-of-{len(parts):05}.gguf": p for i, p in enumerate(parts) if p}
    first, second = part(0, 2, 2), part(1, 2, 2, "b")
    case("gguf_split_set", files(first, second), None, inspect=0)
    case("gguf_split_by_its_last_part", files(first, second), None, inspect=0, target="m-00002-of-00002.gguf")
    case("gguf_split_lacks_a_part", {**files(None, second)}, ("files.missing_part", "error"), inspect=0)
    case("gguf_split_parts_swapped", files(second, first), ("gguf.split", "warning"), inspect=0, why="FreeToken #154")
    case("gguf_split_of_another_count", files(part(0, 3, 2), part(1, 3, 2, "b")), ("gguf.split", "warning"), inspect=0)
    case("gguf_split_of_fewer_tensors", files(part(0, 2, 5), part(1, 2, 5, "b")), ("gguf.split", "warning"), inspect=0)
    case("gguf_split_name_in_two_parts", files(first, part(1, 2, 2)), ("index.duplicate_tensor", "warning"), inspect=0)
    case("gguf_split_without_its_keys", files(gguf(infos=[info("a", [8])], data=bytes(32)), gguf([], [info("b", [8])], bytes(32))), None, inspect=0,
         why="FreeToken #154: some splitters omit them")
    case("gguf_several_models", {"a.gguf": first, "b.gguf": second}, ("model.several", "info"), inspect=4, target=".", why="inspect asks which; verify looks at each")


def gguf_cases():
    t = info("a", [8])
    unreadable("gguf_bad_magic", b"GGUG" + gguf()[4:], inspect=3)
    unreadable("gguf_version_0", gguf(version=0))
    unreadable("gguf_version_1", gguf(version=1), inspect=4)
    unreadable("gguf_version_byte_swapped", gguf(version=0x03000000), inspect=4)
    unreadable("gguf_version_future", gguf(version=99), inspect=4)
    for name, count in (("wraps", 2**60), ("negative", 2**63), ("all_ones", 2**64 - 1), ("over_the_file", 1000)):
        unreadable(f"gguf_kv_count_{name}", gguf(n_kv=count), "CVE-2024-25664, 23605")
        unreadable(f"gguf_tensor_count_{name}", gguf(n_tensors=count), "CVE-2024-25666, 23496")
    unreadable("gguf_string_length_all_ones", gguf([struct.pack("<Q", 2**64 - 1) + b"k"]), "CVE-2024-25665")
    unreadable("gguf_string_length_over_the_file", gguf([kv("k", 8, struct.pack("<Q", 2**40))]), "allocated before checked: #19003")
    for name, count in (("wraps", 2**61), ("all_ones", 2**64 - 1), ("2_63", 2**63), ("over_the_file", 10**6)):
        unreadable(f"gguf_array_count_{name}", gguf([kv("k", 9, struct.pack("<IQ", 4, count))]), "CVE-2024-25667; gguf-py #27188")
        unreadable(f"gguf_string_array_count_{name}", gguf([kv("k", 9, struct.pack("<IQ", 8, count))]), "CVE-2024-25668")
    unreadable("gguf_array_type_out_of_table", gguf([kv("k", 9, struct.pack("<IQ", 4711, 1) + bytes(8))]))
    unreadable("gguf_value_type_out_of_table", gguf([kv("k", 13, bytes(8))]))
    unreadable("gguf_array_of_arrays_deep", gguf([kv("k", 9, struct.pack("<IQ", 9, 1) * 4000)]), "recursion", inspect=4)
    unreadable("gguf_string_in_array_over_the_file", gguf([kv("k", 9, struct.pack("<IQQ", 8, 1, 2**40))]), "CVE-2025-49847")
    unreadable("gguf_key_empty", gguf([kv("", 4, bytes(4))]))
    unreadable("gguf_key_not_utf8", gguf([kv(b"\xff\xfe", 4, bytes(4))]))
    case("gguf_key_twice", gguf([ARCH, ARCH]), ("gguf.duplicate_key", "error"))
    case("gguf_alignment_2_31", gguf([ARCH, kv("general.alignment", 4, struct.pack("<I", 2**31))], [t], bytes(32)), ("gguf.short", "error"), why="#24997")
    for name, value in (("0", 0), ("3", 3)):
        unreadable(f"gguf_alignment_{name}", gguf([ARCH, kv("general.alignment", 4, struct.pack("<I", value))], [t], bytes(32)),
                   "Ollama: division by zero; #24997")
    unreadable("gguf_alignment_of_64_bits", gguf([ARCH, kv("general.alignment", 10, struct.pack("<Q", 32))], [t], bytes(32)), "#26318")
    unreadable("gguf_alignment_of_wrong_type", gguf([ARCH, kv("general.alignment", 8, text("32"))], [t], bytes(32)), "#26318")
    case("gguf_boolean_2", gguf([ARCH, kv("b", 7, b"\x02")]), ("gguf.bool", "warning"), inspect=0)
    case("gguf_name_of_64", gguf(infos=[info("a" * 64, [8])], data=bytes(32)), ("gguf.long_name", "error"))
    case("gguf_name_twice", gguf(infos=[t, info("a", [8], 0, 32)], data=bytes(64)), ("gguf.duplicate", "error"))
    case("gguf_rank_5", gguf(infos=[info("a", [1, 1, 1, 1, 8])], data=bytes(32)), ("gguf.rank", "error"))
    unreadable("gguf_rank_2_32_less_1", gguf(infos=[text("a") + struct.pack("<I", 2**32 - 1) + bytes(64)]))
    unreadable("gguf_extent_negative", gguf(infos=[info("a", [2**64 - 32])], data=bytes(32)), "CVE-2024-21802")
    unreadable("gguf_product_wraps", gguf(infos=[info("a", [2**33, 2**33])], data=bytes(32)), "CVE-2026-33298")
    unreadable("gguf_bytes_wrap", gguf(infos=[info("a", [2**62])], data=bytes(32)), "CVE-2025-53630")
    case("gguf_sum_of_sizes_wraps", gguf(infos=[info("a", [2**60]), info("b", [2**60], 0, 2**62)], data=bytes(32)), ("file.unreadable", "error"),
         why="CVE-2025-53630, CVE-2026-27940")
    case("gguf_extent_over_32_bits", gguf(infos=[info("a", [2**33])], data=bytes(32)), ("gguf.short", "error"), why="CVE-2026-53923")
    unreadable("gguf_row_no_multiple_of_the_block", gguf(infos=[info("a", [33], 2)], data=bytes(64)))
    case("gguf_type_out_of_table", gguf(infos=[info("a", [32], 4711)], data=bytes(64)), ("gguf.unknown_type", "error"))
    case("gguf_type_removed", gguf(infos=[info("a", [32], 4)], data=bytes(64)), ("gguf.undecodable_type", "warning"), inspect=0)
    case("gguf_type_of_a_fork", gguf(infos=[info("a", [256], 139)], data=bytes(160)), ("gguf.undecodable_type", "warning"), inspect=0)
    case("gguf_offset_beyond_the_file", gguf(infos=[info("a", [8], 0, 2**40)], data=bytes(32)), ("gguf.offset", "error"), why="CVE-2026-7482")
    case("gguf_offset_misaligned", gguf(infos=[info("a", [8], 0, 4)], data=bytes(64)), ("gguf.offset", "error"))
    case("gguf_offset_gap", gguf(infos=[t, info("b", [8], 0, 64)], data=bytes(96)), ("gguf.offset", "error"))
    case("gguf_offsets_unordered", gguf(infos=[info("a", [8], 0, 32), info("b", [8], 0, 0)], data=bytes(64)), ("gguf.offset", "error"))
    case("gguf_offset_overlaps", gguf(infos=[info("a", [16]), info("b", [16], 0, 32)], data=bytes(128)), ("gguf.offset", "error"))
    case("gguf_cut_short", gguf(infos=[info("a", [64])], data=bytes(100)), ("gguf.short", "error"), why="CVE-2026-7482, CVE-2024-32878")
    case("gguf_bytes_behind", gguf(infos=[t], data=bytes(64)), ("gguf.trailing", "warning"), inspect=0)
    case("gguf_padding_not_zero", gguf(infos=[info("a", [4]), info("b", [8], 0, 32)], data=bytes(16) + b"secretsecretsecr" + bytes(32)),
         ("gguf.padding", "warning"), inspect=0)
    case("gguf_name_with_escape", gguf(infos=[info("a\x1b[31m", [8])], data=bytes(32)), ("name.control", "error"), inspect=0)
    for name, character in (("nul", "\0"), ("newline", "\n"), ("bidi", "\u202e")):
        case(f"gguf_name_with_{name}", gguf(infos=[info(f"a{character}b", [8])], data=bytes(32)), ("name.control", "error"), inspect=0)
    case("gguf_template_breaks_out", gguf([ARCH, kv("tokenizer.chat_template", 8, text("{{ ''.__class__.__mro__[1] }}"))], [t], bytes(32)),
         ("template.escape", "warning"), inspect=0, why="CVE-2024-34359")
    experts = [info("blk.0.ffn_gate_inp.weight", [8, 4]), info("blk.0.ffn_up_exps.weight", [8, 8, 4], 0, 128)]
    for name, keys in (("too_many", [kv("llama.expert_count", 4, b"\xff" * 4)]), ("none", [kv("llama.expert_count", 4, bytes(4))])):
        case(f"gguf_expert_count_{name}", gguf([ARCH, *keys], experts, bytes(1152)), ("experts.config", "warning"), inspect=0)
    case("gguf_more_experts_chosen_than_there_are", gguf([ARCH, kv("llama.expert_used_count", 4, struct.pack("<I", 9))], experts, bytes(1152)),
         ("experts.top_k", "warning"), inspect=0)
    split_cases()
    for name, at in (("magic", 6), ("counts", 20), ("keys", 40), ("tensors", -70)):
        unreadable(f"gguf_cut_in_its_{name}", gguf(infos=[t], data=bytes(32))[:at], "CVE-2024-32878: a clean-up of what was never made")
    case("gguf_no_data", gguf(infos=[t]), ("gguf.short", "error"), why="CVE-2024-41130")
    unreadable("gguf_tensor_name_not_utf8", gguf(infos=[info(b"\xff", [8])], data=bytes(32)))
    case("gguf_data_for_another_alignment", gguf([ARCH, kv("general.alignment", 4, struct.pack("<I", 64))], [t, info("b", [8], 0, 32)], bytes(128), alignment=64),
         ("gguf.offset", "error"))
    # what must not be refused
    for name in ("block_count", "attention.head_count", "context_length", "embedding_length"):
        for value in (0, 513, 2**32 - 1):
            case(f"gguf_{name.replace('.', '_')}_{value}", gguf([ARCH, kv(f"llama.{name}", 4, struct.pack("<I", value))], [t], bytes(32)), None, inspect=0,
                 why="Ollama: division by zero; llama.cpp #25821, #26051: over 512")
    case("gguf_array_of_narrow_integers", gguf([ARCH, kv("tokenizer.ggml.token_type", 9, struct.pack("<IQ", 1, 3) + b"\1\1\1")], [t], bytes(32)), None, inspect=0,
         why="#26690: read as 32 bits each")
    case("gguf_token_minus_one", gguf([ARCH, kv("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 1) + text("<0x-1>"))], [t], bytes(32)), None, inspect=0, why="#25969")
    case("gguf_token_of_1_MB", gguf([ARCH, kv("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 1) + text("x" * 1_000_000))], [t], bytes(32)), None, inspect=0,
         why="CVE-2025-49847")
    case("gguf_200000_tensors", gguf(infos=[info(f"t.{i}", [8], 0, 32 * i) for i in range(200_000)], data=bytes(32 * 200_000)), None, inspect=0,
         why="names are compared with a hash, not each with each")
    for name, kind, value in (("text", 8, text("many")), ("list", 9, struct.pack("<IQI", 4, 1, 7)), ("fraction", 6, struct.pack("<f", 4.5)),
                              ("negative", 11, b"\xff" * 8)):
        case(f"gguf_expert_count_is_a_{name}", gguf([ARCH, kv("llama.block_count", kind, value)], experts, bytes(1152)), None, inspect=0,
             why="#25821, #26690: of any type")
    case("gguf_extent_0", gguf(infos=[info("a", [8, 0]), info("b", [8])], data=bytes(32)), None, inspect=0)
    tokens = b"".join(text(f"t{i}") for i in range(300_000))
    case("gguf_vocabulary_of_300000", gguf([ARCH, kv("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 300_000) + tokens)], [t], bytes(32)), None, inspect=0)
    case("gguf_no_tensors", gguf(), None, inspect=0)
    case("gguf_unknown_keys", gguf([ARCH, kv("someone.else", 12, bytes(8)), kv("v", 9, struct.pack("<IQ", 7, 2) + b"\0\1")], [t], bytes(32)), None, inspect=0)
    case("gguf_alignment_64", gguf([ARCH, kv("general.alignment", 4, struct.pack("<I", 64))], [t], bytes(32), alignment=64), None, inspect=0)
    case("gguf_nan", gguf(infos=[t], data=b"\xff" * 32), None, inspect=0)


# ---- npy, npz ----

def npy(header, data=b"", version=1, length=None):
    body = header.encode("latin-1") + b"\n"
    size = len(body) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + body + data


def array(shape, descr="<f4", fortran=False):
    return f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"


def npz(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, compression)
    return file.getvalue()


def numpy_cases():
    four = npy(array("(2, 2)"), bytes(16))
    unreadable("npy_header_is_an_expression", npy("__import__('os').system('true')", bytes(16)))
    unreadable("npy_header_over_the_file", npy(array("(2, 2)"), bytes(16), length=60_000))
    unreadable("npy_header_of_4_GB", npy(array("(2, 2)"), bytes(16), version=2, length=2**32 - 1))
    unreadable("npy_version_9", npy(array("(2, 2)"), bytes(16), version=9), inspect=4)
    unreadable("npy_objects", npy(array("(1,)", "|O"), pickle.dumps([1])), "pickles inside", inspect=4)
    unreadable("npy_structure", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", bytes(4)), inspect=4)
    unreadable("npy_product_wraps", npy(array("(4294967296, 4294967296, 4)"), bytes(16)))
    unreadable("npy_extent_negative", npy(array("(-1,)"), bytes(16)))
    unreadable("npy_extent_2_64", npy(array("(18446744073709551616,)"), bytes(16)))
    unreadable("npy_rank_10000", npy(array("(" + "1," * 10_000 + ")"), bytes(4), version=2))
    unreadable("npy_nesting", npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 5000 + ")" * 5000 + ", }", version=2))
    unreadable("npy_cut_short", four[:-4])
    case("npy_bytes_behind", four + b"x", ("npy.trailing", "error"))
    case("npy_fortran_order", npy(array("(2, 3)", fortran=True), bytes(24)), None, inspect=0)
    case("npy_rank_0", npy(array("()"), bytes(4)), None, inspect=0)
    case("npy_empty", npy(array("(0, 3)")), None, inspect=0)
    case("npy_nan", npy(array("(1,)"), struct.pack("<f", float("nan"))), None, inspect=0)

    sound = npz([("a.npy", four)])
    case("npz_sound", sound, None, inspect=0)
    case("npz_deflated", npz([("a.npy", npy(array("(64, 64)"), bytes(16384)))], zipfile.ZIP_DEFLATED), None, inspect=0)
    case("npz_member_that_is_no_array", npz([("a.npy", four), ("b.npy", b"hello")]), ("npz.member", "error"))
    case("npz_array_with_bytes_behind", npz([("a.npy", four + b"xx")]), ("npz.trailing", "error"))
    place = sound.rindex(b"a.npy")
    case("zip_names_differ", sound[:place] + b"b" + sound[place + 1:], ("zip.member", "error"), why="CVE-2025-1944")
    directory = sound.index(b"PK\x01\x02")
    case("zip_encrypted_flag", sound[:directory + 8] + b"\x01" + sound[directory + 9:], ("zip.member", "error"), why="CVE-2025-1945")
    case("zip_method_unknown", sound[:directory + 10] + b"\x63" + sound[directory + 11:], ("zip.member", "error"))
    end = sound.rindex(b"PK\x05\x06")
    case("zip_data_descriptor", sound[:6] + b"\x08" + sound[7:directory + 8] + b"\x08" + sound[directory + 9:], None, inspect=0,
         why="torch writes such flags itself")
    case("zip_flags_differ", sound[:6] + b"\x01" + sound[7:], ("zip.member", "error"), why="CVE-2025-1945: flag bits")
    case("zip_sizes_differ", sound[:18] + struct.pack("<II", 4, 4) + sound[26:], ("zip.member", "error"))
    last = sound.index(four) + len(four) - 1
    case("zip_checksum_wrong", sound[:last] + b"\x77" + sound[last + 1:], ("zip.crc", "error"), inspect=0, options=("--values",), why="CVE-2025-10156")
    case("zip_deflated_checksum_wrong", raw_zip("a.npy", zlib.compress(four, 9)[2:-4], len(four), 1), ("values.unreadable", "error"), inspect=0,
         options=("--values",))
    case("zip_inflates_to_less", raw_zip("a.npy", zlib.compress(four, 9)[2:-4], len(four) + 8, zlib.crc32(four)), ("npz.trailing", "error"))
    case("zip_deflate_damaged", raw_zip("a.npy", b"\xff" * 20, len(four), zlib.crc32(four)), ("npz.member", "error"))
    case("zip_name_leads_out", npz([("../../a.npy", four)]), ("zip.member", "error"))
    unreadable("npz_is_seven_zip", b"7z\xbc\xaf\x27\x1c" + bytes(100), "nullifAI: the loader unpacks what the scanner cannot")
    unreadable("zip_directory_beyond_the_file", sound[:end + 16] + struct.pack("<I", 2**31) + sound[end + 20:])
    unreadable("zip_without_an_end", sound[:end])
    unreadable("zip_entry_count", sound[:end + 8] + struct.pack("<HH", 60000, 60000) + sound[end + 12:])
    import warnings
    warnings.simplefilter("ignore")
    case("zip_member_twice", npz([("a.npy", four), ("a.npy", npy(array("(1,)"), bytes(4)))]), ("zip.duplicate", "error"))
    inner = local("b.npy", four) + four
    overlapping = local("a.npy", inner) + inner
    at_b = overlapping.index(inner)
    both = central("a.npy", inner, 0) + central("b.npy", four, at_b)
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, len(both), len(overlapping), 0)
    case("zip_members_overlap", overlapping + both + tail, ("zip.overlap", "error"), why="zip bomb (Fifield 2019)")
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = npy(array("(1,)"), bytes(4))
    packed = bomb.compress(head + bytes(1 << 24)) + bomb.flush()
    case("zip_bomb_behind_an_array", raw_zip("a.npy", packed, len(head) + (1 << 24), zlib.crc32(head + bytes(1 << 24))), ("npz.trailing", "error"),
         why="the declared shape bounds what is inflated")


def member(name, data):
    return struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), 0)


def local(name, data):
    return b"PK\x03\x04" + member(name, data) + name.encode()


def central(name, data, at):
    return b"PK\x01\x02" + struct.pack("<H", 20) + member(name, data) + struct.pack("<HHHII", 0, 0, 0, 0, at) + name.encode()


def raw_zip(name, packed, n_bytes, crc, method=8):
    name = name.encode()
    common = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 33, crc, len(packed), n_bytes, len(name), 0)
    local = b"PK\x03\x04" + common + name + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


# ---- pickles ----

STORAGE = (b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86"
           b"\x89ccollections\nOrderedDict\n)Rt")
STATE = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n" + STORAGE + b"Rs."


def torch(pickled, data=bytes(24), extra=()):
    members = [("m/data.pkl", pickled), ("m/byteorder", b"little")]
    if data is not None:
        members.append(("m/data/0", data))
    return npz(members + list(extra) + [("m/version", b"3\n")])


def call(module, name):
    """A state dict with a call of module.name beside its tensor."""
    return STATE[:-1] + b"X\x01\0\0\0xc" + module.encode() + b"\n" + name.encode() + b"\nX\x04\0\0\0true\x85Rs."


def without_checksums(data):
    """As torch.serialization.set_crc32_options(False) has it: zeros in all headers and entries."""
    for magic, at in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
        begin = data.find(magic)
        while begin >= 0:
            data = data[:begin + at] + bytes(4) + data[begin + at + 4:]
            begin = data.find(magic, begin + 4)
    return data


def torch_cases():
    case("torch_sound", torch(STATE), None, inspect=0)
    for module, name in (("posix", "system"), ("os", "system"), ("builtins", "eval"), ("__builtin__", "exec"), ("subprocess", "Popen"),
                         ("pip", "main"), ("runpy", "run_path"), ("logging", "FileHandler"), ("torch.hub", "load"), ("numpy.f2py.crackfortran", "getlincoef"),
                         ("os", "path.os.system")):
        case(f"pickle_global_{module.replace('.', '_')}_{name.replace('.', '_')}", torch(call(module, name)), ("torch.dangerous_global", "error"),
             inspect=0, why="CVE-2025-1716, 10157, 56315, GHSA-5j3x: names are judged by what they can reach")
    for module, name in (("_posixsubprocess", "fork_exec"), ("_io", "FileIO"), ("_pyio", "open"), ("io", "open"), ("importlib", "import_module"),
                         ("ctypes", "CDLL"), ("shutil", "rmtree"), ("code", "InteractiveInterpreter"), ("timeit", "timeit"), ("cProfile", "run"),
                         ("pty", "spawn"), ("webbrowser", "open"), ("socket", "create_connection"), ("urllib.request", "urlopen"), ("operator", "attrgetter"),
                         ("functools", "partial"), ("builtins", "getattr"), ("types", "FunctionType"), ("asyncio.unix_events", "_UnixSubprocessTransport"),
                         ("torch.serialization", "load"), ("bdb", "Bdb"), ("pdb", "run"), ("doctest", "debug_script"), ("trace", "Trace"), ("venv", "create"),
                         ("pydoc", "pipepager"), ("lib2to3.pgen2.grammar", "Grammar.loads"), ("idlelib.pyshell", "ModifiedInterpreter"), ("ensurepip", "bootstrap"),
                         ("multiprocessing.util", "spawnv_passfds"), ("distutils.file_util", "write_file"), ("zipimport", "zipimporter")):
        case(f"pickle_global_{module.replace('.', '_')}_{name.replace('.', '_')}", torch(call(module, name)), ("torch.dangerous_global", "error"), inspect=0,
             why="gadgets of picklescan's and fickling's advisories, and of arXiv 2508.19774")
    raw = STATE[:-1] + b"X\x01\0\0\0x"
    by_stack = raw + b"X\x05\0\0\0posixX\x06\0\0\0system\x93X\x04\0\0\0true\x85Rs."
    case("pickle_global_put_together_from_texts", torch(by_stack), ("torch.dangerous_global", "error"), inspect=0)
    case("pickle_instance_by_name", torch(raw + b"(X\x04\0\0\0trueiposix\nsystem\ns."), ("torch.dangerous_global", "error"), inspect=0)
    case("pickle_object_by_name", torch(raw + b"(cposix\nsystem\nX\x04\0\0\0trueos."), ("torch.dangerous_global", "error"), inspect=0)
    case("pickle_payload_dropped", torch(b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R0" + STATE[2:]), ("torch.dangerous_global", "error"), inspect=0,
         why="called, and its result thrown away")
    unreadable("pickle_payload_before_damage", torch(call("posix", "system")[:-1] + b"\xff"), "scanners that stop at an error see nothing")
    unreadable("pickle_extension_registry", torch(raw + b"\x82\x01s."), "a number that stands for any global", inspect=4)
    case("pickle_second_one_in_the_archive", torch(STATE, extra=[("m/extra.pkl", call("posix", "system"))]), ("torch.other_pickle", "warning"), inspect=0, verify=1,
         why="CVE-2025-1889: the loader takes another member")
    case("pickle_under_another_name", {"x.safetensors": torch(call("posix", "system"))}, ("torch.dangerous_global", "error"), inspect=0,
         why="CVE-2025-10155: the content decides, not the extension")
    case("pickle_bare", {"x.bin": call("posix", "system")}, ("torch.dangerous_global", "error"), inspect=4, why="what torch.load and joblib both take")
    unreadable("pickle_in_seven_zip", {"x.bin": b"7z\xbc\xaf\x27\x1c" + bytes(100)}, "nullifAI", inspect=4)
    case("pickle_stack_of_million", torch(b"\x80\x02" + b"(" * 1_000_000 + b"N."), None, inspect=0)
    case("torch_data_twice", torch(STATE, extra=[("m/data.pkl", STATE)]), ("zip.duplicate", "error"))
    case("torch_without_checksums", without_checksums(torch(STATE)), ("zip.no_crc", "info"), inspect=0, options=("--values",))
    case("torch_checksum_wrong", torch(STATE).replace(b"byteorderlittle", b"byteorderlittlE"), ("zip.crc", "error"), inspect=0, options=("--values",),
         why="CVE-2025-10156")
    tail = torch(STATE, bytes(range(24)))
    case("torch_weights_damaged", tail.replace(bytes(range(24)), bytes(range(23)) + b"\0"), ("zip.crc", "error"), inspect=0, options=("--values",))
    case("pickle_global_unknown", torch(call("my_library.things", "Thing")), ("torch.unknown_global", "warning"), inspect=0)
    unreadable("pickle_unknown_opcode", torch(STATE[:-1] + b"\xff."))
    unreadable("pickle_without_an_end", torch(STATE[:-1]), "a stream still moving")
    unreadable("pickle_string_over_the_file", torch(b"\x80\x02X\xff\xff\xff\x7f."))
    case("pickle_memo_2_32", torch(b"\x80\x02}r\xff\xff\xff\xff."), None, inspect=0, why="a memo of 2^32 places is not made")
    case("pickle_doubling", torch(b"\x80\x02N" + b"2\x86" * 60 + b"."), None, inspect=0, why="exponential when walked as a tree")
    case("pickle_storage_missing", torch(STATE, None), ("torch.missing_storage", "error"))
    case("pickle_storage_short", torch(STATE, bytes(20)), ("torch.short_storage", "error"))
    outside = STATE.replace(b"K\x03K\x01\x86\x89", b"M\xff\x7fK\x01\x86\x89")
    case("pickle_view_outside_its_storage", torch(outside), ("torch.tensor_outside", "error"))
    repeated = STATE.replace(b"K\x02K\x03\x86K\x03K\x01\x86", b"J\xff\xff\xff\x7fJ\xff\xff\0\0\x86K\0K\0\x86")
    case("pickle_view_that_repeats_a_number_2_47_times", torch(repeated), ("torch.repeated", "warning"), inspect=0)
    case("pickle_beside_safetensors", {"model.safetensors": st({"a": tensor([1], 0, 4)}, bytes(4)), "pytorch_model.bin": torch(STATE)},
         ("folder.pickle", "warning"), inspect=0, target=".")


def cases():
    if not CASES:
        safetensors_cases()
        index_cases()
        config_cases()
        gguf_cases()
        numpy_cases()
        torch_cases()
    return CASES


def write(folder):
    for c in cases():
        place = pathlib.Path(folder) / c.name
        place.mkdir(parents=True)
        for name, data in c.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(data, tuple):
                (place / name).symlink_to(data[1])
            else:
                (place / name).write_bytes(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])
    print(f"{len(cases())} cases in {sys.argv[1]}")
