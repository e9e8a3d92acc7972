/*
 * strided: a source whose bytes are the elements of a strided view (transposes, slices, expanded axes), in row-major order.
 *
 *     MS_TRY(ms_source_over_strided(&source, &view, "ckpt.pt: tensor 'a'", err));
 *
 * Views are gathered into the caller's scratch as they are read; nothing is kept.
 */
#ifndef MS_STRIDED_H
#define MS_STRIDED_H

#include "source.h"

enum { MS_STRIDED_MAX_RANK = 32 };

typedef struct ms_strided {
    ms_source *base; /* borrowed: must outlive the view */
    uint64_t offset; /* byte of element [0, 0, ...] */
    size_t item;     /* bytes of an element, 1 to 16 */
    uint32_t rank;
    uint64_t shape[MS_STRIDED_MAX_RANK];   /* the product times item fits uint64_t */
    uint64_t strides[MS_STRIDED_MAX_RANK]; /* elements */
} ms_strided;

/* The caller has checked that every element lies inside the base. path: copied. Owned. */
ms_status ms_source_over_strided(ms_source **out, const ms_strided *view, const char *path, ms_err *err);

#endif
