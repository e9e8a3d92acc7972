#include "scheme.h"

#include "checked.h"
#include "family.h"

enum { MAX_NAME = 1024 };

/* ---- companions ---- */

static ms_str join(char out[static MAX_NAME], ms_str module, const char *leaf) {
    const size_t n = strlen(leaf);
    if (module.size + n > MAX_NAME) return MS_STR_NONE;
    memcpy(out, module.text, module.size);
    memcpy(out + module.size, leaf, n);
    return (ms_str){out, module.size + n};
}

typedef struct ms_beside { /* the patterns beside one */
    const ms_checkpoint *ckpt;
    const ms_pattern *patterns;
    const ms_map *by_text;
    const ms_pattern *weight;
} ms_beside;

/* The first tensor of the module's companion, or NULL. */
static const ms_stored *beside(const ms_beside *b, const char *leaf) {
    char text[MAX_NAME];
    const ms_str name = join(text, b->weight->module, leaf);
    const size_t *const found = name.text ? ms_map_find(b->by_text, name) : NULL;
    return found ? b->ckpt->tensors[b->patterns[*found].first_tensor].stored : NULL;
}

static const ms_stored *beside_any(const ms_beside *b, const char *const *leaves) {
    for (size_t i = 0; leaves[i]; i++) {
        const ms_stored *const found = beside(b, leaves[i]);
        if (found) return found;
    }
    return NULL;
}
#define BESIDE(b, ...) beside_any((b), (const char *const[]){__VA_ARGS__, NULL})

const ms_tensor *ms_companion(const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *leaf) {
    char text[MAX_NAME];
    const ms_leaf *const own = ckpt->patterns ? ckpt->patterns[tensor->pattern].leaf : NULL;
    const ms_str name = tensor->stored->name, module = ms_str_sub(name, 0, name.size - (own ? strlen(own->text) : 0));
    const ms_str wanted = join(text, module, leaf);
    return wanted.text ? ms_checkpoint_find(ckpt, wanted) : NULL;
}

static const ms_tensor *companion_any(const ms_checkpoint *ckpt, const ms_tensor *tensor, const char *const *leaves) {
    for (size_t i = 0; leaves[i]; i++) {
        const ms_tensor *const found = ms_companion(ckpt, tensor, leaves[i]);
        if (found) return found;
    }
    return NULL;
}
#define COMPANION(ckpt, tensor, ...) companion_any((ckpt), (tensor), (const char *const[]){__VA_ARGS__, NULL})

/* ---- naming ---- */

static uint64_t dim(const ms_stored *s, uint32_t from_last) {
    return from_last < s->rank ? s->shape[s->rank - 1 - from_last] : 1;
}

static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t product;
    return ms_mul_u64(a, b, &product) ? product : UINT64_MAX;
}

static uint64_t n_elements(const ms_stored *s) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!ms_mul_u64(n, s->shape[i], &n)) return UINT64_MAX;
    return n;
}

static const char *fp8_scheme(const ms_stored *weight, const ms_stored *scale) {
    const uint64_t n = n_elements(scale), experts = weight->rank >= 3 ? weight->shape[0] : 1;
    const uint64_t rows = dim(weight, 1), cols = dim(weight, 0);
    if (n == 1 || n == experts) return "fp8_tensor";
    const bool is_line = scale->rank <= 1 || dim(scale, 0) == 1 || dim(scale, 1) == 1;
    if (is_line && n == experts * rows) return "fp8_channel";
    if (is_line && weight->rank >= 3 && n == experts * cols) return "fp8_channel"; /* stored [E, in, out] */
    const bool by_32 = dim(scale, 0) == (cols + 31) / 32 && dim(scale, 1) == rows && scale->dtype != MS_DTYPE_F32;
    return by_32 && (scale->dtype == MS_DTYPE_U8 || scale->dtype == MS_DTYPE_F8_E8M0) ? "mxfp8" : "fp8_block";
}

