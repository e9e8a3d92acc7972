/*
 * mlx_helper: the quantisers on raw files, for tests/oracle/mlx_oracle.py and tests/bench/mlx_bench.py. Not installed.
 *
 *   mlx_helper pack  SCHEME PROFILE COMPUTE DTYPE N_ROWS N_COLS GLOBAL IN OUT
 *       IN: raw little-endian DTYPE (f32, f16, bf16) [N_ROWS, N_COLS]; OUT: words | scales | biases | values as f32
 *   mlx_helper error SCHEME PROFILE COMPUTE DTYPE N_ROWS N_COLS GLOBAL IN
 *       the metrics, one "name value" a line
 *   mlx_helper check MODE BITS GROUP GLOBAL PROFILE DTYPE DIM...
 *       what MLX would raise for an array of that shape, or "ok"
 *
 * SCHEME: as ms_mlx_scheme_parse takes it. GLOBAL: the global scale of nvfp4, or "-".
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"
#include "mem.h"
#include "mlx_error.h"
#include "mlx_pack.h"

typedef struct job {
    ms_mlx_quantiser q;
    float global;
    size_t n_rows, n_cols;
    float *w; /* [n_rows, n_cols]; owned */
} job;

static ms_status read_weights(job *j, ms_dtype dtype, const char *path, ms_err *err) {
    const size_t n = j->n_rows * j->n_cols, size = ms_dtype_info_of(dtype)->bits / 8;
    uint8_t *const bytes = ms_mem_alloc_array(n, size);
    j->w = ms_mem_alloc_array(n, sizeof *j->w);
    FILE *const file = fopen(path, "rb");
    ms_status status = MS_OK;
    if (!bytes || !j->w) status = ms_err_memory(err, "the weights");
    else if (!file || fread(bytes, size, n, file) != n) status = ms_err_set(err, MS_ERR_IO, "cannot read '%s'", path);
    else status = ms_decode_f32(dtype, bytes, 0, n, j->w, err);
    if (file) fclose(file);
    ms_mem_free(bytes);
    return status;
}

/* args: SCHEME PROFILE COMPUTE DTYPE N_ROWS N_COLS GLOBAL IN */
static ms_status open_job(job *j, char **args, ms_err *err) {
    ms_mlx_scheme scheme;
    ms_dtype dtype;
    MS_TRY(ms_mlx_scheme_parse(ms_str_of(args[0]), &scheme, err));
    MS_FAIL_IF(!ms_mlx_profile_by_name(ms_str_of(args[1]), &scheme.profile), MS_ERR_USAGE, err, "profile '%s'", args[1]);
    MS_FAIL_IF(!ms_mlx_compute_by_name(ms_str_of(args[2]), &scheme.compute), MS_ERR_USAGE, err, "compute '%s'", args[2]);
    MS_FAIL_IF(!ms_mlx_compute_by_name(ms_str_of(args[3]), &dtype), MS_ERR_USAGE, err, "dtype '%s'", args[3]);
    j->n_rows = strtoull(args[4], NULL, 10), j->n_cols = strtoull(args[5], NULL, 10);
    scheme.global_scale = args[6][0] != '-';
    j->global = scheme.global_scale ? strtof(args[6], NULL) : 0;
    const int64_t shape[2] = {(int64_t)j->n_rows, (int64_t)j->n_cols};
    MS_TRY(ms_mlx_scheme_check(&scheme, MS_DTYPE_F32, shape, 2, err));
    ms_mlx_quantiser_init(&j->q, &scheme, dtype);
    return read_weights(j, dtype, args[7], err);
}

