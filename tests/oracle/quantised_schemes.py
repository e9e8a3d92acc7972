"""Small models in every scheme of quantised storage, made from the formulas in NumPy; for quantised_oracle.py.

A scheme draws codes and scales at random and returns what a file would hold and what it means:

    scheme(rng, out, in_) -> Part({leaf: array}, truth [out, in_])

The truth is codes and scales taken as real numbers. `producer`, where there is one, is the decoder of the library that writes
such files: it gets the same arrays, and its values must be the same too.
"""
import dataclasses
import importlib
import json
import pathlib
import sys

import ml_dtypes
import numpy as np

BF16, F8, E5M2, E8M0 = ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e8m0fnu
E2M1, E2M3 = ml_dtypes.float4_e2m1fn, ml_dtypes.float6_e2m3fn
F32, F64 = np.float32, np.float64
NAMES = {np.dtype(t): n for t, n in ((BF16, "BF16"), (F8, "F8_E4M3"), (E5M2, "F8_E5M2"), (E8M0, "F8_E8M0"), (np.float16, "F16"),
                                     (F32, "F32"), (F64, "F64"), (np.int8, "I8"), (np.uint8, "U8"), (np.int32, "I32"),
                                     (np.uint32, "U32"), (np.int64, "I64"))}
NF4 = [-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
       -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1]
FP4 = [x / 12 for x in (0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3)]
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the column that nibble k of a word holds


def load(name):
    try:
        return importlib.import_module(name)
    except Exception:  # a package may be there and not work
        return None


mx, torch, gguf = load("mlx.core"), load("torch"), load("gguf.quants")
ct, bnb = load("compressed_tensors"), load("bitsandbytes")
hf_mxfp4 = load("transformers.integrations.mxfp4")
if mx:
    mx.set_default_device(mx.cpu)


def missing_producers():
    have = {"mlx": mx, "torch": torch, "compressed-tensors": ct, "bitsandbytes": bnb, "gguf": gguf, "transformers": hf_mxfp4}
    return [f"no {name}: its decoder was not asked" for name, module in have.items() if not module]


# ---------------------------------------------------------------- bits

def bit_stream(codes, bits, word=32):
    """Codes [.., n] as a little-endian bit stream along the last axis, its last word filled up with zeros: U32 [.., words]."""
    flat = codes.reshape(-1, codes.shape[-1]).astype(np.uint8)
    planes = np.unpackbits(flat[..., None], axis=-1, bitorder="little")[..., :bits].reshape(len(flat), -1)
    planes = np.pad(planes, ((0, 0), (0, -planes.shape[1] % word)))
    packed = np.packbits(planes, axis=-1, bitorder="little")
    return (packed if word == 8 else packed.view(np.uint32)).reshape(*codes.shape[:-1], -1)


def padded_words(codes, bits):
    """32 / bits codes a word, the rest of the word unused: U32 [.., ceil(n / (32 / bits))]."""
    each = 32 // bits
    wide = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % each)]).astype(np.uint32)
    shifts = np.arange(each, dtype=np.uint32) * bits
    return np.bitwise_or.reduce(wide.reshape(*codes.shape[:-1], -1, each) << shifts, axis=-1)


def nibbles(codes):
    """Two codes a byte, the first low."""
    return (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)


def spread(groups, n, size):
    """A value a group to a value a column."""
    return np.repeat(groups, size, axis=-1)[..., :n]


