#include "extract.h"

#include "extract_cut.h"
#include "make_model.h"
#include "mem.h"
#include "test.h"

/* ---- layouts and splits: against a walk over every element ---- */

TEST(extract_cut_applies_a_layout_and_row_stack) {
    char why[MS_CUT_WHY];
    const uint64_t extents[] = {6, 5};
    const ms_cut_shape shape = {extents, 2, false};
    /* [E * I, H] = [3 * 2, 5], each expert transposed: R = H, C = I */
    const ms_extract_rule rule = {.layer_axis = MS_NO_AXIS, .expert_axis = 0, .rows_axis = 2, .cols_axis = 1, .row_stack = 3};
    ms_cut cut;
    CHECK_MSG(ms_cut_layout(&cut, &rule, &shape, why), "%s", why);
    CHECK(cut.rank == 3 && cut.experts == 3 && cut.rows == 5 && cut.cols == 2);
    CHECK(cut.expert_stride == 10 && cut.row_stride == 1 && cut.col_stride == 5);
}

TEST(extract_cut_says_why_a_layout_does_not_fit) {
    static const struct {
        ms_extract_rule rule;
        uint32_t rank;
        const char *why;
    } cases[] = {
        {{.layer_axis = MS_NO_AXIS, .expert_axis = 0, .rows_axis = MS_NO_AXIS, .cols_axis = 1},
         2,
         "layout must include rows_axis and cols_axis"},
        {{.layer_axis = MS_NO_AXIS, .expert_axis = 0, .rows_axis = 1, .cols_axis = 2},
         2,
         "layout axes [0, 1, 2] do not cover ndim=2"},
        {{.layer_axis = MS_NO_AXIS, .expert_axis = MS_NO_AXIS, .rows_axis = 1, .cols_axis = 2},
         9,
         "layout axes [1, 2] do not cover ndim=9"},
        {{.layer_axis = MS_NO_AXIS, .expert_axis = 0, .rows_axis = 1, .cols_axis = 3},
         3,
         "axis 3 is out of bounds for array of dimension 3"},
        {{.layer_axis = MS_NO_AXIS, .expert_axis = 0, .rows_axis = 1, .cols_axis = -2},
         3,
         "repeated axis in layout [0, 1, -2]"},
        {{.layer_axis = MS_NO_AXIS, .expert_axis = 0, .rows_axis = 1, .cols_axis = 2, .row_stack = 5},
         2,
         "row_stack 5 does not divide axis 0 of length 6"},
    };
    const uint64_t extents[] = {6, 4, 8, 2, 2, 2, 2, 2, 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[MS_CUT_WHY] = "";
        const ms_cut_shape shape = {extents, cases[i].rank, false};
        ms_cut cut;
        CHECK(!ms_cut_layout(&cut, &cases[i].rule, &shape, why));
        CHECK_EQ_TEXT(why, cases[i].why);
    }
}

TEST(extract_cut_says_why_a_split_does_not_fit) {
    static const int64_t five[] = {2, 3}, zero[] = {2, 0}, uneven[] = {2, 4};
    static const ms_str projs[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    static const struct {
        ms_packed_split split;
        const char *why;
    } cases[] = {
        {{.rows = true, .sizes = five, .n_sizes = 2}, "split sizes sum to 5, expected 6 along axis 1"},
        {{.rows = false, .sizes = five, .n_sizes = 2}, "split sizes sum to 5, expected 8 along axis 2"},
        {{.rows = true, .sizes = zero, .n_sizes = 2}, "split sizes must be positive; got 0"},
        {{.rows = true, .sizes = five, .n_sizes = 1, .bad_size = {"float", 5}}, "split sizes must be integers; got float"},
        {{.rows = true, .sizes = NULL, .n_sizes = 0}, "splits must be non-empty"},
        {{.rows = true, .sizes = uneven, .n_sizes = 2, .interleave = true},
         "interleaved parts must be equal; got sizes 2 and 4"},
        {{.rows = true, .equal = true, .projs = projs, .n_projs = 4}, "4 equal parts do not divide 6 along axis 1"},
    };
    const ms_cut cut = {.rank = 3, .layers = 1, .experts = 2, .rows = 6, .cols = 8};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[MS_CUT_WHY] = "";
        CHECK(!ms_cut_check_split(&cut, &cases[i].split, why));
        CHECK_EQ_TEXT(why, cases[i].why);
    }
}

