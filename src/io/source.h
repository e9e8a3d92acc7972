/*
 * source: read-only random-access bytes; readers never know where they come from.
 *
 *     ms_source *source;
 *     MS_TRY(ms_source_open_file(&source, "model.safetensors", err));
 *     const void *bytes;
 *     MS_TRY(ms_source_view(source, offset, n, &scratch, &bytes, err));     // borrowed until the scratch is used again
 *     ms_source_close(source);
 *
 * A mapped file hands out pointers into the map and never copies; others (HTTP ranges, inflated members) fill the scratch.
 * Views are thread-safe with one scratch per thread. A mapped file that shrinks under us gives MS_ERR_IO naming the file
 * (SIGBUS is caught, see guard.h), not a crash.
 */
#ifndef MS_SOURCE_H
#define MS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

typedef struct ms_source ms_source;

typedef struct ms_scratch { /* zero it before first use; ms_scratch_free at the end */
    void *bytes;            /* owned, 64-byte aligned */
    size_t capacity;
} ms_scratch;

typedef struct ms_source_ops { /* for those who write another kind of source */
    ms_status (*view)(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err);
    void (*will_need)(ms_source *self, uint64_t offset, uint64_t n); /* hint; may be NULL */
    void (*drop)(ms_source *self, uint64_t offset, uint64_t n);      /* hint; may be NULL */
    ms_status (*unchanged)(ms_source *self, ms_err *err);            /* may be NULL: it cannot change */
    void (*close)(ms_source *self);
} ms_source_ops;

struct ms_source {
    const ms_source_ops *ops;
    uint64_t size;    /* bytes */
    const char *path; /* for messages; owned by the source */
    const void *map;  /* the whole content when it lies in memory, else NULL; valid until close */
};

/* Maps a regular file; a path on the Hub (hub.h) opens by ranges. MS_ERR_NOT_FOUND, MS_ERR_IO (is a directory, no permission,
 * ...). Owned. */
ms_status ms_source_open_file(ms_source **out, const char *path, ms_err *err);

/* Bytes that someone else owns and keeps alive. `path` is copied. Owned. */
ms_status ms_source_over_memory(ms_source **out, const void *bytes, size_t n, const char *path, ms_err *err);

/* [offset, offset+n). MS_ERR_DAMAGED when that lies outside the source. */
ms_status ms_source_view(ms_source *source, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err);

/* Hints: the range will be read soon (MADV_WILLNEED in steps of 1 MiB), or never again (MADV_DONTNEED and fadvise). */
void ms_source_will_need(ms_source *source, uint64_t offset, uint64_t n);
void ms_source_drop(ms_source *source, uint64_t offset, uint64_t n);

/* MS_ERR_IO when the file was written to since it was opened (another size or time of change), so that what was read may be a
 * mixture; a file that another one took the place of is still the old one here, and fine. For the end of a long run. */
ms_status ms_source_unchanged(ms_source *source, ms_err *err);

/* NULL-safe. */
void ms_source_close(ms_source *source);

/* At least n bytes in scratch->bytes; false when memory is short. */
bool ms_scratch_reserve(ms_scratch *scratch, size_t n);
void ms_scratch_free(ms_scratch *scratch);

#endif
