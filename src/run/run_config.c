#include "run_config.h"

#include <math.h>
#include <stdio.h>

#include "expert_widths.h"
#include "files.h"
#include "mem.h"

enum { CONFIG_MAX_BYTES = 64 << 20, CONFIG_MAX_ITEMS = 10000 /* of a list whose items are compared with each other */ };

/* Of absent keys; what `init` writes is in run_config_template.c. */
static const char default_layer_regex[] = "(?:^|\\.)layers\\.(\\d+)(?:\\.|$)";
static const char default_expert_regex[] = "(?:^|\\.)experts\\.(\\d+)(?:\\.|$)";

typedef struct reader {
    ms_run_config *config;
    const char *file; /* for messages */
    ms_err *err;
} reader;

/* The value at a path below `from`; NULL when absent or null. */
static const ms_json_value *at(const ms_json_value *from, const char *path) {
    const ms_json_value *const v = ms_json_path(from, path);
    return v && v->kind != MS_JSON_NULL ? v : NULL;
}

static ms_status wrong(const reader *r, const char *key, const char *expected, const ms_json_value *found) {
    return ms_err_set(r->err, MS_ERR_USAGE, "%s: key '%s': expected %s, found %s (byte %zu)", r->file, key, expected,
                      found ? ms_json_kind_name(found->kind) : "nothing", found ? found->at : 0);
}

/* ---- values of one kind; absent: *out stays as it is ---- */

static ms_status read_bool(const reader *r, const ms_json_value *v, const char *key, bool *out) {
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_BOOL) return wrong(r, key, "true or false", v);
    *out = v->boolean;
    return MS_OK;
}

static ms_status read_str(const reader *r, const ms_json_value *v, const char *key, ms_str *out) {
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_STRING) return wrong(r, key, "a string", v);
    *out = v->string;
    return MS_OK;
}

static bool as_integer(const ms_json_value *v, int64_t *out) {
    if (v->kind == MS_JSON_INT) return *out = v->integer, true;
    if (v->kind != MS_JSON_REAL || v->real != floor(v->real) || fabs(v->real) > 9e15) return false;
    return *out = (int64_t)v->real, true;
}

static ms_status read_int(const reader *r, const ms_json_value *v, const char *key, int64_t min, int64_t max, int64_t *out) {
    if (!v) return MS_OK;
    int64_t n;
    if (!as_integer(v, &n)) return wrong(r, key, "an integer", v);
    if (n < min || n > max)
        return ms_err_set(r->err, MS_ERR_USAGE, "%s: key '%s': %lld is out of range, expected %lld to %lld", r->file, key,
                          (long long)n, (long long)min, (long long)max);
    *out = n;
    return MS_OK;
}

static ms_status read_real(const reader *r, const ms_json_value *v, const char *key, double min, double max, double *out) {
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_INT && v->kind != MS_JSON_UINT && v->kind != MS_JSON_REAL) return wrong(r, key, "a number", v);
    const double x = v->kind == MS_JSON_INT    ? (double)v->integer
                     : v->kind == MS_JSON_UINT ? (double)v->unsigned_integer
                                               : v->real;
    if (!(x >= min && x <= max))
        return ms_err_set(r->err, MS_ERR_USAGE, "%s: key '%s': %g is out of range, expected %g to %g", r->file, key, x, min,
                          max);
    *out = x;
    return MS_OK;
}

static ms_status read_strings(const reader *r, const ms_json_value *v, const char *key, const ms_str **out, size_t *n) {
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_ARRAY) return wrong(r, key, "a list of strings", v);
    ms_str *const items = ms_arena_alloc_array(&r->config->arena, v->array.n + 1, sizeof *items);
    if (!items) return ms_err_memory(r->err, "the configuration");
    for (size_t i = 0; i < v->array.n; i++) {
        if (v->array.items[i].kind != MS_JSON_STRING) return wrong(r, key, "a list of strings", &v->array.items[i]);
        items[i] = v->array.items[i].string;
    }
    *out = items;
    *n = v->array.n;
    return MS_OK;
}

static ms_status expect_object(const reader *r, const ms_json_value *v, const char *key) {
    return v && v->kind != MS_JSON_OBJECT ? wrong(r, key, "an object", v) : MS_OK;
}

