/*
 * model_config: what config.json says about the experts of a model, in one vocabulary for all its spellings.
 *
 *     ms_model_config config;
 *     MS_TRY(ms_model_config_read(&config, root, &arena, &notes, path, err));     // root may be NULL: nothing is known
 *     const int64_t e = ms_config_at(&config.experts, layer, -1);                 // -1: the config does not say
 *
 * Keys are looked for at the top, then in text_config, language_config, llm_config, thinker_config.text_config and ffn_config,
 * nowhere else. What is absent stays unknown: the defaults of the model classes are not ours to guess, and unknown is not zero.
 * Numbers may be written as integers, as floats with an integral value or as digits in a text; booleans are never numbers.
 *
 * Everything is borrowed from the arena and from the parsed text.
 */
#ifndef MS_MODEL_CONFIG_H
#define MS_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "json.h"
#include "notes.h"
#include "str.h"

typedef struct ms_config_ints { /* a number, or a list of them (usually one per layer) */
    bool known, is_list;
    bool per_layer;       /* a list with one item for each layer of the model */
    const int64_t *items; /* [n]; n is 1 when it is no list */
    size_t n;
    ms_str key; /* where it stood: "text_config.num_experts" */
} ms_config_ints;

typedef struct ms_config_real {
    bool known;
    double value;
} ms_config_real;

typedef enum ms_ternary { MS_UNKNOWN = -1, MS_NO = 0, MS_YES = 1 } ms_ternary;

typedef struct ms_model_config {
    const ms_json_value *root; /* NULL: there is no config */
    ms_str architecture;       /* architectures[0]; "" unknown */
    ms_str model_type;         /* of the outermost level; "" unknown */
    ms_str text_model_type;    /* of the nested text model, else the same */

    ms_config_ints layers, hidden, vocab, dense_width;
    ms_config_ints experts, top_k; /* routed experts; chosen per token */
    ms_config_ints expert_width;   /* I: rows of gate and up, columns of down */
    ms_config_ints zero_experts;   /* identity experts that widen the router (LongCat) */
    ms_config_ints shared_experts, shared_width;
    ms_config_ints mtp_layers; /* multi-token-prediction layers stored after the last layer */

    const int8_t *layer_kinds; /* [n_layer_kinds] ms_ternary: does layer i have experts? */
    size_t n_layer_kinds;      /* 0: the config does not say */
    ms_str layer_rule;         /* the key that said it, "" none */

    ms_str scoring;   /* "softmax", "sigmoid", ... as written; "" unknown */
    ms_str selection; /* topk_method */
    ms_ternary norm_topk;
    ms_config_real routed_scale;
    ms_config_ints n_group, topk_group;

    const ms_json_value *quantization; /* quantization_config, or MLX's quantization; NULL: none */
    ms_str quant_method;               /* "fp8", "gptq", "mlx", ...; "" unknown or none */
    const int64_t *expert_sizes;       /* widths of experts of different width, expanded; NULL: not given */
    size_t n_expert_sizes;
} ms_model_config;

/* Conflicting synonyms and values of impossible types become notes about `file`. Fails only when memory is short. */
ms_status ms_model_config_read(ms_model_config *out, const ms_json_value *root, ms_arena *arena, ms_notes *notes, ms_str file,
                               ms_err *err);

/* The value for a layer: the number itself, the one number that a list repeats, or the layer's item of a list with one a layer;
 * else `fallback`. */
int64_t ms_config_at(const ms_config_ints *value, int64_t layer, int64_t fallback);

/* Does the config say that this layer has experts? */
ms_ternary ms_model_config_has_experts(const ms_model_config *config, int64_t layer);

/* Is the model of this type, at either level? types: NULL-terminated. A type in the list ending in '*' stands for all that
 * begin so. */
bool ms_model_config_is_type(const ms_model_config *config, const char *const *types);

/* ---- the shape budget of the weights pipeline ---- */

enum { MS_SHAPE_BUDGET_FIELDS = 11 };

typedef struct ms_shape_budget_field {
    const char *name;
    ms_config_ints value; /* unknown is written as null */
} ms_shape_budget_field;

/* All fields in their fixed order: num_hidden_layers, hidden_size, moe_intermediate_size, shared_expert_intermediate_size,
 * num_experts, num_experts_per_tok, n_shared_experts, decoder_sparse_step, full_attention_interval, first_k_dense_replace,
 * mlp_only_layers. root may be NULL. */
ms_status ms_model_shape_budget(ms_shape_budget_field out[static MS_SHAPE_BUDGET_FIELDS], const ms_json_value *root,
                                ms_arena *arena, ms_err *err);

#endif
