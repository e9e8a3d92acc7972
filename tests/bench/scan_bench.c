/*
 * scan_bench: how fast a scan reads, beside a plain read of the same bytes by the same number of threads.
 *
 *     scan_bench make FOLDER GIB             a bf16 checkpoint: layers x experts x (gate, up, down), shards of 1 GiB
 *     scan_bench warm FOLDER [THREADS]       read, scan, scan with three schemes, alternating; one line of JSON
 *     scan_bench read FOLDER [THREADS]       one plain read; seconds
 *     scan_bench scan FOLDER [THREADS]       one scan; seconds
 *     scan_bench drop FOLDER                 drops the files from the page cache
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "pool.h"
#include "safetensors_write.h"
#include "scan.h"

enum { HIDDEN = 2048, WIDE = 768, EXPERTS = 64, POOL_SIZE = 1 << 23, ROUNDS = 5 };

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const ms_err *err) {
    fprintf(stderr, "scan_bench: %s\n", err->text);
    return 1;
}

/* ---- making a model ---- */

/* POOL_SIZE bf16 normals, sigma 0.02, one in 4096 ten times as large. */
static uint16_t *normal_pool(void) {
    uint16_t *const pool = malloc(POOL_SIZE * sizeof *pool);
    uint64_t state = 1;
    for (size_t i = 0; pool && i < POOL_SIZE; i++) {
        double u[2];
        for (int k = 0; k < 2; k++) {
            uint64_t z = state += 0x9E3779B97F4A7C15u;
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u, z = (z ^ z >> 27) * 0x94D049BB133111EBu;
            u[k] = ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
        }
        const double x = 0.02 * sqrt(-2 * log(u[0])) * cos(2 * 3.14159265358979 * u[1]) * (i % 4096 ? 1 : 10);
        const float f = (float)x;
        uint32_t bits;
        memcpy(&bits, &f, 4);
        pool[i] = (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
    }
    return pool;
}

/* The bytes of a tensor: a stretch of the pool that depends on its number. */
static ms_status put_weights(ms_files_writer *w, const uint16_t *pool, size_t n, uint64_t number, ms_err *err) {
    const size_t at = (size_t)(number * 0x9E3779B97F4A7C15u >> 40) % (POOL_SIZE - n);
    return ms_files_writer_put(w, pool + at, n * sizeof *pool, err);
}

/* One shard: layers [first, first + n). */
static ms_status make_shard(const char *folder, int shard, int n_shards, int first, int n_layers, const uint16_t *pool,
                            ms_err *err) {
    static const char *const projs[] = {"gate_proj", "up_proj", "down_proj"};
    static const uint64_t shapes[][2] = {{WIDE, HIDDEN}, {WIDE, HIDDEN}, {HIDDEN, WIDE}};
    const size_t n = (size_t)n_layers * EXPERTS * 3;
    ms_safetensors_tensor *const tensors = calloc(n, sizeof *tensors);
    char (*const names)[96] = calloc(n, sizeof *names);
    char path[4096];
    if (!tensors || !names) return ms_err_memory(err, "a shard");
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof *names, "model.layers.%d.mlp.experts.%zu.%s.weight", first + (int)(i / 3 / EXPERTS),
                 i / 3 % EXPERTS, projs[i % 3]);
        tensors[i] = (ms_safetensors_tensor){ms_str_of(names[i]), MS_DTYPE_BF16, 2, shapes[i % 3], NULL};
    }
    const ms_metadata metadata = {MS_STR("format"), MS_STR("pt")};
    ms_safetensors_header header;
    ms_files_writer w;
    MS_TRY(ms_safetensors_header_make(&header, tensors, n, &metadata, 1, err));
    snprintf(path, sizeof path, "%s/model-%05d-of-%05d.safetensors", folder, shard + 1, n_shards);
    MS_TRY(ms_files_writer_open(&w, path, err));
    ms_status status = ms_files_writer_put(&w, header.bytes.bytes, header.bytes.size, err);
    for (size_t i = 0; i < n && status == MS_OK; i++)
        status = put_weights(&w, pool, WIDE * HIDDEN, (uint64_t)first * EXPERTS * 3 + header.order[i], err);
    if (status == MS_OK) status = ms_files_writer_commit(&w, MS_FILES_SYNC, err); /* on disk, so that it can be dropped */
    ms_files_writer_abort(&w);
    ms_safetensors_header_free(&header);
    free(tensors);
    free(names);
    return status;
}

