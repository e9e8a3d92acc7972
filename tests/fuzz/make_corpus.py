#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to corpus/SUBJECT/NAME, byte for byte the same on every run.

    make_corpus.py [SUBJECT ...]

To add a subject: one function below, marked @subject, that yields (name, bytes); and SUBJECT_fuzz.c. A finding of the
fuzzer becomes a seed of its own, named after what was wrong. Only the standard library; each file at most a few kB.
"""
import io
import json
import pathlib
import pickle
import struct
import sys
import tarfile
import warnings
import zipfile

SUBJECTS = {}
warnings.simplefilter("ignore")  # zipfile, about names that occur twice


def subject(function):
    SUBJECTS[function.__name__] = function
    return function


@subject
def json_():
    tensors = {"__metadata__": {"format": "pt"}}
    for i, name in enumerate(("gate_proj", "up_proj", "down_proj")):
        tensors[f"model.layers.0.mlp.experts.0.{name}.weight"] = {
            "dtype": "BF16", "shape": [64, 128], "data_offsets": [i * 16384, (i + 1) * 16384]}
    yield "safetensors_header", json.dumps(tensors, separators=(",", ":")).encode() + b"   "
    yield "index", json.dumps({"metadata": {"total_size": 49152}, "weight_map": {"a.b": "model-00001-of-00002.safetensors"}},
                              indent=2).encode()
    yield "config", json.dumps({"architectures": ["Qwen2MoeForCausalLM"], "rope_theta": 1000000.0, "rms_norm_eps": 1e-06,
                                "tie_word_embeddings": False, "sliding_window": None, "num_experts": 16}, indent=2).encode()
    numbers = b"0 -0 1 -1 10 1.5 -2.25e-3 1E+2 1e22 1e23 18446744073709551615 18446744073709551616 9223372036854775807"
    numbers += b" 9223372036854775808 -9223372036854775808 -9223372036854775809 2.2250738585072011e-308 5e-324 1.7976931348623157e308"
    numbers += b" 9007199254740993.0 0.1 123456789012345678901234567890 1e-400 0.000001e-5"
    yield "numbers", b"[" + numbers.replace(b" ", b",") + b"]"
    yield "number_too_large", b"[1e400]"
    yield "number_long", b"[0." + b"0" * 300 + b"123456789" * 30 + b"e+320]"
    yield "number_exponent_overflow", b"[0e9223372036854775807,10e-9223372036854775808,0.01e99999999999999999999]"
    yield "number_leading_zero", b"[01]"
    yield "number_no_fraction", b"[1.]"
    yield "strings", b'["","\\"\\\\\\/\\b\\f\\n\\r\\t","\\u00e9\\uD83C\\uDF89","caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89","\\u0000"]'
    yield "string_lone_surrogate", b'["\\ud800"]'
    yield "string_control", b'["a\nb"]'
    yield "string_not_utf8", b'["\xc3("]'
    yield "string_surrogate_bytes", b'["\xed\xa0\x80"]'
    yield "string_open", b'{"a":"b'
    yield "repeated_key", b'{"a":1,"a":2}'
    yield "trailing_comma", b"[1,2,]"
    yield "byte_order_mark", b"\xef\xbb\xbf{}"
    yield "words", b"[true,false,null]"
    yield "words_python", b"[NaN,Infinity,None,True]"
    yield "empty", b""
    yield "blanks", b" \t\r\n"
    yield "nested_128", b"[" * 128 + b"]" * 128
    yield "nested_129", b'{"a":' * 129 + b"0" + b"}" * 129
    yield "garbage_after", b"{} {}"


@subject
def csv():
    yield "matrix_stats", (b"file,layer,proj,rms,is_routed,shape\nmodel.safetensors,3,gate,0.0123,True,\"(64, 128)\"\n"
                           b",,,,,\n\"a,b\",12,\"say \"\"hi\"\"\",1e-07,False,()\n")
    yield "crlf_and_mark", b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,\"x\r\ny\"\r\n"
    yield "no_last_newline", b"a,b\n1,"
    yield "one_column", b"shape\n\"\"\n\"(5,)\"\n\n[1, 2]\n"
    yield "lone_newline", b"\n"
    yield "empty", b""
    yield "numbers", b"i,f,g,h\n-9223372036854775808,nan,inf,007\n9223372036854775807,-1.5e+300,-inf,+1\n9223372036854775808,1e400,.5,5.\n"
    yield "integers_with_nulls", b"block4\n1\n\"\"\n2.0\n"
    yield "open_quote", b"a\n\"x\n"
    yield "text_behind_quote", b"a\n\"x\"y\n"
    yield "quote_inside", b"a,b\nx\"y,\"\"\"\"\n"
    yield "too_many_fields", b"a,b\n1,2,3\n"
    yield "twins", b"a,a\n1,2\n"
    yield "not_utf8", b"a\n\xff\xc3\n\xe2\x82\xac\n"
    yield "escapes", b"a\x1b[31m,b\n\x1b]0;x\x07,\xe2\x80\xae\n"
    yield "zero_bytes", b"a,b\n\x00,\x00x\n"
    yield "wide", b",".join(b"c%d" % i for i in range(200)) + b"\n" + b"," * 199 + b"\n"
    yield "mark_twice", b"\xef\xbb\xbf\xef\xbb\xbfa\n1\n"


@subject
def regex():
    names = b"model.layers.17.mlp.experts.5.down_proj.weight"
    cases = {
        "layer": (rb"(?:^|\.)layers\.(\d+)(?:\.|$)", names),
        "expert": (rb".*experts\.(\d+)\.(down_proj|gate_proj|up_proj)\.weight$", names),
        "costly": (rb"^(a+)+$", b"a" * 40 + b"!"),
        "costly_alternatives": (rb"(a|aa|a)*b", b"a" * 60),
        "end": (rb"a\Z", b"a\n"),
        "braces": (rb"a{,3}b{2}c{1,}d{,}e{}f{x}", b"aabbcde{}f{x}"),
        "code_points": (rb"\u00e9|\U0001F389|\x41|\101|\0", "é🎉A".encode()),
        "groups": (rb"(?P<a>x)(?P=a)(?(a)y|z)(?(1)y|z)\1(?>q)(?#no)", b"xxyyxq"),
        "flags": (rb"(?i)(?u)(?m)^A(?s:.)(?-i:b)", b"\na\nb"),
        "ascii": (rb"(?a)\w+\d", "ab٣4".encode()),
        "verbose": (b"(?x) a # b ( [ \\Z\n [ #] (?-x: ) b", b"a# b"),
        "classes": (rb"[]a-z^\]\d][^]x][[:alpha:]]", b"]q:]"),
        "look": (rb"(?<=a|bc)d(?!e)(?<!f)", b"bcd"),
        "gpt4": (rb"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                 "It's 12345 café\n  x".encode()),
        "verb": (rb"(*LIMIT_MATCH=1)a", b"a"),
        "recursion": (rb"(?R)", b"a"),
        "named_character": (rb"\N{DIGIT ONE}", b"1"),
        "open_class": (rb"[a", b"a"),
        "open_group": (rb"((a)", b"a"),
        "quote": (rb"\Qa\E", b"a"),
        "nested": (b"(" * 150 + b"a" + b")" * 150, b"a"),
        "subject_not_utf8": (rb".+(\w)", b"ab\xff\xc3cd\xe2\x82"),
        "pattern_not_utf8": (b"a\xff", b"a"),
        "many_groups": (b"(a)" * 40, b"a" * 40),
        "large_repeat": (rb"(?:a{1000}){1000}", b"aaa"),
    }
    for name, (pattern, text) in cases.items():
        yield name, pattern + b"\0" + text


def gguf_file(values=(), tensors=(), version=3, n_values=None, n_tensors=None, data=b""):
    """values: (key, type, payload bytes); tensors: (name, extents fastest first, type id, offset)."""
    def text(t):
        t = t if isinstance(t, bytes) else t.encode()
        return struct.pack("<Q", len(t)) + t
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors, len(values) if n_values is None else n_values)
    for key, kind, payload in values:
        out += text(key) + struct.pack("<I", kind) + payload
    for name, extents, kind, offset in tensors:
        out += text(name) + struct.pack("<I", len(extents)) + struct.pack(f"<{len(extents)}q", *extents) + struct.pack("<IQ", kind, offset)
    return out + b"\0" * (-len(out) % 32) + data


@subject
def gguf():
    u32 = lambda v: struct.pack("<I", v)
    string = lambda t: struct.pack("<Q", len(t)) + t.encode()
    every = [(f"k{kind}", kind, bytes(size)) for kind, size in enumerate((1, 1, 2, 2, 4, 4, 4, 1)) ]
    every += [("k8", 8, string("qwen2moe")), ("k10", 10, bytes(8)), ("k11", 11, bytes(8)), ("k12", 12, bytes(8))]
    every += [("a8", 9, u32(8) + struct.pack("<Q", 2) + string("a") + string("b")), ("a6", 9, u32(6) + struct.pack("<Q", 3) + bytes(12))]
    yield "values", gguf_file(every)
    yield "tensors", gguf_file([("general.architecture", 8, string("llama"))],
                               [("blk.0.ffn_up_exps.weight", (32, 2, 3), 8, 0), ("norm", (3,), 0, 224)], data=bytes(224 + 12))
    yield "alignment_64", gguf_file([("general.alignment", 4, u32(64))], [("a", (4,), 0, 0)], data=bytes(64))
    yield "alignment_0", gguf_file([("general.alignment", 4, u32(0))], [("a", (4,), 0, 0)], data=bytes(64))
    yield "kv_count", gguf_file(n_values=2**64 - 1)
    yield "tensor_count", gguf_file(n_tensors=2**61)
    yield "string_length", gguf_file([("k", 8, struct.pack("<Q", 2**64 - 1))])
    yield "array_count", gguf_file([("k", 9, u32(12) + struct.pack("<Q", 2**61 + 1))])
    yield "array_type", gguf_file([("k", 9, u32(250) + struct.pack("<Q", 1))])
    yield "array_of_arrays", gguf_file([("k", 9, u32(9) + struct.pack("<Q", 1))])
    yield "size_wraps", gguf_file(tensors=[("a", (2**61, 2**2), 0, 0)])
    yield "negative_extent", gguf_file(tensors=[("a", (-1, -1), 0, 0)])
    yield "offset_beyond", gguf_file(tensors=[("a", (4,), 0, 2**63)], data=bytes(16))
    yield "two_names", gguf_file(tensors=[("a", (4,), 0, 0), ("a", (4,), 0, 32)], data=bytes(64))
    yield "unknown_type", gguf_file(tensors=[("a", (4,), 99, 0), ("b", (256,), 137, 32)], data=bytes(256))
    yield "version_1", gguf_file(version=1)
    yield "big_endian", gguf_file(version=0x03000000)
    yield "no_bytes_behind_no_padding", b"GGUF" + struct.pack("<IQQQIIQ", 3, 1, 0, 0, 0, 0xea00, 0) + b"\0"


@subject
def pickle_():
    value = {"a": [1, -2, 2**40, 2**70, 1.5, None, True], "b": ("x", b"\0\xff", {3}), "c": {"d": {1: 2}}}
    for protocol in range(6):
        yield f"protocol_{protocol}", pickle.dumps(value, protocol)
    storage = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)Rt"
    yield "tensor", b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n" + storage + b"Rs."
    yield "system", b"cposix\nsystem\n(S'true'\ntR."
    yield "build", b"(icollections\nOrderedDict\n}b."
    yield "memo", b"]q\0h\0a."
    yield "doubling", b"N" + b"2\x86" * 40 + b"."
    yield "length", b"\x8d" + b"\xff" * 8


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def with_length(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


@subject
def safetensors():
    base = {"a": tensor("U8", [2, 3], 0, 6), "b": tensor("F32", [2], 6, 14), "z": tensor("F4", [0, 5], 14, 14)}
    data = bytes(range(14))
    yield "sound", with_length(base, data)
    yield "sound_metadata", with_length({"__metadata__": {"format": "pt"}} | base, data)
    yield "sound_padded", with_length(b" \r\n\t" + json.dumps(base, indent=1).encode() + b"   ", data)
    yield "sound_unsorted", with_length(dict(reversed(base.items())), data)
    yield "sound_empty", with_length({})
    yield "sound_scalar", with_length({"s": tensor("I64", [], 0, 8)}, bytes(8))
    yield "sound_escaped", with_length(b'{"\\u0061\\n\\ud83c\\udf89":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3],"more":[{}]}}', b"xyz")
    yield "all_types", with_length({f"t{i}": tensor(name, [8], i * 8, i * 8 + 8) for i, name in enumerate(
        ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"))} | {
        "h": tensor("BF16", [1], 64, 66), "c": tensor("C64", [1], 66, 74), "f": tensor("F4", [2], 74, 75)}, bytes(75))
    yield "length_small", b"\x02\0\0"
    yield "length_large", b"\x3c\0\0\0\0\xff\xff\xff"
    yield "length_beyond", b"\x3c" + bytes(7)
    yield "not_utf8", with_length(b"\xff")
    yield "not_json", with_length(b"{")
    yield "size", with_length({"t": tensor("I32", [2, 2], 0, 4)}, bytes(4))
    yield "overflow_elements", with_length({"t": tensor("I32", [2, 2**64 - 2], 0, 16)}, bytes(16))
    yield "overflow_bits", with_length({"t": tensor("I32", [2, 2**63 - 1], 0, 16)}, bytes(16))
    yield "overlap", with_length({f"t{i}": tensor("I32", [2, 2], 0, 16) for i in range(10)}, bytes(16))
    yield "gap", with_length({"t": tensor("U8", [2], 1, 3)}, bytes(3))
    yield "reversed", with_length({"t": tensor("U8", [2], 0, 2), "u": tensor("U8", [2], 2, 0)}, bytes(2))
    yield "misaligned", with_length({"t": tensor("F4", [3], 0, 2)}, bytes(2))
    yield "trailing", with_length(base, data + b"more")
    yield "short", with_length(base, data[:-2])
    yield "duplicate", with_length(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    yield "unknown_type", with_length({"t": tensor("X9", [2], 0, 2)}, bytes(2))
    yield "huge_offsets", with_length({"t": tensor("U8", [1], 2**64 - 2, 2**64 - 1)}, b"x")
    yield "metadata_number", with_length({"__metadata__": {"n": 1}})
    yield "lfs_pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    yield "web_page", b"<!DOCTYPE html><html></html>"


@subject
def index():
    yield "sound", json.dumps({"metadata": {"total_size": 12}, "weight_map": {"a": "s-1", "b": "s-2", "c": "s-1"}}, indent=2).encode()
    yield "size_text", b'{"weight_map":{},"metadata":{"total_size":"12"}}'
    yield "slashes", b'{"weight_map":{"a":"sub\\\\s","b":"sub/s","c":"./s","d":"../s","e":"/s","f":"s\\u0000"}}'
    yield "metadata_list", b'{"metadata":[1],"weight_map":{"a":"b"}}'
    yield "metadata_large_number", b'{"metadata":{"x":1e999},"weight_map":{"a":"b"}}'
    yield "twice", b'{"weight_map":{"a":"b"},"weight_map":{"c":"d"},"metadata":{},"metadata":null}'
    yield "no_map", b"{}"
    yield "map_of_numbers", b'{"weight_map":{"a":1}}'
    yield "lfs_pointer", b"version https://git-lfs.github.com/spec/v1\n"


def npy_file(descr, shape, data, order=False, version=1, end="\n"):
    header = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape) + end
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header.encode("latin-1") + data


@subject
def npy():
    yield "f4", npy_file("'<f4'", "(2, 3)", bytes(24))
    yield "f4_fortran", npy_file("'<f4'", "(2, 3)", bytes(24), True)
    yield "f8_scalar", npy_file("'<f8'", "()", bytes(8))
    yield "v2", npy_file("'|V2'", "(3,)", bytes(6), version=2)
    yield "u3", npy_file("'<U3'", "(1,)", bytes(12), version=3)
    yield "mlx", npy_file('"<i4"', "(1L, 1, )", bytes(4), end="")
    yield "empty", npy_file("'|b1'", "(0, 5)", b"")
    yield "time", npy_file("'<M8[ns]'", "(1,)", bytes(8))
    yield "object", npy_file("'|O'", "(1,)", b"\x80\x02K\x01.")
    yield "structure", npy_file("[('a', '<f4')]", "(1,)", bytes(4))
    yield "big_endian", npy_file("'>f4'", "(1,)", bytes(4))
    yield "trailing", npy_file("'<f4'", "(1,)", bytes(5))
    yield "short", npy_file("'<f4'", "(2,)", bytes(5))
    yield "overflow", npy_file("'<f4'", "(4294967296, 4294967296)", b"")
    yield "not_a_tuple", npy_file("'<f4'", "(6)", bytes(24))
    yield "long_header", b"\x93NUMPY\2\0\xff\xff\xff\x7f{"


def zip_file(members, compression=zipfile.ZIP_STORED, stream=False, zip64=False, comment=b""):
    out = io.BytesIO()
    if stream:
        out.seek = out.tell = lambda *_: (_ for _ in ()).throw(io.UnsupportedOperation())
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.comment = comment
        for name, data in members:
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=zip64) as member:
                member.write(data)
    return out.getvalue()


def archives():
    arrays = [("w.npy", npy_file("'<f4'", "(2, 3)", bytes(24))), ("layers/0.b.npy", npy_file("'|V2'", "(3,)", b"abcdef", True))]
    info = zipfile.ZipInfo
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in arrays + [("long.npy", npy_file("'|u1'", "(3000,)", bytes(3000)))]:
            archive.writestr(info(name), data, zipfile.ZIP_DEFLATED)
    yield "stored", zip_file(arrays)
    yield "packed", packed.getvalue()
    yield "stream", zip_file(arrays, stream=True)
    yield "zip64", zip_file(arrays, zip64=True, comment=b"PK\5\6 inside")
    yield "empty", zip_file([])
    yield "other_members", zip_file([("notes.txt", b"hello"), ("folder/", b""), arrays[0]])
    yield "torch", zip_file([("archive/data.pkl", b"\x80\x02}q\0."), ("archive/data/0", bytes(8)), ("archive/version", b"3\n")])
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 2, 2, 0, 0)
    stored = zip_file(arrays)
    begin, size = stored.rindex(b"PK\5\6"), struct.unpack("<I", stored[-10:-6])[0]
    end64 = end64[:40] + struct.pack("<QQ", size, begin - size)
    yield "zip64_end", (stored[:begin] + end64 + struct.pack("<IIQI", 0x07064B50, 0, begin, 1)
                        + b"PK\5\6" + bytes(4) + b"\xff" * 12 + bytes(2))
    yield "duplicate", zip_file([arrays[0], arrays[0]])
    yield "overlap", zip_overlap(arrays[0])
    yield "climbing_name", zip_file([("../w.npy", arrays[0][1])])
    yield "cut", stored[:-30]
    yield "other_name", stored.replace(b"w.npy", b"x.npy", 1)
    yield "trailing", stored + b"more"


def zip_overlap(member):
    """Two entries of the directory over one member."""
    data = zip_file([member])
    end = data.rindex(b"PK\5\6")
    begin = data.rindex(b"PK\1\2")
    entry = data[begin:end]
    return (data[:begin] + entry + entry.replace(b"w.npy", b"v.npy") + b"PK\5\6" + bytes(4) + struct.pack("<HHIIH", 2, 2,
            2 * len(entry), begin, 0))


@subject
def zip_():
    yield from archives()


@subject
def npz():
    yield from archives()


def model_of(config, tensors):
    """A config and a safetensors file, as model_fuzz reads them: name -> (type, shape, bytes an element)."""
    header, at = {}, 0
    for tensor, (dtype, shape, size) in tensors.items():
        n = size
        for extent in shape:
            n *= extent
        header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header, separators=(",", ":")).encode()
    config = json.dumps(config).encode() if config is not None else b""
    return struct.pack("<H", len(config)) + config + struct.pack("<Q", len(text)) + text + bytes(i % 251 for i in range(at))


@subject
def model():
    p = "model.layers.0.mlp."
    router = {p + "gate.weight": ("BF16", [2, 4], 2)}
    named = {f"{p}experts.{e}.{n}.weight": ("BF16", s, 2) for e in (0, 1)
             for n, s in (("gate_proj", [2, 4]), ("up_proj", [2, 4]), ("down_proj", [4, 2]))}
    yield "per_expert", model_of({"num_experts": 2, "num_experts_per_tok": 1, "hidden_size": 4}, {**named, **router})
    stacks = {p + "experts.gate_up_proj": ("F32", [2, 4, 4], 4), p + "experts.down_proj": ("F32", [2, 2, 4], 4)}
    yield "stacked_gpt_oss", model_of({"model_type": "gpt_oss", "hidden_size": 4}, {**stacks, **router})
    yield "stacked_no_config", model_of(None, {**stacks, **router})
    rows = {f"transformer.blocks.0.ffn.experts.mlp.{n}": ("F16", [4, 4], 2) for n in ("w1", "v1", "w2")}
    yield "row_stacked", model_of({"d_model": 4, "ffn_config": {"moe_num_experts": 2}}, rows)
    nano = {"transformer.h.1.mlp.w1": ("F32", [4, 5], 4), "transformer.h.1.mlp.w2": ("F32", [5, 4], 4)}
    yield "expert_sizes", model_of({"expert_sizes": [[1, 2], [1, 3]], "n_embd": 4}, nano)
    q = p + "switch_mlp.up_proj."
    yield "mlx", model_of({"quantization": {"group_size": 32, "bits": 4}}, {
        q + "weight": ("U32", [2, 4, 4], 4), q + "scales": ("F16", [2, 4, 1], 2), q + "biases": ("F16", [2, 4, 1], 2)})
    e = p + "experts.0.up_proj."
    yield "fp8", model_of({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, {
        e + "weight": ("F8_E4M3", [4, 4], 1), e + "weight_scale_inv": ("F32", [1, 1], 4)})
    yield "gptq", model_of({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 8}}, {
        e + "qweight": ("I32", [1, 8], 4), e + "qzeros": ("I32", [1, 1], 4), e + "scales": ("F16", [1, 8], 2), e + "g_idx": ("I32", [8], 4)})
    yield "packed", model_of({"quantization_config": {"config_groups": {"g": {"weights": {"num_bits": 4}}}}}, {
        e + "weight_packed": ("I32", [2, 1], 4), e + "weight_scale": ("BF16", [2, 1], 2), e + "weight_shape": ("I64", [2], 8)})
    yield "bnb", model_of({}, {
        e + "weight": ("U8", [4, 1], 1), e + "weight.absmax": ("F32", [1], 4), e + "weight.quant_map": ("F32", [16], 4),
        e + "weight.quant_state.bitsandbytes__nf4": ("U8", [8], 1)})
    yield "odd_names", model_of({"num_hidden_layers": 1}, {
        "..layers.3..x": ("F32", [1], 4), "layers.999999999.mlp.experts.999999999.w1.weight": ("F32", [1, 1], 4),
        "layers.{}.mlp.experts.{}.w2.weight": ("F32", [1, 1], 4), "a" * 300: ("F32", [], 4), "1.2.3.4.5.6": ("F32", [0], 4)})
    yield "zero_extents", model_of({"hidden_size": 0, "num_experts": 0}, {
        p + "experts.gate_up_proj": ("F32", [0, 0, 4], 4), p + "experts.down_proj": ("F32", [2, 0, 0], 4), p + "gate.weight": ("F32", [0, 0], 4)})
    yield "config_only", model_of({"num_hidden_layers": 1 << 60, "moe_layers_enum": ",,1", "expert_sizes": [[1048577, 1]]}, {})


def state_dict():
    """The pickle of {"w": a 2 x 3 float tensor in storage 0}, as torch.save writes it."""
    storage = (b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86"
               b"\x89ccollections\nOrderedDict\n)Rt")
    return b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n" + storage + b"Rs."


def torch_zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return file.getvalue()


def torch_tar(system, data):
    """{"w": tensor 9}, which lies in view 6 of storage 5, with records in front of a member, as Python writes them."""
    storages = pickle.dumps(1, 2) + b"\x80\x02(K\x05X\x03\0\0\0cpuctorch\nFloatStorage\nt." + struct.pack("<q", 6) + data + pickle.dumps([(6, 5, 0, 6)], 2)
    tensors = pickle.dumps(1, 2) + b"\x80\x02(K\x09K\x06ctorch\nFloatTensor\nt." + struct.pack("<i4x5q", 2, 2, 3, 3, 1, 0)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, member in (("sys_info", system), ("pickle", b"\x80\x02}X\1\0\0\0wX\1\0\0\x009Qs."), ("storages", storages), ("tensors", tensors)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(member), 0.5 if name == "storages" else 0
            tar.addfile(info, io.BytesIO(member))
    return out.getvalue()[:8192]


@subject
def torch():
    data = struct.pack("<6f", *range(6))
    yield "state_dict", torch_zip([("m/data.pkl", state_dict()), ("m/byteorder", b"little"), ("m/data/0", data), ("m/version", b"3\n")])
    yield "short_storage", torch_zip([("m/data.pkl", state_dict()), ("m/data/0", data[:20]), ("m/version", b"3\n")])
    yield "no_storage", torch_zip([("m/data.pkl", state_dict()), ("m/version", b"3\n")])
    yield "two_pickles", torch_zip([("m/data.pkl", state_dict()), ("n/data.pkl", state_dict()), ("m/data/0", data)])
    yield "system", torch_zip([("m/data.pkl", b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R."), ("m/version", b"3\n")])
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    system = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2)
    keys = pickle.dumps(["0"], 2)
    legacy = state_dict().replace(b"cpuK\x06tQ", b"cpuK\x06NtQ")
    yield "legacy", magic + pickle.dumps(1001, 2) + system + legacy + keys + struct.pack("<q", 6) + data
    yield "tar", torch_tar(system, data)
    yield "script", torch_zip([("m/data.pkl", state_dict()), ("m/constants.pkl", b"\x80\x02)."), ("m/data/0", data)])
    yield "legacy_length", magic + pickle.dumps(1001, 2) + system + legacy + keys + struct.pack("<q", 2**62) + data


@subject
def hub():
    commit, sha256 = "0123456789abcdef0123456789abcdef01234567", "0123456789abcdef" * 4
    entries = [{"type": "directory", "oid": commit, "size": 0, "path": "sub"},
               {"type": "file", "oid": commit, "size": 1158, "path": "sub/config.json"},
               {"type": "file", "oid": commit, "size": 134, "path": "m.gguf", "xetHash": sha256,
                "lfs": {"oid": sha256, "size": 5000000000, "pointerSize": 134}}]
    yield "listing", b"L" + json.dumps(entries).encode()
    hostile = [{"type": "file", "size": 1, "oid": "../x", "path": p} for p in ("../a", "/a", "a/../../b", "a\\b", "a\0b", "a//b", "\u00fc", "")]
    hostile += [{"type": "file", "path": "a", "size": s} for s in (-1, 1.5, 1e300, 2 ** 64 - 1, "7", None, [])] + [{}, {"lfs": []}]
    yield "listing_hostile", b"L" + json.dumps(hostile).encode()
    yield "listing_no_list", b'L{"error": "no"}'
    yield "listing_cut", b'L[{"type": "file"'
    yield "commit", b"C" + json.dumps({"id": "a/b", "sha": commit, "siblings": [{"rfilename": "x"}]}).encode()
    yield "commit_long", b'C{"sha": "' + commit.encode() + b'0"}'
    for i, url in enumerate(("https://hub.example/x/api?cursor=2", "https://huggingface.co/api", "/api", "//evil.example", "https://hub.example/xy", "")):
        yield f"next_{i}", b"N" + url.encode()
    yield "headers", b"H" + b"\r\n".join((
        b"HTTP/1.1 302 Found", b"Location: https://cdn.example/x?y=z", b"X-Repo-Commit: " + commit.encode(), b'ETag: W/"abc"',
        b'X-Linked-Etag: "def"', b"Content-Range: bytes 5-9/100", b"Content-Length: 5", b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT",
        b"Date: Wed, 21 Oct 2026 07:27:00 GMT", b'Link: <https://a/1>; rel="prev", <https://a/2>; rel="next"',
        b'ratelimit: "api";r=0;t=55', b"X-Error-Code: GatedRepo", b"X-Error-Message: no", b"Content-Encoding: gzip", b""))
    yield "headers_numbers", b"H" + b"\n".join((
        b"Content-Range: bytes 18446744073709551616-/99999999999999999999", b"Content-Length: -5", b"Retry-After: 99999999999999999999",
        b"Date: Wed, 99 Xxx 9999 99:99:99 GMT", b"Retry-After: Fri, 31 Feb 0000 24:60:60 GMT", b"ratelimit: r=-1;t=99999999999999999999"))
    for i, text in enumerate(("hf://a/b@refs/pr/3/dir/m.gguf", "hf:datasets/a/b@feature%2Fx/y z", "hf://gpt2@main/x", "https://hf.co/a/b/blob/v%31/x%20y?d=1#2",
                              "https://hub.example/x/a/b/tree/main", "hf:////a//b//", "hf://a/b@%2E%2E%2Fx", "a/b@v1.0", "hf://a/b@refs/convert//1%2Fz/y")):
        yield f"address_{i}", b"A" + text.encode()
    model = "application/vnd.ollama.image.model"
    yield "manifest", b"M" + json.dumps({"schemaVersion": 2, "layers": [{"mediaType": model, "size": 4, "digest": f"sha256:{sha256}"}]}).encode()
    yield "manifest_hostile", b"M" + json.dumps({"layers": [5, {}, {"mediaType": []}, {"mediaType": model, "digest": "sha256:" + "../" * 21 + "x"}]}).encode()


@subject
def config():
    base = {"model_type": "qwen2_moe", "architectures": ["Qwen2MoeForCausalLM"], "num_experts": 60, "num_experts_per_tok": 4,
            "moe_intermediate_size": 1408, "hidden_size": 2048, "num_hidden_layers": 24, "decoder_sparse_step": 1,
            "mlp_only_layers": [0, 3], "shared_expert_intermediate_size": 5632, "norm_topk_prob": False}
    yield "qwen2_moe", json.dumps(base).encode()
    yield "nested", json.dumps({"text_config": base, "num_experts": 61}).encode()
    yield "deepseek", json.dumps({"n_routed_experts": 256, "n_shared_experts": 1, "first_k_dense_replace": 3, "n_group": 8,
                                  "topk_group": 4, "moe_layer_freq": 1, "quantization_config": {"quant_method": "fp8",
                                  "weight_block_size": [128, 128]}}).encode()
    yield "lists", json.dumps({"num_experts": [8, 16, 0, 8.0, "4"], "num_experts_per_tok": [2], "num_hidden_layers": "5"}).encode()
    yield "wrong_types", json.dumps({"num_experts": True, "num_experts_per_tok": {}, "num_hidden_layers": -1.5,
                                     "text_config": [], "ffn_config": None}).encode()
    yield "extremes", b'{"num_experts": 18446744073709551615, "num_hidden_layers": -9223372036854775808, "moe_layer_freq": 1e300}'
    yield "not_an_object", b"[1]"
@subject
def run_config():
    def rule(**more):
        layout = {"layer_axis": None, "expert_axis": 0, "rows_axis": 1, "cols_axis": 2}
        return {"name": "r", "match": ".*experts.*", "ndim": 3, "layout": layout} | more

    def config(*rules, **parsing):
        return json.dumps({"extract_rules": rules, "parsing": parsing}).encode()

    name = b"\0layers.2.experts.5.w1.weight"
    single = {"layer_axis": None, "expert_axis": None, "rows_axis": 0, "cols_axis": 1}
    yield "empty_object", b"{}" + name
    yield "plain", config(rule(proj_group=1, match=r".*experts\.(\w+)")) + name
    yield "single", config(rule(ndim=2, layout=single, match=r".*experts\.(\d+)\.(\w+)", expert_group=1, proj_group=2)) + name
    yield "split", config(rule(packed_split={"axis": "rows", "splits": [4, 4], "projs": ["w1", "w3"]})) + name
    yield "split_equal", config(rule(packed_split={"axis": "cols", "splits": "equal", "projs": ["w1", "x"], "interleave": True})) + name
    yield "split_bad", config(rule(packed_split={"axis": "rows", "splits": [1, 2.5], "projs": []}), strict_packed_split=False) + name
    yield "split_huge", config(rule(packed_split={"axis": "rows", "splits": [2**62, 2**62, 8], "projs": ["a", "b", "c"]})) + name
    yield "row_stack", config(rule(ndim=2, row_stack=4), rule(ndim=1, row_stack=2**31 - 1)) + name
    yield "four_axes", config(rule(ndim=4, layout={"layer_axis": 0, "expert_axis": -3, "rows_axis": 3, "cols_axis": 2})) + name
    yield "strict", config(rule(proj_group=0), proj_group_strict=True, proj_aliases={"A": ["", "."], "a": []}) + name
    yield "wrong_types", b'{"scan": {"max_files": "x"}, "stats": {"eps": true}}'
    yield "odd_numbers", b'{"stats": {"sample_seed": 1e300, "group_sizes_lastdim": [-1, 0, 1e15]}, "scan": {"max_files": 2147483648}}'
    yield "broken_pattern", config(rule(match="("))
    yield "broken_json", b'{"scan": '


def main():
    base = pathlib.Path(__file__).resolve().parent / "corpus"
    for name, make in SUBJECTS.items():
        name = name.rstrip("_")
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = base / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        n = 0
        for n, (seed, data) in enumerate(make(), 1):
            (folder / seed).write_bytes(data)
        print(f"{name}: {n} seeds")


if __name__ == "__main__":
    main()