static ms_status expect_at_most(const reader *r, size_t n, const char *key) {
    if (n <= CONFIG_MAX_ITEMS) return MS_OK;
    return ms_err_set(r->err, MS_ERR_USAGE, "%s: key '%s': %zu entries, at most %d are read", r->file, key, n,
                      CONFIG_MAX_ITEMS);
}

/* ---- sections ---- */

static ms_status read_scan(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "scan");
    ms_run_config *const c = r->config;
    static const ms_str extensions[] = {{".safetensors", 12}, {".npz", 4}};
    c->scan.extensions = extensions;
    c->scan.n_extensions = 2;
    c->scan.experts_only = c->scan.include_shared_expert = c->scan.inventory_all_tensors = c->scan.use_index = true;
    c->scan.max_files = -1;
    MS_TRY(expect_object(r, v, "scan"));
    MS_TRY(read_strings(r, at(v, "extensions"), "scan.extensions", &c->scan.extensions, &c->scan.n_extensions));
    MS_TRY(read_bool(r, at(v, "experts_only"), "scan.experts_only", &c->scan.experts_only));
    MS_TRY(read_bool(r, at(v, "include_shared_expert"), "scan.include_shared_expert", &c->scan.include_shared_expert));
    MS_TRY(read_bool(r, at(v, "inventory_all_tensors"), "scan.inventory_all_tensors", &c->scan.inventory_all_tensors));
    MS_TRY(read_bool(r, at(v, "use_safetensors_index_json"), "scan.use_safetensors_index_json", &c->scan.use_index));
    MS_TRY(read_bool(r, at(v, "strict_index"), "scan.strict_index", &c->scan.strict_index));
    return read_int(r, at(v, "max_files"), "scan.max_files", 0, INT32_MAX, &c->scan.max_files);
}

/* As in a Python dict: a repeated key keeps its first place and takes the last value. */
static bool first_of_its_name(const ms_json_value *object, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (ms_str_equal(object->object.members[k].key, object->object.members[i].key)) return false;
    return true;
}

static const ms_json_value *last_of_its_name(const ms_json_value *object, size_t i) {
    const ms_json_value *found = object->object.members[i].value;
    for (size_t k = i + 1; k < object->object.n; k++)
        if (ms_str_equal(object->object.members[k].key, object->object.members[i].key)) found = object->object.members[k].value;
    return found;
}

static ms_status read_aliases(const reader *r, const ms_json_value *v) {
    static const ms_str down[] = {{"down_proj", 9}, {"w2", 2}, {".down.", 6}, {"ffn_down", 8}};
    static const ms_str gate[] = {{"gate_proj", 9}, {"w1", 2}, {".gate.", 6}, {"ffn_gate", 8}};
    static const ms_str up[] = {{"up_proj", 7}, {"w3", 2}, {".up.", 4}, {"ffn_up", 6}};
    static const ms_proj_alias fallback[] = {{{"down_proj", 9}, down, 4}, {{"gate_proj", 9}, gate, 4}, {{"up_proj", 7}, up, 4}};
    ms_run_config *const c = r->config;
    c->parsing.aliases = (ms_proj_aliases){fallback, 3};
    c->parsing.raw_aliases = v;
    if (!v) return MS_OK;
    MS_TRY(expect_object(r, v, "parsing.proj_aliases"));
    MS_TRY(expect_at_most(r, v->object.n, "parsing.proj_aliases"));
    ms_proj_alias *const items = ms_arena_alloc_array(&c->arena, v->object.n + 1, sizeof *items);
    if (!items) return ms_err_memory(r->err, "the configuration");
    size_t n = 0;
    for (size_t i = 0; i < v->object.n; i++) {
        if (!first_of_its_name(v, i)) continue;
        items[n] = (ms_proj_alias){.canonical = v->object.members[i].key};
        char key[128];
        snprintf(key, sizeof key, "parsing.proj_aliases.%.80s", ms_str_shown(items[n].canonical).text);
        const ms_json_value *const list = last_of_its_name(v, i);
        if (list->kind != MS_JSON_ARRAY) return wrong(r, key, "a list of strings", list);
        MS_TRY(read_strings(r, list, key, &items[n].aliases, &items[n].n_aliases));
        n++;
    }
    c->parsing.aliases = (ms_proj_aliases){items, n};
    return MS_OK;
}