def ceil(n, size):
    return -(-n // size)


def scales(rng, *shape, dtype=F32):
    return (rng.uniform(0.5, 2, shape) * 0.01 * rng.choice([-1, 1], shape)).astype(dtype)


def exponents(rng, *shape):
    return rng.integers(112, 130, shape).astype(np.uint8)


def two_to(e):
    return np.ldexp(F32(1), e.astype(np.int32) - 127).astype(F32)


# ---------------------------------------------------------------- schemes

@dataclasses.dataclass
class Part:
    tensors: dict
    truth: np.ndarray
    producer: object = None  # (name, function of nothing that gives the values), or None


def t(array):
    """A torch tensor of the array, its bits unchanged."""
    same = {np.dtype(F8): "float8_e4m3fn", np.dtype(BF16): "bfloat16"}.get(array.dtype)
    if not same:
        return torch.from_numpy(np.ascontiguousarray(array))
    raw = torch.from_numpy(np.ascontiguousarray(array).view(np.uint8 if same.startswith("float8") else np.int16))
    return raw.view(getattr(torch, same))


def fp8_codes(rng, out, in_, dtype=F8):
    return rng.normal(0, 40, (out, in_)).astype(dtype)


def fp8_grid(rng, out, in_, block, scale, leaf=".weight_scale_inv", code=F8):
    q = fp8_codes(rng, out, in_, code)
    grid = ceil(out, block[0]), ceil(in_, block[1])
    s = two_to(exponents(rng, *grid)) if scale in (E8M0, np.uint8) else scales(rng, *grid, dtype=scale).astype(F32)
    stored = (np.log2(s) + 127).astype(np.uint8) if scale == np.uint8 else s.astype(scale)
    wide = spread(spread(s, in_, block[1]).T, out, block[0]).T
    return Part({".weight": q, leaf: stored}, q.astype(F32) * wide)


def fp8_one(rng, out, in_, shape, leaf=".weight_scale", code=F8):
    q, s = fp8_codes(rng, out, in_, code), scales(rng, *shape)
    return Part({".weight": q, leaf: s}, q.astype(F32) * s.reshape(-1, 1))


def mxfp8(rng, out, in_):
    q, e = fp8_codes(rng, out, in_), exponents(rng, out, ceil(in_, 32))
    return Part({".weight": q, ".weight_scale": e}, q.astype(F32) * spread(two_to(e), in_, 32))


def e2m1(rng, out, in_):
    codes = rng.integers(0, 16, (out, in_)).astype(np.uint8)
    return codes, codes.view(E2M1).astype(F32)


def mxfp4_ct(rng, out, in_):
    (codes, values), e = e2m1(rng, out, in_), exponents(rng, out, in_ // 32)
    truth = values * spread(two_to(e), in_, 32)

    def ours():
        from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
        return unpack_fp4_from_uint8(t(nibbles(codes)), out, in_, dtype=torch.float32).numpy() * spread(two_to(e), in_, 32)
    return Part({".weight_packed": nibbles(codes), ".weight_scale": e}, truth, ct and ("compressed-tensors", ours))


def mxfp6_ct(rng, out, in_):
    codes, e = rng.integers(0, 64, (out, in_)).astype(np.uint8), exponents(rng, out, in_ // 32)
    packed = bit_stream(codes, 6, word=8)

    def ours():
        from compressed_tensors.compressors.mxfp6.helpers import unpack_fp6_from_uint8
        return unpack_fp6_from_uint8(t(packed), out, in_, dtype=torch.float32).numpy() * spread(two_to(e), in_, 32)
    newer = ct and load("compressed_tensors.compressors.mxfp6.helpers")
    return Part({".weight_packed": packed, ".weight_scale": e}, codes.view(E2M3).astype(F32) * spread(two_to(e), in_, 32),
                newer and ("compressed-tensors", ours))


def mxfp4_deepseek(rng, out, in_):
    (codes, values), e = e2m1(rng, out, in_), exponents(rng, out, in_ // 32)
    return Part({".weight": nibbles(codes).view(np.int8), ".scale": e.view(E8M0)}, values * spread(two_to(e), in_, 32))


def nvfp4(rng, out, in_, divides):
    codes, values = e2m1(rng, out, in_)
    s = np.abs(rng.normal(0, 100, (out, in_ // 16))).astype(F8)
    total = F32(rng.uniform(100, 400)) if divides else F32(rng.uniform(0.001, 0.01))
    wide = spread(s.astype(F64), in_, 16)
    truth = (values * (wide / total if divides else wide * total)).astype(F32)
    if divides:
        return Part({".weight_packed": nibbles(codes), ".weight_scale": s, ".weight_global_scale": np.array([total])}, truth)
    return Part({".weight": nibbles(codes), ".weight_scale": s, ".weight_scale_2": np.array(total),
                 ".input_scale": np.array(F32(1))}, truth)


def mxfp4_bytes(rng, out, in_):
    """Quark, and ModelOpt: exponents are U8 beside a plain "weight"."""
    part = mxfp4_ct(rng, out, in_)
    return Part({".weight": part.tensors[".weight_packed"], ".weight_scale": part.tensors[".weight_scale"]}, part.truth, part.producer)


def ct_pack(rng, out, in_, bits, group=32, dense=True, symmetric=True, order=False, scale=BF16):
    """compressed-tensors pack-quantized: codes + 2^(bits - 1), zero points packed along axis 0."""
    pack = bit_stream if dense else padded_words
    groups = 1 if group < 0 else ceil(in_, group)
    half = 1 << (bits - 1)
    codes = rng.integers(0, 2 * half, (out, in_)).astype(np.uint8)
    s = scales(rng, out, groups, dtype=scale)
    index = rng.permutation(np.arange(in_) // max(group, 1)) if order else np.arange(in_) // (in_ if group < 0 else group)
    parts = {".weight_packed": pack(codes, bits).view(np.int32), ".weight_scale": s, ".weight_shape": np.array([out, in_])}
    zeros = np.full((out, groups), half)
    if not symmetric:
        zeros = rng.integers(0, 2 * half, (out, groups)).astype(np.uint8)
        parts[".weight_zero_point"] = np.ascontiguousarray(pack(np.ascontiguousarray(zeros.T), bits).T).view(np.int32)
    if order:
        parts[".weight_g_idx"] = index.astype(np.int32)
    q = codes.astype(np.int32) - zeros[:, index]
    truth = q.astype(F32) * s.astype(F32)[:, index]

    def ours():
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
        theirs = unpack_from_int32(t(parts[".weight_packed"]), bits, torch.Size([out, in_])).numpy().astype(np.int32)
        z = np.zeros_like(zeros, np.int32) if symmetric else unpack_from_int32(
            t(parts[".weight_zero_point"]), bits, torch.Size([out, groups]), packed_dim=0).numpy()
        return (theirs - z[:, index]).astype(F32) * s.astype(F32)[:, index]
    return Part(parts, truth, ct and dense and ("compressed-tensors", ours))


def int8_scaled(rng, out, in_, groups, symmetric=True):
    q, s = rng.integers(-128, 128, (out, in_)).astype(np.int8), scales(rng, out, groups)
    parts, zeros = {".weight": q, ".weight_scale": s}, np.zeros((out, groups), np.int8)
    if not symmetric:
        parts[".weight_zero_point"] = zeros = rng.integers(-128, 128, (out, groups)).astype(np.int8)
    size = ceil(in_, groups)
    return Part(parts, (q.astype(np.int32) - spread(zeros.astype(np.int32), in_, size)).astype(F32) * spread(s, in_, size))


def renamed(part, names):
    """The same tensors under other names."""
    return dataclasses.replace(part, tensors={names.get(k, k): v for k, v in part.tensors.items()})


def gptq(rng, out, in_, bits, group=32, version=1, index="ordered"):
    groups = 1 if group < 0 else ceil(in_, group)
    codes = rng.integers(0, 1 << bits, (in_, out)).astype(np.uint8)
    zeros = rng.integers(0, (1 << bits) - 1, (groups, out)).astype(np.uint8)  # all ones: producers differ
    s = scales(rng, groups, out, dtype=np.float16)
    where = np.arange(in_) // (in_ if group < 0 else group)
    if index == "shuffled":
        where = rng.permutation(where)
    parts = {".qweight": np.ascontiguousarray(bit_stream(np.ascontiguousarray(codes.T), bits).T).view(np.int32),
             ".qzeros": bit_stream(zeros, bits).view(np.int32), ".scales": s}
    if index != "none":
        parts[".g_idx"] = where.astype(np.int32)
    real = zeros.astype(np.int32) + (version == 1)
    return Part(parts, ((codes.astype(np.int32) - real[where]).astype(F32) * s.astype(F32)[where]).T)


def awq(rng, out, in_, group):
    codes = rng.integers(0, 16, (in_, out)).astype(np.uint8)
    zeros = rng.integers(0, 16, (in_ // group, out)).astype(np.uint8)
    s = scales(rng, in_ // group, out, dtype=np.float16)

    def pack(x):
        return padded_words(x.reshape(len(x), -1, 8)[..., AWQ_ORDER].reshape(x.shape), 4).view(np.int32)
    where = np.arange(in_) // group
    parts = {".qweight": pack(codes), ".qzeros": pack(zeros), ".scales": s}
    truth = ((codes.astype(np.int32) - zeros[where]).astype(F32) * s.astype(F32)[where]).T

    def ours():
        from compressed_tensors.entrypoints.convert.converters.autoawq import AutoAWQConverter
        w, ws, wz = AutoAWQConverter(group_size=group)._convert_gemm_module(*(t(parts[k]) for k in (".qweight", ".scales", ".qzeros")))
        wz = np.zeros((out, 1), np.int32) if wz is None else wz.numpy().astype(np.int32)
        return (w.numpy().astype(np.int32) - wz[:, where]).astype(F32) * ws.numpy().astype(F32)[:, where]
    newer = ct and load("compressed_tensors.entrypoints.convert.converters.autoawq")
    return Part(parts, truth, newer and ("compressed-tensors", ours))


def awq_gemv(rng, out, in_, group):
    codes = rng.integers(0, 16, (out, in_)).astype(np.uint8)
    zeros = rng.integers(0, 16, (out, in_ // group)).astype(np.uint8)
    s = scales(rng, out, in_ // group, dtype=np.float16)
    each = {64: 2, 32: 4}.get(group, 1)
    words = ceil(ceil(in_ // group, 8), each) * each
    z = np.pad(zeros, ((0, 0), (0, words * 8 - zeros.shape[1])))
    where = np.arange(in_) // group
    return Part({".qweight": padded_words(codes, 4).view(np.int32), ".qzeros": padded_words(z, 4).view(np.int32),
                 ".scales": np.pad(s, ((0, 0), (0, words * 8 - s.shape[1])))},
                (codes.astype(np.int32) - zeros[:, where]).astype(F32) * s.astype(F32)[:, where])


def mlx_affine(rng, out, in_, bits, group, scale=BF16):
    codes = rng.integers(0, 1 << bits, (out, in_)).astype(np.uint8)
    s, b = scales(rng, out, in_ // group, dtype=scale), scales(rng, out, in_ // group, dtype=scale)
    words = bit_stream(codes, bits)
    truth = (codes * spread(s.astype(F64), in_, group) + spread(b.astype(F64), in_, group)).astype(F32)

    def ours():
        return np.array(mx.dequantize(mx.array(words), mx.array(s.astype(F32)), mx.array(b.astype(F32)), group, bits))
    return Part({".weight": words, ".scales": s, ".biases": b}, truth, mx and ("mlx", ours))


def metal(rng, out, in_, bits, group):
    """transformers, quant_method metal: MLX's words, other names."""
    part = mlx_affine(rng, out, in_, bits, group)
    words, s, b = (part.tensors[k] for k in (".weight", ".scales", ".biases"))
    theirs = load("transformers.integrations.metal_quantization")

    def ours():
        f32 = [t(x.astype(F32)) for x in (s, b)]
        return theirs._affine_dequantize_tensor(torch.from_numpy(words.view(np.int32).astype(np.int64)), *f32, group, bits).numpy()
    return Part({".weight": words, ".scales": s, ".qbiases": b}, part.truth, theirs and ("transformers", ours))


def mlx_float(rng, out, in_, mode):
    group, bits, code = {"mxfp4": (32, 4, E2M1), "mxfp8": (32, 8, F8), "nvfp4": (16, 4, E2M1)}[mode]
    codes = rng.integers(0, 1 << bits, (out, in_)).astype(np.uint8)
    if bits == 8:
        codes[codes & 127 == 127] = 0  # NaN
    e = exponents(rng, out, in_ // group) if mode != "nvfp4" else rng.integers(0, 127, (out, in_ // group)).astype(np.uint8)
    wide = spread(two_to(e) if mode != "nvfp4" else e.view(F8).astype(F32), in_, group)
    words = bit_stream(codes, bits)

    def ours():
        return np.array(mx.dequantize(mx.array(words), mx.array(e), group_size=group, bits=bits, mode=mode, dtype=mx.float32))
    return Part({".weight": words, ".scales": e}, codes.view(code).astype(F32) * wide, mx and ("mlx", ours))


def bnb_four(rng, out, in_, kind, nested=False, block=64):
    n, table = out * in_, np.array(NF4 if kind == "nf4" else FP4, F32)
    codes = rng.integers(0, 16, n + n % 2).astype(np.uint8)
    blocks = ceil(n, block)
    absmax = np.abs(scales(rng, blocks))
    state = {"quant_type": kind, "blocksize": block, "dtype": "bfloat16", "shape": [out, in_]}
    parts = {".weight.absmax": absmax}
    if nested:
        table8, code8 = np.sort(rng.uniform(-1, 1, 256)).astype(F32), rng.integers(0, 256, blocks).astype(np.uint8)
        outer, offset = np.abs(scales(rng, ceil(blocks, 256))), float(F32(0.0125))
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": offset}
        parts = {".weight.absmax": code8, ".weight.nested_absmax": outer, ".weight.nested_quant_map": table8}
        absmax = (table8[code8] * spread(outer, blocks, 256) + F32(offset)).astype(F32)
    parts |= {".weight": (codes[0::2] << 4 | codes[1::2]).astype(np.uint8)[:, None], ".weight.quant_map": table,
              f".weight.quant_state.bitsandbytes__{kind}": np.frombuffer(json.dumps(state).encode(), np.uint8)}
    truth = (table[codes[:n]] * spread(absmax, n, block)).reshape(out, in_)

    def ours():
        from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
        packed = t(parts[".weight"].reshape(-1))
        return _dequantize_4bit_compute(packed, t(absmax), t(table), block, (out, in_), torch.float32).numpy().reshape(out, in_)
    portable = bnb and load("bitsandbytes.backends.default.ops")
    return Part(parts, truth, portable and hasattr(portable, "_dequantize_4bit_compute") and ("bitsandbytes", ours))


def bnb_wide(rng, out, in_):
    """Codes stored as bfloat16 (bnb_4bit_quant_storage): the same bytes."""
    part = bnb_four(rng, out, in_, "nf4")
    return dataclasses.replace(part, tensors={**part.tensors, ".weight": part.tensors[".weight"].reshape(-1).view(BF16)[:, None]})


def bnb_int8(rng, out, in_):
    q, s = rng.integers(-127, 128, (out, in_)).astype(np.int8), np.abs(scales(rng, out))

    def ours():
        return bnb.functional.int8_vectorwise_dequant(t(q), t(s)).float().numpy()
    return Part({".weight": q, ".SCB": s, ".weight_format": np.array(0, np.uint8)},
                (q.astype(F64) * (s.astype(F64) / 127)[:, None]).astype(F32), bnb and ("bitsandbytes", ours))


# ---------------------------------------------------------------- models

@dataclasses.dataclass
class Made:
    name: str
    scheme: str
    tensors: dict
    config: dict
    want: dict
    tolerance: float
    producer_faults: list
    producer_text: str
    beside: dict = dataclasses.field(default_factory=dict)  # other files, by name

    def write(self, folder):
        folder.mkdir(parents=True)
        save(folder / "model.safetensors", self.tensors)
        if self.config is not None:
            (folder / "config.json").write_text(json.dumps(self.config))
        for name, content in self.beside.items():
            (folder / name).write_text(json.dumps(content))


def save(path, tensors):
    header, at, bodies = {}, 0, []
    for name, array in tensors.items():
        body = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [at, at + len(body)]}
        at += len(body)
        bodies.append(body)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(bodies))


def ask_producer(key, part, tolerance, faults):
    """The name of the library that was asked, or ''."""
    if not part.producer:
        return ""
    name, values = part.producer
    have = values()
    far = np.abs(have.astype(F64) - part.truth) > max(tolerance, 4e-7) * np.abs(part.truth).max()
    if have.shape != part.truth.shape or far.any():
        faults.append(f"{name} itself differs from the formula at {key}")
    return name


def per_expert(name, scheme, part, config, rng, hidden, width, tolerance=0.0, experts=3, bare=False):
    """Two layers of experts, named as Qwen names them. bare: no config.json; names, types and shapes must do."""
    made = Made(name, scheme, {}, None if bare else {"model_type": "qwen3_moe", "hidden_size": hidden, "num_experts": experts,
                "moe_intermediate_size": width, "num_hidden_layers": 2, "num_experts_per_tok": 2, **config},
                {}, tolerance, [], "")
    asked = set()
    for layer in range(2):
        for e in range(experts):
            for proj, (out, in_) in {"gate_proj": (width, hidden), "up_proj": (width, hidden), "down_proj": (hidden, width)}.items():
                made_part = part(rng, out, in_)
                prefix = f"model.layers.{layer}.mlp.experts.{e}.{proj}"
                made.tensors |= {prefix + leaf: array for leaf, array in made_part.tensors.items()}
                made.want["", layer, "expert", proj, e] = np.ascontiguousarray(made_part.truth)
                asked.add(ask_producer(prefix, made_part, tolerance, made.producer_faults))
        router = rng.normal(0, 1, (experts, hidden)).astype(BF16)
        made.tensors[f"model.layers.{layer}.mlp.gate.weight"] = router
        made.tensors[f"model.layers.{layer}.input_layernorm.weight"] = np.ones(hidden, BF16)
        made.want["", layer, "router", "router", -1] = router.astype(F32)
    made.producer_text = "".join(f", {who} agrees" for who in sorted(asked) if who)
    return made


def stacked(name, scheme, part, rng, hidden, width, tolerance=0.0, experts=3):
    """MLX: a stack a projection."""
    made = per_expert(name, scheme, part, {}, rng, hidden, width, tolerance, experts)
    one_by_one, made.tensors = made.tensors, {}
    for name_, array in one_by_one.items():
        if ".experts." not in name_:
            made.tensors[name_] = array
        elif ".experts.0." in name_:
            all_ = [one_by_one[name_.replace(".experts.0.", f".experts.{e}.")] for e in range(experts)]
            made.tensors[name_.replace("experts.0.", "switch_mlp.")] = np.stack(all_)
    return made


def mixed(rng, hidden, width):
    """Widths that differ by layer and projection: config groups, and GPTQ's "dynamic"; only the tensors tell which is where."""
    groups = {f"group_{b}": {"weights": {"num_bits": b, "type": "int", "group_size": 32}} for b in (4, 8)}
    widths = iter([4, 8, 4] * 100)
    ct_config = quantised("compressed-tensors", format="mixed-precision", config_groups=groups)
    made = per_expert("ct int4 and int8 in one model", None, lambda r, o, i: ct_pack(r, o, i, next(widths), symmetric=False), ct_config, rng, hidden, width)
    yield made
    widths2 = iter([4, 8, 3] * 100)
    yield per_expert("gptq of 3, 4 and 8 bits in one model", "gptq", lambda r, o, i: gptq(r, o, i, next(widths2)),
                     quantised("gptq", bits=4, dynamic={"+:.*up_proj": {"bits": 8}}), rng, hidden, width)


def gpt_oss(name, rng, hidden, width, experts=3):
    """MXFP4 blocks [E, 2I, H/32, 16]; even rows gate, odd rows up."""
    made = Made(name, "mxfp4", {}, {"model_type": "gpt_oss", "hidden_size": hidden, "intermediate_size": width,
                                    "num_local_experts": experts, "num_hidden_layers": 1}, {}, 0.0, [], "")
    base = "model.layers.0.mlp.experts."
    for proj, out, in_ in (("gate_up_proj", 2 * width, hidden), ("down_proj", hidden, width)):
        parts = [mxfp4_ct(rng, out, in_) for _ in range(experts)]
        blocks = np.stack([p.tensors[".weight_packed"].reshape(out, in_ // 32, 16) for p in parts])
        e8 = np.stack([p.tensors[".weight_scale"] for p in parts])
        made.tensors[f"{base}{proj}_blocks"], made.tensors[f"{base}{proj}_scales"] = blocks, e8
        made.tensors[f"{base}{proj}_bias"] = np.zeros((experts, out), BF16)
        for e, p in enumerate(parts):
            halves = {"gate_proj": p.truth[0::2], "up_proj": p.truth[1::2]} if proj == "gate_up_proj" else {"down_proj": p.truth}
            for which, values in halves.items():
                made.want["", 0, "expert", which, e] = np.ascontiguousarray(values)
        truth = np.stack([p.truth for p in parts])
        if hf_mxfp4:
            theirs = hf_mxfp4._convert_moe_packed_tensors(t(blocks), t(e8), dtype=torch.float32).transpose(1, 2).numpy()
            made.producer_faults += [] if np.array_equal(theirs, truth) else [f"transformers itself differs at {proj}"]
        if gguf:
            low = np.concatenate([blocks[..., :8] & 15, blocks[..., :8] >> 4], -1)
            nibble = np.stack([blocks & 15, blocks >> 4], -1).reshape(*blocks.shape[:-1], 32)
            packed = np.concatenate([e8[..., None], nibble[..., :16] | nibble[..., 16:] << 4], -1).astype(np.uint8)
            theirs = gguf.dequantize(packed.reshape(experts, out, -1), importlib.import_module("gguf").GGMLQuantizationType.MXFP4)
            made.producer_faults += [] if np.array_equal(theirs, truth) else [f"gguf itself differs at {proj}"]
    router = rng.normal(0, 1, (experts, hidden)).astype(BF16)
    made.tensors |= {"model.layers.0.mlp.router.weight": router, "model.layers.0.mlp.router.bias": np.zeros(experts, BF16)}
    made.want["", 0, "router", "router", -1] = router.astype(F32)
    made.producer_text = ", transformers agrees" * bool(hf_mxfp4) + ", gguf agrees" * bool(gguf)
    return made


def fused(name, scheme, part, join, rng, hidden, width, model, turned=False, interleaved=False, tolerance=0.0, experts=3, scale_2=None):
    """Stacks "experts.gate_up_proj" and "experts.down_proj" with "_weight_scale" and so on beside them. turned: each expert as
    [in, out], codes and scales. join: {leaf of the part: end of the stack's name}."""
    made = Made(name, scheme, {}, {"model_type": model, "hidden_size": hidden, "intermediate_size": width, "moe_intermediate_size": width,
                                   "num_local_experts": experts, "num_hidden_layers": 1, **quantised("modelopt", quant_algo="NVFP4")}, {}, tolerance, [], "")
    block, router = ("feed_forward", "router") if model.startswith("llama4") else ("mlp", "router" if model == "gpt_oss" else "gate")
    for proj, out, in_ in (("gate_up_proj", 2 * width, hidden), ("down_proj", hidden, width)):
        parts = [part(rng, out, in_) for _ in range(experts)]
        shared = parts[0].tensors.get(".weight_scale_2") if scale_2 == "one" else None
        for leaf, end in join.items():
            arrays = [p.tensors[leaf].T if turned and p.tensors[leaf].ndim == 2 else p.tensors[leaf] for p in parts]
            made.tensors[f"model.layers.0.{block}.experts.{proj}{end}"] = arrays[0] if leaf == ".weight_scale_2" and shared is not None else np.stack(arrays)
        made.tensors[f"model.layers.0.{block}.experts.{proj}_input_scale"] = np.array(F32(1))
        for e, p in enumerate(parts):
            truth = p.truth if shared is None else (p.truth.astype(F64) / F64(p.tensors[".weight_scale_2"]) * F64(shared)).astype(F32)
            step = slice(0, None, 2), slice(1, None, 2)
            halves = step if interleaved else (slice(0, width), slice(width, None))
            rows = {"gate_proj": halves[0], "up_proj": halves[1]} if proj == "gate_up_proj" else {"down_proj": slice(None)}
            for which, at in rows.items():
                made.want["", 0, "expert", which, e] = np.ascontiguousarray(truth[at])
    values = rng.normal(0, 1, (experts, hidden)).astype(BF16)
    made.tensors[f"model.layers.0.{block}.{router}.weight"] = values
    made.want["", 0, "router", "router", -1] = values.astype(F32)
    return made


def all_fused(rng, size):
    four = {".weight": "", ".weight_scale": "_weight_scale", ".weight_scale_2": "_weight_scale_2"}
    nv = lambda r, o, i: nvfp4(r, o, i, False)  # noqa: E731
    for one in ("one", None):
        how = "one scale" if one else "a scale an expert"
        yield fused(f"nvfp4, ModelOpt's Llama 4, {how}", "nvfp4", nv, four, rng, *size(16, 5), "llama4_text", True, False, 3e-7, scale_2=one)
        yield fused(f"nvfp4, ModelOpt's gpt-oss, {how}", "nvfp4", nv, four, rng, *size(16, 5), "gpt_oss", True, True, 3e-7, scale_2=one)
        yield fused(f"nvfp4, stacks [E, out, in], {how}", "nvfp4", nv, four, rng, *size(16, 5), "qwen3_5_moe", False, False, 3e-7, scale_2=one)
    square = lambda *_: (32, 16)  # noqa: E731
    yield fused("nvfp4, ModelOpt's Llama 4, 2I = H", "nvfp4", nv, four, rng, *square(), "llama4_text", True, False, 3e-7)
    mx = {".weight": "", ".weight_scale": "_weight_scale"}
    yield fused("mxfp4, ModelOpt's gpt-oss", "mxfp4", mxfp4_bytes, mx, rng, *size(32, 4), "gpt_oss", True, True)
    yield fused("mxfp4, stacks of transformers", "mxfp4", mxfp4_deepseek, {".weight": "", ".scale": "_scale_inv"}, rng, *size(32, 4), "qwen3_5_moe")
    yield fused("fp8, ModelOpt's Llama 4", "fp8_tensor", lambda r, o, i: fp8_one(r, o, i, (1,)), mx, rng, *size(1, 50), "llama4_text", True)


def quantised(method, **more):
    return {"quantization_config": {"quant_method": method, **more}}


def packed(bits, **weights):
    return quantised("compressed-tensors", format="pack-quantized",
                     config_groups={"group_0": {"weights": {"num_bits": bits, "type": "int", **weights}}})


def all_fp8(size):
    fp8 = quantised("fp8", weight_block_size=[128, 128])
    for scale in (F32, BF16, E8M0, np.uint8):
        yield f"fp8 block, {NAMES[np.dtype(scale)]} scales", "fp8_block", lambda r, o, i, s=scale: fp8_grid(r, o, i, (128, 128), s), fp8, size(1, 300)
    yield "fp8 block 64 x 32", "fp8_block", lambda r, o, i: fp8_grid(r, o, i, (64, 32), F32), quantised("fp8", weight_block_size=[64, 32]), size(1, 300)
    yield "fp8 block e5m2", "fp8_block", lambda r, o, i: fp8_grid(r, o, i, (128, 128), F32, code=E5M2), fp8, size(1, 300)
    yield "fp8 channel [out, 1]", "fp8_channel", lambda r, o, i: fp8_one(r, o, i, (o, 1)), quantised("fbgemm_fp8"), size(1, 80)
    yield "fp8 channel [out]", "fp8_channel", lambda r, o, i: fp8_one(r, o, i, (o,)), {}, size(1, 80)
    yield "fp8 tensor, scalar", "fp8_tensor", lambda r, o, i: fp8_one(r, o, i, ()), quantised("modelopt", quant_algo="FP8"), size(1, 80)
    yield "fp8 tensor [1]", "fp8_tensor", lambda r, o, i: fp8_one(r, o, i, (1,)), {}, size(1, 80)
    yield "fp8 tensor, Mistral", "fp8_tensor", lambda r, o, i: fp8_one(r, o, i, (), ".qscale_weight"), {}, size(1, 80)
    yield "mxfp8", "mxfp8", mxfp8, {}, size(32, 6)


def all_fp4(size):
    yield "mxfp4, compressed-tensors", "mxfp4", mxfp4_ct, quantised("compressed-tensors", format="mxfp4-pack-quantized"), size(32, 6)
    yield "mxfp6, compressed-tensors", "mxfp6", mxfp6_ct, quantised("compressed-tensors", format="mxfp6-pack-quantized"), size(32, 6)
    yield "mxfp4, Quark", "mxfp4", mxfp4_bytes, quantised("quark"), size(32, 6)
    yield "mxfp4, DeepSeek-V4", "mxfp4", mxfp4_deepseek, quantised("fp8", expert_dtype="fp4"), size(32, 6)
    yield "nvfp4, compressed-tensors", "nvfp4", lambda r, o, i: nvfp4(r, o, i, True), quantised("compressed-tensors"), size(16, 9), 3e-7
    yield "nvfp4, ModelOpt", "nvfp4", lambda r, o, i: nvfp4(r, o, i, False), quantised("modelopt", quant_algo="NVFP4"), size(16, 9), 3e-7


def all_int(size):
    for bits in range(1, 9):
        yield f"ct int{bits}", f"int{bits}_pack", lambda r, o, i, b=bits: ct_pack(r, o, i, b), packed(bits, group_size=32), size(32, 5)
        yield (f"ct int{bits}, zero points", f"int{bits}_pack", lambda r, o, i, b=bits: ct_pack(r, o, i, b, symmetric=False, scale=np.float16),
               packed(bits, group_size=32), size(32, 5))
        if 32 % bits:
            yield (f"ct int{bits}, padded words", f"int{bits}_pack", lambda r, o, i, b=bits: ct_pack(r, o, i, b, dense=False, symmetric=False),
                   packed(bits, group_size=32), size(32, 5))
    yield "ct int4, channel", "int4_pack", lambda r, o, i: ct_pack(r, o, i, 4, -1, symmetric=False), packed(4), size(2, 50)
    yield "ct int4, g_idx", "int4_pack", lambda r, o, i: ct_pack(r, o, i, 4, order=True, symmetric=False), packed(4), size(32, 5)
    ao = {".weight": "._weight_qdata", ".weight_scale": "._weight_scale", ".weight_zero_point": "._weight_zero_point"}
    yield "torchao int8", "int8_scaled", lambda r, o, i: renamed(int8_scaled(r, o, i, 1, False), ao), quantised("torchao"), size(1, 90)
    yield "torchao int8, groups", "int8_scaled", lambda r, o, i: renamed(int8_scaled(r, o, i, i // 16, False), ao), quantised("torchao"), size(16, 6)
    yield "torchao fp8", "fp8_channel", lambda r, o, i: renamed(fp8_one(r, o, i, (o, 1)), ao), quantised("torchao"), size(2, 40)
    w8 = quantised("compressed-tensors", format="int-quantized")
    yield "ct int8, channel", "int8_scaled", lambda r, o, i: int8_scaled(r, o, i, 1), w8, size(1, 90)
    yield "ct int8, groups and zero points", "int8_scaled", lambda r, o, i: int8_scaled(r, o, i, i // 16, False), w8, size(16, 6)


def all_words(size):
    for bits in (2, 3, 4, 8):
        for version in (1, 2):
            config = quantised("gptq", bits=bits, checkpoint_format="gptq" if version == 1 else "gptq_v2")
            for index in ("ordered", "shuffled", "none"):
                yield (f"gptq {bits} bits v{version}, g_idx {index}", "gptq",
                       lambda r, o, i, b=bits, v=version, x=index: gptq(r, o, i, b, 32, v, x), config, size(32, 4))
        yield f"gptq {bits} bits, one group", "gptq", lambda r, o, i, b=bits: gptq(r, o, i, b, -1), quantised("gptq", bits=bits), size(32, 4)
    for packing, version in (("auto_round:auto_gptq", 1), ("auto_round", 2), ("auto_round:gptqmodel", 2)):
        yield (f"AutoRound, {packing}", "gptq", lambda r, o, i, v=version: gptq(r, o, i, 4, 32, v, "none"),
               quantised("auto-round", bits=4, group_size=32, packing_format=packing), size(32, 4))
    yield ("AutoRound, auto_round:auto_awq", "awq", lambda r, o, i: awq(r, o, i, 32),
           quantised("auto-round", bits=4, group_size=32, packing_format="auto_round:auto_awq"), size(32, 4))
    yield ("gptq v2, told as \"format\"", "gptq", lambda r, o, i: gptq(r, o, i, 4, 32, 2, "none"),
           quantised("gptq", bits=4, group_size=32, format="gptq_v2"), size(32, 4))
    yield "awq, groups of 32", "awq", lambda r, o, i: awq(r, o, i, 32), quantised("awq", bits=4, group_size=32), size(32, 5)
    yield "awq, groups of 64", "awq", lambda r, o, i: awq(r, o, i, 64), quantised("awq", bits=4, group_size=64), size(64, 4)
    for group in (32, 64):
        yield (f"awq gemv, groups of {group}", "awq_gemv", lambda r, o, i, g=group: awq_gemv(r, o, i, g),
               quantised("awq", bits=4, group_size=group, version="gemv"), size(64, 4))


def all_others(size):
    for bits, group, scale in ((2, 32, BF16), (3, 64, BF16), (4, 64, np.float16), (5, 32, BF16), (6, 128, F32), (8, 64, BF16), (4, 128, F32)):
        yield (f"mlx affine {bits} bits, groups of {group}, {NAMES[np.dtype(scale)]}", "mlx_affine",
               lambda r, o, i, b=bits, g=group, s=scale: mlx_affine(r, o, i, b, g, s),
               {"quantization": {"group_size": group, "bits": bits}}, size(128, 3), 4e-7 if scale == F32 else 0)
    for mode in ("mxfp4", "mxfp8", "nvfp4"):
        yield f"mlx {mode}", f"mlx_{mode}", lambda r, o, i, m=mode: mlx_float(r, o, i, m), {"quantization": {"mode": mode}}, size(32, 5)
    for bits, group in ((2, 32), (4, 64), (8, 128)):
        yield (f"metal {bits} bits", "mlx_affine", lambda r, o, i, b=bits, g=group: metal(r, o, i, b, g),
               quantised("metal", bits=bits, group_size=group), size(128, 3), 4e-7)
    four = quantised("bitsandbytes", load_in_4bit=True)
    yield "bnb nf4", "bnb_nf4", lambda r, o, i: bnb_four(r, o, i, "nf4"), four, size(1, 80)
    yield "bnb nf4, double", "bnb_nf4", lambda r, o, i: bnb_four(r, o, i, "nf4", True), four, size(1, 160), 3e-7
    yield "bnb fp4, blocks of 128", "bnb_fp4", lambda r, o, i: bnb_four(r, o, i, "fp4", False, 128), four, size(1, 80)
    yield "bnb nf4, codes as bfloat16", "bnb_nf4", bnb_wide, four, size(4, 20)
    yield "bnb int8", "bnb_int8", bnb_int8, quantised("bitsandbytes", load_in_8bit=True), size(1, 80), 3e-7


# Told by their tensors alone; the others need the config's word on bits, format or width.
BARE = ("fp8 ", "mxfp", "nvfp4", "gptq 4 bits v1, g_idx ordered", "awq, ", "mlx mx", "mlx nv", "bnb", "ct int8,", "mlx affine 4 bits, groups of 64")


def make_all(seed):
    rng = np.random.default_rng(seed)

    def size(step, most):
        """hidden and width: odd multiples where a scheme allows them."""
        return tuple(int(step * rng.integers(max(1, min(most // 3, 2)), most + 1)) for _ in range(2))
    for family in (all_fp8, all_fp4, all_int, all_words, all_others):
        for name, scheme, part, config, (hidden, width), *tolerance in family(size):
            yield per_expert(name, scheme, part, config, rng, hidden, width, *tolerance)
            if name.startswith(BARE) and not name.startswith("fp8 block 64"):
                yield per_expert(name + ", no config", scheme, part, config, rng, hidden, width, *tolerance, bare=True)
    for name, scheme, part, beside in (
            ("gptq v2, quantize_config.json", "gptq", lambda r, o, i: gptq(r, o, i, 4, 32, 2, "none"),
             {"quantize_config.json": {"bits": 4, "group_size": 32, "checkpoint_format": "gptq_v2"}}),
            ("gptq 8 bits, the file says 4", "gptq", lambda r, o, i: gptq(r, o, i, 8, 32, 1, "none"), {"quantize_config.json": {"bits": 4, "group_size": 32}}),
            ("awq gemv, quant_config.json", "awq_gemv", lambda r, o, i: awq_gemv(r, o, i, 32),
             {"quant_config.json": {"w_bit": 4, "q_group_size": 32, "version": "GEMV"}}),
            ("awq gemv, no config", "awq_gemv", lambda r, o, i: awq_gemv(r, o, i, 64), {})):
        made = per_expert(name, scheme, part, {}, rng, *size(64, 6))
        made.beside = beside
        yield made
    for made in mixed(rng, *size(64, 3)):
        yield made
    yield from all_fused(rng, size)
    yield gpt_oss("gpt-oss blocks", rng, *size(32, 5))
    for bits, group in ((4, 64), (3, 32), (6, 64)):
        yield stacked(f"mlx stack {bits} bits", "mlx_affine", lambda r, o, i: mlx_affine(r, o, i, bits, group), rng, *size(128, 2))
    yield stacked("mlx stack mxfp4", "mlx_mxfp4", lambda r, o, i: mlx_float(r, o, i, "mxfp4"), rng, *size(32, 4))


def main():
    """quantised_schemes.py FOLDER HIDDEN WIDTH [NAME ...]: models of that size, each in a folder of its own (all that fit, or
    those whose name begins so). For timings; nothing checks whether a scheme can have that size."""
    folder, hidden, width, *names = sys.argv[1:]
    rng = np.random.default_rng(0)
    for family in (all_fp8, all_fp4, all_int, all_words, all_others):
        for name, scheme, part, config, *_ in family(lambda *_: None):
            if name.startswith(tuple(names) or ("",)):
                where = pathlib.Path(folder) / name.replace(" ", "_").replace(",", "")
                per_expert(name, scheme, part, config, rng, int(hidden), int(width), experts=8).write(where)


if __name__ == "__main__":
    main()