static const char *mlx_scheme(const ms_beside *b, const ms_stored *weight, const ms_stored *scales) {
    if (BESIDE(b, ".biases", ".qbiases")) return "mlx_affine";
    if (scales->dtype != MS_DTYPE_U8 && scales->dtype != MS_DTYPE_F8_E8M0 && scales->dtype != MS_DTYPE_F8_E4M3) return "packed";
    const uint64_t words = dim(weight, 0), groups = dim(scales, 0); /* words of 32 bits a group: 4, 8, 2 */
    if (groups && words == 4 * groups) return "mlx_mxfp4";
    if (groups && words == 8 * groups) return "mlx_mxfp8";
    if (groups && words == 2 * groups) return "mlx_nvfp4";
    return "packed";
}

static ms_str told_text(const ms_model_config *config, const char *key) {
    return ms_json_as_str(ms_json_get(config->quantization, key), MS_STR(""));
}

static const char *qweight_scheme(const ms_beside *b, const ms_stored *weight) {
    const ms_model_config *const config = &b->ckpt->model;
    const ms_str version = told_text(config, "version");
    const ms_stored *const scales = beside(b, ".scales"); /* [groups, out]; gemv: [out, groups and padding] */
    const bool awq =
        ms_str_is(config->quant_method, "awq") || ms_str_contains(told_text(config, "packing_format"), MS_STR("awq"));
    if (awq && (weight->dtype == MS_DTYPE_I16 || ms_str_is(version, "gemv_fast"))) return "awq_gemv_fast";
    if (awq && ms_str_is(version, "marlin")) return "awq_marlin";
    if (weight->dtype == MS_DTYPE_U8) return beside(b, ".dqweight") || scales ? "fp_quant" : "packed";
    if (weight->dtype != MS_DTYPE_I32 && weight->dtype != MS_DTYPE_U32) return "packed";
    if (beside(b, ".g_idx") || ms_str_is(config->quant_method, "gptq")) return "gptq";
    if (!scales) return "packed";
    if (awq) return dim(weight, 0) * 8 == dim(scales, 0) ? "awq" : "awq_gemv";
    if (dim(weight, 1) == dim(scales, 1)) return "awq_gemv"; /* [out, in / 8] */
    if (dim(weight, 0) == dim(scales, 0)) return "gptq";     /* [in * bits / 32, out] */
    if (dim(weight, 0) * 8 == dim(scales, 0)) return "awq";  /* [in, out / 8] */
    return "packed";
}

/* Number i of the integers `path` of the config's groups (compressed-tensors has several where modules differ), or of `plain`
 * for methods with one; -1 beyond the last. */
static int64_t told(const ms_model_config *config, const char *path, const char *plain, size_t i) {
    const ms_json_value *const groups = ms_json_get(config->quantization, "config_groups");
    if (!groups || groups->kind != MS_JSON_OBJECT || !groups->object.n)
        return i == 0 ? ms_json_as_i64(ms_json_get(config->quantization, plain), -1) : -1;
    return i < groups->object.n ? ms_json_as_i64(ms_json_path(groups->object.members[i].value, path), 0) : -1;
}

static int64_t told_bits(const ms_model_config *config, size_t i) { return told(config, "weights.num_bits", "bits", i); }

uint64_t ms_scheme_group(const ms_checkpoint *ckpt, uint64_t cols, uint64_t groups) {
    int64_t size;
    for (size_t i = 0; (size = told(&ckpt->model, "weights.group_size", "group_size", i)) >= 0; i++)
        if (size > 0 && cols / (uint64_t)size + (cols % (uint64_t)size != 0) == groups) return (uint64_t)size;
    return cols / groups + (cols % groups != 0);
}

static const char *int_pack(int64_t bits) {
    static const char *const by_bits[] = {"int_pack",  "int1_pack", "int2_pack", "int3_pack", "int4_pack",
                                          "int5_pack", "int6_pack", "int7_pack", "int8_pack"};
    return by_bits[bits >= 1 && bits <= 8 ? bits : 0];
}