static ms_status pack(const job *j, const char *path, ms_err *err) {
    const size_t n = j->n_rows * j->n_cols, n_words = ms_mlx_pack_words_size(&j->q.codec, n);
    const size_t n_scales = ms_mlx_pack_scales_size(&j->q.codec, n), n_biases = j->q.codec.mode == MS_MLX_AFFINE ? n_scales : 0;
    uint8_t *const out = ms_mem_alloc(n_words + n_scales + n_biases + 4 * n);
    if (!out) return ms_err_memory(err, "the result");
    const ms_mlx_packed packed = {out, out + n_words, out + n_words + n_scales};
    const ms_mlx_stored stored = {packed.words, packed.scales, packed.biases};
    const ms_mlx_global global = ms_mlx_global_of(&j->q, j->global);
    ms_mlx_codec codec = j->q.codec;
    codec.global_decode = global.decode;
    ms_mlx_pack_quantise(&j->q, &global, j->w, j->n_rows, j->n_cols, &packed);
    float *const values = ms_mem_alloc_array(n, sizeof *values);
    FILE *const file = values ? fopen(path, "wb") : NULL;
    ms_status status = MS_OK;
    if (!file) {
        status = ms_err_set(err, MS_ERR_IO, "cannot write '%s'", path);
    } else {
        ms_mlx_pack_dequantise(&codec, &stored, j->n_rows, j->n_cols, values);
        const size_t n_bytes = n_words + n_scales + n_biases;
        const bool ok = fwrite(out, 1, n_bytes, file) == n_bytes && fwrite(values, 4, n, file) == n;
        if (fclose(file) != 0 || !ok) status = ms_err_set(err, MS_ERR_IO, "cannot write '%s'", path);
    }
    ms_mem_free(values);
    ms_mem_free(out);
    return status;
}

static void error(const job *j) {
    ms_mlx_error e;
    ms_mlx_error_init(&e, &j->q, j->global);
    ms_mlx_error_add(&e, j->w, j->n_rows, j->n_cols);
    const ms_mlx_metrics m = ms_mlx_error_metrics(&e, 1e-12, 0);
    printf("w_rel_fro %.17g\nw_rel_max %.17g\nw_rmse %.17g\nw_cos %.17g\nsqnr_db %.17g\n", m.w_rel_fro, m.w_rel_max, m.w_rmse,
           m.w_cos, m.sqnr_db);
    printf("scale_mean %.17g\nscale_max %.17g\nscale_abs_mean %.17g\nscale_abs_max %.17g\n", m.scale_mean, m.scale_max,
           m.scale_abs_mean, m.scale_abs_max);
    printf("bias_mean %.17g\nbias_max %.17g\nbits_per_weight %.17g\n", m.bias_mean, m.bias_max, m.bits_per_weight);
    printf("n_groups %lld\nclip_groups %lld\nzero_groups %lld\nsubnormal_scale_groups %lld\n", (long long)e.n_groups,
           (long long)e.clip_groups, (long long)e.zero_groups, (long long)e.subnormal_scale_groups);
}

/* args: MODE BITS GROUP GLOBAL PROFILE DTYPE DIM... */
static ms_status check(char **args, int n_args, ms_err *err) {
    int64_t shape[8];
    const int rank = n_args - 6 > 8 ? 8 : n_args - 6;
    for (int i = 0; i < rank; i++) shape[i] = strtoll(args[6 + i], NULL, 10);
    ms_mlx_scheme scheme = ms_mlx_scheme_make(MS_STR("check"), ms_str_of(args[0]), atoi(args[1]), atoi(args[2]));
    scheme.global_scale = args[3][0] != '-';
    MS_FAIL_IF(!ms_mlx_profile_by_name(ms_str_of(args[4]), &scheme.profile), MS_ERR_USAGE, err, "profile '%s'", args[4]);
    ms_err why;
    const ms_status status = ms_mlx_scheme_check(&scheme, ms_dtype_by_name(ms_str_of(args[5])), shape, rank, &why);
    puts(status == MS_OK ? "ok" : why.text);
    return MS_OK;
}

int main(int n_args, char **args) {
    ms_err err = {0};
    job j = {0};
    ms_status status = MS_ERR_USAGE;
    const char *const verb = n_args > 1 ? args[1] : "";
    if (strcmp(verb, "check") == 0 && n_args >= 8) {
        status = check(args + 2, n_args - 2, &err);
    } else if (strcmp(verb, "pack") == 0 && n_args == 11) {
        status = open_job(&j, args + 2, &err);
        if (status == MS_OK) status = pack(&j, args[10], &err);
    } else if (strcmp(verb, "error") == 0 && n_args == 10) {
        status = open_job(&j, args + 2, &err);
        if (status == MS_OK) error(&j);
    } else {
        ms_err_set(&err, status, "see the head of tests/oracle/mlx_helper.c");
    }
    ms_mem_free(j.w);
    if (status != MS_OK) fprintf(stderr, "mlx_helper: %s\n", err.text);
    return ms_status_exit_code(status);
}
