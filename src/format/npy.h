/*
 * npy: NumPy's array files. The layout is at the head of npy.c.
 *
 * A whole file is opened through ms_reader_open (one tensor, named after the file); npz.c uses ms_npy_read_header for members.
 */
#ifndef MS_NPY_H
#define MS_NPY_H

#include "arena.h"
#include "broken.h"
#include "buf.h"
#include "reader.h"

enum { MS_NPY_MAX_HEADER = 1 << 20, MS_NPY_PREFIX = 12 }; /* bytes: of a header; that tell how long the header is */
enum { MS_NPY_MAX_RANK = 64 };                            /* of NumPy 2 */

typedef struct ms_npy_header {
    ms_dtype dtype;       /* MS_DTYPE_UNKNOWN: a type that can be listed but not decoded */
    ms_str descr;         /* as the file spells the type */
    bool is_guessed_bf16; /* spelled as 2 bytes of anything ('V2'), taken for BF16 */
    bool column_major;    /* Fortran order of two or more axes */
    uint32_t rank;
    const uint64_t *shape; /* [rank] */
    uint64_t n_bytes;      /* of data */
    size_t n_header;       /* bytes before the data */
} ms_npy_header;

/* How many bytes the header has in all, from the first MS_NPY_PREFIX bytes of the file (fewer only if it is that short). */
ms_status ms_npy_header_size(size_t *n_header, const void *bytes, size_t n, const ms_broken_rules *rules, ms_str tensor,
                             int64_t at, ms_err *err);

/* bytes: [n_header]; tensor, at: for messages. Text and shape go into the arena. MS_ERR_UNSUPPORTED for objects, structures
 * and big-endian elements, MS_ERR_DAMAGED for what is no header. */
ms_status ms_npy_parse_header(ms_npy_header *out, const void *bytes, size_t n_header, ms_arena *arena,
                              const ms_broken_rules *rules, ms_str tensor, int64_t at, ms_err *err);

/* Notes what the reader had to assume about the type, if anything. */
ms_status ms_npy_remark(const ms_npy_header *header, const ms_broken_rules *rules, ms_str tensor, ms_err *err);

extern const ms_format ms_npy_format;

/* ---- writing ---- */

/* Appends the header that NumPy would write. BF16 and the small floats are spelled as NumPy's ml_dtypes does ('<V2', '|V1').
 * MS_ERR_UNSUPPORTED for types that NumPy has no whole bytes for. */
ms_status ms_npy_put_header(ms_buf *out, ms_dtype dtype, bool column_major, uint32_t rank, const uint64_t *shape, ms_err *err);

/* A file in one go; bytes: the elements in row-major order. */
ms_status ms_npy_write(const char *path, ms_dtype dtype, uint32_t rank, const uint64_t *shape, const void *bytes, ms_err *err);

#endif