static ms_status read_widths(const reader *r, const ms_json_value *v, ms_str *out) {
    static const char key[] = "parsing.expert_widths";
    ms_expert_widths widths;
    *out = MS_STR_NONE;
    MS_TRY(read_str(r, v, key, out));
    if (!out->text) return MS_OK;
    const ms_status status = ms_expert_widths_parse(&widths, *out, &r->config->arena, r->err);
    return status == MS_ERR_USAGE ? ms_err_within(r->err, status, "%s: key '%s'", r->file, key) : status;
}

static ms_status read_parsing(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "parsing");
    ms_run_config *const c = r->config;
    static const ms_str keywords[] = {{"shared", 6}, {"expert", 6}};
    c->parsing.layer_regex = ms_str_of(default_layer_regex);
    c->parsing.expert_regex = ms_str_of(default_expert_regex);
    c->parsing.shared_keywords = keywords;
    c->parsing.n_shared_keywords = 2;
    c->parsing.strict_packed_split = true;
    MS_TRY(expect_object(r, v, "parsing"));
    MS_TRY(read_str(r, at(v, "layer_regex"), "parsing.layer_regex", &c->parsing.layer_regex));
    MS_TRY(read_str(r, at(v, "expert_regex"), "parsing.expert_regex", &c->parsing.expert_regex));
    MS_TRY(read_aliases(r, at(v, "proj_aliases")));
    MS_TRY(read_strings(r, at(v, "shared_expert_keywords"), "parsing.shared_expert_keywords", &c->parsing.shared_keywords,
                        &c->parsing.n_shared_keywords));
    MS_TRY(read_bool(r, at(v, "strict_packed_split"), "parsing.strict_packed_split", &c->parsing.strict_packed_split));
    MS_TRY(read_bool(r, at(v, "proj_group_strict"), "parsing.proj_group_strict", &c->parsing.proj_group_strict));
    MS_TRY(read_bool(r, at(v, "families"), "parsing.families", &c->parsing.families));
    return read_widths(r, at(v, "expert_widths"), &c->parsing.expert_widths);
}

/* ---- rules ---- */

static const char *rule_key(char key[static 128], size_t rule, const char *name) {
    snprintf(key, 128, "extract_rules[%zu].%s", rule, name);
    return key;
}

static ms_status read_axis(const reader *r, const ms_json_value *layout, size_t rule, const char *name, int32_t *out) {
    char key[128], path[64];
    snprintf(path, sizeof path, "layout.%s", name);
    int64_t axis = MS_NO_AXIS;
    MS_TRY(read_int(r, at(layout, name), rule_key(key, rule, path), -64, 64, &axis));
    *out = (int32_t)axis;
    return MS_OK;
}

static const char *python_type(const ms_json_value *v) {
    switch (v->kind) {
    case MS_JSON_NULL: return "NoneType";
    case MS_JSON_REAL: return "float";
    case MS_JSON_STRING: return "str";
    case MS_JSON_ARRAY: return "list";
    case MS_JSON_OBJECT: return "dict";
    default: return NULL; /* an integer, or a bool, which is one in Python */
    }
}

/* Sizes that are no positive integers are kept: they are a fault of the split, strict or not, not of the file. */
static ms_status read_split_sizes(const reader *r, const ms_json_value *v, const char *key, ms_packed_split *split) {
    if (v && v->kind == MS_JSON_STRING && ms_str_is(v->string, "equal")) return split->equal = true, MS_OK;
    if (!v || v->kind != MS_JSON_ARRAY) return wrong(r, key, "a list of sizes, or \"equal\"", v);
    int64_t *const sizes = ms_arena_alloc_array(&r->config->arena, v->array.n + 1, sizeof *sizes);
    if (!sizes) return ms_err_memory(r->err, "the configuration");
    size_t n = 0;
    for (size_t i = 0; i < v->array.n && !split->bad_size.text; i++) {
        const ms_json_value *const item = &v->array.items[i];
        const char *const type = python_type(item);
        if (type) split->bad_size = ms_str_of(type);
        else sizes[n++] = item->kind == MS_JSON_INT ? item->integer : item->kind == MS_JSON_BOOL ? item->boolean : INT64_MAX;
    }
    split->sizes = sizes;
    split->n_sizes = n;
    return MS_OK;
}

