/*
 * parameters: how many weights a model has, and how many of them work on one token.
 *
 *   total      all tensors but quantisation data; packed weights count unpacked (scheme.h); a name that occurs twice counts once
 *   routed     routed experts, their biases included
 *   shared     shared experts and their scalar gate
 *   router     router matrices, their biases and what else belongs to them
 *   attention  attention, state-space and other token mixers
 *   embedding  token embedding and output head, as stored (tied ones are stored once)
 *   other      dense feed-forward layers, norms, and what no family explains
 *   active     what is not routed, plus top_k / E of the routed weights of each layer, rounded down a layer; without layers for
 *              multi-token prediction, which an ordinary step does not use. Unknown when top_k is.
 */
#ifndef MS_PARAMETERS_H
#define MS_PARAMETERS_H

#include "checkpoint.h"
#include "json.h"

typedef struct ms_parameters {
    uint64_t total, routed, shared, router, attention, embedding, other;
    uint64_t active;
    bool active_known;
} ms_parameters;

/* The checkpoint must have been opened with families. Fails only when memory is short. */
ms_status ms_parameters_count(ms_parameters *out, const ms_checkpoint *ckpt, ms_err *err);

/* The member `parameters` of an object that is being written; unknown is null. */
void ms_parameters_put(ms_json_out *json, const ms_parameters *p);

/* Experts chosen per token in a layer: the config's; -1 unknown. Never more than the experts there are. */
int64_t ms_parameters_top_k(const ms_checkpoint *ckpt, const struct ms_layer *layer);

#endif