/* Any layout of any shape, stored in either order, split in two: each element of each part is where plain indexing finds it. */
PROPERTY(extract_cut_finds_every_element, 300) {
    const int rank = (int)gen_below(g, 3) + 2;
    uint64_t extents[4], n = 1;
    int32_t axis[4];
    for (int i = 0; i < rank; i++) {
        extents[i] = gen_below(g, 4) + 1;
        n *= extents[i];
        axis[i] = i;
    }
    for (int i = rank - 1; i > 0; i--) {
        const size_t k = gen_below(g, (size_t)i + 1);
        const int32_t t = axis[i];
        axis[i] = axis[k], axis[k] = t;
    }
    const ms_extract_rule rule = {.layer_axis = rank == 4 ? axis[0] : MS_NO_AXIS,
                                  .expert_axis = rank >= 3 ? axis[rank - 3] : MS_NO_AXIS,
                                  .rows_axis = axis[rank - 2],
                                  .cols_axis = gen_below(g, 2) ? axis[rank - 1] : axis[rank - 1] - rank};
    const ms_cut_shape shape = {extents, (uint32_t)rank, gen_below(g, 2) == 1};
    char why[MS_CUT_WHY];
    ms_cut cut;
    CHECK_MSG(ms_cut_layout(&cut, &rule, &shape, why), "%s", why);
    const uint64_t length = cut.rows;
    const int64_t sizes[] = {(int64_t)(length / 2), (int64_t)(length - length / 2)};
    static const ms_str projs[] = {{"a", 1}, {"b", 1}};
    const bool even = length % 2 == 0;
    const ms_packed_split split = {.rows = true,
                                   .equal = even && gen_below(g, 2),
                                   .interleave = even && gen_below(g, 2),
                                   .sizes = sizes,
                                   .n_sizes = 2,
                                   .projs = projs,
                                   .n_projs = 2};
    if (length < 2) return;
    CHECK_MSG(ms_cut_check_split(&cut, &split, why), "%s", why);
    uint64_t seen = 0;
    for (size_t k = 0; k < 2; k++) {
        const ms_cut part = ms_cut_part(&cut, &split, k);
        for (uint64_t l = 0; l < part.layers; l++)
            for (uint64_t e = 0; e < part.experts; e++)
                for (uint64_t r = 0; r < part.rows; r++)
                    for (uint64_t c = 0; c < part.cols; c++, seen++) {
                        const uint64_t at = part.first + l * part.layer_stride + e * part.expert_stride + r * part.row_stride +
                                            c * part.col_stride;
                        const uint64_t row = split.interleave ? 2 * r + k : k == 0 ? r : r + (uint64_t)sizes[0];
                        const uint64_t canonical[] = {l, e, row, c};
                        uint64_t index[4] = {0}, flat = 0;
                        for (int i = 0; i < rank; i++) index[axis[i]] = canonical[4 - rank + i];
                        for (int i = 0; i < rank; i++) {
                            const int j = shape.column_major ? rank - 1 - i : i;
                            flat = flat * extents[j] + index[j];
                        }
                        CHECK_EQ_I64(at, flat);
                    }
    }
    CHECK_EQ_I64(seen, n);
}

/* ---- extraction ---- */

typedef struct bench {
    ms_run_config config;
    ms_notes notes;
    ms_arena arena; /* of the model */
    ms_checkpoint *ckpt;
    ms_bank_cutter *families;
    ms_extractor *x;
    ms_err err;
} bench;