/* Where the config names one width, that; else "int_pack", until ms_scheme_settle looks at each tensor. */
static const char *packed_scheme(const ms_beside *b, const ms_stored *weight) {
    const ms_model_config *const config = &b->ckpt->model;
    if (beside(b, ".scale_packed") || beside(b, ".meta")) return "marlin24";
    if (weight->dtype == MS_DTYPE_U8) {
        const ms_stored *const scale = BESIDE(b, ".weight_scale", "_scale");
        if (BESIDE(b, ".weight_global_scale", "_global_scale")) return "nvfp4";
        return scale && dim(scale, 0) > 0 && dim(weight, 0) == dim(scale, 0) * 24 ? "mxfp6" : "mxfp4"; /* 32 columns */
    }
    for (size_t i = 1; told_bits(config, i) >= 0; i++)
        if (told_bits(config, i) != told_bits(config, 0)) return "int_pack";
    return int_pack(told_bits(config, 0));
}

const char *const ms_fp8_scales[] = {
    ".weight_scale_inv", ".weight_scale",     ".qscale_weight", ".scale", "_scale_inv", "_scale",
    "_weight_scale",     "_weight_scale_inv", "._weight_scale", NULL};

/* Exponents U8 beside codes U8, as Quark and ModelOpt write MXFP4: 16 bytes of codes have one, along either axis. */
static bool is_mxfp4_bytes(const ms_stored *weight, const ms_stored *scale) {
    if (weight->dtype != MS_DTYPE_U8 || scale->dtype != MS_DTYPE_U8 || weight->rank < 2 || scale->rank != weight->rank)
        return false;
    const bool across = dim(weight, 1) == dim(scale, 1) && dim(weight, 0) == times(dim(scale, 0), 16);
    return across || (dim(weight, 0) == dim(scale, 0) && dim(weight, 1) == times(dim(scale, 1), 16));
}

static const char *byte_scheme(const ms_beside *b, const ms_stored *weight) {
    const ms_stored *const scale =
        BESIDE(b, ".weight_scale", ".weight_scale_inv", ".scale", "_weight_scale", "_scale", "_scale_inv");
    if (beside(b, ".weight.absmax")) return "bnb_nf4";
    if (beside(b, ".SCB")) return "bnb_int8";
    if (BESIDE(b, ".weight_scale_2", "_weight_scale_2")) return "nvfp4";
    if (!scale) return "";
    if (scale->dtype == MS_DTYPE_F8_E8M0 || is_mxfp4_bytes(weight, scale)) return "mxfp4"; /* two codes a byte */
    if (weight->dtype == MS_DTYPE_I8) return "int8_scaled";
    return ms_str_is(b->ckpt->model.quant_method, "bitnet") ? "bitnet" : "packed";
}

/* Matrices of integers in a model that says it is quantised are codes, whatever lies beside them. */
static const char *integer_scheme(const ms_beside *b, const ms_stored *weight) {
    static const char *const methods[] = {"eetq", "higgs", "vptq", "spqr", "aqlm", "hqq",  "quanto", "torchao",
                                          "sinq", "quark", "quip", "eora", "awq",  "gptq", "bitnet", "fouroversix"};
    const ms_str method = b->ckpt->model.quant_method;
    const bool is_weight = b->weight->role == MS_ROLE_EXPERT || b->weight->role == MS_ROLE_SHARED_EXPERT ||
                           b->weight->role == MS_ROLE_DENSE_FFN || b->weight->role == MS_ROLE_ATTENTION;
    if (weight->rank < 2 || (!beside(b, ".weight_scales") && (!is_weight || method.size == 0))) return "";
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (ms_str_is(method, methods[i])) return methods[i];
    return "packed";
}

/* What torchao writes to safetensors: 8-bit codes are as others', narrower ones are packed for kernels. */
static const char *torchao_scheme(const ms_beside *b, const ms_stored *weight) {
    const ms_stored *const scale = beside(b, "._weight_scale");
    if (scale && weight->dtype == MS_DTYPE_F8_E4M3) return fp8_scheme(weight, scale);
    return scale && weight->dtype == MS_DTYPE_I8 ? "int8_scaled" : "torchao";
}

