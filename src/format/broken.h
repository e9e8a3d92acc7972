/*
 * broken: what a reader does when a file breaks a rule of its format.
 *
 *     const ms_broken_rules rules = {.path = source->path, .lenient = options->lenient, .notes = notes};
 *     MS_TRY(ms_broken(&rules, err, "safetensors.gap", tensor->name, byte, "invalid offset: ..."));
 *     ... lenient: go on as well as one can ...
 *
 * Strict: MS_ERR_DAMAGED, "PATH: tensor 'NAME': byte N: MESSAGE". Lenient: the message becomes a note and MS_OK comes back.
 */
#ifndef MS_BROKEN_H
#define MS_BROKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "notes.h"
#include "str.h"

typedef struct ms_broken_rules {
    const char *path;
    bool lenient;
    ms_notes *notes; /* may be NULL: then lenient findings are lost */
} ms_broken_rules;

/* tensor: MS_STR_NONE when it concerns the whole file; offset: byte in the file, or MS_NOTE_NO_OFFSET. */
MS_PRINTF(6, 7)
ms_status ms_broken(const ms_broken_rules *rules, ms_err *err, const char *code, ms_str tensor, int64_t offset,
                    const char *format, ...);

/* Something worth knowing that breaks no rule: a note in either mode. MS_ERR_MEMORY when it was lost. */
MS_PRINTF(7, 8)
ms_status ms_broken_remark(const ms_broken_rules *rules, ms_err *err, ms_severity severity, const char *code, ms_str tensor,
                           int64_t offset, const char *format, ...);

/* The strict form, whatever the rules say: nothing can be read. The status is given. */
MS_PRINTF(6, 7)
ms_status ms_broken_beyond_use(const ms_broken_rules *rules, ms_err *err, ms_status status, ms_str tensor, int64_t offset,
                               const char *format, ...);

#endif