/* The template with `changed` in place of some of its sections. */
static bool begin(bench *b, const char *json) {
    *b = (bench){0};
    return ms_run_config_parse(&b->config, json, strlen(json), "c.json", NULL, &b->err) == MS_OK &&
           ms_extractor_create(&b->x, &b->config, &b->notes, &b->err) == MS_OK;
}

static void end(bench *b) {
    ms_extractor_destroy(b->x);
    ms_run_config_free(&b->config);
    ms_notes_free(&b->notes);
    ms_bank_cutter_close(b->families);
    ms_checkpoint_close(b->ckpt);
    ms_arena_free(&b->arena);
}

static ms_extract_source source_of(const char *name, const uint64_t *shape, uint32_t rank) {
    return (ms_extract_source){
        .file = MS_STR("f.npz"), .name = ms_str_of(name), .shape = shape, .rank = rank, .is_float = true, .section = ""};
}

static ms_status extract(bench *b, const char *name, const uint64_t *shape, uint32_t rank, ms_extract_result *r) {
    const ms_extract_source source = source_of(name, shape, rank);
    return ms_extract(b->x, &source, r, &b->err);
}

static const ms_bank *bank_of(const bench *b, const ms_extract_result *r, size_t k) {
    return &b->x->banks.items[r->first_bank + k];
}
static const ms_matrix *matrix_of(const bench *b, const ms_bank *bank, size_t k) {
    return &b->x->banks.matrices.items[bank->first_matrix + k];
}

#define RULE_3D                                                                                                          \
    "{\"name\": \"r3\", \"match\": \".*experts\\\\.(\\\\w+)\\\\.weight$\", \"ndim\": 3, \"proj_group\": 1, \"layout\": " \
    "{\"expert_axis\": 0, \"rows_axis\": 1, \"cols_axis\": 2}}"
#define RULE_2D                                                                                                           \
    "{\"name\": \"r2\", \"match\": \".*experts\\\\.(\\\\d+)\\\\.(\\\\w+)\\\\.weight$\", \"ndim\": 2, \"proj_group\": 2, " \
    "\"expert_group\": 1, \"layout\": {\"rows_axis\": 0, \"cols_axis\": 1}}"

static const uint64_t s2[] = {4, 6}, s3[] = {3, 4, 6}, s4[] = {2, 3, 4, 6};

