/* bank_helper FOLDER: every matrix of every bank, for layouts_oracle.py: a line of text
 * "section|layer|role|proj|expert|rows|cols| name" (or "!message" when it cannot be decoded), then rows * cols f32. Each is
 * read in several ways, which must agree. */
#include <stdio.h>

#include "bank.h"

static int fail(const char *what, const ms_err *err) {
    fprintf(stderr, "%s: %s\n", what, err->text);
    return 1;
}

/* The same values row by row, and gathered back to front. */
static const char *disagreement(const ms_checkpoint *ckpt, const ms_matrix *m, const float *whole, float *other,
                                int64_t *positions, ms_scratch *scratch) {
    const size_t n = (size_t)(m->rows * m->cols);
    for (uint64_t row = 0; row < m->rows;) {
        const uint64_t step = 1 + row % 5, count = m->rows - row < step ? m->rows - row : step;
        if (ms_matrix_rows(ckpt, m, row, count, scratch, other, NULL) != MS_OK) return "rows fail";
        if (memcmp(other, whole + row * m->cols, (size_t)(count * m->cols) * sizeof *other) != 0) return "rows differ";
        row += count;
    }
    for (size_t i = 0; i < n; i++) positions[i] = (int64_t)(n - 1 - i);
    if (ms_matrix_gather(ckpt, m, positions, n, scratch, other, NULL) != MS_OK) return "gather fails";
    for (size_t i = 0; i < n; i++)
        if (memcmp(&other[i], &whole[n - 1 - i], sizeof *other) != 0) return "gather differs";
    return NULL;
}

static int write_matrix(const ms_checkpoint *ckpt, const ms_banks *banks, const ms_matrix *m, ms_scratch *scratch) {
    const ms_bank *const bank = &banks->items[m->bank];
    const size_t n = (size_t)(m->rows * m->cols);
    float *const whole = ms_mem_alloc_array(n, sizeof *whole), *const other = ms_mem_alloc_array(n, sizeof *other);
    int64_t *const positions = ms_mem_alloc_array(n, sizeof *positions);
    ms_err err = {0};
    ms_buf name = {0};
    ms_matrix_derived_name(ckpt, banks, m, &name);
    printf("%s|%d|%s|%.*s|%d|%llu|%llu|%s\n", bank->section, bank->layer, ms_role_name(bank->role), (int)bank->proj.size,
           bank->proj.text, m->expert, (unsigned long long)m->rows, (unsigned long long)m->cols, name.bytes);
    const ms_status status = ms_matrix_rows(ckpt, m, 0, m->rows, scratch, whole, &err);
    const char *const fault = status == MS_OK ? disagreement(ckpt, m, whole, other, positions, scratch) : NULL;
    if (status != MS_OK) printf("!%s\n", err.text);
    else if (fault) printf("!%s\n", fault);
    else printf("=\n"), fwrite(whole, sizeof *whole, n, stdout);
    ms_buf_free(&name);
    ms_mem_free(whole), ms_mem_free(other), ms_mem_free(positions);
    return 0;
}

int main(int argc, char **argv) {
    ms_err err = {0};
    ms_checkpoint *ckpt;
    ms_banks banks;
    ms_scratch scratch = {0};
    if (argc != 2) return 2;
    if (ms_checkpoint_open(&ckpt, argv[1], NULL, &err) != MS_OK) return fail(argv[1], &err);
    if (ms_banks_from_family(&banks, ckpt, &err) != MS_OK) return fail(argv[1], &err);
    for (size_t i = 0; i < banks.matrices.n; i++) write_matrix(ckpt, &banks, &banks.matrices.items[i], &scratch);
    ms_scratch_free(&scratch);
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    return 0;
}
