/*
 * quant_bench: how fast the quantisation errors are summed: G weights per second and core, for each scheme and computing type.
 *
 *   quant_bench [--all] [--rows N] [--cols N] [--seconds S] [--scheme NAME --compute TYPE]
 *
 * One thread, normal weights (sigma 0.02), a matrix that stays in the cache. --all: every mode and group size, not only the
 * three default schemes. MOESCOPE_ISA=scalar|avx2|avx512 chooses the kernel. tests/bench/mlx_bench.py is the peer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cpu.h"
#include "mem.h"
#include "mlx_error.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Box and Muller over splitmix64. */
static void fill_normal(float *w, size_t n, double sigma) {
    uint64_t state = 7;
    for (size_t i = 0; i < n; i++) {
        double u[2];
        for (int k = 0; k < 2; k++) {
            uint64_t z = state += 0x9E3779B97F4A7C15u;
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u, z = (z ^ z >> 27) * 0x94D049BB133111EBu;
            u[k] = ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
        }
        w[i] = (float)(sigma * sqrt(-2 * log(u[0])) * cos(2 * 3.14159265358979 * u[1]));
    }
}

/* Seconds of the fastest pass within the time given; *rel_fro: the result, so that nothing is optimised away. */
static double fastest_pass(const ms_mlx_quantiser *q, const float *w, size_t n_rows, size_t n_cols, double seconds,
                           double *rel_fro) {
    double best = INFINITY;
    for (const double end = now() + seconds; now() < end;) {
        ms_mlx_error e;
        const double begin = now();
        ms_mlx_error_init(&e, q, 1);
        ms_mlx_error_add(&e, w, n_rows, n_cols);
        const double took = now() - begin;
        if (took < best) best = took;
        *rel_fro = ms_mlx_error_metrics(&e, 1e-12, 0).w_rel_fro;
    }
    return best;
}

static double bench(const char *scheme_name, const char *compute, const float *w, size_t n_rows, size_t n_cols,
                    double seconds) {
    ms_mlx_scheme scheme;
    ms_mlx_quantiser q;
    ms_err err;
    if (ms_mlx_scheme_parse(ms_str_of(scheme_name), &scheme, &err) != MS_OK ||
        !ms_mlx_compute_by_name(ms_str_of(compute), &scheme.compute)) {
        fprintf(stderr, "quant_bench: no scheme '%s' or type '%s'\n", scheme_name, compute);
        exit(2);
    }
    ms_mlx_quantiser_init(&q, &scheme, MS_DTYPE_F32);
    double rel_fro = 0;
    const double took = fastest_pass(&q, w, n_rows, n_cols, seconds, &rel_fro);
    const double rate = (double)(n_rows * n_cols) / took * 1e-9;
    printf("%-16s %-5s %8.3f G weights/s/core   (w_rel_fro %.5f)\n", scheme_name, compute, rate, rel_fro);
    fflush(stdout);
    return took;
}

int main(int n_args, char **args) {
    static const char *const usual[] = {"affine_q4_g32", "mxfp4", "affine_q8_g32"};
    static const char *const all[] = {"affine_q4_g32", "mxfp4",          "affine_q8_g32", "affine_q4_g64", "affine_q4_g128",
                                      "affine_q8_g64", "affine_q8_g128", "affine_q2_g32", "affine_q3_g32", "affine_q5_g32",
                                      "affine_q6_g32", "affine_q1_g32",  "mxfp8",         "nvfp4",         "nvfp4_global"};
    static const char *const computes[] = {"bf16", "f16", "f32"};
    size_t n_rows = 256, n_cols = 2048;
    double seconds = 0.3;
    bool everything = false;
    const char *only = NULL, *only_compute = "bf16";
    for (int i = 1; i < n_args; i++) {
        const char *const value = i + 1 < n_args ? args[i + 1] : "";
        if (strcmp(args[i], "--all") == 0) everything = true;
        else if (strcmp(args[i], "--rows") == 0) n_rows = strtoull(value, NULL, 10), i++;
        else if (strcmp(args[i], "--cols") == 0) n_cols = strtoull(value, NULL, 10) / 128 * 128, i++;
        else if (strcmp(args[i], "--seconds") == 0) seconds = strtod(value, NULL), i++;
        else if (strcmp(args[i], "--scheme") == 0) only = value, i++;
        else if (strcmp(args[i], "--compute") == 0) only_compute = value, i++;
        else return fprintf(stderr, "see the head of tests/bench/quant_bench.c\n"), 2;
    }
    float *const w = ms_mem_alloc_array(n_rows * n_cols, sizeof *w);
    if (!w || n_rows * n_cols == 0) return fprintf(stderr, "quant_bench: no memory or no weights\n"), 7;
    fill_normal(w, n_rows * n_cols, 0.02);
    char model[64];
    ms_cpu_model(model);
    printf("%s, %s, one thread, %zu x %zu weights\n", model, ms_isa_name(ms_cpu_isa()), n_rows, n_cols);
    if (only) {
        bench(only, only_compute, w, n_rows, n_cols, seconds);
        return ms_mem_free(w), 0;
    }
    const char *const *const names = everything ? all : usual;
    const size_t n_names = everything ? sizeof all / sizeof all[0] : 3;
    for (int c = 0; c < 3; c++) {
        double three = 0;
        for (size_t i = 0; i < n_names; i++) {
            const double took = bench(names[i], computes[c], w, n_rows, n_cols, seconds);
            if (i < 3) three += took;
        }
        printf("three default schemes, %s: %.3f G weight-schemes/s/core\n", computes[c],
               3 * (double)(n_rows * n_cols) / three * 1e-9);
    }
    ms_mem_free(w);
    return 0;
}
