/*
 * fuzz_reader: what holds for any bytes and any format, for the targets of the readers.
 *
 * Strict and lenient reading end in a status with a message; what is listed lies inside its source and can be viewed or says
 * why not; what strict reading takes, lenient reading takes the same without an error noted; and a source that hands out copies
 * gives the same as one that hands out its memory.
 */
#ifndef MS_FUZZ_READER_H
#define MS_FUZZ_READER_H

#include <string.h>

#include "fuzz.h"
#include "reader.h"

static inline bool fuzz_is_verdict(ms_status status, const ms_err *err) {
    if (status == MS_OK) return true;
    return (status == MS_ERR_DAMAGED || status == MS_ERR_UNSUPPORTED) && err->text[0] &&
           ms_str_is_utf8(ms_str_of(err->text), NULL);
}

typedef struct fuzz_copying { /* without a map: readers must take every view through a scratch */
    ms_source base;
    const uint8_t *data;
} fuzz_copying;

static ms_status fuzz_copying_view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out,
                                   ms_err *err) {
    (void)err;
    FUZZ_CHECK(ms_scratch_reserve(scratch, n));
    if (n) memcpy(scratch->bytes, ((const fuzz_copying *)self)->data + offset, n);
    *out = scratch->bytes;
    return MS_OK;
}

static void fuzz_copying_close(ms_source *self) { free(self); }

static inline ms_source *fuzz_copying_source(const uint8_t *data, size_t size, const char *path) {
    static const ms_source_ops ops = {.view = fuzz_copying_view, .close = fuzz_copying_close};
    fuzz_copying *const source = malloc(sizeof *source);
    FUZZ_CHECK(source);
    *source = (fuzz_copying){.base = {.ops = &ops, .size = size, .path = path}, .data = data};
    return &source->base;
}

/* NULL when it is refused. Inflated members may take 1 MiB. */
static inline ms_reader *fuzz_open(ms_source *source, bool lenient, ms_notes *notes) {
    ms_reader *reader = NULL;
    ms_err err = {0};
    const ms_read_options options = {.lenient = lenient, .inflate_budget = 1 << 20};
    const ms_status status = ms_reader_open(&reader, source, &options, notes, &err);
    FUZZ_CHECK(fuzz_is_verdict(status, &err));
    FUZZ_CHECK((status == MS_OK) == (reader != NULL));
    return reader;
}

static inline bool fuzz_same_tensor(const ms_stored *a, const ms_stored *b) {
    return ms_str_equal(a->name, b->name) && a->dtype == b->dtype && a->rank == b->rank && a->n_bytes == b->n_bytes &&
           a->offset == b->offset && a->column_major == b->column_major &&
           (a->rank == 0 || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

static inline void fuzz_check_same(const ms_reader *a, const ms_reader *b) {
    FUZZ_CHECK((a == NULL) == (b == NULL));
    if (!a) return;
    FUZZ_CHECK(a->n_tensors == b->n_tensors && a->n_metadata == b->n_metadata && a->header_bytes == b->header_bytes);
    for (size_t i = 0; i < a->n_tensors; i++) FUZZ_CHECK(fuzz_same_tensor(&a->tensors[i], &b->tensors[i]));
}

/* Touches every byte that is listed. */
static inline void fuzz_check_tensors(const ms_reader *reader, size_t size) {
    ms_scratch scratch = {0};
    for (size_t i = 0; i < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        ms_err err = {0};
        const void *bytes;
        FUZZ_CHECK(ms_str_is_utf8(t->name, NULL) && t->offset <= t->source->size && t->n_bytes <= t->source->size - t->offset);
        FUZZ_CHECK(t->source != reader->source || t->source->size == size);
        const ms_status status = ms_source_view(t->source, t->offset, (size_t)t->n_bytes, &scratch, &bytes, &err);
        FUZZ_CHECK(fuzz_is_verdict(status, &err));
        unsigned sum = 0;
        for (uint64_t k = 0; status == MS_OK && k < t->n_bytes; k++) sum += ((const uint8_t *)bytes)[k];
        __asm__ volatile("" : : "r"(sum));
    }
    ms_scratch_free(&scratch);
}

/* All of the above; the strict reader, or NULL. The caller closes it. */
static inline ms_reader *fuzz_read(const uint8_t *data, size_t size, const char *path) {
    ms_source *memory, *again;
    ms_notes notes = {0}, lenient_notes = {0};
    FUZZ_CHECK(ms_source_over_memory(&memory, data, size, path, NULL) == MS_OK);
    FUZZ_CHECK(ms_source_over_memory(&again, data, size, path, NULL) == MS_OK);
    ms_reader *const strict = fuzz_open(memory, false, &notes);
    ms_reader *const lenient = fuzz_open(again, true, &lenient_notes);
    ms_reader *const copied = fuzz_open(fuzz_copying_source(data, size, path), false, NULL);
    fuzz_check_same(strict, copied);
    if (strict) {
        fuzz_check_same(strict, lenient);
        for (size_t i = 0; i < lenient_notes.n; i++) /* a dangerous pickle breaks no rule of its format */
            FUZZ_CHECK(lenient_notes.items[i].severity < MS_NOTE_ERROR ||
                       strcmp(lenient_notes.items[i].code, "torch.dangerous_global") == 0);
        fuzz_check_tensors(copied, size);
    }
    if (lenient) fuzz_check_tensors(lenient, size);
    ms_reader_close(lenient);
    ms_reader_close(copied);
    ms_notes_free(&notes);
    ms_notes_free(&lenient_notes);
    return strict;
}

#endif
