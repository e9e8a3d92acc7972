/*
 * The definition of the sums of panel.h; the vector kernels follow it addition by addition.
 *
 * A block of 32 elements w becomes four rows of eight lanes, j = 0 .. 7 (even and odd elements apart, as 16-bit elements fall
 * out of 32-bit words): row 0: w[2j]    row 1: w[2j + 16]    row 2: w[2j + 1]    row 3: w[2j + 17] With tree(x) = ((x0 + x1) +
 * (x2 + x3)) + ((x4 + x5) + (x6 + x7)), all in f64: block_sum = tree of (|row 0| + |row 1|) + (|row 2| + |row 3|) sum       =
 * tree of S,        S += (row 0 + row 1) + (row 2 + row 3) for every block sum_sq    = tree of Q0 + Q1,  Q0 += row 0 ^ 2, then
 * row 1 ^ 2;  Q1 += row 2 ^ 2, then row 3 ^ 2 sum_p4    = likewise of (row ^ 2) ^ 2 sum_abs   = tree of A,        A[b mod 8] +=
 * block_sum of block b Squares of f32 are exact in f64, so it does not matter whether a kernel fuses them into the sum.
 */
#include <string.h>

#include "half.h"
#include "panel.h"
#include "panel_loops.h"

enum { LANES = 8 };

typedef struct sums {
    double s[LANES], q[2][LANES], p[2][LANES], a[LANES];
} sums;

static double tree(const double x[static LANES]) { return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7])); }

static double magnitude(double x) { return x < 0 ? -x : x; }

static void add_block(sums *t, const float w[static MS_PANEL_BLOCK], double *block_sum) {
    double of_abs[LANES];
    for (int j = 0; j < LANES; j++) {
        const double row[4] = {w[2 * j], w[2 * j + 16], w[2 * j + 1], w[2 * j + 17]};
        double square[4];
        for (int r = 0; r < 4; r++) square[r] = row[r] * row[r];
        of_abs[j] = (magnitude(row[0]) + magnitude(row[1])) + (magnitude(row[2]) + magnitude(row[3]));
        t->s[j] += (row[0] + row[1]) + (row[2] + row[3]);
        for (int r = 0; r < 4; r++) {
            t->q[r / 2][j] += square[r];
            t->p[r / 2][j] += square[r] * square[r];
        }
    }
    *block_sum = tree(of_abs);
}

static void end_sums(ms_panel_facts *out, sums *t) {
    for (int j = 0; j < LANES; j++) {
        t->q[0][j] += t->q[1][j];
        t->p[0][j] += t->p[1][j];
    }
    out->sum = tree(t->s);
    out->sum_abs = tree(t->a);
    out->sum_sq = tree(t->q[0]);
    out->sum_p4 = tree(t->p[0]);
}

/* code_type: the unsigned integer of the element's size; decode: code to f32. */
#define KERNEL(name, code_type, decode)                                         \
    static uint32_t name(ms_panel_facts *out, const void *w, size_t n_steps) {  \
        const code_type *codes = w;                                             \
        const code_type magnitudes = (code_type)((code_type) - 1 >> 1);         \
        sums t = {0};                                                           \
        code_type least = magnitudes;                                           \
        for (size_t b = 0; b < n_steps * LANES; b++, codes += MS_PANEL_BLOCK) { \
            float f[MS_PANEL_BLOCK];                                            \
            code_type block_max = 0;                                            \
            for (int i = 0; i < MS_PANEL_BLOCK; i++) {                          \
                const code_type key = codes[i] & magnitudes;                    \
                f[i] = decode(codes[i]);                                        \
                if (key > block_max) block_max = key;                           \
                if (key < least) least = key;                                   \
            }                                                                   \
            out->block_max[b] = decode(block_max);                              \
            add_block(&t, f, &out->block_sum[b]);                               \
            t.a[b % LANES] += out->block_sum[b];                                \
        }                                                                       \
        end_sums(out, &t);                                                      \
        return least;                                                           \
    }
KERNEL(measure_bf16, uint16_t, ms_f32_from_bf16)
KERNEL(measure_f16, uint16_t, ms_f32_from_f16)
KERNEL(measure_f32, uint32_t, ms_f32_from_bits)

const ms_panel_kernels ms_panel_scalar = {measure_bf16, measure_f16, measure_f32, PANEL_LOOPS};