TEST(extract_rule_of_a_stacked_bank_numbers_its_experts) {
    bench b;
    ms_extract_result r;
    CHECK_MSG(begin(&b, "{\"extract_rules\": [" RULE_2D ", " RULE_3D "]}"), "%s", b.err.text);
    CHECK_OK(extract(&b, "model.layers.7.mlp.experts.w1.weight", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_RULE && r.n_banks == 1 && !r.reason);
    CHECK_EQ_STR(r.rule, "r3");
    const ms_bank *const bank = bank_of(&b, &r, 0);
    CHECK_EQ_STR(bank->proj, "gate_proj");
    CHECK(bank->layer == 7 && bank->n_matrices == 3 && bank->role == MS_ROLE_EXPERT && bank->origin == MS_ORIGIN_RULE);
    CHECK(matrix_of(&b, bank, 2)->expert == 2 && matrix_of(&b, bank, 2)->first == 48);
    end(&b);
}

TEST(extract_rule_of_single_experts_takes_the_id_from_its_group) {
    bench b;
    ms_extract_result r;
    CHECK_MSG(begin(&b, "{\"extract_rules\": [" RULE_2D "]}"), "%s", b.err.text);
    CHECK_OK(extract(&b, "layers.0012.experts.0034.down_proj.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_RULE && bank_of(&b, &r, 0)->layer == 12 && matrix_of(&b, bank_of(&b, &r, 0), 0)->expert == 34);
    CHECK_OK(extract(&b, "x.shared_experts.5.down_proj.weight", s2, 2, &r), &b.err);
    CHECK(bank_of(&b, &r, 0)->layer == -1 && bank_of(&b, &r, 0)->role == MS_ROLE_SHARED_EXPERT);
    CHECK_EQ_I64(matrix_of(&b, bank_of(&b, &r, 0), 0)->expert, -1);
    end(&b);
}

TEST(extract_rule_without_expert_group_calls_every_tensor_expert_0) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"extract_rules\": [{\"name\": \"r\", \"match\": \".*experts\", \"layout\": {\"rows_axis\": 0, "
                    "\"cols_axis\": 1}}]}"));
    CHECK_OK(extract(&b, "layers.1.experts.9.w2.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_RULE);
    CHECK_EQ_I64(matrix_of(&b, bank_of(&b, &r, 0), 0)->expert, 0);
    end(&b);
}

TEST(extract_first_fitting_rule_decides_even_when_it_cannot_name_a_projection) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"extract_rules\": [{\"name\": \"off\", \"enabled\": false, \"match\": \".*\"},"
                    " {\"name\": \"other ndim\", \"match\": \".*\", \"ndim\": 4},"
                    " {\"name\": \"nameless\", \"match\": \".*foo\", \"layout\": {\"rows_axis\": 0, \"cols_axis\": 1}},"
                    " {\"name\": \"late\", \"match\": \".*\\\\.(foo)\\\\.\", \"proj_group\": 1, \"layout\": {\"rows_axis\": 0, "
                    "\"cols_axis\": 1}}]}"));
    CHECK_OK(extract(&b, "experts.0.foo.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_NONE);
    CHECK_EQ_TEXT(r.reason, "no_rule_match_or_proj_infer");
    end(&b);
}

TEST(extract_fallback_guesses_from_name_and_shape) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{}"));
    CHECK_OK(extract(&b, "model.layers.2.block_sparse_moe.experts.5.w3.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_FALLBACK && bank_of(&b, &r, 0)->layer == 2);
    CHECK_EQ_STR(bank_of(&b, &r, 0)->proj, "up_proj");
    CHECK_EQ_I64(matrix_of(&b, bank_of(&b, &r, 0), 0)->expert, 5);
    CHECK_OK(extract(&b, "layers.2.experts.down_proj", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_FALLBACK && bank_of(&b, &r, 0)->n_matrices == 3);
    CHECK_OK(extract(&b, "layers.2.experts.down_proj", s4, 4, &r), &b.err);
    CHECK(r.via == MS_VIA_NONE);
    CHECK_OK(extract(&b, "layers.2.experts.gate_up_proj", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_NONE);
    end(&b);
}

TEST(extract_four_axes_count_layers_from_the_name) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b,
                "{\"extract_rules\": [{\"name\": \"r\", \"match\": \".*experts\", \"ndim\": 4, \"layout\": {\"layer_axis\": 0, "
                "\"expert_axis\": 1, \"rows_axis\": 2, \"cols_axis\": 3}}]}"));
    CHECK_OK(extract(&b, "experts.w1", s4, 4, &r), &b.err);
    CHECK(r.n_banks == 2 && bank_of(&b, &r, 0)->layer == 0 && bank_of(&b, &r, 1)->layer == 1);
    CHECK_OK(extract(&b, "layers.10.experts.w1", s4, 4, &r), &b.err);
    CHECK(r.n_banks == 2 && bank_of(&b, &r, 1)->layer == 11 && bank_of(&b, &r, 1)->n_matrices == 3);
    CHECK_EQ_I64(matrix_of(&b, bank_of(&b, &r, 1), 1)->first, 72 + 24);
    end(&b);
}

#define SPLIT(strict, split)                                                                                                \
    "{\"parsing\": {\"strict_packed_split\": " strict "}, \"extract_rules\": [{\"name\": \"f\", \"match\": \".*experts\", " \
    "\"layout\": {\"expert_axis\": 0, \"rows_axis\": 1, \"cols_axis\": 2}, \"packed_split\": " split "}]}"

TEST(extract_packed_split_names_its_parts) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, SPLIT("true", "{\"axis\": \"rows\", \"splits\": [1, 3], \"projs\": [\"W1\", \"wobble\"]}")));
    CHECK_OK(extract(&b, "layers.0.experts.w13.weight", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_RULE && r.n_banks == 2);
    CHECK_EQ_STR(bank_of(&b, &r, 0)->proj, "gate_proj");
    CHECK_EQ_STR(bank_of(&b, &r, 1)->proj, "wobble");
    CHECK(bank_of(&b, &r, 1)->split == MS_SPLIT_ROWS && matrix_of(&b, bank_of(&b, &r, 1), 1)->rows == 3);
    CHECK_EQ_I64(matrix_of(&b, bank_of(&b, &r, 1), 1)->first, 24 + 6);
    CHECK_EQ_I64(b.x->report.rows.n, 1);
    const ms_proj_issue *const row = &b.x->report.rows.items[0];
    CHECK(row->context == MS_PROJ_PACKED_SPLIT && row->action == MS_PROJ_KEPT_RAW && row->count == 1);
    CHECK_EQ_STR(row->example_derived_tensor, "layers.0.experts.w13.weight::split[rows]::wobble");
    end(&b);
}