static int make(const char *folder, double gib) {
    static const char config[] =
        "{\"architectures\": [\"Qwen3MoeForCausalLM\"], \"model_type\": \"qwen3_moe\", \"hidden_size\": 2048, "
        "\"moe_intermediate_size\": 768, \"num_experts\": 64, \"num_experts_per_tok\": 8, "
        "\"num_hidden_layers\": %d}\n";
    const double layer_bytes = (double)((size_t)3 * EXPERTS * WIDE * HIDDEN * 2); /* 576 MiB */
    const int n_layers = gib * 0x1p30 / layer_bytes < 1 ? 1 : (int)(gib * 0x1p30 / layer_bytes + 0.5);
    uint16_t *const pool = normal_pool();
    ms_err err = {0};
    char path[4096], text[512];
    if (!pool) return fail(&err);
    if (ms_files_make_folder(folder, &err) != MS_OK) return fail(&err);
    for (int i = 0; i < n_layers; i++)
        if (make_shard(folder, i, n_layers, i, 1, pool, &err) != MS_OK) return fail(&err);
    snprintf(text, sizeof text, config, n_layers);
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (ms_files_write(path, text, strlen(text), MS_FILES_NO_SYNC, &err) != MS_OK) return fail(&err);
    printf("{\"layers\": %d, \"matrices\": %d, \"bytes\": %.0f}\n", n_layers, n_layers * EXPERTS * 3, n_layers * layer_bytes);
    free(pool);
    return 0;
}

/* ---- the plain read ---- */

typedef struct stretch {
    const uint64_t *words;
    size_t n;
    uint64_t sum;
} stretch;

static ms_status sum_words(void *context, size_t item, int worker, ms_err *err) {
    stretch *const s = (stretch *)context + item;
    uint64_t sum[4] = {0};
    (void)worker, (void)err;
    for (size_t i = 0; i + 4 <= s->n; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] += s->words[i + k];
    s->sum = sum[0] + sum[1] + sum[2] + sum[3];
    return MS_OK;
}

enum { STRETCH = 1 << 23 }; /* bytes: what a thread takes at a time; the scan takes matrices of 3 MiB */

/* Sums all words of the files through maps of their own; returns the bytes. */
static double read_all(const ms_checkpoint *ckpt, ms_pool *pool) {
    size_t n = 0, n_most = 0;
    double n_bytes = 0;
    for (size_t f = 0; f < ckpt->n_files; f++) n_most += (size_t)(ckpt->files[f].n_bytes / STRETCH + 1);
    stretch *const all = calloc(n_most, sizeof *all);
    for (size_t f = 0; all && f < ckpt->n_files; f++) {
        const uint8_t *const map = ckpt->files[f].reader->source->map;
        for (uint64_t at = 0; at < ckpt->files[f].n_bytes; at += STRETCH) {
            const uint64_t left = ckpt->files[f].n_bytes - at;
            all[n++] = (stretch){(const uint64_t *)(map + at), (size_t)((left < STRETCH ? left : STRETCH) / 8), 0};
        }
        n_bytes += (double)ckpt->files[f].n_bytes;
    }
    const ms_status status = ms_pool_run(pool, n, sum_words, all, NULL, NULL);
    volatile uint64_t keep = 0;
    for (size_t i = 0; i < n; i++) keep += all[i].sum;
    free(all);
    return status == MS_OK ? n_bytes : 0;
}

/* ---- measuring ---- */

typedef struct model {
    ms_checkpoint *ckpt;
    ms_banks banks;
    ms_pool *pool;
    double n_bytes, n_weights; /* of the matrices */
    int n_threads;
} model;

static ms_status open_model(model *m, const char *folder, int n_threads, ms_err *err) {
    *m = (model){.n_threads = n_threads};
    MS_TRY(ms_checkpoint_open(&m->ckpt, folder, NULL, err));
    MS_TRY(ms_banks_from_family(&m->banks, m->ckpt, err));
    MS_TRY(ms_pool_create(&m->pool, n_threads, err));
    m->n_threads = ms_pool_threads(m->pool);
    for (size_t i = 0; i < m->banks.matrices.n; i++)
        m->n_weights += (double)(m->banks.matrices.items[i].rows * m->banks.matrices.items[i].cols);
    m->n_bytes = 2 * m->n_weights;
    return MS_OK;
}

static void close_model(model *m) {
    ms_pool_destroy(m->pool);
    ms_banks_free(&m->banks);
    ms_checkpoint_close(m->ckpt);
}

