/*
 * family: what each tensor of a checkpoint is for, from its name and shape; the knowledge is data (family_table.c).
 *
 *     MS_TRY(ms_family_classify(ckpt, err));      // fills role, proj, layer, expert, section, scheme of every tensor,
 *                                                 // ckpt->patterns, ckpt->layers, ckpt->family; adds notes
 *
 * A name is read as  prefix . layer word . N . rest : "model.layers.3.mlp.experts.7.gate_proj.weight". The prefix gives the
 * section (vision, mtp, ...), the rest is looked up with its numbers replaced by {} and its last part (".weight",
 * ".weight_scale", "_blocks") taken off: what is left names a module, and the rows of the family tables name modules. Names are
 * grouped by pattern first, so the work is done once a pattern, not once a tensor.
 *
 * What no row explains stays OTHER; if it looks like a part of experts, a note says so.
 */
#ifndef MS_FAMILY_H
#define MS_FAMILY_H

#include "checkpoint.h"
#include "scheme.h"

/* How the matrices of a projection lie in a tensor. An expert's matrix has R = out features and C = in features. */
enum {
    MS_LAY_MATRIX = 0,           /* one [out, in] matrix of one expert */
    MS_LAY_STACKED = 1,          /* axis 0 counts experts: [E, ., .] */
    MS_LAY_ROW_STACKED = 2,      /* experts one after the other along axis 0 of two: [E * ., .] */
    MS_LAY_COL_STACKED = 4,      /* ... along axis 1: [., E * .] */
    MS_LAY_TRANSPOSED = 8,       /* stored [in, out] */
    MS_LAY_INTERLEAVED = 16,     /* gate_up: gate and up alternate along the out axis, gate first; else they are halves */
    MS_LAY_UP_FIRST = 32,        /* gate_up: the first half is up */
    MS_LAY_AXES_BY_SHAPE = 64,   /* the shapes decide about TRANSPOSED; the bit above holds where they cannot */
    MS_LAY_VARIABLE_WIDTH = 128, /* stacked experts have the widths that the config lists */
    MS_LAY_BARE = 256            /* only where the name has no leaf: "mlp.w1", not "mlp.w1.weight" */
};

typedef struct ms_family_row {
    const char *module; /* "{moe}.experts.{e}.gate_proj": {moe} any name of the MoE block, {shared} any of shared experts, {e}
                           the expert's number, {} any other number */
    ms_role role;
    ms_proj proj;
    unsigned layout;     /* MS_LAY_* */
    const char *section; /* NULL: that of the prefix */
    const char *label;   /* name of the projection when it is none of ms_proj; else NULL */
} ms_family_row;

typedef struct ms_family {
    const char *name;         /* "stacked-transposed": stable, for scripts */
    const char *models;       /* who stores it so, for people */
    const char *const *types; /* model types for which this family comes first; NULL-terminated, '*' at the end of a type stands
                                 for anything; NULL: none */
    const char *telltale;     /* a name that proves the family: "{moe}.experts.gate_up_proj_bias"; NULL: none */
    bool only_when_told;      /* names and shapes alone do not tell it from others: needs the type or the telltale */
    const ms_family_row *rows; /* [n_rows] */
    size_t n_rows;
} ms_family;

/* NULL-terminated; where names alone decide, the first family wins. The last one holds what is no expert. */
extern const ms_family *const ms_families[];

/* The names of a MoE block ("mlp", "block_sparse_moe", ...) and of shared experts, NULL-terminated. */
extern const char *const ms_family_blocks[];
extern const char *const ms_family_shared[];
/* Components before a layer's number; prefix components and the sections they mean. NULL-terminated. */
extern const char *const ms_family_layer_words[];
typedef struct ms_family_section {
    const char *component, *section;
} ms_family_section;
extern const ms_family_section ms_family_sections[];
/* Module components that mean a token mixer, and names that mean an embedding or output head. NULL-terminated. */
extern const char *const ms_family_mixers[];
extern const char *const ms_family_embeddings[];

typedef enum ms_leaf_kind { MS_LEAF_WEIGHT, MS_LEAF_BIAS, MS_LEAF_AUX } ms_leaf_kind;
typedef struct ms_leaf { /* the last part of a tensor's name */
    const char *text;    /* ".weight_scale_inv", "_blocks" */
    ms_leaf_kind kind;
    bool needs_weight; /* AUX only when the module has a weight too */
} ms_leaf;
extern const ms_leaf ms_leaves[]; /* longest match wins; text NULL ends it */

typedef struct ms_pattern { /* all tensors whose names differ in numbers only, of one dtype and rank */
    ms_str text;            /* "model.layers.{}.mlp.experts.{}.gate_proj.weight" */
    ms_str module;          /* the text without the leaf */
    ms_dtype dtype;
    uint32_t rank;
    const ms_leaf *leaf;      /* NULL: the name has none */
    const ms_family *family;  /* NULL: no row */
    const ms_family_row *row; /* NULL: no row */
    ms_role role;
    ms_proj proj;
    const char *section, *scheme;
    int layer_number, expert_number; /* which {} counts layers and experts; -1: none */
    size_t n_tensors;
    size_t first_tensor; /* index into the checkpoint's tensors */
} ms_pattern;

enum { MS_PATTERN_MAX_NUMBERS = 4 };
/* The numbers that stand for the {} of a name's pattern, -1 where there are fewer. */
void ms_pattern_numbers(ms_str name, int32_t numbers[static MS_PATTERN_MAX_NUMBERS]);

#define MS_NO_TENSOR UINT32_MAX

typedef struct ms_layer { /* one layer that has experts, a router, or both */
    const char *section;
    int32_t layer;
    int64_t experts;                /* routed experts: 1 + the largest number seen, or the length of the stack */
    int64_t present;                /* how many of them have a tensor here; less than experts when some are missing */
    uint32_t router;                /* tensor, or MS_NO_TENSOR */
    int64_t router_rows;            /* logits; -1 unknown */
    bool has_shared, shared_is_one; /* one: the name is in the singular */
    bool stacked_unsized; /* stored along an axis that does not count experts: their number is the router's or the config's */
} ms_layer;

ms_status ms_family_classify(ms_checkpoint *ckpt, ms_err *err);

/* Parts of it, for layers.c and tests. */
ms_status ms_layers_build(ms_checkpoint *ckpt, ms_err *err);
/* NULL when that layer has no experts. */
const ms_layer *ms_layers_find(const ms_checkpoint *ckpt, const char *section, int32_t layer);

/* Why the family was chosen, one sentence; "" when there is none. */
void ms_family_reason(const ms_checkpoint *ckpt, ms_buf *out);

#endif