TEST(extract_equal_and_interleaved_splits) {
    bench b;
    ms_extract_result r;
    CHECK(begin(
        &b, SPLIT("true", "{\"axis\": \"cols\", \"splits\": \"equal\", \"interleave\": true, \"projs\": [\"w1\", \"w3\"]}")));
    CHECK_OK(extract(&b, "experts.w13", s3, 3, &r), &b.err);
    const ms_matrix *const m = matrix_of(&b, bank_of(&b, &r, 1), 0);
    CHECK(m->cols == 3 && m->col_stride == 2 && m->first == 1 && bank_of(&b, &r, 1)->split == MS_SPLIT_COLS_INTERLEAVED);
    ms_buf name = {0};
    ms_extract_derived_name(MS_STR("t"), bank_of(&b, &r, 1)->split, bank_of(&b, &r, 1)->proj, &name);
    CHECK_EQ_TEXT(name.bytes, "t::split[cols,interleaved]::up_proj");
    ms_buf_free(&name);
    end(&b);
}

TEST(extract_split_that_does_not_fit_is_fatal_when_strict) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, SPLIT("true", "{\"axis\": \"rows\", \"splits\": [1, 2], \"projs\": [\"w1\", \"w3\"]}")));
    CHECK_FAILS(extract(&b, "experts.w13", s3, 3, &r), MS_ERR_USAGE, &b.err,
                "packed_split failed for rule=f tensor=experts.w13: split sizes sum to 3, expected 4 along axis 1");
    end(&b);
    CHECK(begin(&b, SPLIT("true", "{\"axis\": \"rows\", \"splits\": [4], \"projs\": [\"w1\", \"w3\"]}")));
    CHECK_FAILS(extract(&b, "experts.w13", s3, 3, &r), MS_ERR_USAGE, &b.err,
                "packed_split projs and splits length mismatch for rule=f tensor=experts.w13");
    end(&b);
}

TEST(extract_split_that_does_not_fit_is_a_warning_and_a_guess_when_not_strict) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, SPLIT("false", "{\"axis\": \"rows\", \"splits\": [1, 2], \"projs\": [\"w1\", \"w3\"]}")));
    CHECK_OK(extract(&b, "experts.w1.weight", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_FALLBACK && b.notes.n == 1);
    CHECK_EQ_STR(
        b.notes.items[0].message,
        "[extract] packed_split failed for rule=f tensor=experts.w1.weight: split sizes sum to 3, expected 4 along axis 1");
    CHECK_OK(extract(&b, "experts.w13.weight", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_NONE && b.notes.n == 2);
    end(&b);
}

TEST(extract_layout_that_does_not_fit_is_a_warning_and_a_guess) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"extract_rules\": [{\"name\": \"r\", \"match\": \".*experts\", \"layout\": {\"rows_axis\": 0, "
                    "\"cols_axis\": 1}}]}"));
    CHECK_OK(extract(&b, "experts.w1", s3, 3, &r), &b.err);
    CHECK(r.via == MS_VIA_FALLBACK && b.notes.n == 1);
    CHECK_EQ_STR(b.notes.items[0].message,
                 "[extract] rule application failed for experts.w1: layout axes [0, 1] do not cover ndim=3");
    end(&b);
}

