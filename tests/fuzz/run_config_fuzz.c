/* analysis_config.json, a zero byte, the name of a tensor: whatever the rules say, every matrix lies inside its tensor. */
#include <string.h>

#include "checked.h"
#include "extract.h"
#include "fuzz.h"

enum { N_SHAPES = 6 };

typedef struct fuzz_shape {
    uint64_t extents[5];
    uint32_t rank;
} fuzz_shape;

static const fuzz_shape shapes[N_SHAPES] = {{{0}, 0},       {{12}, 1},         {{8, 6}, 2},
                                            {{3, 8, 6}, 3}, {{2, 3, 8, 6}, 4}, {{2, 2, 3, 2, 2}, 5}};

/* Each part of a matrix is an element of the tensor, and no two rows or columns are the same one. */
static void check_matrices(const ms_extractor *x, const ms_extract_result *result, uint64_t n) {
    for (size_t b = 0; b < result->n_banks; b++) {
        const ms_bank *const bank = &x->banks.items[result->first_bank + b];
        FUZZ_CHECK(ms_range_inside(bank->first_matrix, bank->n_matrices, x->banks.matrices.n));
        for (size_t i = 0; i < bank->n_matrices; i++) {
            const ms_matrix *const m = &x->banks.matrices.items[bank->first_matrix + i];
            FUZZ_CHECK(m->rows > 0 && m->cols > 0 && m->rows <= n && m->cols <= n);
            FUZZ_CHECK((m->rows == 1 || m->row_stride > 0) && (m->cols == 1 || m->col_stride > 0));
            FUZZ_CHECK(m->first + (m->rows - 1) * m->row_stride + (m->cols - 1) * m->col_stride < n);
        }
    }
}

static void extract_all(ms_extractor *x, ms_str name, ms_err *err) {
    for (size_t i = 0; i < 2 * N_SHAPES; i++) {
        const fuzz_shape *const shape = &shapes[i / 2];
        uint64_t n = 1;
        for (uint32_t k = 0; k < shape->rank; k++) n *= shape->extents[k];
        const ms_extract_source source = {.file = MS_STR("f"),
                                          .name = name,
                                          .shape = shape->extents,
                                          .rank = shape->rank,
                                          .column_major = i % 2 == 1,
                                          .is_float = true,
                                          .section = ""};
        ms_extract_result result;
        bool expertish;
        if (ms_extract_is_expertish(x, &source, &expertish, err) != MS_OK || ms_extract(x, &source, &result, err) != MS_OK) {
            FUZZ_CHECK(err->status == MS_ERR_USAGE && err->text[0]);
            continue;
        }
        FUZZ_CHECK((result.via == MS_VIA_NONE) == (result.reason != NULL) &&
                   (result.n_banks > 0) == (result.via != MS_VIA_NONE));
        check_matrices(x, &result, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *const zero = size ? memchr(data, 0, size) : NULL;
    const size_t n_text = zero ? (size_t)(zero - data) : size;
    const ms_str given = zero ? (ms_str){(const char *)zero + 1, size - n_text - 1} : MS_STR("");
    ms_err err = {0};
    ms_run_config config;
    ms_notes notes = {0};
    ms_extractor *x = NULL;
    const ms_status status = ms_run_config_parse(&config, size ? (const char *)data : "", n_text, "c.json", NULL, &err);
    FUZZ_CHECK(status == MS_OK || (status == MS_ERR_USAGE && strncmp(err.text, "c.json: ", 8) == 0));
    if (status == MS_OK && ms_extractor_create(&x, &config, &notes, &err) == MS_OK) {
        extract_all(x, given, &err);
        extract_all(x, MS_STR("model.layers.3.mlp.experts.7.gate_proj.weight"), &err);
        extract_all(x, MS_STR("layers.1.experts.w13"), &err);
    }
    ms_extractor_destroy(x);
    ms_notes_free(&notes);
    ms_run_config_free(&config);
    return 0;
}
