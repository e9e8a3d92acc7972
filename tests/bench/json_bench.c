/*
 * json_bench: how fast headers and indexes are read and written, beside a plain pass over the same bytes.
 *
 *   json_bench [FILE]        without FILE: an 80 MB safetensors header of 600,000 tensors, made here
 *
 * One thread, best of five. "read" adds up all bytes eight at a time: what the memory gives. "pull" reads each field of the
 * header as format/safetensors.c does (only for the header made here), "skip" checks all of it, "dom" builds the tree, "write"
 * writes the tree without blanks (bytes written).
 */
#include <stdio.h>
#include <time.h>

#include "json.h"
#include "mem.h"

enum { N_RUNS = 5 };

typedef struct subject {
    ms_buf text;
    ms_buf written;
    const ms_json_value *tree;
    uint64_t sum; /* so that nothing is optimised away */
} subject;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make_header(ms_buf *b) {
    static const char *const projections[] = {"down_proj", "gate_proj", "up_proj"};
    const uint64_t n_bytes = 2048 * 1408 * 2;
    uint64_t begin = 0;
    ms_buf_put_text(b, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < 600000; i++, begin += n_bytes)
        ms_buf_printf(b,
                      ",\"model.layers.%d.mlp.experts.%d.%s.weight\":{\"dtype\":\"BF16\",\"shape\":[1408,2048],\"data_"
                      "offsets\":[%llu,%llu]}",
                      i / 768, i / 3 % 256, projections[i % 3], (unsigned long long)begin,
                      (unsigned long long)(begin + n_bytes));
    ms_buf_put_text(b, "}");
}

static ms_status run_read(subject *s, ms_arena *arena, ms_err *err) {
    (void)arena, (void)err;
    uint64_t word;
    for (size_t i = 0; i + 8 <= s->text.size; i += 8) memcpy(&word, s->text.bytes + i, 8), s->sum += word;
    return MS_OK;
}

static ms_status read_numbers(ms_json *json, uint64_t *sum, ms_err *err) {
    MS_TRY(ms_json_expect(json, MS_JSON_ARRAY, err));
    for (;;) {
        bool more;
        uint64_t value;
        MS_TRY(ms_json_next_item(json, &more, err));
        if (!more) return MS_OK;
        MS_TRY(ms_json_u64(json, &value, err));
        *sum += value;
    }
}

static ms_status read_tensor(ms_json *json, uint64_t *sum, ms_err *err) {
    MS_TRY(ms_json_expect(json, MS_JSON_OBJECT, err));
    for (;;) {
        bool more;
        ms_str key, dtype = MS_STR_NONE;
        MS_TRY(ms_json_next_key(json, &key, &more, err));
        if (!more) return MS_OK;
        if (ms_str_is(key, "dtype") || ms_str_is(key, "format")) MS_TRY(ms_json_string(json, &dtype, err));
        else MS_TRY(read_numbers(json, sum, err));
        *sum += dtype.size;
    }
}

static ms_status run_pull(subject *s, ms_arena *arena, ms_err *err) {
    ms_json json = ms_json_over(s->text.bytes, s->text.size, arena);
    MS_TRY(ms_json_expect(&json, MS_JSON_OBJECT, err));
    for (;;) {
        bool more;
        ms_str name;
        MS_TRY(ms_json_next_key(&json, &name, &more, err));
        if (!more) return ms_json_end(&json, err);
        MS_TRY(read_tensor(&json, &s->sum, err));
    }
}

static ms_status run_skip(subject *s, ms_arena *arena, ms_err *err) {
    ms_json json = ms_json_over(s->text.bytes, s->text.size, arena);
    MS_TRY(ms_json_skip(&json, err));
    return ms_json_end(&json, err);
}

static ms_status run_dom(subject *s, ms_arena *arena, ms_err *err) {
    return ms_json_parse(&s->tree, s->text.bytes, s->text.size, arena, err);
}

static ms_status run_write(subject *s, ms_arena *arena, ms_err *err) {
    (void)arena;
    ms_json_out out = {.buf = &s->written, .indent = -1};
    ms_buf_clear(&s->written);
    ms_json_out_value(&out, s->tree, false);
    return s->written.failed ? ms_err_memory(err, "the text") : MS_OK;
}

/* Bytes a second of the fastest run; -1 after an error, which is printed. keep: the arena of the last run stays. */
static double bench(ms_status (*run)(subject *, ms_arena *, ms_err *), subject *s, ms_arena *arena, bool keep) {
    double best = 1e9;
    for (int i = 0; i < N_RUNS; i++) {
        ms_err err;
        const double begin = now();
        const ms_status status = run(s, arena, &err);
        const double took = now() - begin;
        if (status != MS_OK) return fprintf(stderr, "%s\n", err.text), -1;
        if (took < best) best = took;
        if (!keep || i + 1 < N_RUNS) ms_arena_free(arena);
    }
    return (double)(run == run_write ? s->written.size : s->text.size) / best;
}

static bool read_file(ms_buf *out, const char *path) {
    FILE *const file = fopen(path, "rb");
    char block[65536];
    size_t n;
    while (file && (n = fread(block, 1, sizeof block, file)) > 0) ms_buf_put(out, block, n);
    if (file) fclose(file);
    return file && out->size && !out->failed;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        ms_status (*run)(subject *, ms_arena *, ms_err *);
    } rows[] = {{"read", run_read}, {"pull", run_pull}, {"skip", run_skip}, {"dom", run_dom}, {"write", run_write}};
    subject s = {0};
    ms_arena arena = {0};
    if (argc == 2 && !read_file(&s.text, argv[1])) return perror(argv[1]), 5;
    if (argc < 2) make_header(&s.text);
    double limit = 0;
    printf("%zu bytes\n%-6s %8s %9s\n", s.text.size, "", "MB/s", "of read");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (argc == 2 && rows[i].run == run_pull) continue;
        const double rate = bench(rows[i].run, &s, rows[i].run == run_write ? &(ms_arena){0} : &arena, rows[i].run == run_dom);
        if (rate < 0) return 3;
        if (i == 0) limit = rate;
        printf("%-6s %8.0f %8.1f%%\n", rows[i].name, rate / 1e6, 100 * rate / limit);
    }
    ms_arena_free(&arena);
    ms_buf_free(&s.text), ms_buf_free(&s.written);
    return s.sum == 42; /* it is not */
}