TEST(extract_unmapped_token_is_kept_raw_and_reported) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"extract_rules\": [" RULE_2D "]}"));
    for (int i = 0; i < 3; i++) CHECK_OK(extract(&b, i ? "experts.1.w13.weight" : "experts.0.w13.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_RULE && b.x->report.rows.n == 1);
    CHECK_EQ_STR(bank_of(&b, &r, 0)->proj, "w13");
    const ms_proj_issue *const row = &b.x->report.rows.items[0];
    CHECK(row->count == 3 && row->context == MS_PROJ_GROUP && row->action == MS_PROJ_KEPT_RAW);
    CHECK_EQ_STR(row->example_source_tensor, "experts.0.w13.weight");
    CHECK_EQ_STR(row->example_derived_tensor, "experts.0.w13.weight::w13");
    CHECK_EQ_STR(row->suggested_proj, "up_proj");
    CHECK_EQ_STR(row->suggested_match, "w3");
    end(&b);
}

TEST(extract_unmapped_token_is_dropped_when_strict) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"parsing\": {\"proj_group_strict\": true}, \"extract_rules\": [" RULE_2D "]}"));
    CHECK_OK(extract(&b, "experts.0.w13.w1.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_FALLBACK); /* the rule does not match this one */
    CHECK_OK(extract(&b, "w1.experts.0.w13.weight", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_NONE && b.x->report.rows.n == 1); /* dropped, though a guess would have found w1 */
    CHECK_EQ_TEXT(r.reason, "proj_group_strict_unmapped");
    CHECK(b.x->report.rows.items[0].action == MS_PROJ_DROPPED_STRICT);
    end(&b);
    CHECK(begin(&b, "{\"parsing\": {\"proj_group_strict\": true, \"proj_aliases\": {}}, \"extract_rules\": [" RULE_2D "]}"));
    CHECK_OK(extract(&b, "experts.0.w1.weight", s2, 2, &r), &b.err);
    CHECK_EQ_TEXT(r.reason, "proj_group_strict_no_alias_map");
    CHECK(b.x->report.rows.n == 0 && b.x->n_dropped_without_aliases == 1);
    end(&b);
}

TEST(extract_a_group_that_is_not_there_is_a_warning) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"extract_rules\": [{\"name\": \"r\", \"match\": \".*experts(\\\\.x)?\", \"proj_group\": 1, \"layout\": "
                    "{\"rows_axis\": 0, "
                    "\"cols_axis\": 1}}]}"));
    CHECK_OK(extract(&b, "experts.0.w1", s2, 2, &r), &b.err);
    CHECK(r.via == MS_VIA_FALLBACK && b.notes.n == 1);
    CHECK_EQ_STR(b.notes.items[0].message,
                 "[extract] rule application failed for experts.0.w1: the group proj_group took no part in the match");
    end(&b);
}

TEST(extract_never_guesses_at_scales_and_biases) {
    static const struct {
        const char *name, *reason;
    } cases[] = {
        {"experts.0.gate_proj.weight_scale_inv", "quantization_companion"},
        {"experts.gate_proj.scales", "quantization_companion"},
        {"experts.gate_proj.biases", "quantization_companion"},
        {"experts.gate_proj.qzeros", "quantization_companion"},
        {"experts.0.gate_proj.weight_zero_point", "quantization_companion"},
        {"experts.down_proj.bias", "expert_bias"},
    };
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(extract(&b, cases[i].name, s2, 2, &r), &b.err);
        CHECK(r.via == MS_VIA_NONE);
        CHECK_EQ_TEXT(r.reason, cases[i].reason);
    }
    CHECK(!ms_extract_companion_reason(MS_STR("experts.0.w1.weight")));
    CHECK(!ms_extract_companion_reason(MS_STR("rescale_proj")));
    end(&b);
}

