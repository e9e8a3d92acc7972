/*
 * run_config: analysis_config.json, the contract of a run: read, checked, with every default; and the template that `init`
 * writes.
 *
 *     ms_run_config config;
 *     MS_TRY(ms_run_config_read(&config, "runs/m/r/analysis_config.json", NULL, err));
 *     if (config.scan.experts_only) ...
 *     ms_run_config_free(&config);
 *
 * Keys that nobody knows are kept and ignored; a key of the wrong type is MS_ERR_USAGE naming the key, what was expected and
 * what was found. A key that is null counts as absent.
 */
#ifndef MS_RUN_CONFIG_H
#define MS_RUN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "json.h"
#include "proj_alias.h"
#include "str.h"

enum { MS_NO_AXIS = INT32_MIN, MS_NO_GROUP = -1, MS_ANY_NDIM = -1 };

typedef struct ms_packed_split { /* how a fused matrix is cut, after the layout has been applied */
    bool wanted;
    bool rows;            /* cut along the rows, else along the columns */
    bool equal;           /* "splits": "equal": as many equal parts as there are projections */
    bool interleave;      /* part k of K is every K-th row, from the k-th on */
    const int64_t *sizes; /* [n_sizes] */
    size_t n_sizes;
    ms_str bad_size;     /* the list goes on with something that is no integer: its type, as Python names it; else text NULL */
    const ms_str *projs; /* [n_projs] */
    size_t n_projs;
} ms_packed_split;

typedef struct ms_extract_rule {
    ms_str name, match; /* match: a regular expression, anchored at the start */
    bool enabled;
    int64_t ndim;                    /* MS_ANY_NDIM: any */
    int32_t layer_axis, expert_axis; /* MS_NO_AXIS: none; negative ones count from the end */
    int32_t rows_axis, cols_axis;
    int32_t proj_group, expert_group; /* MS_NO_GROUP: none */
    int64_t row_stack; /* axis 0 is this many experts, one after the other, and counts as two axes for the layout; 0: no */
    ms_packed_split split;
} ms_extract_rule;

typedef struct ms_quant_scheme {
    ms_str name, mode;
    int64_t bits, group_size;
    bool global_scale; /* nvfp4: with a second scale for the whole matrix */
} ms_quant_scheme;

typedef struct ms_delta_pair { /* a minus b */
    ms_str name, a, b;
} ms_delta_pair;

typedef struct ms_run_config {
    ms_arena arena;
    char *text;                     /* owned; the file */
    const ms_json_value *effective; /* the whole file, with the override in it */

    ms_str model_path;            /* after the override; "" when there is none */
    ms_str configured_model_path; /* as the file has it; "" likewise */
    bool overridden;

    struct {
        const ms_str *extensions; /* [n_extensions] */
        size_t n_extensions;
        bool experts_only, include_shared_expert, inventory_all_tensors, use_index, strict_index;
        int64_t max_files; /* -1: all */
    } scan;
    struct {
        ms_str layer_regex, expert_regex;
        ms_proj_aliases aliases;
        const ms_json_value *raw_aliases; /* as the file has them; NULL: absent */
        const ms_str *shared_keywords;    /* [n_shared_keywords] */
        size_t n_shared_keywords;
        bool strict_packed_split, proj_group_strict, families;
        ms_str expert_widths; /* "4x2944,4x128" (expert_widths.h); text NULL: nothing is said */
    } parsing;
    struct {
        bool enabled;
        ms_str config_path; /* "" for none */
    } metadata;
    const ms_extract_rule *rules; /* [n_rules], the disabled ones too */
    size_t n_rules;
    struct {
        bool enabled;
        ms_str device, profile; /* profile: "" when the file names none */
    } mlx;
    struct {
        double eps;
        int64_t sample_per_matrix;
        uint64_t sample_seed;
        double group_outlier_percentile;
        const int64_t *group_sizes; /* [n_group_sizes] */
        size_t n_group_sizes;
        ms_str compute_dtype;      /* of the quantisers: "f16", "bf16", "f32", "native" */
        double relative_den_floor; /* 0: none */
    } stats;
    const ms_quant_scheme *schemes; /* [n_schemes], the enabled ones */
    size_t n_schemes;
    const ms_delta_pair *deltas; /* [n_deltas] */
    size_t n_deltas;
    struct {
        ms_str format;      /* "parquet"; anything else means CSV */
        ms_str compression; /* "" for none */
        bool has_compression;
    } output;
    struct {
        bool dump_unmatched;
        int64_t progress_every; /* files; 0: no progress */
    } debug;
} ms_run_config;

/* path: the file. model_path_override: an absolute path, or NULL. MS_ERR_NOT_FOUND, MS_ERR_USAGE. Free in any case. */
ms_status ms_run_config_read(ms_run_config *out, const char *path, const char *model_path_override, ms_err *err);

/* The same from text: [n], copied; `name` stands in messages. */
ms_status ms_run_config_parse(ms_run_config *out, const char *text, size_t n, const char *name, const char *model_path_override,
                              ms_err *err);
void ms_run_config_free(ms_run_config *config);

/* The template, as text. model_path: "" for none; expert_widths: NULL for none. */
ms_status ms_run_config_template(ms_buf *out, const char *model_path, const char *expert_widths, ms_err *err);

#endif
