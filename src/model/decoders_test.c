#include "decoders.h"

#include <stdlib.h>

#include "make_model.h"
#include "scheme.h"
#include "side.h"
#include "test.h"
#include "torture.h"

/* One tensor in each scheme, with what lies beside it: "up_proj" of an expert, of no special size. What the values are is the
 * business of tests/oracle/quantised_oracle.py; here it is that the way of reading does not matter. */
typedef struct ms_stored_case {
    const char *scheme, *config;
    const char *lines[8]; /* after "model.layers.0.mlp.experts.0.up_proj" */
} ms_stored_case;

#define NF4 "{\"blocksize\": 64, \"nested_blocksize\": 256, \"nested_offset\": 0.5, \"shape\": [7, 45]}"
#define CT(bits) \
    "{\"hidden_size\": 96, \"quantization_config\": {\"config_groups\": {\"g\": {\"weights\": {\"num_bits\": " #bits "}}}}}"
#define METHOD(name) "{\"quantization_config\": {\"quant_method\": \"" name "\"}}"
#define UNKNOWN MS_ERR_UNSUPPORTED, "cannot be decoded"
#define GPTQ(bits) "{\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": " #bits "}}"

static const ms_stored_case cases[] = {
    {"fp8_tensor", NULL, {".weight F8_E4M3 7x45", ".weight_scale F32 1"}},
    {"fp8_channel", NULL, {".weight F8_E5M2 7x45", ".weight_scale BF16 7x1"}},
    {"fp8_block", NULL, {".weight F8_E4M3 150x200", ".weight_scale_inv F32 2x2"}},
    {"mxfp8", NULL, {".weight F8_E4M3 7x96", ".weight_scale U8 7x3"}},
    {"mxfp6", NULL, {".weight_packed U8 7x72", ".weight_scale U8 7x3"}},
    {"mxfp4", NULL, {".weight_packed U8 7x48", ".weight_scale U8 7x3"}},
    {"nvfp4", NULL, {".weight_packed U8 7x24", ".weight_scale F8_E4M3 7x3", ".weight_global_scale F32 1"}},
    {"nvfp4", NULL, {".weight U8 7x24", ".weight_scale F8_E4M3 7x3", ".weight_scale_2 F32 -"}},
    {"nvfp4", NULL, {".weight U8 24x7", ".weight_scale F8_E4M3 3x7", ".weight_scale_2 F32 -"}}, /* packed down */
    {"mxfp4", NULL, {".weight U8 7x48", ".weight_scale U8 7x3"}},
    {"mxfp4", NULL, {".weight U8 48x7", ".weight_scale U8 3x7"}},
    {"mxfp4", NULL, {".weight I8 7x48", ".weight_scale_inv F8_E8M0 7x3"}},
    {"int1_pack", CT(1), {".weight_packed I32 7x3", ".weight_scale BF16 7x3"}},
    {"int3_pack", CT(3), {".weight_packed I32 7x9", ".weight_scale BF16 7x3", ".weight_zero_point I32 1x3"}},
    {"int3_pack", CT(3), {".weight_packed I32 7x10", ".weight_scale F16 7x1"}},
    {"int4_pack",
     CT(4),
     {".weight_packed I32 7x12", ".weight_scale F16 7x3", ".weight_g_idx I32 96", ".weight_zero_point I32 1x3"}},
    {"int7_pack", CT(7), {".weight_packed I32 7x21", ".weight_scale F32 7x3", ".weight_zero_point I32 2x3"}},
    {"int8_scaled", NULL, {".weight I8 7x96", ".weight_scale F32 7x3", ".weight_zero_point I8 7x3"}},
    {"int8_scaled", NULL, {"._weight_qdata I8 7x96", "._weight_scale F32 7x1", "._weight_zero_point I8 7x1"}},
    {"fp8_channel", NULL, {"._weight_qdata F8_E4M3 7x45", "._weight_scale F32 7x1"}},
    {"gptq", GPTQ(2), {".qweight I32 6x80", ".qzeros I32 3x5", ".scales F16 3x80", ".g_idx I32 96"}},
    {"gptq", GPTQ(3), {".qweight I32 9x96", ".qzeros I32 3x9", ".scales F16 3x96", ".g_idx I32 96"}},
    {"gptq", GPTQ(4), {".qweight I32 12x72", ".qzeros I32 3x9", ".scales F16 3x72"}},
    {"gptq", GPTQ(8), {".qweight I32 24x8", ".qzeros I32 3x2", ".scales F16 3x8"}},
    {"awq", NULL, {".qweight I32 96x9", ".qzeros I32 3x9", ".scales F16 3x72"}},
    {"awq_gemv",
     "{\"quantization_config\": {\"quant_method\": \"awq\", \"group_size\": 32}}",
     {".qweight I32 7x12", ".qzeros I32 7x1", ".scales F16 7x8"}},
    {"mlx_affine", NULL, {".weight U32 7x12", ".scales BF16 7x2", ".biases BF16 7x2"}},
    {"mlx_affine", NULL, {".weight U32 7x12", ".scales BF16 7x2", ".qbiases BF16 7x2"}},
    {"mlx_mxfp4", NULL, {".weight U32 7x12", ".scales U8 7x3"}},
    {"mlx_mxfp8", NULL, {".weight U32 7x24", ".scales U8 7x3"}},
    {"mlx_nvfp4", NULL, {".weight U32 7x12", ".scales U8 7x6"}},
    {"bnb_nf4",
     NULL,
     {".weight U8 158x1", ".weight.absmax U8 5", ".weight.quant_map F32 16", ".weight.nested_absmax F32 1",
      ".weight.nested_quant_map F32 256", ".weight.quant_state.bitsandbytes__nf4 U8 82"}},
    {"bnb_nf4",
     NULL,
     {".weight BF16 79x1", ".weight.absmax F32 5", ".weight.quant_map F32 16", ".weight.quant_state.bitsandbytes__nf4 U8 82"}},
    {"bnb_int8", NULL, {".weight I8 7x45", ".SCB F32 7"}},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static const char module[] = "model.layers.0.mlp.experts.0.up_proj";

/* The file of a case, its data random but for what must make sense: a text, and indexes of groups. */
static ms_str case_file(ms_arena *arena, const ms_stored_case *c, ms_gen *g) {
    const char *lines[9] = {NULL};
    for (size_t i = 0; i < 8 && c->lines[i]; i++) lines[i] = ms_arena_printf(arena, "%s%s", module, c->lines[i]).text;
    const ms_str file = make_model_file(arena, lines);
    ms_checkpoint *ckpt;
    ms_err err = {0};
    if (try_make_model(&ckpt, file, c->config, &err) != MS_OK) abort();
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_stored *const s = ckpt->tensors[i].stored;
        uint8_t *const bytes = (uint8_t *)file.text + s->offset;
        if (ms_str_contains(s->name, MS_STR("quant_state"))) memcpy(bytes, NF4, sizeof NF4 - 1);
        else if (ms_str_ends_with(s->name, MS_STR("g_idx")))
            for (uint64_t k = 0; k < s->n_bytes; k += 4) bytes[k] = (uint8_t)gen_below(g, 3);
        else
            for (uint64_t k = 0; k < s->n_bytes; k++) bytes[k] = (uint8_t)gen_u64(g);
    }
    ms_checkpoint_close(ckpt);
    return file;
}