TEST(extract_leaves_integers_and_empty_tensors_alone) {
    static const uint64_t empty[] = {0, 4, 6};
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"extract_rules\": [" RULE_3D "]}"));
    ms_extract_source source = source_of("experts.w1.weight", s3, 3);
    source.is_float = false;
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK(r.via == MS_VIA_NONE);
    CHECK_OK(extract(&b, "experts.w1.weight", empty, 3, &r), &b.err);
    CHECK_EQ_TEXT(r.reason, "empty_tensor");
    end(&b);
}

TEST(extract_families_stand_between_rules_and_guesses) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{\"parsing\": {\"families\": true}, \"extract_rules\": [" RULE_2D "]}"));
    b.ckpt = make_model(&b.arena, NULL,
                        (const char *const[]){"norm.weight BF16 6", "layers.4.mlp.experts.gate_up_proj BF16 2x4x6",
                                              "layers.4.mlp.gate.weight BF16 2x6", NULL});
    const uint32_t stack = ms_name_index_find(&b.ckpt->by_name, MS_STR("layers.4.mlp.experts.gate_up_proj"));
    const uint32_t router = ms_name_index_find(&b.ckpt->by_name, MS_STR("layers.4.mlp.gate.weight"));
    CHECK_OK(ms_bank_cutter_open(&b.families, b.ckpt, &b.err), &b.err);
    ms_extractor_use_families(b.x, b.families);

    ms_extract_source source = source_of("experts.gate_up_proj", s3, 3);
    source.tensor = stack;
    source.is_float = false; /* quantised tensors come this way */
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK(r.via == MS_VIA_FAMILY && r.n_banks == 2);
    ms_extract_undo(b.x, &r, ms_extract_unsupported_storage);
    CHECK(r.via == MS_VIA_NONE && r.n_banks == 0 && b.x->banks.n == 0 && b.x->banks.matrices.n == 0);
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK(bank_of(&b, &r, 0)->n_matrices == 2 && bank_of(&b, &r, 1)->n_matrices == 2 && bank_of(&b, &r, 1)->layer == 4);
    ms_extractor_clear(b.x);
    CHECK_OK(ms_extract_again(b.x, &source, MS_VIA_FAMILY, &r, &b.err), &b.err);
    CHECK(r.via == MS_VIA_FAMILY && r.first_bank == 0 && r.n_banks == 2 && b.x->banks.matrices.n == 4);

    source.tensor = router; /* the router's */
    source.role = MS_ROLE_ROUTER;
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK_EQ_TEXT(r.reason, "router");

    source = source_of("experts.3.w1.weight", s2, 2);
    source.tensor = stack; /* a rule fits: it comes first */
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK(r.via == MS_VIA_RULE);
    end(&b);
}

TEST(extract_again_says_nothing) {
    bench b;
    ms_extract_result first, again;
    CHECK(begin(&b, "{\"extract_rules\": [" RULE_2D "], \"parsing\": {\"proj_aliases\": {\"gate_proj\": [\"w1\"]}}}"));
    CHECK_OK(extract(&b, "experts.3.w9.weight", s2, 2, &first), &b.err);
    CHECK(first.via == MS_VIA_RULE && b.x->report.rows.n == 1 && b.x->report.rows.items[0].count == 1);
    ms_extractor_clear(b.x);
    const ms_extract_source source = source_of("experts.3.w9.weight", s2, 2);
    CHECK_OK(ms_extract_again(b.x, &source, first.via, &again, &b.err), &b.err);
    CHECK(b.x->report.rows.n == 1 && b.x->report.rows.items[0].count == 1 && b.notes.n == 0);
    CHECK(again.via == first.via && again.n_banks == 1 && ms_str_equal(again.rule, first.rule));
    CHECK_EQ_STR(bank_of(&b, &again, 0)->proj, "w9");
    CHECK_EQ_I64(matrix_of(&b, bank_of(&b, &again, 0), 0)->expert, 3);
    end(&b);
}