static ms_status read_packed_split(const reader *r, const ms_json_value *v, size_t rule, ms_packed_split *split) {
    char key[128];
    if (!v) return MS_OK;
    MS_TRY(expect_object(r, v, rule_key(key, rule, "packed_split")));
    split->wanted = true;
    ms_str axis = MS_STR_NONE;
    MS_TRY(read_str(r, at(v, "axis"), rule_key(key, rule, "packed_split.axis"), &axis));
    if (!ms_str_is(axis, "rows") && !ms_str_is(axis, "cols")) return wrong(r, key, "\"rows\" or \"cols\"", at(v, "axis"));
    split->rows = ms_str_is(axis, "rows");
    MS_TRY(read_split_sizes(r, at(v, "splits"), rule_key(key, rule, "packed_split.splits"), split));
    const ms_json_value *const projs = at(v, "projs");
    if (!projs) return wrong(r, rule_key(key, rule, "packed_split.projs"), "a list of strings", NULL);
    MS_TRY(read_strings(r, projs, rule_key(key, rule, "packed_split.projs"), &split->projs, &split->n_projs));
    return read_bool(r, at(v, "interleave"), rule_key(key, rule, "packed_split.interleave"), &split->interleave);
}

static ms_status read_group(const reader *r, const ms_json_value *v, const char *key, int32_t *out) {
    int64_t group = MS_NO_GROUP;
    MS_TRY(read_int(r, v, key, 0, 99, &group));
    *out = (int32_t)group;
    return MS_OK;
}

static ms_status read_rule(const reader *r, const ms_json_value *v, size_t i, ms_extract_rule *rule) {
    char key[128];
    snprintf(key, sizeof key, "extract_rules[%zu]", i);
    if (v->kind != MS_JSON_OBJECT) return wrong(r, key, "an object", v);
    *rule = (ms_extract_rule){.enabled = true, .ndim = MS_ANY_NDIM};
    if (!at(v, "name")) return wrong(r, rule_key(key, i, "name"), "a string", NULL);
    if (!at(v, "match")) return wrong(r, rule_key(key, i, "match"), "a regular expression", NULL);
    MS_TRY(read_str(r, at(v, "name"), rule_key(key, i, "name"), &rule->name));
    MS_TRY(read_str(r, at(v, "match"), rule_key(key, i, "match"), &rule->match));
    MS_TRY(read_bool(r, at(v, "enabled"), rule_key(key, i, "enabled"), &rule->enabled));
    MS_TRY(read_int(r, at(v, "ndim"), rule_key(key, i, "ndim"), 0, 64, &rule->ndim));
    const ms_json_value *const layout = at(v, "layout");
    MS_TRY(expect_object(r, layout, rule_key(key, i, "layout")));
    MS_TRY(read_axis(r, layout, i, "layer_axis", &rule->layer_axis));
    MS_TRY(read_axis(r, layout, i, "expert_axis", &rule->expert_axis));
    MS_TRY(read_axis(r, layout, i, "rows_axis", &rule->rows_axis));
    MS_TRY(read_axis(r, layout, i, "cols_axis", &rule->cols_axis));
    MS_TRY(read_group(r, at(v, "proj_group"), rule_key(key, i, "proj_group"), &rule->proj_group));
    MS_TRY(read_group(r, at(v, "expert_group"), rule_key(key, i, "expert_group"), &rule->expert_group));
    MS_TRY(read_int(r, at(v, "row_stack"), rule_key(key, i, "row_stack"), 1, INT32_MAX, &rule->row_stack));
    return read_packed_split(r, at(v, "packed_split"), i, &rule->split);
}

static ms_status read_rules(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "extract_rules");
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_ARRAY) return wrong(r, "extract_rules", "a list of rules", v);
    ms_extract_rule *const rules = ms_arena_alloc_array(&r->config->arena, v->array.n + 1, sizeof *rules);
    if (!rules) return ms_err_memory(r->err, "the configuration");
    for (size_t i = 0; i < v->array.n; i++) MS_TRY(read_rule(r, &v->array.items[i], i, &rules[i]));
    r->config->rules = rules;
    r->config->n_rules = v->array.n;
    return MS_OK;
}

/* ---- statistics and quantisation ---- */

