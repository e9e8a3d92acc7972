/*
 * reader: what every file format gives: a list of stored tensors and text metadata. One small interface, one pair of files a
 * format.
 *
 *     ms_reader *reader;
 *     MS_TRY(ms_reader_open(&reader, source, options, &notes, err));      // source is consumed, also on failure
 *     for (size_t i = 0; i < reader->n_tensors; i++) use(&reader->tensors[i]);
 *     ms_reader_close(reader);                                            // closes the source too
 *
 * Formats are recognised by content, then by name. Strict by default: the first broken rule is MS_ERR_DAMAGED. Lenient: broken
 * rules become notes and what can still be read is listed.
 */
#ifndef MS_READER_H
#define MS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "dtype.h"
#include "err.h"
#include "notes.h"
#include "source.h"
#include "str.h"

typedef struct ms_affine { /* w = (code - zero) * scale, as the file itself says; all borrowed from the reader */
    double scale;          /* of all elements, where `scales` is NULL */
    int64_t zero;
    uint32_t axis;                          /* has a scale and a zero point an index */
    const struct ms_stored *scales, *zeros; /* [shape[axis]] */
} ms_affine;

typedef struct ms_stored { /* one tensor as a file stores it; all borrowed from the reader. There may be a million: no gaps */
    ms_str name;           /* valid UTF-8; may hold control characters: show it through ms_str_shown */
    ms_str dtype_name;     /* as the file spells it */
    const uint64_t *shape; /* [rank]; the product and the byte size are checked */
    ms_source *source;     /* the file, or an inflated member */
    uint64_t offset;       /* of the first byte in `source` */
    uint64_t n_bytes;
    const ms_affine *affine; /* NULL: elements are their values */
    uint32_t rank;
    ms_dtype dtype;
    bool column_major; /* Fortran order: the first index is the fastest */
} ms_stored;

typedef struct ms_metadata { /* one entry of the file's own metadata */
    ms_str key, value;       /* value: text, or the JSON of what is no text */
} ms_metadata;

typedef struct ms_reader ms_reader;
typedef struct ms_read_options {
    bool lenient;
    uint64_t inflate_budget; /* bytes that inflated members may take in memory; 0: 1 GiB */
} ms_read_options;

typedef struct ms_format {
    const char *name;      /* "safetensors" */
    const char *extension; /* ".safetensors" */
    /* Does it look like one? head: the first n bytes (up to 4096). */
    bool (*probe)(const void *head, size_t n);
    /* source: consumed only on success. */
    ms_status (*open)(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err);
} ms_format;

struct ms_reader {
    const ms_format *format;
    ms_source *source; /* owned */
    ms_arena arena;
    const ms_stored *tensors; /* [n_tensors], in the order of their bytes */
    size_t n_tensors;
    const ms_metadata *metadata; /* [n_metadata] */
    size_t n_metadata;
    uint64_t header_bytes;                 /* of the file that hold no tensor data */
    void (*close_format)(ms_reader *self); /* may be NULL; frees what the format added */
};

/* NULL-terminated list of all formats. */
extern const ms_format *const ms_formats[];

/* Recognises Git LFS pointer files, empty files and HTML error pages and says so. MS_ERR_UNSUPPORTED for what no format takes.
 */
ms_status ms_reader_open(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err);
void ms_reader_close(ms_reader *reader);

/* How the `open` of a format ends: its lists go to the reader, the reader to the caller. Not MS_OK: the reader is closed, and
 * the source stays with the caller. */
ms_status ms_reader_hand_over(ms_reader **out, ms_reader *reader, ms_status status, const ms_stored *tensors, size_t n_tensors,
                              const ms_metadata *metadata, size_t n_metadata);

#endif