static const struct {
    const char *leaf, *scheme;
} by_leaf[] = {
    {".W_q", "hqq"},
    {".q_weight", "exl2"},
    {".trellis", "exl3"},
    {".weight._data", "quanto"},
    {".codes", "aqlm"},
    {".indices", "vptq"},
    {".dense_weights", "spqr"},
    {".Qidxs", "quip"},
    {".B", "marlin"},
    {".compressed", "sparse"},
    {".weight.compressed", "sparse"},
};

const char *ms_scheme_of_pattern(const ms_checkpoint *ckpt, const ms_pattern *pattern, const ms_pattern *patterns,
                                 const ms_map *by_text) {
    const ms_beside b = {ckpt, patterns, by_text, pattern};
    const ms_stored *const weight = ckpt->tensors[pattern->first_tensor].stored;
    const char *const leaf = pattern->leaf ? pattern->leaf->text : "";
    if (pattern->leaf && pattern->leaf->kind != MS_LEAF_WEIGHT) return "";
    if (strcmp(leaf, ".qweight") == 0) return qweight_scheme(&b, weight);
    if (strcmp(leaf, ".weight_packed") == 0 || strcmp(leaf, "_packed") == 0) return packed_scheme(&b, weight);
    if (strcmp(leaf, ".blocks") == 0 || strcmp(leaf, "_blocks") == 0) return "mxfp4";
    if (strcmp(leaf, ".W_q") == 0 && ms_str_is(ckpt->model.quant_method, "sinq")) return "sinq";
    if (strcmp(leaf, "._weight_qdata") == 0) return torchao_scheme(&b, weight);
    for (size_t i = 0; i < sizeof by_leaf / sizeof by_leaf[0]; i++)
        if (strcmp(leaf, by_leaf[i].leaf) == 0) return by_leaf[i].scheme;

    /* bitsandbytes' codes may be stored in any type (bnb_4bit_quant_storage) */
    if (beside(&b, ".weight.quant_state.bitsandbytes__nf4")) return "bnb_nf4";
    if (beside(&b, ".weight.quant_state.bitsandbytes__fp4")) return "bnb_fp4";

    const ms_stored *scale;
    const char *scheme;
    switch (weight->dtype) {
    case MS_DTYPE_U32: scale = beside(&b, ".scales"); return scale ? mlx_scheme(&b, weight, scale) : integer_scheme(&b, weight);
    case MS_DTYPE_F8_E4M3:
    case MS_DTYPE_F8_E5M2:
    case MS_DTYPE_F8_E4M3FNUZ:
    case MS_DTYPE_F8_E5M2FNUZ: scale = beside_any(&b, ms_fp8_scales); return scale ? fp8_scheme(weight, scale) : "";
    case MS_DTYPE_U8:
    case MS_DTYPE_I8: scheme = byte_scheme(&b, weight); return scheme[0] ? scheme : integer_scheme(&b, weight);
    case MS_DTYPE_I16:
    case MS_DTYPE_I32: return integer_scheme(&b, weight);
    case MS_DTYPE_GGML_NVFP4: /* only these: beside other types .scale is something else (gemma4, BitNet) */
        scale = BESIDE(&b, ".scale", ".weight.scale");
        return scale && scale->dtype == MS_DTYPE_F32 ? "gguf_nvfp4" : "";
    default: return "";
    }
}

/* ---- unpacked shapes ---- */

static ms_logical as_stored(const ms_stored *s) {
    ms_logical logical = {.rank = s->rank};
    if (s->rank > MS_LOGICAL_RANK) return (ms_logical){0};
    memcpy(logical.shape, s->shape, s->rank * sizeof *s->shape);
    return logical;
}

/* The last axis n times as long, never overflowing. */
static ms_logical last_axis(ms_logical logical, uint64_t length) {
    if (logical.rank) logical.shape[logical.rank - 1] = length;
    return logical;
}

