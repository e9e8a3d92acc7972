/* decode_bench FOLDER ...: weights a second of each model's experts from stored form to f32, one thread, the best of some
 * rounds, as a scan asks for them. tests/oracle/quantised_schemes.py makes models of any size in every scheme. */
#include <stdio.h>
#include <time.h>

#include "bank.h"

enum { ROUNDS = 9, AT_HAND = 1 << 18 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other work on the machine does not count */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Weights read, or 0. */
static uint64_t read_all(const ms_checkpoint *ckpt, const ms_banks *banks, float *out, ms_scratch *scratch, ms_err *err) {
    uint64_t n = 0;
    for (size_t i = 0; i < banks->matrices.n; i++) {
        const ms_matrix *const m = &banks->matrices.items[i];
        if (banks->items[m->bank].role != MS_ROLE_EXPERT || m->cols > AT_HAND) continue;
        const uint64_t high = AT_HAND / m->cols;
        for (uint64_t row = 0; row < m->rows; row += high) {
            const uint64_t rows = m->rows - row < high ? m->rows - row : high;
            if (ms_matrix_rows(ckpt, m, row, rows, scratch, out, err) != MS_OK) return 0;
        }
        n += m->rows * m->cols;
    }
    return n;
}

static ms_status bench(const char *folder, float *out, ms_err *err) {
    ms_checkpoint *ckpt;
    ms_banks banks;
    ms_scratch scratch = {0};
    MS_TRY(ms_checkpoint_open(&ckpt, folder, NULL, err));
    MS_TRY(ms_banks_from_family(&banks, ckpt, err));
    const char *scheme = "";
    for (size_t i = 0; i < ckpt->n_tensors; i++)
        if (ckpt->tensors[i].role == MS_ROLE_EXPERT) scheme = ckpt->tensors[i].scheme;
    double best = 1e9;
    uint64_t n = 1;
    for (int r = 0; r < ROUNDS && n > 0; r++) {
        const double begin = now();
        n = read_all(ckpt, &banks, out, &scratch, err);
        if (now() - begin < best) best = now() - begin;
    }
    if (n > 0) printf("%8.1f M weights/s  %-12s %s\n", 1e-6 * (double)n / best, scheme, folder);
    ms_scratch_free(&scratch);
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    return n > 0 ? MS_OK : MS_ERR_DAMAGED;
}

int main(int argc, char **argv) {
    float *const out = ms_mem_alloc_array(AT_HAND, sizeof *out);
    int failed = !out;
    for (int i = 1; i < argc && out; i++) {
        ms_err err = {0};
        if (bench(argv[i], out, &err) != MS_OK) fprintf(stderr, "%s: %s\n", argv[i], err.text), failed = 1;
    }
    ms_mem_free(out);
    return failed;
}