static const ms_tensor *weight_of(const ms_checkpoint *ckpt, const char *scheme) {
    for (size_t i = 0; i < ckpt->n_tensors; i++)
        if (strcmp(ckpt->tensors[i].scheme, scheme) == 0) return &ckpt->tensors[i];
    return NULL;
}

static bool same_bits(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(isnan(a[i]) && isnan(b[i])) && memcmp(&a[i], &b[i], sizeof a[i]) != 0) return false;
    return true;
}

/* Runs of any length in any order, one opening or many: the same values. */
static void check_runs(const ms_checkpoint *ckpt, const ms_tensor *t, ms_gen *g, const ms_stored_case *c) {
    const ms_logical shape = ms_logical_shape(ckpt, t);
    uint64_t n = 1;
    ms_scratch scratch = {0};
    ms_decoding decoding;
    ms_err err = {0};
    for (uint32_t i = 0; i < shape.rank; i++) n *= shape.shape[i];
    CHECK(shape.rank == 2 && n >= 300);
    float *const whole = ms_mem_alloc_array(n, sizeof *whole), *const part = ms_mem_alloc_array(n, sizeof *part);
    CHECK_OK(ms_decoders_run(ckpt, t, 0, n, &scratch, whole, &err), &err);
    CHECK_OK(ms_decoding_open(&decoding, ckpt, t, &scratch, &err), &err);
    for (int i = 0; i < 40; i++) {
        const uint64_t first = gen_below(g, n), count = 1 + gen_below(g, gen_below(g, 2) ? 5 : n - first);
        const size_t n_run = count < n - first ? count : n - first;
        CHECK_OK(ms_decoding_run(&decoding, first, n_run, part, &err), &err);
        CHECK_MSG(same_bits(part, whole + first, n_run), "%s (%s): elements %llu and %zu after it", c->scheme, c->lines[0],
                  (unsigned long long)first, n_run);
    }
    ms_decoding_close(&decoding);
    ms_mem_free(whole), ms_mem_free(part);
    ms_scratch_free(&scratch);
}