/* Seconds of one scan, with a fresh map of the files, as a run has it. */
static double time_scan(const char *folder, int n_threads, const char *const *lenses, size_t n_lenses, size_t n_schemes,
                        ms_err *err) {
    const char *const names[] = {"affine_q4_g32", "mxfp4_g32", "affine_q8_g32"};
    ms_mlx_scheme schemes[3];
    model m;
    ms_scan *scan;
    const double begin = seconds();
    if (open_model(&m, folder, n_threads, err) != MS_OK) return NAN;
    for (size_t i = 0; i < n_schemes; i++) {
        if (ms_mlx_scheme_parse(ms_str_of(names[i]), &schemes[i], err) != MS_OK) return NAN;
        schemes[i].compute = MS_DTYPE_BF16;
    }
    ms_scan_options options = ms_scan_options_default();
    options.n_threads = n_threads;
    options.schemes = schemes;
    options.n_schemes = n_schemes;
    options.lenses = lenses;
    options.n_lenses = n_lenses;
    if (ms_scan_create(&scan, &options, err) != MS_OK) return NAN;
    if (ms_scan_run(scan, m.ckpt, m.banks.matrices.items, m.banks.matrices.n, err) != MS_OK) return NAN;
    ms_scan_destroy(scan);
    close_model(&m);
    return seconds() - begin;
}

static double time_read(const char *folder, int n_threads, ms_err *err) {
    model m;
    const double begin = seconds();
    if (open_model(&m, folder, n_threads, err) != MS_OK) return NAN;
    const double n_bytes = read_all(m.ckpt, m.pool);
    close_model(&m);
    return n_bytes > 0 ? seconds() - begin : NAN;
}

static double least(double a, double b) { return b < a ? b : a; }

static int warm(const char *folder, int n_threads) {
    ms_err err = {0};
    double read = INFINITY, scan = INFINITY, schemes = INFINITY;
    model m;
    if (open_model(&m, folder, n_threads, &err) != MS_OK) return fail(&err);
    for (int round = 0; round < ROUNDS; round++) {
        read = least(read, time_read(folder, n_threads, &err));
        scan = least(scan, time_scan(folder, n_threads, NULL, 0, 0, &err));
        if (round < 2) schemes = least(schemes, time_scan(folder, n_threads, NULL, 0, 3, &err));
        if (err.text[0]) return fail(&err);
    }
    printf("{\"threads\": %d, \"bytes\": %.0f, \"read_gbs\": %.2f, \"scan_gbs\": %.2f, \"scan_of_read\": %.3f, "
           "\"scan_weights_per_s\": %.4g, \"schemes_s\": %.3f, \"weight_schemes_per_s_core\": %.4g}\n",
           m.n_threads, m.n_bytes, m.n_bytes / read / 1e9, m.n_bytes / scan / 1e9, read / scan, m.n_weights / scan, schemes,
           3 * m.n_weights / schemes / m.n_threads);
    close_model(&m);
    return 0;
}

/* Each lens on its own: where the time goes. */
static int lenses(const char *folder, int n_threads) {
    static const char *const each[] = {"moments", "sampled", "exact", "groups"};
    ms_err err = {0};
    for (int i = 0; i < 4; i++) {
        double best = INFINITY;
        for (int round = 0; round < 3; round++) best = least(best, time_scan(folder, n_threads, &each[i], 1, 0, &err));
        if (err.text[0]) return fail(&err);
        printf("%s %.3f s\n", each[i], best);
    }
    return 0;
}

static int drop(const char *folder) {
    ms_files_list list;
    ms_err err = {0};
    if (ms_files_list_folder(&list, folder, &err) != MS_OK) return fail(&err);
    for (size_t i = 0; i < list.n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%.*s", folder, (int)list.items[i].name.size, list.items[i].name.text);
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    ms_files_list_free(&list);
    return 0;
}

static int one(const char *what, const char *folder, int n_threads) {
    ms_err err = {0};
    const double took =
        strcmp(what, "read") == 0 ? time_read(folder, n_threads, &err) : time_scan(folder, n_threads, NULL, 0, 0, &err);
    if (isnan(took)) return fail(&err);
    printf("%.4f\n", took);
    return 0;
}

int main(int argc, char **argv) {
    const char *const what = argc > 2 ? argv[1] : "";
    const int n_threads = argc > 3 ? atoi(argv[3]) : 0;
    if (strcmp(what, "make") == 0 && argc == 4) return make(argv[2], atof(argv[3]));
    if (strcmp(what, "warm") == 0) return warm(argv[2], n_threads);
    if (strcmp(what, "lenses") == 0) return lenses(argv[2], n_threads);
    if (strcmp(what, "drop") == 0) return drop(argv[2]);
    if (strcmp(what, "read") == 0 || strcmp(what, "scan") == 0) return one(what, argv[2], n_threads);
    fprintf(stderr, "scan_bench make|warm|lenses|read|scan|drop FOLDER [GIB|THREADS]\n");
    return 2;
}