TEST(extract_layers_of_a_section_that_counts_anew_are_unknown) {
    bench b;
    ms_extract_result r;
    CHECK(begin(&b, "{}"));
    ms_extract_source source = source_of("mtp.layers.0.mlp.experts.1.w1.weight", s2, 2);
    source.section = "mtp";
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK_EQ_I64(bank_of(&b, &r, 0)->layer, -1);
    source.section = "";
    CHECK_OK(ms_extract(b.x, &source, &r, &b.err), &b.err);
    CHECK_EQ_I64(bank_of(&b, &r, 0)->layer, 0);
    end(&b);
}

TEST(extract_what_looks_like_experts) {
    static const struct {
        const char *name;
        bool expertish, shared;
    } cases[] = {
        {"layers.0.mlp.Experts.0.w1", true, false},
        {"layers.0.mlp.SHARED_expert.up", true, true},
        {"layers.0.mlp.gate.weight", false, false},
        {"layers.0.mlp.expert.up", false, false},
        {"custom.bank.w1", true, false}, /* by the rule */
    };
    bench b;
    CHECK(begin(&b, "{\"extract_rules\": [{\"name\": \"r\", \"match\": \"custom\"}]}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ms_extract_source source = source_of(cases[i].name, s2, 2);
        bool yes;
        CHECK_OK(ms_extract_is_expertish(b.x, &source, &yes, &b.err), &b.err);
        CHECK_MSG(yes == cases[i].expertish, "%s", cases[i].name);
        CHECK(ms_extract_is_shared(b.x, &source) == cases[i].shared);
    }
    end(&b);
}

TEST(extract_broken_pattern_names_its_key) {
    bench b;
    CHECK(!begin(&b, "{\"extract_rules\": [{\"name\": \"r\", \"enabled\": false, \"match\": \"(\"}]}"));
    CHECK(b.err.status == MS_ERR_USAGE && strstr(b.err.text, "key 'extract_rules[0].match'"));
    end(&b);
    CHECK(!begin(&b, "{\"parsing\": {\"layer_regex\": \"[\"}}"));
    CHECK(strstr(b.err.text, "key 'parsing.layer_regex'"));
    end(&b);
}

TEST(extract_survives_every_failing_allocation) {
    static const char json[] = "{\"extract_rules\": [" RULE_2D ", " RULE_3D "]}";
    for (int64_t k = 1, n = 1; k <= n; k++) {
        bench b = {0};
        CHECK(ms_run_config_parse(&b.config, json, sizeof json - 1, "c.json", NULL, &b.err) == MS_OK);
        ms_extract_result r;
        ms_mem_fail_at(k);
        ms_status status = ms_extractor_create(&b.x, &b.config, &b.notes, &b.err);
        if (status == MS_OK) status = extract(&b, "layers.3.experts.0.w13.weight", s2, 2, &r);
        if (status == MS_OK) status = extract(&b, "layers.3.experts.up_proj.weight", s3, 3, &r);
        if (k == 1) {
            ms_mem_fail_at(0);
            CHECK_EQ_I64(status, MS_ERR_MEMORY);
            end(&b);
            CHECK(begin(&b, json)); /* once undisturbed, to count */
            ms_extractor_destroy(b.x);
            ms_mem_fail_at(0);
            CHECK_OK(ms_extractor_create(&b.x, &b.config, &b.notes, &b.err), &b.err);
            CHECK_OK(extract(&b, "layers.3.experts.0.w13.weight", s2, 2, &r), &b.err);
            CHECK_OK(extract(&b, "layers.3.experts.up_proj.weight", s3, 3, &r), &b.err);
            n = ms_mem_count();
            end(&b);
            continue;
        }
        ms_mem_fail_at(0);
        CHECK_EQ_I64(status, MS_ERR_MEMORY);
        end(&b);
    }
}