PROPERTY(decoders_give_the_same_in_any_order, 20) {
    for (size_t i = 0; i < N_CASES; i++) {
        ms_arena arena = {0};
        ms_checkpoint *ckpt;
        ms_err err = {0};
        CHECK_OK(try_make_model(&ckpt, case_file(&arena, &cases[i], g), cases[i].config, &err), &err);
        const ms_tensor *const t = weight_of(ckpt, cases[i].scheme);
        CHECK_MSG(t, "%s is not seen in %s", cases[i].scheme, cases[i].lines[0]);
        if (t) check_runs(ckpt, t, g, &cases[i]);
        ms_checkpoint_close(ckpt);
        ms_arena_free(&arena);
    }
}

/* Each allocation of opening and reading fails once. */
typedef struct ms_reading_case {
    const ms_checkpoint *ckpt;
    const ms_tensor *tensor;
} ms_reading_case;

static ms_status read_once(void *context, ms_err *err) {
    const ms_reading_case *const r = context;
    ms_scratch scratch = {0};
    float out[300];
    const ms_status status = ms_decoders_run(r->ckpt, r->tensor, 0, 300, &scratch, out, err);
    ms_scratch_free(&scratch);
    return status;
}

TEST(decoders_survive_failing_allocations) {
    ms_gen gen = {7};
    for (size_t i = 0; i < N_CASES; i++) {
        ms_arena arena = {0};
        ms_reading_case r = {0};
        ms_checkpoint *ckpt;
        ms_err err = {0};
        CHECK_OK(try_make_model(&ckpt, case_file(&arena, &cases[i], &gen), cases[i].config, &err), &err);
        r = (ms_reading_case){ckpt, weight_of(ckpt, cases[i].scheme)};
        if (r.tensor) CHECK_SURVIVES_MEMORY(read_once, &r);
        ms_checkpoint_close(ckpt);
        ms_arena_free(&arena);
    }
}

