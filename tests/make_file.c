#include "make_file.h"

#include <stdlib.h>

#include "files.h"
#include "mem.h"

static void must(ms_status status, const ms_err *err) {
    if (status == MS_OK) return;
    fprintf(stderr, "make_file: %s\n", err->text);
    exit(2);
}

const char *make_file(ms_arena *arena, const char *folder, const char *name, const void *bytes, size_t n) {
    ms_err err = {0};
    const ms_str path = ms_files_join(arena, ms_str_of(folder), ms_str_of(name));
    const ms_str parent = ms_arena_copy(arena, ms_files_folder_of(path));
    must(ms_files_make_folder(parent.text, &err), &err);
    must(ms_files_write(path.text, bytes, n, MS_FILES_NO_SYNC, &err), &err);
    return path.text;
}

/* ---- safetensors ---- */

void make_safetensors_raw(ms_buf *out, const char *json, const void *data, size_t n) {
    const uint64_t length = strlen(json);
    ms_buf_put(out, &length, sizeof length);
    ms_buf_put_text(out, json);
    ms_buf_put(out, data, n);
}

void make_safetensors(ms_buf *out, const ms_safetensors_tensor *tensors, size_t n) {
    ms_err err = {0};
    const ms_metadata metadata = {MS_STR("format"), MS_STR("pt")};
    must(ms_safetensors_write(out, tensors, n, &metadata, 1, &err), &err);
}

ms_safetensors_tensor make_f32(ms_arena *arena, const char *name, float first, uint32_t rank, const uint64_t *shape) {
    size_t n = 1;
    for (uint32_t i = 0; i < rank; i++) n *= shape[i];
    float *const values = ms_arena_alloc_array(arena, n, sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = first + (float)i;
    return (ms_safetensors_tensor){.name = ms_arena_copy(arena, ms_str_of(name)),
                                   .dtype = MS_DTYPE_F32,
                                   .rank = rank,
                                   .shape =
                                       memcpy(ms_arena_alloc_array(arena, rank, sizeof *shape), shape, rank * sizeof *shape),
                                   .bytes = values};
}

static ms_safetensors_tensor random_tensor(ms_gen *g, ms_arena *arena, size_t i) {
    static const char *const odd[] = {"",       "a",   "\xC3\xA9\xE2\x82\xAC", "line\nbreak", "quote\"\\", "\x1b[31m",
                                      "x y..z", "\x7F"};
    ms_safetensors_tensor t = {.rank = (uint32_t)gen_below(g, 5)};
    uint64_t *const shape = ms_arena_alloc_array(arena, t.rank, sizeof *shape);
    t.shape = shape;
    uint64_t n_bytes;
    do {
        t.dtype = (ms_dtype)(1 + gen_below(g, MS_DTYPE_GGML_FIRST - 1));
        for (uint32_t k = 0; k < t.rank; k++) shape[k] = gen_below(g, 7);
    } while (!ms_safetensors_size(&t, &n_bytes));
    t.name = ms_arena_printf(arena, "%s%zu", odd[gen_below(g, sizeof odd / sizeof *odd)], i);
    uint8_t *const bytes = ms_arena_alloc(arena, n_bytes);
    for (uint64_t k = 0; k < n_bytes; k++) bytes[k] = (uint8_t)gen_u64(g);
    t.bytes = bytes;
    return t;
}

size_t make_random_tensors(ms_gen *g, ms_arena *arena, ms_safetensors_tensor *out, size_t n_max) {
    const size_t n = gen_below(g, n_max + 1);
    for (size_t i = 0; i < n; i++) out[i] = random_tensor(g, arena, i);
    return n;
}

/* ---- sources ---- */

typedef struct copying_source {
    ms_source base;
    const void *bytes;
    int fail_at;
} copying_source;

static ms_status copying_view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    copying_source *const c = (copying_source *)self;
    if (c->fail_at > 0 && --c->fail_at == 0) return ms_err_set(err, MS_ERR_IO, "%s: a read that fails on purpose", self->path);
    if (!ms_scratch_reserve(scratch, n)) return ms_err_memory(err, "a view");
    if (n) memcpy(scratch->bytes, (const char *)c->bytes + offset, n);
    *out = scratch->bytes;
    return MS_OK;
}

static void copying_close(ms_source *self) { free(self); }

static const ms_source_ops copying_ops = {.view = copying_view, .close = copying_close};

ms_source *make_copying_source(const void *bytes, size_t n, const char *path, int fail_at) {
    copying_source *const c = malloc(sizeof *c); /* not ms_mem_alloc: the subject's allocations are counted, not ours */
    if (!c) exit(2);
    *c = (copying_source){.base = {.ops = &copying_ops, .size = n, .path = path}, .bytes = bytes, .fail_at = fail_at};
    return &c->base;
}

void make_mutation(ms_gen *g, ms_buf *b) {
    if (b->size == 0) return;
    const size_t at = gen_below(g, b->size), n_left = b->size - at;
    switch (gen_below(g, 5)) {
    case 0: b->size = at; break;
    case 1: /* an interesting byte */ b->bytes[at] = (char)"\0\x01\x7F\x80\xFF\"\\{}[],:09-.eE \n"[gen_below(g, 22)]; break;
    case 2: { /* a piece again, at the end */
        const size_t n = 1 + gen_below(g, n_left < 64 ? n_left : 64);
        char piece[64];
        memcpy(piece, b->bytes + at, n);
        ms_buf_put(b, piece, n);
        break;
    }
    case 3: { /* a piece left out */
        const size_t n = 1 + gen_below(g, n_left < 16 ? n_left : 16);
        memmove(b->bytes + at, b->bytes + at + n, n_left - n);
        b->size -= n;
        break;
    }
    default:
        for (size_t i = 1 + gen_below(g, 8); i > 0; i--) b->bytes[gen_below(g, b->size)] ^= (char)(1u << gen_below(g, 8));
    }
}
