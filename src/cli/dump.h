/*
 * dump: one array out of a checkpoint: a tensor, an expert's matrix cut out of one, or all experts of a projection as a stack.
 *
 *     ms_dump dump;
 *     MS_TRY(ms_dump_choose(&dump, ckpt, &wanted, err));
 *     while (ms_dump_more(&dump)) MS_TRY(ms_dump_next(&dump, &bytes, &n, err));      // in row-major order
 *     ms_dump_free(&dump);
 */
#ifndef MS_DUMP_H
#define MS_DUMP_H

#include "bank.h"
#include "checkpoint.h"

typedef struct ms_dump_wanted { /* what the user asked for */
    const char *tensor;         /* its name, or NULL */
    const char *proj;           /* "gate", "gate_proj", "up", "down", "router", or as the model calls it; or NULL */
    const char *section;        /* "mtp", ...; NULL: the main model, or any other when nothing fits there */
    int64_t layer, expert;      /* -1: not said */
    bool shared;                /* shared experts instead of routed ones */
    bool raw;                   /* as stored, not decoded */
} ms_dump_wanted;

typedef struct ms_dump {
    const ms_checkpoint *ckpt;
    const ms_tensor *tensor; /* a whole one; NULL: matrices */
    ms_banks banks;
    MS_VEC(ms_matrix) matrices; /* all of the same size, by expert */
    bool raw;
    ms_arena arena;

    ms_dtype dtype; /* what is handed out */
    bool column_major;
    uint32_t rank;
    const uint64_t *shape; /* [rank] */
    uint64_t n_bytes;      /* of it all */

    ms_scratch scratch;
    float *decoded; /* [n_decoded] */
    size_t n_decoded;
    uint64_t unit, at; /* of whole tensors: elements (raw: bytes); of matrices: rows of matrix number `unit` */
} ms_dump;

/* MS_ERR_USAGE when nothing or more than one thing fits, saying what is there. Free in any case. */
ms_status ms_dump_choose(ms_dump *out, const ms_checkpoint *ckpt, const ms_dump_wanted *wanted, ms_err *err);
bool ms_dump_more(const ms_dump *dump);
/* The next bytes; borrowed until the next call. */
ms_status ms_dump_next(ms_dump *dump, const void **bytes, size_t *n, ms_err *err);
void ms_dump_free(ms_dump *dump);

#endif