static ms_status read_group_sizes(const reader *r, const ms_json_value *v) {
    static const int64_t fallback[] = {32, 64};
    ms_run_config *const c = r->config;
    c->stats.group_sizes = fallback;
    c->stats.n_group_sizes = 2;
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_ARRAY) return wrong(r, "stats.group_sizes_lastdim", "a list of integers", v);
    MS_TRY(expect_at_most(r, v->array.n, "stats.group_sizes_lastdim"));
    int64_t *const sizes = ms_arena_alloc_array(&c->arena, v->array.n + 1, sizeof *sizes);
    if (!sizes) return ms_err_memory(r->err, "the configuration");
    size_t n = 0;
    for (size_t i = 0; i < v->array.n; i++) {
        int64_t size = 0;
        if (!as_integer(&v->array.items[i], &size))
            return wrong(r, "stats.group_sizes_lastdim", "a list of integers", &v->array.items[i]);
        bool seen = false; /* the size names the columns: once is enough */
        for (size_t k = 0; k < n; k++) seen |= sizes[k] == size;
        if (!seen) sizes[n++] = size;
    }
    c->stats.group_sizes = sizes;
    c->stats.n_group_sizes = n;
    return MS_OK;
}

static ms_status read_percentiles(const reader *r, const ms_json_value *v) {
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_ARRAY) return wrong(r, "stats.percentiles_abs", "a list of numbers", v);
    double ignored; /* p50, p99 and p99.9 have their columns whatever stands here, others have none */
    for (size_t i = 0; i < v->array.n; i++) MS_TRY(read_real(r, &v->array.items[i], "stats.percentiles_abs", 0, 100, &ignored));
    return MS_OK;
}

static ms_status read_stats(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "stats");
    ms_run_config *const c = r->config;
    c->stats.eps = 1e-12;
    c->stats.sample_per_matrix = 8192;
    c->stats.group_outlier_percentile = 95;
    c->stats.compute_dtype = MS_STR("fp16");
    int64_t seed = 1337;
    MS_TRY(expect_object(r, v, "stats"));
    MS_TRY(read_real(r, at(v, "eps"), "stats.eps", 0, 1e300, &c->stats.eps));
    MS_TRY(read_int(r, at(v, "sample_per_matrix"), "stats.sample_per_matrix", 1, INT64_MAX, &c->stats.sample_per_matrix));
    MS_TRY(read_int(r, at(v, "sample_seed"), "stats.sample_seed", 0, INT64_MAX, &seed));
    MS_TRY(read_percentiles(r, at(v, "percentiles_abs")));
    MS_TRY(read_real(r, at(v, "group_outlier_percentile"), "stats.group_outlier_percentile", 0, 100,
                     &c->stats.group_outlier_percentile));
    MS_TRY(read_group_sizes(r, at(v, "group_sizes_lastdim")));
    MS_TRY(read_str(r, at(v, "quant_compute_dtype"), "stats.quant_compute_dtype", &c->stats.compute_dtype));
    const ms_json_value *const least = at(v, "quant_rel_den_floor");
    MS_TRY(read_real(r, least, "stats.quant_rel_den_floor", -1e300, 1e300, &c->stats.relative_den_floor));
    MS_FAIL_IF(least && c->stats.relative_den_floor <= 0, MS_ERR_USAGE, r->err,
               "%s: key 'stats.quant_rel_den_floor': expected a positive number or null, found %g", r->file,
               c->stats.relative_den_floor);
    c->stats.sample_seed = (uint64_t)seed;
    return MS_OK;
}

static ms_status read_mlx(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "mlx");
    ms_run_config *const c = r->config;
    c->mlx.enabled = true;
    c->mlx.device = MS_STR("cpu");
    c->mlx.profile = MS_STR("");
    MS_TRY(expect_object(r, v, "mlx"));
    MS_TRY(read_bool(r, at(v, "enabled"), "mlx.enabled", &c->mlx.enabled));
    MS_TRY(read_str(r, at(v, "device"), "mlx.device", &c->mlx.device));
    return read_str(r, at(v, "profile"), "mlx.profile", &c->mlx.profile);
}

