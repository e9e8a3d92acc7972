/*
 * ggml_bench: the block decoders beside ggml's own row functions, in one run and in turns: G weights a second on one core.
 *
 *     ggml_bench GGML.so [SECONDS]    a Markdown table; the build makes ggml_native.so when tools/deps --oracle brought its
 * source
 *
 * Both decode one row of random blocks into the same buffer, which stays in the second-level cache; the best pass of each side
 * within SECONDS (0.5) a type counts. MOESCOPE_ISA makes ours use a lower instruction set.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu.h"
#include "ggml_block.h"
#include "mem.h"

enum { N_WEIGHTS = 1 << 16 }; /* 256 KiB of f32 */

typedef void row_function(const void *blocks, float *out, int64_t n);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "dequantize_row_q4_K": the letters are small but for the last one of K types. */
static row_function *find(void *library, const char *type) {
    char name[64];
    row_function *found;
    snprintf(name, sizeof name, "dequantize_row_%s", type);
    for (char *c = name; *c; c++) *c = (char)tolower((unsigned char)*c);
    const size_t n = strlen(name);
    if (name[n - 1] == 'k') name[n - 1] = 'K';
    void *const symbol = dlsym(library, name);
    memcpy(&found, &symbol, sizeof found);
    return found;
}

/* Best weights a second of both. */
static void race(const ms_ggml_type *type, row_function *theirs, const uint8_t *blocks, float *out, double seconds,
                 double best[static 2]) {
    best[0] = best[1] = 0;
    for (const double end = now() + seconds; now() < end;)
        for (int side = 0; side < 2; side++) {
            const double begin = now();
            if (side == 0) ms_ggml_blocks_decode(type->dtype, blocks, N_WEIGHTS / type->block, out);
            else theirs(blocks, out, N_WEIGHTS);
            const double rate = N_WEIGHTS / (now() - begin);
            if (rate > best[side]) best[side] = rate;
        }
}

/* Random bytes, but scales that are no subnormal numbers: those would slow both sides down. */
static void fill(const ms_ggml_type *type, uint8_t *blocks) {
    static uint32_t state = 1;
    const float scale = 0.0123f;
    const size_t n_bytes = (size_t)N_WEIGHTS / type->block * type->bytes;
    for (size_t i = 0; i < n_bytes; i++) blocks[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    for (size_t i = 0; i < n_bytes; i += type->bytes) {
        if (type->dtype == MS_DTYPE_GGML_Q8_K) memcpy(blocks + i, &scale, sizeof scale);
        if (type->dtype == MS_DTYPE_GGML_MXFP4) blocks[i] = 120;
    }
}

int main(int argc, char **argv) {
    void *const library = argc > 1 ? dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL) : NULL;
    const double seconds = argc > 2 ? atof(argv[2]) : 0.5;
    uint8_t *const blocks = ms_mem_alloc((size_t)N_WEIGHTS * 2);
    float *const out = ms_mem_alloc_array(N_WEIGHTS, sizeof *out);
    if (!library || !blocks || !out) {
        fprintf(stderr, "ggml_bench: %s\n", argc > 1 ? dlerror() : "which shared object?");
        return 2;
    }
    printf("| type | %s, G weights/s | ggml | ratio | wanted |\n|---|---|---|---|---|\n", ms_isa_name(ms_cpu_isa()));
    for (uint32_t id = 0; id < MS_GGML_N_IDS; id++) {
        const ms_ggml_type *const type = ms_ggml_type_by_id(id);
        row_function *const theirs = type->block > 1 && type->dtype != MS_DTYPE_UNKNOWN ? find(library, type->name) : NULL;
        double best[2];
        if (!theirs) continue;
        fill(type, blocks);
        race(type, theirs, blocks, out, seconds, best);
        printf("| %s | %.2f | %.2f | %.2f x | >= %d x |\n", type->name, best[0] / 1e9, best[1] / 1e9, best[0] / best[1],
               type->name[0] == 'I' ? 3 : 1);
        fflush(stdout);
    }
    return 0;
}
