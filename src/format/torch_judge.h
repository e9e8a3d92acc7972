/*
 * torch_judge: what loading a pickle with torch would do: which names it would import, and whether
 * torch.load(weights_only=True), the default since 2.6, would take it.
 */
#ifndef MS_TORCH_JUDGE_H
#define MS_TORCH_JUDGE_H

#include "broken.h"
#include "json.h"
#include "pickle.h"

typedef enum ms_torch_danger {
    MS_TORCH_ALLOWED,   /* in torch's own list for weights_only */
    MS_TORCH_UNKNOWN,   /* not in it */
    MS_TORCH_DANGEROUS, /* nor harmless: runs code, opens files, or reads another pickle */
} ms_torch_danger;

ms_torch_danger ms_torch_judge_name(ms_str module, ms_str name);

typedef struct ms_torch_verdict {
    bool weights_only;   /* begin with true: nothing was found that torch's restricted loader refuses */
    ms_json_out refused; /* an array, begun and ended by the caller: {"name", "offset", "dangerous"} for each such name */
} ms_torch_verdict;

/* Each name that the restricted loader refuses becomes a note with its byte, once; so does an opcode that it does not know.
 * pickle_at: where the pickle begins in the file. */
ms_status ms_torch_judge(ms_torch_verdict *verdict, const ms_pickle *pickle, const ms_broken_rules *rules, uint64_t pickle_at,
                         ms_err *err);

#endif