static ms_status read_scheme(const reader *r, const ms_json_value *v, size_t i, ms_quant_scheme *scheme, bool *enabled) {
    char key[128];
    snprintf(key, sizeof key, "quant_schemes[%zu]", i);
    if (v->kind != MS_JSON_OBJECT) return wrong(r, key, "an object", v);
    *scheme = (ms_quant_scheme){.bits = 4, .group_size = 32};
    *enabled = true;
    snprintf(key, sizeof key, "quant_schemes[%zu].enabled", i);
    MS_TRY(read_bool(r, at(v, "enabled"), key, enabled));
    snprintf(key, sizeof key, "quant_schemes[%zu].name", i);
    if (!at(v, "name")) return wrong(r, key, "a string", NULL);
    MS_TRY(read_str(r, at(v, "name"), key, &scheme->name));
    snprintf(key, sizeof key, "quant_schemes[%zu].mode", i);
    if (!at(v, "mode")) return wrong(r, key, "a string", NULL);
    MS_TRY(read_str(r, at(v, "mode"), key, &scheme->mode));
    snprintf(key, sizeof key, "quant_schemes[%zu].bits", i);
    MS_TRY(read_int(r, at(v, "bits"), key, INT32_MIN, INT32_MAX, &scheme->bits));
    snprintf(key, sizeof key, "quant_schemes[%zu].group_size", i);
    MS_TRY(read_int(r, at(v, "group_size"), key, INT32_MIN, INT32_MAX, &scheme->group_size));
    snprintf(key, sizeof key, "quant_schemes[%zu].global_scale", i);
    return read_bool(r, at(v, "global_scale"), key, &scheme->global_scale);
}

static ms_status read_schemes(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "quant_schemes");
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_ARRAY) return wrong(r, "quant_schemes", "a list of schemes", v);
    MS_TRY(expect_at_most(r, v->array.n, "quant_schemes"));
    ms_quant_scheme *const schemes = ms_arena_alloc_array(&r->config->arena, v->array.n + 1, sizeof *schemes);
    if (!schemes) return ms_err_memory(r->err, "the configuration");
    size_t n = 0;
    for (size_t i = 0; i < v->array.n; i++) {
        bool enabled = false;
        MS_TRY(read_scheme(r, &v->array.items[i], i, &schemes[n], &enabled));
        for (size_t k = 0; enabled && k < n; k++)
            MS_FAIL_IF(ms_str_equal(schemes[k].name, schemes[n].name), MS_ERR_USAGE, r->err,
                       "%s: key 'quant_schemes[%zu].name': '%s' is the name of another enabled scheme; rename one of them",
                       r->file, i, ms_str_shown(schemes[n].name).text);
        n += enabled;
    }
    r->config->schemes = schemes;
    r->config->n_schemes = n;
    return MS_OK;
}

static ms_status read_deltas(const reader *r, const ms_json_value *root) {
    const ms_json_value *const v = at(root, "delta_pairs");
    if (!v) return MS_OK;
    if (v->kind != MS_JSON_ARRAY) return wrong(r, "delta_pairs", "a list of pairs", v);
    ms_delta_pair *const pairs = ms_arena_zalloc(&r->config->arena, (v->array.n + 1) * sizeof *pairs);
    if (!pairs) return ms_err_memory(r->err, "the configuration");
    for (size_t i = 0; i < v->array.n; i++) {
        const ms_json_value *const item = &v->array.items[i];
        static const char *const names[] = {"name", "a", "b"};
        ms_str *const fields[] = {&pairs[i].name, &pairs[i].a, &pairs[i].b};
        for (size_t k = 0; k < 3; k++) {
            char key[64];
            snprintf(key, sizeof key, "delta_pairs[%zu].%s", i, names[k]);
            const ms_json_value *const field = at(item, names[k]);
            if (!field) return wrong(r, key, "a string", item->kind == MS_JSON_OBJECT ? NULL : item);
            MS_TRY(read_str(r, field, key, fields[k]));
        }
    }
    r->config->deltas = pairs;
    r->config->n_deltas = v->array.n;
    return MS_OK;
}

static ms_status read_rest(const reader *r, const ms_json_value *root) {
    ms_run_config *const c = r->config;
    const ms_json_value *const metadata = at(root, "metadata"), *const output = at(root, "output"),
                               *const debug = at(root, "debug");
    c->metadata.config_path = MS_STR("");
    c->output.format = MS_STR("parquet");
    c->output.compression = MS_STR("");
    c->debug.dump_unmatched = true;
    c->debug.progress_every = 1;
    MS_TRY(expect_object(r, metadata, "metadata"));
    MS_TRY(read_bool(r, at(metadata, "enabled"), "metadata.enabled", &c->metadata.enabled));
    MS_TRY(read_str(r, at(metadata, "config_path"), "metadata.config_path", &c->metadata.config_path));
    MS_TRY(expect_object(r, output, "output"));
    MS_TRY(read_str(r, at(output, "format"), "output.format", &c->output.format));
    MS_TRY(read_str(r, at(output, "compression"), "output.compression", &c->output.compression));
    c->output.has_compression = at(output, "compression") != NULL;
    MS_TRY(expect_object(r, debug, "debug"));
    MS_TRY(read_bool(r, at(debug, "dump_unmatched_tensors"), "debug.dump_unmatched_tensors", &c->debug.dump_unmatched));
    return read_int(r, at(debug, "print_progress_every_files"), "debug.print_progress_every_files", 0, INT32_MAX,
                    &c->debug.progress_every);
}