/* What lies beside a tensor and does not fit it. */
TEST(decoders_refuse_what_does_not_fit) {
    static const struct {
        ms_stored_case stored;
        ms_status status;
        const char *words;
    } bad[] = {
        {{"mxfp4", NULL, {".weight_packed U8 7x48", ".weight_scale U8 3x7"}}, MS_ERR_UNSUPPORTED, "another layout"},
        {{"mxfp4", NULL, {".weight_packed U8 7x48", ".weight_scale U8 21"}}, MS_ERR_UNSUPPORTED, "flat"},
        {{"mxfp4", NULL, {".weight_packed U8 7x48"}}, MS_ERR_DAMAGED, "missing"},
        {{"nvfp4", NULL, {".weight U8 7x24", ".weight_scale F8_E4M3 7x3", ".weight_scale_2 F32 7"}},
         MS_ERR_UNSUPPORTED,
         "7 values"},
        {{"int4_pack", CT(4), {".weight_packed I32 7x12", ".weight_scale F16 7x100"}}, MS_ERR_DAMAGED, "100 scales"},
        {{"int4_pack", CT(4), {".weight_packed I32 7x12", ".weight_scale F16 7x3", ".weight_g_idx I32 9"}},
         MS_ERR_DAMAGED,
         "9 groups"},
        {{"gptq", GPTQ(4), {".qweight I32 12x72", ".qzeros I32 100x9", ".scales F16 100x72"}}, MS_ERR_DAMAGED, "100 groups"},
        {{"gptq", GPTQ(4), {".qweight I32 12x72", ".scales F16 3x72", ".g_idx I32 96"}}, MS_ERR_DAMAGED, "qzeros"},
        {{"gptq", GPTQ(4), {".qweight I32 12x72", ".qzeros I32 9x3", ".scales F16 3x72"}},
         MS_ERR_UNSUPPORTED,
         "another layout"},
        {{"awq_gemv", METHOD("awq"), {".qweight I32 6x144", ".qzeros I32 3x9", ".scales F16 3x72"}},
         MS_ERR_UNSUPPORTED,
         "another layout"},
        {{"int8_scaled", NULL, {".weight I8 96x7", ".weight_scale F32 1x7"}}, MS_ERR_UNSUPPORTED, "another layout"},
        {{"awq_gemv_fast", METHOD("awq"), {".qweight I16 18x96", ".qzeros F16 8x72", ".scales F16 8x72"}}, UNKNOWN},
        {{"awq_marlin",
          "{\"quantization_config\": {\"quant_method\": \"awq\", \"version\": \"marlin\"}}",
          {".qweight I32 6x144", ".qzeros I32 3x9", ".scales F16 3x72"}},
         UNKNOWN},
        {{"packed", GPTQ(4), {".qweight I16 24x72", ".qzeros I16 3x18", ".scales F16 3x72"}}, UNKNOWN},
        {{"packed", NULL, {".weight U32 7x12", ".scales BF16 7x3"}}, UNKNOWN},
        {{"packed", NULL, {".weight U8 24x96", ".weight_scale F32 48x1"}}, UNKNOWN},
        {{"eetq", METHOD("eetq"), {".weight I8 96x7", ".weight_scales F16 7"}}, UNKNOWN},
        {{"hqq", METHOD("hqq"), {".W_q U8 24x96", ".scale F16 1x36", ".zero F16 1x36"}}, UNKNOWN},
        {{"aqlm", METHOD("aqlm"), {".codes I16 7x12x1", ".codebooks F16 1x256x1x8", ".scales F16 7x1x1x1"}}, UNKNOWN},
        {{"spqr", METHOD("spqr"), {".dense_weights I64 9", ".row_offsets I32 8", ".col_vals I32 4"}}, UNKNOWN},
        {{"vptq", METHOD("vptq"), {".indices I32 1x9x9", ".centroids.weight F16 1x512"}}, UNKNOWN},
        {{"higgs", METHOD("higgs"), {".weight I16 7x48", ".scales F16 7x1", ".tables F16 256x2"}}, UNKNOWN},
        {{"torchao", METHOD("torchao"), {"._weight_qdata U8 7x24", "._weight_scale BF16 7x3"}}, UNKNOWN},
        {{"fp_quant", METHOD("fp_quant"), {".qweight U8 7x48", ".scales U8 7x3"}}, UNKNOWN},
        {{"marlin", METHOD("gptq"), {".B I32 6x144", ".s F16 3x72", ".workspace I32 16"}}, UNKNOWN},
        {{"bitnet", METHOD("bitnet"), {".weight U8 12x48", ".weight_scale BF16 1"}}, UNKNOWN},
    };
    ms_gen gen = {1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ms_arena arena = {0};
        ms_checkpoint *ckpt;
        ms_scratch scratch = {0};
        ms_err err = {0};
        float out[16];
        CHECK_OK(try_make_model(&ckpt, case_file(&arena, &bad[i].stored, &gen), bad[i].stored.config, &err), &err);
        const ms_tensor *const t = weight_of(ckpt, bad[i].stored.scheme);
        CHECK_MSG(t, "%s is not seen", bad[i].stored.scheme);
        if (t) CHECK_FAILS(ms_decoders_run(ckpt, t, 0, 16, &scratch, out, &err), bad[i].status, &err, bad[i].words);
        ms_scratch_free(&scratch);
        ms_checkpoint_close(ckpt);
        ms_arena_free(&arena);
    }
}

