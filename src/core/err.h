/*
 * err: errors are values.
 *
 * Every function that can fail returns ms_status and takes a last argument `ms_err *err`, which may be NULL. The function
 * that detects a fault writes one sentence: what is wrong, where, what was expected, what to do. Callers only add where
 * they were (ms_err_within). Nobody prints, nobody exits, outside cli/.
 *
 *     MS_TRY(ms_npy_open(&array, bytes, err));
 *     MS_FAIL_IF(array.rank > 2, MS_ERR_UNSUPPORTED, err, "rank %d: an expert matrix has two axes", array.rank);
 *
 * Text that comes from a file (names, values) goes through ms_str_shown (str.h) first: never print raw bytes.
 */
#ifndef MS_ERR_H
#define MS_ERR_H

#include <stdbool.h>

typedef enum ms_status {
    MS_OK = 0,
    MS_ERR_FINDING = -1,     /* done, and something was found: a threshold, a difference */
    MS_ERR_USAGE = -2,       /* the values mirror the exit codes of the program */
    MS_ERR_DAMAGED = -3,     /* input breaks its own format */
    MS_ERR_UNSUPPORTED = -4, /* input is valid, we cannot use it */
    MS_ERR_NOT_FOUND = -5,
    MS_ERR_IO = -6,
    MS_ERR_MEMORY = -7,
    MS_ERR_NETWORK = -8,
    MS_ERR_PARTIAL = -9, /* some of the work is done and written */
    MS_ERR_INTERRUPTED = -130,
} ms_status;

typedef struct ms_err {
    ms_status status;
    char text[1024]; /* "model.safetensors: tensor 'a.b': byte 812: rank 9, at most 8" */
} ms_err;

#define MS_MUST_USE __attribute__((warn_unused_result))
#define MS_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* Writes the sentence and returns `status`. err may be NULL. */
MS_PRINTF(3, 4) ms_status ms_err_set(ms_err *err, ms_status status, const char *format, ...);

/* Puts "where: " in front of the sentence and returns `status`. err may be NULL. */
MS_PRINTF(3, 4) ms_status ms_err_within(ms_err *err, ms_status status, const char *where, ...);

/* The sentence for "out of memory", naming what was wanted. Returns MS_ERR_MEMORY. */
ms_status ms_err_memory(ms_err *err, const char *what);

/* The exit code of the program for a status: 0 for MS_OK, else -status. */
static inline int ms_status_exit_code(ms_status status) { return -(int)status; }

/* "damaged", "not found", ...: one or two words, for JSON and logs. Never NULL. */
const char *ms_status_name(ms_status status);

#define MS_TRY(call)                          \
    do {                                      \
        const ms_status ms_try_ = (call);     \
        if (ms_try_ != MS_OK) return ms_try_; \
    } while (0)

#define MS_FAIL_IF(condition, status, err, ...)                         \
    do {                                                                \
        if (condition) return ms_err_set((err), (status), __VA_ARGS__); \
    } while (0)

/* For functions with one exit: sets `status` (a local) and goes to `done`. */
#define MS_GOTO(call)                   \
    do {                                \
        status = (call);                \
        if (status != MS_OK) goto done; \
    } while (0)

#endif