/* The input width that the config gives for this projection; 0 unknown. */
static uint64_t width_in(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const bool shared = t->role == MS_ROLE_SHARED_EXPERT, routed = t->role == MS_ROLE_EXPERT;
    const ms_config_ints *const width = shared   ? &ckpt->model.shared_width
                                        : routed ? &ckpt->model.expert_width
                                                 : &ckpt->model.dense_width;
    const int64_t n = ms_config_at(t->proj == MS_PROJ_DOWN ? width : &ckpt->model.hidden, t->layer, 0);
    return t->proj == MS_PROJ_NONE || n <= 0 ? 0 : (uint64_t)n;
}

/* Codes in 32-bit words along the last axis: dense, or with the words' last bits unused. */
static bool packs_to(uint64_t n, uint64_t bits, uint64_t words) {
    return n && (times(n, bits) / 32 + (times(n, bits) % 32 != 0) == words || (n + 32 / bits - 1) / (32 / bits) == words);
}

/* weight_shape: two integers, read from the file. */
static bool stated_shape(const ms_checkpoint *ckpt, const ms_tensor *t, uint64_t shape[static 2]) {
    const ms_tensor *const stated = ms_companion(ckpt, t, ".weight_shape");
    ms_scratch scratch = {0};
    const void *bytes;
    bool ok = false;
    if (!stated || n_elements(stated->stored) != 2) return false;
    const ms_stored *const s = stated->stored;
    if ((s->dtype == MS_DTYPE_I64 || s->dtype == MS_DTYPE_I32) && s->n_bytes <= 16 &&
        ms_source_view(s->source, s->offset, (size_t)s->n_bytes, &scratch, &bytes, NULL) == MS_OK) {
        int64_t wide[2];
        int32_t narrow[2];
        if (s->dtype == MS_DTYPE_I64) memcpy(wide, bytes, sizeof wide);
        else memcpy(narrow, bytes, sizeof narrow), wide[0] = narrow[0], wide[1] = narrow[1];
        ok = wide[0] >= 0 && wide[1] >= 0;
        shape[0] = (uint64_t)wide[0], shape[1] = (uint64_t)wide[1];
    }
    ms_scratch_free(&scratch);
    return ok;
}

static ms_logical int_pack_shape(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const ms_logical logical = as_stored(t->stored);
    const uint64_t words = dim(t->stored, 0), wanted = width_in(ckpt, t);
    const uint64_t bits = t->scheme[3] >= '1' && t->scheme[3] <= '8' ? (uint64_t)(t->scheme[3] - '0') : 0;
    uint64_t stated[2];
    if (bits && packs_to(wanted, bits, words)) return last_axis(logical, wanted);
    if (stated_shape(ckpt, t, stated) && logical.rank == 2 && stated[0] == logical.shape[0])
        return last_axis(logical, stated[1]);
    if (bits && 32 % bits == 0) return last_axis(logical, times(words, 32 / bits));
    return (ms_logical){0};
}

/* The width of a code: one that the config names, else the first of the usual ones, that fits the words of a row. */
static int64_t bits_by_shape(const ms_checkpoint *ckpt, const ms_tensor *t) {
    static const int64_t usual[] = {4, 8, 2, 3, 6, 5, 1, 7};
    uint64_t stated[2], cols = width_in(ckpt, t);
    const uint64_t words = dim(t->stored, 0);
    if (stated_shape(ckpt, t, stated)) cols = stated[1];
    for (size_t i = 0; told_bits(&ckpt->model, i) >= 0; i++) {
        const int64_t bits = told_bits(&ckpt->model, i);
        if (bits >= 1 && bits <= 8 && packs_to(cols, (uint64_t)bits, words)) return bits;
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (packs_to(cols, (uint64_t)usual[i], words)) return usual[i];
    return 0;
}

void ms_scheme_settle(ms_checkpoint *ckpt) {
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        ms_tensor *const t = &ckpt->tensors[i];
        const bool is_pack = strcmp(t->scheme, "int_pack") == 0;
        if (!is_pack && !t->stored->affine) continue;
        if (is_pack) t->scheme = int_pack(bits_by_shape(ckpt, t));
        else t->scheme = t->stored->affine->scales ? "torch_affine_channel" : "torch_affine";
        if (ckpt->patterns[t->pattern].first_tensor == i) ckpt->patterns[t->pattern].scheme = t->scheme;
    }
}