/* Groups out of range are found, and an index that begins with -1 says that there is none. */
TEST(decoders_check_indexes_of_groups) {
    static const ms_stored_case c = {
        "int4_pack", CT(4), {".weight_packed I32 7x12", ".weight_scale F32 7x3", ".weight_g_idx I32 96"}};
    ms_gen gen = {3};
    ms_arena arena = {0};
    ms_scratch scratch = {0};
    ms_checkpoint *ckpt;
    ms_err err = {0};
    float plain[96], out[96];
    const ms_str file = case_file(&arena, &c, &gen);
    CHECK_OK(try_make_model(&ckpt, file, c.config, &err), &err);
    const ms_tensor *const t = weight_of(ckpt, c.scheme), *const index = ms_companion(ckpt, t, ".weight_g_idx");
    int32_t *const groups = (int32_t *)(void *)((char *)file.text + index->stored->offset);
    for (int32_t k = 0; k < 96; k++) memcpy(&groups[k], &(int32_t){k / 32}, sizeof groups[k]);
    CHECK_OK(ms_decoders_run(ckpt, t, 0, 96, &scratch, plain, &err), &err);
    memcpy(&groups[0], &(int32_t){-1}, sizeof groups[0]);
    CHECK_OK(ms_decoders_run(ckpt, t, 0, 96, &scratch, out, &err), &err);
    CHECK(same_bits(plain, out, 96));
    memcpy(&groups[0], &(int32_t){0}, sizeof groups[0]);
    memcpy(&groups[95], &(int32_t){3}, sizeof groups[95]);
    CHECK_FAILS(ms_decoders_run(ckpt, t, 0, 16, &scratch, out, &err), MS_ERR_DAMAGED, &err,
                "column 95 belongs to group 3 of 3");
    ms_scratch_free(&scratch);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

/* Against bits taken one by one; the bytes end where the last code does. */
PROPERTY(side_unpack_is_the_bit_stream, 400) {
    const unsigned bits = 1 + (unsigned)gen_below(g, 8), bit = (unsigned)gen_below(g, 8);
    const size_t n = gen_below(g, 70), n_bytes = (bit + n * bits + 7) / 8;
    uint8_t *const bytes = ms_mem_alloc(n_bytes), *const out = ms_mem_alloc(n);
    for (size_t i = 0; i < n_bytes; i++) bytes[i] = (uint8_t)gen_u64(g);
    ms_side_unpack(bytes, bit, bits, n, out);
    for (size_t i = 0; i < n; i++) {
        unsigned want = 0;
        for (unsigned k = 0; k < bits; k++) {
            const size_t at = bit + i * bits + k;
            want |= (unsigned)(bytes[at / 8] >> at % 8 & 1) << k;
        }
        CHECK_MSG(out[i] == want, "%u bits from bit %u: code %zu is %u, want %u", bits, bit, i, out[i], want);
    }
    ms_mem_free(bytes), ms_mem_free(out);
}
