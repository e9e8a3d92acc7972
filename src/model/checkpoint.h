/*
 * checkpoint: all tensors of one model, from one or many files, plus its side files.
 *
 *     ms_checkpoint *ckpt;
 *     MS_TRY(ms_checkpoint_open(&ckpt, "path/to/model", &options, err));
 *     for (size_t i = 0; i < ckpt->n_tensors; i++) use(&ckpt->tensors[i]);
 *     ms_checkpoint_close(ckpt);
 *
 * Path: a folder, one file, any shard, an index. A shard or index stands for its whole set. Only headers are read.
 * Everything is borrowed from the checkpoint and valid until it is closed. Reading is thread-safe once it is open.
 */
#ifndef MS_CHECKPOINT_H
#define MS_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "err.h"
#include "index.h"
#include "json.h"
#include "model_config.h"
#include "name_index.h"
#include "notes.h"
#include "reader.h"
#include "vec.h"

/* What a tensor is for; decided by the family tables (family.h) from its name and shape. */
typedef enum __attribute__((packed)) ms_role {
    MS_ROLE_OTHER,
    MS_ROLE_EXPERT,        /* weights of routed experts, in any storage */
    MS_ROLE_SHARED_EXPERT, /* weights of shared experts */
    MS_ROLE_ROUTER,        /* the router matrix [E, H] */
    MS_ROLE_ROUTER_AUX,    /* router bias, correction bias, per-expert scale, hash table, ... */
    MS_ROLE_SHARED_GATE,   /* scalar gate of the shared expert */
    MS_ROLE_DENSE_FFN,     /* feed-forward of a layer without experts, or beside them */
    MS_ROLE_ATTENTION,     /* attention, state-space and other token mixers */
    MS_ROLE_EMBEDDING,     /* token embedding and output head */
    MS_ROLE_NORM,
    MS_ROLE_QUANT_AUX,   /* scales, zero points, group indexes, ...: belongs to another tensor, no parameters
                                               of its own */
    MS_ROLE_EXPERT_BIAS, /* additive biases of experts */
    MS_ROLE_COUNT,
} ms_role;
const char *ms_role_name(ms_role role); /* "expert", "shared_expert", ...: stable, for scripts */

typedef enum __attribute__((packed)) ms_proj {
    MS_PROJ_NONE,
    MS_PROJ_GATE,
    MS_PROJ_UP,
    MS_PROJ_DOWN,
    MS_PROJ_GATE_UP,
    MS_PROJ_ROUTER,
    MS_PROJ_COUNT
} ms_proj;
const char *ms_proj_name(ms_proj proj); /* "gate_proj", "up_proj", "down_proj", "gate_up_proj", "router"; "" for none */

typedef struct ms_tensor {   /* there may be a million: no gaps */
    const ms_stored *stored; /* name, dtype, shape, where its bytes are */
    const char
        *section;       /* "" main model; "mtp", "vision", "audio", "encoder", "decoder", "attention_experts", ...; a literal */
    const char *scheme; /* how values are stored: "" plain, else "fp8_block", "gguf_q4_k", "mlx_affine", ... */
    uint32_t file;      /* index into files */
    int32_t layer;      /* -1: none or unknown */
    int32_t expert;     /* -1: none, or a tensor of many experts */
    uint32_t pattern;   /* index into the checkpoint's patterns */
    ms_role role;
    ms_proj proj;
    bool shadowed; /* another tensor has the same name, and that one counts */
} ms_tensor;

typedef struct ms_file {
    ms_str path; /* full */
    ms_str name; /* relative to the model folder */
    ms_reader *reader;
    uint64_t n_bytes;
    size_t first_tensor, n_tensors;
} ms_file;

typedef struct ms_open_options {
    bool lenient;   /* broken rules become notes */
    bool no_family; /* leave roles unset: the caller has its own rules */
    uint64_t inflate_budget;
    ms_str expert_widths; /* of packed banks, where the files do not say them (expert_widths.h); text NULL: nothing is said */
} ms_open_options;

struct ms_family;
struct ms_pattern;
struct ms_layer;
typedef struct ms_checkpoint {
    ms_arena arena;
    ms_str path;   /* as given */
    ms_str folder; /* where side files are looked for */
    ms_file *files;
    size_t n_files;
    ms_tensor *tensors; /* [n_tensors], by file, then by place in the file */
    size_t n_tensors;
    ms_name_index by_name;       /* leads to the tensor that counts, when several are called that */
    const ms_json_value *config; /* config.json, or NULL */
    ms_str config_path;          /* "" when there is none */
    ms_index *index;             /* the index that named the files, without its entries; or NULL */
    ms_str index_path;
    ms_model_config model;          /* what the config says, in our words */
    const struct ms_family *family; /* that explained most expert tensors, or NULL */
    struct ms_pattern *patterns;    /* [n_patterns] names without their numbers (family.h); none under no_family */
    size_t n_patterns;
    struct ms_layer *layers; /* [n_layers] with experts or a router, by section and number (family.h) */
    size_t n_layers;
    ms_notes notes;             /* warnings and, when lenient, broken rules */
    MS_VEC(ms_source *) joined; /* tensors whose pieces lie in several files (pieces.h) */
    ms_buf config_text;
} ms_checkpoint;

/* The files to read are found from the path. MS_ERR_NOT_FOUND, _DAMAGED, _UNSUPPORTED, ... with file and place. Owned. */
ms_status ms_checkpoint_open(ms_checkpoint **out, const char *path, const ms_open_options *options, ms_err *err);

/* Exactly these files, in this order; folder: where config.json is looked for (may be NULL: none). For collect's own scan plan.
 */
ms_status ms_checkpoint_open_files(ms_checkpoint **out, const char *const *paths, size_t n_paths, const char *folder,
                                   const ms_open_options *options, ms_err *err);
/* Over readers that are open already (other sources, tests): [n], consumed, also on failure. config: the text of a config,
 * which must outlive the checkpoint; text NULL: none. */
ms_status ms_checkpoint_over(ms_checkpoint **out, ms_reader **readers, size_t n, ms_str config, const ms_open_options *options,
                             ms_err *err);
void ms_checkpoint_close(ms_checkpoint *ckpt);

/* MS_ERR_IO when one of the files was written to since it was opened (ms_source_unchanged). For the end of a long run. */
ms_status ms_checkpoint_unchanged(const ms_checkpoint *ckpt, ms_err *err);

/* NULL when no tensor is called that. */
const ms_tensor *ms_checkpoint_find(const ms_checkpoint *ckpt, ms_str name);

#endif