static ms_logical mlx_shape(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const ms_tensor *const scales = ms_companion(ckpt, t, ".scales");
    const ms_logical logical = as_stored(t->stored);
    if (!scales) return (ms_logical){0};
    const uint64_t words = dim(t->stored, 0), groups = dim(scales->stored, 0);
    if (strcmp(t->scheme, "mlx_mxfp8") == 0) return last_axis(logical, times(words, 4));
    if (strcmp(t->scheme, "mlx_affine") != 0) return last_axis(logical, times(words, 8));
    /* Affine: in = groups * group size, and 32 * words = in * bits; several pairs may fit. The config's group size comes first,
     * then the width that the model should have. */
    const uint64_t sizes[] = {(uint64_t)ms_json_as_i64(ms_json_get(ckpt->model.quantization, "group_size"), 64), 64, 32, 128};
    const uint64_t wanted = width_in(ckpt, t);
    uint64_t found = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint64_t n = times(groups, sizes[i]), bits = n ? times(words, 32) / n : 0;
        if (n == 0 || n == UINT64_MAX || bits < 1 || bits > 8 || bits == 7 || n * bits != times(words, 32)) continue;
        if (n == wanted) return last_axis(logical, n);
        if (!found) found = n;
    }
    return found ? last_axis(logical, found) : (ms_logical){0};
}

/* The zero points tell the width of a code ("qzeros" [groups, out * bits / 32]) where `out` leaves no half words; else the
 * config, which some exports contradict module by module. */
static ms_logical gptq_shape(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const ms_stored *const s = t->stored;
    const ms_tensor *const index = ms_companion(ckpt, t, ".g_idx"), *const zeros = ms_companion(ckpt, t, ".qzeros");
    if (s->rank != 2) return (ms_logical){0};
    uint64_t in = index && index->stored->rank == 1 ? index->stored->shape[0] : 0;
    const uint64_t zero_bits = zeros ? times(dim(zeros->stored, 0), 32) : 0;
    const int64_t config_bits = told_bits(&ckpt->model, 0);
    const bool exact = s->shape[1] && zero_bits % s->shape[1] == 0;
    uint64_t bits = config_bits >= 2 && config_bits <= 8 && !exact ? (uint64_t)config_bits : 0;
    if (!bits) bits = s->shape[1] ? zero_bits / s->shape[1] : 0;
    if (!in && bits) in = times(s->shape[0], 32) / bits;
    return in ? (ms_logical){.rank = 2, .shape = {in, s->shape[1]}, .transposed = true} : (ms_logical){0};
}

static ms_logical awq_shape(const ms_tensor *t) {
    const ms_stored *const s = t->stored;
    if (s->rank != 2) return (ms_logical){0};
    return (ms_logical){.rank = 2, .shape = {s->shape[0], times(s->shape[1], 8)}, .transposed = strcmp(t->scheme, "awq") == 0};
}

const char *const ms_fp4_scales[] = {".weight_scale", ".scales",    "_scales",           ".scale", "_weight_scale",
                                     "_scale",        "_scale_inv", ".weight_scale_inv", NULL};

/* Two codes a byte along the last axis; or, where the scales say so, along the one before: ModelOpt turns stacks of
 * [E, in, out] before it packs them, and back afterwards: [E, in / 2, out] with scales [E, in / 16, out]. */
static ms_logical fp4_shape(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const ms_tensor *const scale = companion_any(ckpt, t, ms_fp4_scales);
    const uint64_t bytes_a_group = strcmp(t->scheme, "nvfp4") == 0 ? 8 : 16, rows = dim(t->stored, 1), cols = dim(t->stored, 0);
    ms_logical logical = as_stored(t->stored);
    const bool down = scale && logical.rank >= 2 && scale->stored->rank == logical.rank && dim(scale->stored, 0) == cols &&
                      times(dim(scale->stored, 1), bytes_a_group) == rows;
    if (!down) return last_axis(logical, times(cols, 2));
    logical.shape[logical.rank - 2] = times(rows, 2);
    logical.in_before_out = true;
    return logical;
}

