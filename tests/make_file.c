#include "make_file.h"

#include <stdlib.h>

#include "files.h"
#include "mem.h"
#include "npy.h"
#include "zip.h"

#if MS_HAVE_ZLIB
#include <zlib.h>
#endif

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

/* ---- npy and zip ---- */

void make_npy(ms_buf *out, ms_dtype dtype, bool fortran, uint32_t rank, const uint64_t *shape, const void *bytes, size_t n) {
    ms_err err = {0};
    must(ms_npy_put_header(out, dtype, fortran, rank, shape, &err), &err);
    ms_buf_put(out, bytes, n);
}

void make_npy_raw(ms_buf *out, int version, const char *header, const void *bytes, size_t n) {
    const uint32_t length = (uint32_t)strlen(header) + 1;
    const char prefix[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0};
    ms_buf_put(out, prefix, sizeof prefix);
    ms_buf_put(out, &length, version == 1 ? 2 : 4);
    ms_buf_put_text(out, header);
    ms_buf_put_char(out, '\n');
    ms_buf_put(out, bytes, n);
}

static void put16(ms_buf *b, unsigned value) { ms_buf_put(b, &(uint16_t){(uint16_t)value}, 2); }
static void put32(ms_buf *b, uint64_t value) { ms_buf_put(b, &(uint32_t){(uint32_t)value}, 4); }
static void put64(ms_buf *b, uint64_t value) { ms_buf_put(b, &value, 8); }

static void put_deflated(ms_buf *out, ms_str content) {
#if MS_HAVE_ZLIB
    z_stream z = {0};
    const size_t most = content.size + content.size / 1000 + 64;
    uint8_t *const packed = malloc(most);
    if (!packed || deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) exit(2);
    z.next_in = (Bytef *)(uintptr_t)content.text, z.avail_in = (unsigned)content.size;
    z.next_out = packed, z.avail_out = (unsigned)most;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) exit(2);
    ms_buf_put(out, packed, most - z.avail_out);
    deflateEnd(&z);
    free(packed);
#else
    const uint16_t n = (uint16_t)content.size; /* one stored block */
    ms_buf_put_char(out, 1);
    put16(out, n), put16(out, (uint16_t)~n);
    ms_buf_put_str(out, content);
#endif
}

void make_zip_add(make_zip *z, const char *name, ms_str content, unsigned how) {
    ms_buf packed = {0};
    if (how & MAKE_DEFLATED) put_deflated(&packed, content);
    else ms_buf_put_str(&packed, content);
    const uint32_t crc = ms_zip_crc(0, content.text, content.size);
    const unsigned flags = how & MAKE_DESCRIPTOR ? 0x0808 : 0, method = how & MAKE_DEFLATED ? 8 : 0;
    const bool wide = how & MAKE_ZIP64, later = how & MAKE_DESCRIPTOR;
    const uint64_t n_packed = packed.size, n_bytes = content.size, narrow = 0xFFFFFFFF;
    const size_t n_name = strlen(name);

    z->header_at[z->n] = z->file.size;
    put32(&z->file, 0x04034B50), put16(&z->file, 45), put16(&z->file, flags), put16(&z->file, method), put32(&z->file, 0);
    put32(&z->file, later ? 0 : crc), put32(&z->file, wide ? narrow : later ? 0 : n_packed);
    put32(&z->file, wide ? narrow : later ? 0 : n_bytes);
    put16(&z->file, (unsigned)n_name), put16(&z->file, wide ? 20 : 0);
    ms_buf_put(&z->file, name, n_name);
    if (wide) put16(&z->file, 1), put16(&z->file, 16), put64(&z->file, n_bytes), put64(&z->file, n_packed);
    ms_buf_put_str(&z->file, ms_buf_str(&packed));
    if (later) put32(&z->file, 0x08074B50), put32(&z->file, crc), put32(&z->file, n_packed), put32(&z->file, n_bytes);
    ms_buf_free(&packed);

    ms_buf *const d = &z->directory;
    z->entry_at[z->n] = d->size;
    put32(d, 0x02014B50), put16(d, 45), put16(d, 45), put16(d, flags), put16(d, method), put32(d, 0), put32(d, crc);
    put32(d, wide ? narrow : n_packed), put32(d, wide ? narrow : n_bytes);
    put16(d, (unsigned)n_name), put16(d, wide ? 28 : 0), put16(d, 0), put16(d, 0), put16(d, 0), put32(d, 0);
    put32(d, wide ? narrow : z->header_at[z->n]);
    ms_buf_put(d, name, n_name);
    if (wide) put16(d, 1), put16(d, 24), put64(d, n_bytes), put64(d, n_packed), put64(d, z->header_at[z->n]);
    z->n++;
}

void make_zip_end(make_zip *z, bool zip64) {
    z->directory_at = z->file.size;
    const uint64_t n_directory = z->directory.size;
    ms_buf_put_str(&z->file, ms_buf_str(&z->directory));
    if (zip64) {
        const uint64_t at = z->file.size;
        put32(&z->file, 0x06064B50), put64(&z->file, 44), put16(&z->file, 45), put16(&z->file, 45), put32(&z->file, 0);
        put32(&z->file, 0), put64(&z->file, z->n), put64(&z->file, z->n), put64(&z->file, n_directory);
        put64(&z->file, z->directory_at);
        put32(&z->file, 0x07064B50), put32(&z->file, 0), put64(&z->file, at), put32(&z->file, 1);
    }
    z->end_at = z->file.size;
    put32(&z->file, 0x06054B50), put32(&z->file, 0);
    put16(&z->file, zip64 ? 0xFFFF : (unsigned)z->n), put16(&z->file, zip64 ? 0xFFFF : (unsigned)z->n);
    put32(&z->file, zip64 ? 0xFFFFFFFF : n_directory), put32(&z->file, zip64 ? 0xFFFFFFFF : z->directory_at),
        put16(&z->file, 0);
}

void make_zip_free(make_zip *z) {
    ms_buf_free(&z->file);
    ms_buf_free(&z->directory);
    *z = (make_zip){0};
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
