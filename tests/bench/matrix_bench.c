/* matrix_bench [rounds]: weights a second from bf16 in memory to f32 rows, one thread, the best of some rounds: rows as they
 * lie, turned ([in, out] in the file), and turned with gate and up alternating; beside a plain copy of as many bytes as are
 * written. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bank.h"

enum { ROWS = 1536, COLS = 4096, AT_ONCE = 64 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double read_all(const ms_checkpoint *ckpt, const ms_matrix *m, float *out, ms_scratch *scratch) {
    const double begin = now();
    for (uint64_t row = 0; row < m->rows; row += AT_ONCE)
        if (ms_matrix_rows(ckpt, m, row, AT_ONCE, scratch, out, NULL) != MS_OK) abort();
    return now() - begin;
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? atoi(argv[1]) : 9;
    const uint64_t n = (uint64_t)2 * ROWS * COLS, shape[] = {n};
    uint16_t *const weights = ms_mem_alloc(n * sizeof *weights);
    float *const out = ms_mem_alloc((size_t)AT_ONCE * COLS * sizeof *out);
    ms_source *source;
    ms_scratch scratch = {0};
    if (!weights || !out || ms_source_over_memory(&source, weights, n * 2, "bench", NULL) != MS_OK) return 1;
    for (uint64_t i = 0; i < n; i++) weights[i] = (uint16_t)(0x3c00u + i % 251);
    const ms_stored stored = {.name = MS_STR("w"),
                              .dtype = MS_DTYPE_BF16,
                              .dtype_name = MS_STR("BF16"),
                              .rank = 1,
                              .shape = shape,
                              .source = source,
                              .n_bytes = n * 2};
    ms_tensor tensor = {.stored = &stored, .section = "", .scheme = ""};
    const ms_checkpoint ckpt = {.tensors = &tensor, .n_tensors = 1};
    const struct {
        const char *name;
        ms_matrix m;
    } cases[] = {
        {"as it lies", {.rows = ROWS, .cols = COLS, .row_stride = COLS, .col_stride = 1}},
        {"turned", {.rows = ROWS, .cols = COLS, .row_stride = 1, .col_stride = 2 * ROWS}},
        {"turned, alternating", {.rows = ROWS, .cols = COLS, .row_stride = 2, .col_stride = 2 * ROWS}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double best = 1e9;
        for (int r = 0; r < rounds; r++) {
            const double taken = read_all(&ckpt, &cases[c].m, out, &scratch);
            if (taken < best) best = taken;
        }
        printf("%-20s %7.3f G weights/s\n", cases[c].name, 1e-9 * ROWS * COLS / best);
    }
    double best = 1e9;
    for (int r = 0; r < rounds; r++) {
        const double begin = now();
        for (int i = 0; i < ROWS / AT_ONCE; i++)
            memcpy(out, weights + (size_t)i * AT_ONCE * COLS / 2, (size_t)AT_ONCE * COLS * 4);
        if (now() - begin < best) best = now() - begin;
    }
    printf("%-20s %7.3f G f32/s\n", "plain copy", 1e-9 * ROWS * COLS / best);
    ms_source_close(source);
    ms_scratch_free(&scratch);
    ms_mem_free(weights), ms_mem_free(out);
    return 0;
}
