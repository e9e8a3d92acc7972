#include "strided.h"

#include <string.h>

#include "mem.h"

typedef struct strided_source {
    ms_source base;
    ms_strided view;
} strided_source;

/* Byte of element `index` of the row-major flattening, in the base. */
static uint64_t place_of(const ms_strided *v, uint64_t index) {
    uint64_t at = 0;
    for (uint32_t axis = v->rank; axis-- > 0;) {
        at += index % v->shape[axis] * v->strides[axis];
        index /= v->shape[axis];
    }
    return v->offset + at * v->item;
}

static ms_status gather(const strided_source *s, uint64_t first, size_t n, uint8_t *out, ms_err *err) {
    const ms_strided *const v = &s->view;
    const uint64_t row = v->rank ? v->shape[v->rank - 1] : 1, stride = v->rank ? v->strides[v->rank - 1] : 1;
    ms_scratch scratch = {0};
    ms_status status = MS_OK;
    for (size_t i = 0; i < n && status == MS_OK;) { /* along the last axis as far as it goes */
        const uint64_t left = row - (first + i) % row;
        const size_t run = left < n - i ? (size_t)left : n - i;
        const size_t span = (size_t)((run - 1) * stride + 1) * v->item;
        const void *bytes;
        status = ms_source_view(v->base, place_of(v, first + i), span, &scratch, &bytes, err);
        for (size_t k = 0; status == MS_OK && k < run; k++)
            memcpy(out + (i + k) * v->item, (const uint8_t *)bytes + k * (size_t)stride * v->item, v->item);
        i += run;
    }
    ms_scratch_free(&scratch);
    return status;
}

static ms_status view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    const strided_source *const s = (const strided_source *)self;
    const size_t item = s->view.item;
    const uint64_t first = offset / item, end = (offset + n + item - 1) / item;
    if (!ms_scratch_reserve(scratch, (size_t)(end - first) * item)) return ms_err_memory(err, "a strided tensor");
    MS_TRY(gather(s, first, (size_t)(end - first), scratch->bytes, err));
    *out = (const uint8_t *)scratch->bytes + offset % item;
    return MS_OK;
}

static void close_strided(ms_source *self) {
    ms_mem_free((void *)self->path);
    ms_mem_free(self);
}

static const ms_source_ops ops = {.view = view, .close = close_strided};

ms_status ms_source_over_strided(ms_source **out, const ms_strided *v, const char *path, ms_err *err) {
    strided_source *const s = ms_mem_zalloc(sizeof *s);
    char *const copy = ms_mem_copy_text(path, strlen(path));
    if (!s || !copy) {
        ms_mem_free(s);
        ms_mem_free(copy);
        return ms_err_memory(err, "a strided tensor");
    }
    uint64_t n = v->item;
    for (uint32_t axis = 0; axis < v->rank; axis++) n *= v->shape[axis];
    s->base = (ms_source){.ops = &ops, .size = n, .path = copy};
    s->view = *v;
    *out = &s->base;
    return MS_OK;
}
