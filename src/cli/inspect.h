/*
 * inspect: what a model is, from its headers alone, gathered once for all ways to say it (inspect_text.c, inspect_json.c).
 */
#ifndef MS_INSPECT_H
#define MS_INSPECT_H

#include "bank.h"
#include "checkpoint.h"
#include "cli.h"
#include "family.h"
#include "groups.h"
#include "parameters.h"

typedef struct ms_inspect_shape { /* of the experts of one layer and projection */
    ms_str proj;
    int64_t rows, cols; /* -1: not the same for all experts */
} ms_inspect_shape;

enum { MS_INSPECT_MAX_SHAPES = 8 };

typedef struct ms_inspect_layer {
    const ms_layer *layer;
    int64_t top_k, shared; /* -1: unknown */
    ms_inspect_shape shapes[MS_INSPECT_MAX_SHAPES];
    size_t n_shapes;
} ms_inspect_layer;

typedef struct ms_inspect {
    const ms_checkpoint *ckpt;
    ms_banks banks;
    ms_parameters parameters;
    ms_inspect_layer *layers; /* [n_layers] those with experts, by section and number */
    size_t n_layers;
} ms_inspect;

ms_status ms_inspect_gather(ms_inspect *out, const ms_checkpoint *ckpt, ms_err *err);
void ms_inspect_free(ms_inspect *inspect);

/* Each writes to stdout. with_tensors: the list of all tensors too. */
ms_status ms_inspect_text(ms_cli *cli, const ms_inspect *inspect, bool with_tensors, ms_err *err);
ms_status ms_inspect_json(ms_cli *cli, const ms_inspect *inspect, bool with_tensors, ms_err *err);
ms_status ms_inspect_csv(ms_cli *cli, const ms_inspect *inspect, ms_err *err);

/* Would torch.load(weights_only=True) take all of the model's PyTorch files? MS_UNKNOWN: it has none. refused (may be NULL):
 * the names that it would not, as members of a JSON list of {"name", "offset", "dangerous"}; those of the first file that has
 * any. */
ms_ternary ms_inspect_weights_only(const ms_checkpoint *ckpt, ms_str *refused);

/* What is shown of one tensor: NULL where there is nothing to say. */
const char *ms_inspect_proj(const ms_checkpoint *ckpt, const ms_tensor *tensor);

typedef struct ms_inspect_scheme_name {
    char text[24];
} ms_inspect_scheme_name;

/* How a tensor is quantised, for scripts; "" when it is not. The block types of GGUF are plain for decoders, here they are
 * schemes: "gguf_q4_k". */
ms_inspect_scheme_name ms_inspect_scheme(const ms_tensor *tensor);

#endif
