/*
 * verify: is this model well-formed and what it claims to be? Everything that is found, by name, place and severity.
 *
 *     ms_verify verify;
 *     MS_TRY(ms_verify_run(&verify, "path/to/model", &options, err));
 *     for (size_t i = 0; i < verify.findings.n; i++) show(&verify.findings.items[i]);
 *     ms_verify_free(&verify);
 *
 * The model is opened leniently: every rule that its readers, its index and its config break is a finding. To these come what
 * readers do not look at: names that a terminal would obey, padding that is not zero, files that lie beside the model, and,
 * when asked for, the values and the hashes. A file that cannot be read at all is a finding, and the others are still looked
 * at. Every code is explained in docs/verify.md.
 */
#ifndef MS_VERIFY_H
#define MS_VERIFY_H

#include <stdatomic.h>

#include "checkpoint.h"
#include "sha256.h"
#include "vec.h"

typedef struct ms_verify_options {
    bool values; /* read every weight: NaN and infinities */
    bool hash;   /* SHA-256 of every file, compared with what is known of it */
    int threads; /* for values; 0: all processors */
    uint64_t inflate_budget;
    const atomic_bool *cancel;                        /* may be NULL */
    void (*begin)(void *context, uint64_t n_bytes);   /* progress of values and hash; may be NULL */
    void (*advance)(void *context, uint64_t n_bytes); /* from any thread */
    void *context;
} ms_verify_options;

typedef struct ms_verify_file {
    ms_str path, name; /* name: relative to the model folder */
    uint64_t n_bytes;
    const char *format; /* "safetensors"; NULL: not read as weights, or unreadable */
    size_t n_tensors;
    char sha256[MS_SHA256_HEX + 1];   /* "" when not computed */
    char git_id[MS_GIT_ID_HEX + 1];   /* computed only when that is what is known */
    char expected[MS_SHA256_HEX + 1]; /* a SHA-256 or a git id; "" when nothing tells it */
    const char *expected_by;          /* "the Hub", "hub cache", "download metadata", "SHA256SUMS", ...; NULL */
} ms_verify_file;

typedef struct ms_verify {
    ms_arena arena;
    ms_notes findings; /* in the order of reading */
    MS_VEC(ms_verify_file) files;
    uint64_t n_tensors, n_bytes; /* n_bytes: of all weight files */
    bool is_folder;              /* the whole folder was looked at, not one file of it */
    ms_str folder;
} ms_verify;

/* An error only when nothing could be looked at: the path does not exist, cannot be read from disk, memory is short. What is
 * wrong with the model itself is MS_OK and a finding. Free it in any case. */
ms_status ms_verify_run(ms_verify *out, const char *path, const ms_verify_options *options, ms_err *err);
void ms_verify_free(ms_verify *verify);

/* What the file should have been, by its kind: the computed value that `expected` is about. */
static inline const char *ms_verify_file_hash(const ms_verify_file *file) {
    return strlen(file->expected) == MS_GIT_ID_HEX ? file->git_id : file->sha256;
}

/* ---- its parts ---- */

ms_status ms_verify_formats(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err); /* names, padding, metadata */
ms_status ms_verify_folder(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err);  /* what lies beside; ckpt may be NULL */
ms_status ms_verify_archives(ms_verify *v, const ms_checkpoint *ckpt, const ms_verify_options *options, ms_err *err);
/* A file that is no checkpoint: what a pickle in it would import. */
ms_status ms_verify_bare_pickle(ms_verify *v, const char *path, ms_err *err);
ms_status ms_verify_order(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err); /* gate and up: halves, or in turn? */
ms_status ms_verify_values(ms_verify *v, const ms_checkpoint *ckpt, const ms_verify_options *options, ms_err *err);
/* Who knows what a file should be (verify_witness.c): of one file, of all files, of one file whose hash is known. */
ms_status ms_verify_ask(ms_verify *v, ms_verify_file *file, ms_err *err);
ms_status ms_verify_ask_sums(ms_verify *v, ms_err *err);
ms_status ms_verify_ask_lfs(ms_verify *v, ms_verify_file *file, ms_err *err);
/* The object of Git LFS whose pointer the file is, or "" when it is none, or the object is not here. oid: its hash. */
ms_status ms_verify_lfs_object(ms_str *path, char oid[static MS_SHA256_HEX + 1], ms_verify *v, const ms_verify_file *file,
                               ms_err *err);
ms_status ms_verify_hashes(ms_verify *v, const ms_verify_options *options, ms_err *err);

#endif