/* The root object again, with another model_path. */
static ms_status apply_override(const reader *r, const ms_json_value *root, const char *model_path) {
    ms_run_config *const c = r->config;
    ms_json_value *const copy = ms_arena_alloc(&c->arena, sizeof *copy);
    ms_json_member *const members = ms_arena_alloc_array(&c->arena, root->object.n + 1, sizeof *members);
    ms_json_value *const path = ms_arena_alloc(&c->arena, sizeof *path);
    c->model_path = ms_arena_copy(&c->arena, ms_str_of(model_path));
    if (!copy || !members || !path || !c->model_path.text) return ms_err_memory(r->err, "the configuration");
    *path = (ms_json_value){.kind = MS_JSON_STRING, .string = c->model_path};
    size_t n = 0;
    for (size_t i = 0; i < root->object.n; i++)
        if (!ms_str_is(root->object.members[i].key, "model_path")) members[n++] = root->object.members[i];
    members[n++] = (ms_json_member){MS_STR("model_path"), path};
    *copy = (ms_json_value){.kind = MS_JSON_OBJECT, .object = {n, members}};
    c->effective = copy;
    c->overridden = true;
    return MS_OK;
}

ms_status ms_run_config_parse(ms_run_config *out, const char *text, size_t n, const char *name, const char *model_path_override,
                              ms_err *err) {
    *out = (ms_run_config){.model_path = MS_STR(""), .configured_model_path = MS_STR("")};
    out->text = ms_mem_copy_text(text, n);
    if (!out->text) return ms_err_memory(err, "the configuration");
    const reader r = {.config = out, .file = name, .err = err};
    const ms_json_value *root;
    ms_status status = ms_json_parse(&root, out->text, n, &out->arena, err);
    if (status == MS_ERR_MEMORY) return status;
    if (status != MS_OK) {
        if (err) err->status = MS_ERR_USAGE; /* the user's own file: to be corrected, not damaged */
        return ms_err_within(err, MS_ERR_USAGE, "%s", name);
    }
    if (root->kind != MS_JSON_OBJECT)
        return ms_err_set(err, MS_ERR_USAGE, "%s: expected an object, found %s", name, ms_json_kind_name(root->kind));
    out->effective = root;
    MS_TRY(read_str(&r, at(root, "model_path"), "model_path", &out->configured_model_path));
    out->model_path = out->configured_model_path;
    MS_TRY(read_scan(&r, root));
    MS_TRY(read_parsing(&r, root));
    MS_TRY(read_rules(&r, root));
    MS_TRY(read_stats(&r, root));
    MS_TRY(read_mlx(&r, root));
    MS_TRY(read_schemes(&r, root));
    MS_TRY(read_deltas(&r, root));
    MS_TRY(read_rest(&r, root));
    return model_path_override ? apply_override(&r, root, model_path_override) : MS_OK;
}

ms_status ms_run_config_read(ms_run_config *out, const char *path, const char *model_path_override, ms_err *err) {
    *out = (ms_run_config){0};
    ms_buf text = {0};
    ms_status status = ms_files_exists(path)
                           ? ms_files_read(&text, path, CONFIG_MAX_BYTES, err)
                           : ms_err_set(err, MS_ERR_NOT_FOUND, "Missing config: %s (run 'moescope init' first)", path);
    if (status == MS_OK)
        status = ms_run_config_parse(out, text.bytes ? text.bytes : "", text.size, path, model_path_override, err);
    ms_buf_free(&text);
    return status;
}

void ms_run_config_free(ms_run_config *config) {
    ms_arena_free(&config->arena);
    ms_mem_free(config->text);
    *config = (ms_run_config){0};
}
