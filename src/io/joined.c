#include "joined.h"

#include <string.h>

#include "mem.h"

typedef struct joined_source {
    ms_source base;
    ms_joined_piece *pieces; /* [n], owned */
    size_t n;
    uint64_t turn; /* bytes of a turn, all pieces together */
} joined_source;

/* Copies from byte `offset` up to the end of the chunk it lies in; *n_done: how many. */
static ms_status copy_chunk(const joined_source *s, uint64_t offset, size_t n, uint8_t *out, size_t *n_done,
                            ms_scratch *scratch, ms_err *err) {
    uint64_t at = offset % s->turn;
    size_t i = 0;
    for (; at >= s->pieces[i].chunk; i++) at -= s->pieces[i].chunk;
    const ms_joined_piece *const p = &s->pieces[i];
    const uint64_t left = p->chunk - at;
    *n_done = left < n ? (size_t)left : n;
    const void *bytes;
    MS_TRY(ms_source_view(p->base, p->offset + offset / s->turn * p->chunk + at, *n_done, scratch, &bytes, err));
    memcpy(out, bytes, *n_done);
    return MS_OK;
}

static ms_status view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    const joined_source *const s = (const joined_source *)self;
    ms_scratch inner = {0};
    if (!ms_scratch_reserve(scratch, n)) return ms_err_memory(err, "a joined tensor");
    ms_status status = MS_OK;
    for (size_t done = 0, step = 0; done < n && status == MS_OK; done += step)
        status = copy_chunk(s, offset + done, n - done, (uint8_t *)scratch->bytes + done, &step, &inner, err);
    ms_scratch_free(&inner);
    *out = scratch->bytes;
    return status;
}

static void will_need(ms_source *self, uint64_t offset, uint64_t n) {
    const joined_source *const s = (const joined_source *)self;
    const uint64_t first = offset / s->turn, last = (offset + n + s->turn - 1) / s->turn;
    for (size_t i = 0; i < s->n; i++)
        ms_source_will_need(s->pieces[i].base, s->pieces[i].offset + first * s->pieces[i].chunk,
                            (last - first) * s->pieces[i].chunk);
}

static void close_joined(ms_source *self) {
    joined_source *const s = (joined_source *)self;
    ms_mem_free(s->pieces);
    ms_mem_free((void *)(uintptr_t)self->path);
    ms_mem_free(s);
}

static const ms_source_ops ops = {.view = view, .will_need = will_need, .close = close_joined};

ms_status ms_source_over_joined(ms_source **out, const ms_joined_piece *pieces, size_t n, uint64_t n_turns, const char *path,
                                ms_err *err) {
    joined_source *const s = ms_mem_zalloc(sizeof *s);
    char *const copy = ms_mem_copy_text(path, strlen(path));
    ms_joined_piece *const kept = ms_mem_alloc_array(n, sizeof *kept);
    if (!s || !copy || !kept) {
        ms_mem_free(s), ms_mem_free(copy), ms_mem_free(kept);
        return ms_err_memory(err, "a joined tensor");
    }
    memcpy(kept, pieces, n * sizeof *kept);
    *s = (joined_source){.pieces = kept, .n = n};
    for (size_t i = 0; i < n; i++) s->turn += kept[i].chunk;
    s->base = (ms_source){.ops = &ops, .size = s->turn * n_turns, .path = copy};
    *out = &s->base;
    return MS_OK;
}