/* {"quant_type": "nf4", "shape": [out, in], ...} */
static ms_logical bnb_shape(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const ms_tensor *const state =
        COMPANION(ckpt, t, ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4");
    ms_logical logical = {0};
    ms_scratch scratch = {0};
    ms_arena arena = {.budget = 1 << 16};
    const void *bytes;
    const ms_json_value *root;
    if (state && state->stored->n_bytes < 4096 &&
        ms_source_view(state->stored->source, state->stored->offset, (size_t)state->stored->n_bytes, &scratch, &bytes, NULL) ==
            MS_OK &&
        ms_json_parse(&root, bytes, (size_t)state->stored->n_bytes, &arena, NULL) == MS_OK) {
        const ms_json_value *const shape = ms_json_get(root, "shape");
        if (shape && shape->kind == MS_JSON_ARRAY && shape->array.n <= MS_LOGICAL_RANK) {
            logical.rank = (uint32_t)shape->array.n;
            for (size_t i = 0; i < shape->array.n; i++) {
                const int64_t n = ms_json_as_i64(&shape->array.items[i], -1);
                if (n < 0) logical.rank = 0;
                else logical.shape[i] = (uint64_t)n;
            }
        }
    }
    ms_arena_free(&arena);
    ms_scratch_free(&scratch);
    return logical;
}

static ms_logical unpacked(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const char *const scheme = t->scheme ? t->scheme : "";
    const ms_leaf *const leaf = ckpt->patterns ? ckpt->patterns[t->pattern].leaf : NULL;
    ms_logical logical = as_stored(t->stored);
    if (scheme[0] == 0 || strncmp(scheme, "fp8_", 4) == 0 || strcmp(scheme, "gguf_nvfp4") == 0 ||
        strncmp(scheme, "torch_", 6) == 0 || strcmp(scheme, "mxfp8") == 0 || strcmp(scheme, "int8_scaled") == 0 ||
        strcmp(scheme, "bnb_int8") == 0)
        return logical;
    if (strcmp(scheme, "mxfp4") == 0 && leaf && ms_str_ends_with(ms_str_of(leaf->text), MS_STR("blocks"))) {
        if (logical.rank < 3) return (ms_logical){0}; /* [.., groups, 16 bytes] */
        logical.rank--;
        return last_axis(logical, times(logical.shape[logical.rank - 1], times(logical.shape[logical.rank], 2)));
    }
    if (strcmp(scheme, "mxfp6") == 0) return last_axis(logical, times(dim(t->stored, 0), 4) / 3);
    if (strcmp(scheme, "mxfp4") == 0 || strcmp(scheme, "nvfp4") == 0) return fp4_shape(ckpt, t);
    if (strncmp(scheme, "int", 3) == 0) return int_pack_shape(ckpt, t);
    if (strncmp(scheme, "mlx_", 4) == 0) return mlx_shape(ckpt, t);
    if (strcmp(scheme, "gptq") == 0) return gptq_shape(ckpt, t);
    if (strncmp(scheme, "awq", 3) == 0) return awq_shape(t);
    if (strncmp(scheme, "bnb_", 4) == 0) return bnb_shape(ckpt, t);
    return (ms_logical){0};
}

ms_logical ms_logical_shape(const ms_checkpoint *ckpt, const ms_tensor *tensor) {
    const ms_logical logical = unpacked(ckpt, tensor);
    uint64_t n = 1;
    for (uint32_t i = 0; i < logical.rank; i++)
        if (!ms_mul_u64(n, logical.shape[i], &n)) return (ms_logical){0};
    return logical;
}

uint64_t ms_parameter_count(const ms_checkpoint *ckpt, const ms_tensor *tensor) {
    if (tensor->role == MS_ROLE_QUANT_AUX) return 0;
    const ms_logical logical = ms_logical_shape(ckpt, tensor);
    if (logical.rank == 0) return n_elements(tensor->stored);
    uint64_t n = 1;
    for (uint32_t i = 0; i < logical.rank; i++) n *= logical.shape[i];
    return n;
}
