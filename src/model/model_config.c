#include "model_config.h"

#include <math.h>

#include "checked.h"

enum { MAX_LIST = 1 << 20, MAX_ALIASES = 10 };

/* Where keys are looked for, in this order. */
static const char *const scopes[] = {"",          "text_config", "language_config", "llm_config", "thinker_config.text_config",
                                     "ffn_config"};
enum { N_SCOPES = sizeof scopes / sizeof scopes[0], FFN_SCOPE = N_SCOPES - 1 };

typedef struct ms_lookup { /* what every search needs */
    const ms_json_value *levels[N_SCOPES];
    ms_arena *arena;
    ms_notes *notes; /* may be NULL */
    ms_str file;
    bool out_of_memory;
} ms_lookup;

static ms_lookup lookup_in(const ms_json_value *root, ms_arena *arena, ms_notes *notes, ms_str file) {
    ms_lookup look = {.arena = arena, .notes = notes, .file = file};
    look.levels[0] = root && root->kind == MS_JSON_OBJECT ? root : NULL;
    for (size_t s = 1; s < N_SCOPES; s++) {
        const ms_json_value *const level = ms_json_path(look.levels[0], scopes[s]);
        look.levels[s] = level && level->kind == MS_JSON_OBJECT ? level : NULL;
    }
    return look;
}

static ms_str where(ms_lookup *look, size_t scope, const char *key) {
    const ms_str path =
        scope == 0 ? ms_arena_copy(look->arena, ms_str_of(key)) : ms_arena_printf(look->arena, "%s.%s", scopes[scope], key);
    if (!path.text) look->out_of_memory = true;
    return path.text ? path : MS_STR("");
}

/* ---- numbers ---- */

static ms_str trimmed(ms_str s) {
    while (s.size && (unsigned char)s.text[0] <= ' ') s = ms_str_sub(s, 1, s.size);
    while (s.size && (unsigned char)s.text[s.size - 1] <= ' ') s.size--;
    return s;
}

/* Integers, integral floats, digits in a text; never booleans. */
static bool coerce(const ms_json_value *value, int64_t *out) {
    switch (value->kind) {
    case MS_JSON_INT: *out = value->integer; return true;
    case MS_JSON_REAL:
        if (!(fabs(value->real) < 0x1p62) || value->real != trunc(value->real)) return false;
        *out = (int64_t)value->real;
        return true;
    case MS_JSON_STRING: return ms_str_to_i64(trimmed(value->string), out);
    default: return false;
    }
}

/* A list coerces only when every item does. */
static bool coerce_ints(ms_lookup *look, const ms_json_value *value, ms_config_ints *out) {
    const bool is_list = value->kind == MS_JSON_ARRAY;
    const size_t n = is_list ? value->array.n : 1;
    if (n > MAX_LIST) return false;
    int64_t *const items = ms_arena_alloc_array(look->arena, n ? n : 1, sizeof *items);
    if (!items) {
        look->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!coerce(is_list ? &value->array.items[i] : value, &items[i])) return false;
    *out = (ms_config_ints){.known = true, .is_list = is_list, .items = items, .n = n};
    return true;
}

static bool same_ints(const ms_config_ints *a, const ms_config_ints *b) {
    return a->is_list == b->is_list && a->n == b->n && memcmp(a->items, b->items, a->n * sizeof *a->items) == 0;
}

static void note_conflict(ms_lookup *look, const ms_config_ints *taken, const ms_config_ints *other) {
    if (!look->notes || !taken->n || !other->n || same_ints(taken, other)) return;
    ms_notes_add(look->notes, MS_NOTE_WARNING, "config.conflict", look->file, MS_STR(""), MS_NOTE_NO_OFFSET,
                 "'%s' says %lld%s and '%s' says %lld%s; the first is taken", ms_str_shown(taken->key).text,
                 (long long)taken->items[0], taken->is_list ? ", ..." : "", ms_str_shown(other->key).text,
                 (long long)other->items[0], other->is_list ? ", ..." : "");
}

/* The first alias that coerces, level by level. aliases: NULL-terminated. */
static ms_config_ints find_ints_from(ms_lookup *look, const char *const *aliases, size_t first_scope) {
    for (size_t s = first_scope; s < N_SCOPES; s++) {
        ms_config_ints found = {0};
        for (size_t a = 0; aliases[a]; a++) {
            const ms_json_value *const value = ms_json_get(look->levels[s], aliases[a]);
            ms_config_ints ints;
            if (!value || value->kind == MS_JSON_NULL) continue;
            if (!coerce_ints(look, value, &ints)) {
                if (look->notes && !look->out_of_memory)
                    ms_notes_add(look->notes, MS_NOTE_WARNING, "config.type", look->file, MS_STR(""), (int64_t)value->at,
                                 "'%s' holds %s, not a number; it is left out", aliases[a], ms_json_kind_name(value->kind));
                continue;
            }
            ints.key = where(look, s, aliases[a]);
            if (found.known) note_conflict(look, &found, &ints);
            else found = ints;
        }
        if (found.known) return found;
    }
    return (ms_config_ints){0};
}

#define FIND_INTS(look, ...) find_ints_from((look), (const char *const[]){__VA_ARGS__, NULL}, 0)
#define FIND_INTS_IN_FFN(look, ...) find_ints_from((look), (const char *const[]){__VA_ARGS__, NULL}, FFN_SCOPE)

/* ---- other kinds of values ---- */

static const ms_json_value *find_value(ms_lookup *look, const char *const *aliases, ms_str *key) {
    for (size_t s = 0; s < N_SCOPES; s++)
        for (size_t a = 0; aliases[a]; a++) {
            const ms_json_value *const value = ms_json_get(look->levels[s], aliases[a]);
            if (!value || value->kind == MS_JSON_NULL) continue;
            if (key) *key = where(look, s, aliases[a]);
            return value;
        }
    return NULL;
}
#define FIND(look, key, ...) find_value((look), (const char *const[]){__VA_ARGS__, NULL}, (key))

static ms_str find_text(ms_lookup *look, const char *const *aliases) {
    const ms_json_value *const value = find_value(look, aliases, NULL);
    return ms_json_as_str(value, MS_STR(""));
}
#define FIND_TEXT(look, ...) find_text((look), (const char *const[]){__VA_ARGS__, NULL})

static ms_ternary as_ternary(const ms_json_value *value) {
    return value && value->kind == MS_JSON_BOOL ? (value->boolean ? MS_YES : MS_NO) : MS_UNKNOWN;
}

static ms_config_real find_real(ms_lookup *look, const char *const *aliases) {
    const ms_json_value *const value = find_value(look, aliases, NULL);
    int64_t integer;
    if (!value) return (ms_config_real){0};
    if (value->kind == MS_JSON_REAL) return (ms_config_real){true, value->real};
    if (coerce(value, &integer)) return (ms_config_real){true, (double)integer};
    return (ms_config_real){0};
}

/* ---- which layers have experts ---- */

typedef struct ms_kinds { /* under construction */
    int8_t *items;        /* [n] */
    size_t n;
    ms_str key;
} ms_kinds;

/* Lists that say it layer by layer: texts ("sparse"), booleans, 0/1, or one text with a letter a layer. */
static bool kinds_from_list(ms_lookup *look, ms_kinds *kinds) {
    const ms_json_value *list = FIND(look, &kinds->key, "mlp_layer_types", "is_moe_layer", "layers_block_type");
    if (!list) list = FIND(look, &kinds->key, "moe_layer_freq", "hybrid_override_pattern");
    if (!list) return false;
    if (list->kind == MS_JSON_STRING) { /* Nemotron-H: M mixer, * attention, - dense, E experts */
        for (size_t i = 0; i < kinds->n && i < list->string.size; i++) kinds->items[i] = list->string.text[i] == 'E';
        return list->string.size == kinds->n;
    }
    if (list->kind != MS_JSON_ARRAY || list->array.n != kinds->n) return false;
    bool telling = false; /* a list of mixers ("mamba", "attention") says nothing about experts */
    for (size_t i = 0; i < kinds->n; i++) {
        const ms_json_value *const item = &list->array.items[i];
        const ms_str text = ms_json_as_str(item, MS_STR(""));
        int64_t number = 0;
        const bool is_word = text.size && !coerce(item, &number);
        if (item->kind == MS_JSON_BOOL) kinds->items[i] = item->boolean;
        else if (is_word) kinds->items[i] = ms_str_is(text, "sparse") || ms_str_contains(text, MS_STR("moe"));
        else if (coerce(item, &number)) kinds->items[i] = number != 0;
        else return false;
        telling = telling || !is_word || kinds->items[i] || ms_str_is(text, "dense");
    }
    return telling;
}

/* Lists of the layers that have experts: numbers, or numbers in a text with commas. */
static bool kinds_from_members(ms_lookup *look, ms_kinds *kinds) {
    const ms_json_value *const list = FIND(look, &kinds->key, "moe_layers", "moe_layers_enum");
    if (!list) return false;
    memset(kinds->items, MS_NO, kinds->n);
    if (list->kind == MS_JSON_ARRAY) {
        for (size_t i = 0; i < list->array.n; i++) {
            int64_t layer;
            if (!coerce(&list->array.items[i], &layer)) return false;
            if (layer >= 0 && (uint64_t)layer < kinds->n) kinds->items[layer] = MS_YES;
        }
        return true;
    }
    if (list->kind != MS_JSON_STRING || list->string.size == 0) return false;
    for (ms_str rest = list->string; rest.text;) {
        int64_t layer;
        if (!ms_str_to_i64(trimmed(ms_str_cut(&rest, ',')), &layer)) return false;
        if (layer >= 0 && (uint64_t)layer < kinds->n) kinds->items[layer] = MS_YES;
    }
    return true;
}

static bool scalar(const ms_config_ints *value, int64_t *out) {
    if (!value->known || value->is_list) return false;
    *out = value->items[0];
    return true;
}

static int64_t scalar_or(const ms_config_ints *value, int64_t fallback) {
    int64_t number;
    return scalar(value, &number) ? number : fallback;
}

/* Rules: a period with an offset, a first layer, exceptions. */
static bool kinds_from_rule(ms_lookup *look, ms_kinds *kinds) {
    const ms_config_ints period = FIND_INTS(look, "expert_layer_period"), offset = FIND_INTS(look, "expert_layer_offset");
    const ms_config_ints interleave = FIND_INTS(look, "interleave_moe_layer_step");
    const ms_config_ints start = FIND_INTS(look, "moe_layer_start_index"), end = FIND_INTS(look, "moe_layer_end_index");
    const ms_config_ints interval = FIND_INTS(look, "moe_layer_interval", "moe_layer_frequency");
    const ms_config_ints every = FIND_INTS(look, "moe_every_n_layers");
    const ms_config_ints step = FIND_INTS(look, "decoder_sparse_step"), dense = FIND_INTS(look, "mlp_only_layers");
    const ms_config_ints freq = FIND_INTS(look, "moe_layer_freq");
    const ms_config_ints first = FIND_INTS(look, "first_k_dense_replace", "num_dense_layers");
    const ms_config_ints *decisive[] = {&period, &interleave, &start, &every, &step, &first, &freq};
    size_t d = 0;
    while (d < 7 && (!decisive[d]->known || decisive[d]->is_list)) d++; /* lists have been read before */
    if (d == 7) return false;
    kinds->key = decisive[d]->key;

    const int64_t n_period = scalar_or(&period, 0), n_step = scalar_or(&step, 1), n_interval = scalar_or(&interval, 1);
    const int64_t n_interleave = scalar_or(&interleave, 0), n_every = scalar_or(&every, 0), n_freq = scalar_or(&freq, 1);
    int64_t last = scalar_or(&end, -1);
    if (last < 0) last = (int64_t)kinds->n - 1;
    for (int64_t i = 0; i < (int64_t)kinds->n; i++) {
        bool moe;
        switch (d) {
        case 0: moe = n_period > 0 && i % n_period == scalar_or(&offset, 0); break;
        case 1: moe = n_interleave > 0 && (i + 1) % n_interleave == 0; break;
        case 2: moe = i >= scalar_or(&start, 0) && i <= last && (n_interval <= 1 || (i + 1) % n_interval == 0); break;
        case 3: moe = n_every > 0 && i % n_every == 1 % n_every; break;
        case 4: moe = n_step > 0 && (i + 1) % n_step == 0; break;
        default: moe = i >= scalar_or(&first, 0) && (n_freq <= 1 || i % n_freq == 0); break;
        }
        kinds->items[i] = moe;
    }
    for (size_t k = 0; d == 4 && dense.known && k < dense.n; k++)
        if (dense.items[k] >= 0 && (uint64_t)dense.items[k] < kinds->n) kinds->items[dense.items[k]] = MS_NO;
    return true;
}

static void find_layer_kinds(ms_lookup *look, ms_model_config *out) {
    int64_t n_layers;
    if (!scalar(&out->layers, &n_layers) || n_layers <= 0 || n_layers > MAX_LIST) return;
    ms_kinds kinds = {.n = (size_t)n_layers, .items = ms_arena_alloc(look->arena, (size_t)n_layers)};
    if (!kinds.items) {
        look->out_of_memory = true;
        return;
    }
    if (as_ternary(FIND(look, &kinds.key, "enable_moe_block")) == MS_NO) memset(kinds.items, MS_NO, kinds.n);
    else if (!kinds_from_list(look, &kinds) && !kinds_from_members(look, &kinds) && !kinds_from_rule(look, &kinds)) return;
    out->layer_kinds = kinds.items, out->n_layer_kinds = kinds.n, out->layer_rule = kinds.key;
}

/* ---- reading ---- */

static void mark_per_layer(ms_config_ints *value, int64_t n_layers) {
    value->per_layer = value->is_list && n_layers > 0 && value->n == (uint64_t)n_layers;
}

static void mark_lists(ms_model_config *out) {
    const int64_t n = scalar_or(&out->layers, -1);
    ms_config_ints *const values[] = {&out->dense_width,  &out->experts,        &out->top_k,
                                      &out->expert_width, &out->shared_experts, &out->shared_width};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) mark_per_layer(values[i], n);
}

/* ERNIE-VL: [text experts, vision experts], in one numbering. */
static void add_up_modalities(ms_lookup *look, ms_config_ints *experts) {
    if (!experts->is_list || experts->per_layer || experts->n != 2) return;
    int64_t *const sum = ms_arena_alloc(look->arena, sizeof *sum);
    if (!sum) look->out_of_memory = true;
    if (!sum || !ms_add_i64(experts->items[0], experts->items[1], sum)) return;
    *experts = (ms_config_ints){.known = true, .items = sum, .n = 1, .key = experts->key};
}

/* nanoMOE: [[count, width], ...] or null, at the top or among model_args; with null all experts have one width. */
static void find_expert_sizes(ms_lookup *look, ms_model_config *out) {
    const ms_json_value *list = ms_json_get(look->levels[0], "expert_sizes");
    if (!list) list = ms_json_path(look->levels[0], "model_args.expert_sizes");
    if (!list || list->kind != MS_JSON_ARRAY) return;
    size_t n = 0;
    int64_t count, width;
    for (size_t i = 0; i < list->array.n; i++) {
        const ms_json_value *const pair = &list->array.items[i];
        if (pair->kind != MS_JSON_ARRAY || pair->array.n != 2) return;
        if (!coerce(&pair->array.items[0], &count) || !coerce(&pair->array.items[1], &width)) return;
        if (count < 0 || count > MAX_LIST || width < 0 || (n += (size_t)count) > MAX_LIST) return;
    }
    int64_t *const sizes = ms_arena_alloc_array(look->arena, n ? n : 1, sizeof *sizes);
    if (!sizes) {
        look->out_of_memory = true;
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < list->array.n; i++) {
        coerce(&list->array.items[i].array.items[0], &count), coerce(&list->array.items[i].array.items[1], &width);
        while (count-- > 0) sizes[at++] = width;
    }
    out->expert_sizes = sizes, out->n_expert_sizes = n;
}

static void find_counts(ms_lookup *look, ms_model_config *out) {
    out->layers = FIND_INTS(look, "num_hidden_layers", "n_layers", "n_layer", "num_layers");
    out->hidden = FIND_INTS(look, "hidden_size", "d_model", "n_embd", "dim");
    out->vocab = FIND_INTS(look, "vocab_size");
    out->experts = FIND_INTS(look, "num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts", "num_moe_experts",
                             "moe_num_primary_experts");
    out->zero_experts = FIND_INTS(look, "zero_expert_num");
    out->top_k = FIND_INTS(look, "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "experts_per_tok",
                           "moe_topk", "moe_top_k", "moe_k", "top_k_experts", "num_selected_experts", "num_active_experts",
                           "moe_num_active_primary_experts");
    out->expert_width = FIND_INTS(look, "moe_intermediate_size", "expert_intermediate_size", "expert_ffn_hidden_size",
                                  "moe_ffn_hidden_size", "routed_expert_hidden_size");
    if (!out->expert_width.known) out->expert_width = FIND_INTS_IN_FFN(look, "ffn_hidden_size");
    const ms_config_ints width = FIND_INTS(look, "intermediate_size");
    const ms_config_ints dense = FIND_INTS(look, "intermediate_size_mlp", "dense_intermediate_size");
    if (!out->expert_width.known && out->experts.known) out->expert_width = width;
    out->dense_width = dense.known ? dense : width;
    out->shared_experts =
        FIND_INTS(look, "n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts");
    out->shared_width = FIND_INTS(look, "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size",
                                  "shared_intermediate_size", "share_expert_dim");
    out->mtp_layers = FIND_INTS(look, "num_nextn_predict_layers", "mtp_num_hidden_layers");
}

/* Layers that are only told by the length of a list with one entry a layer (Nemotron-H). */
static void find_layers_by_length(ms_lookup *look, ms_model_config *out) {
    ms_str key = MS_STR("");
    const ms_json_value *const list = FIND(look, &key, "layers_block_type", "hybrid_override_pattern", "layer_types");
    const size_t n = !list                          ? 0
                     : list->kind == MS_JSON_ARRAY  ? list->array.n
                     : list->kind == MS_JSON_STRING ? list->string.size
                                                    : 0;
    if (out->layers.known || n == 0) return;
    int64_t *const item = ms_arena_alloc(look->arena, sizeof *item);
    if (item) *item = (int64_t)n;
    else look->out_of_memory = true;
    if (item) out->layers = (ms_config_ints){.known = true, .items = item, .n = 1, .key = key};
}

/* What some model classes do without a key that says so. */
static void find_wired_top_k(ms_model_config *out) {
    static const int64_t one = 1, two = 2;
    static const struct {
        const char *type;
        const int64_t *top_k;
    } wired[] = {{"switch_transformers", &one}, {"nllb-moe", &two}};
    for (size_t i = 0; i < sizeof wired / sizeof wired[0] && !out->top_k.known; i++)
        if (ms_str_is(out->model_type, wired[i].type))
            out->top_k = (ms_config_ints){.known = true, .items = wired[i].top_k, .n = 1, .key = MS_STR("model_type")};
}

static void find_routing(ms_lookup *look, ms_model_config *out) {
    out->scoring = FIND_TEXT(look, "scoring_func", "score_func", "score_function", "moe_router_activation_func", "moe_gate_act",
                             "moe_router_score_func");
    out->selection = FIND_TEXT(look, "topk_method");
    out->norm_topk = as_ternary(FIND(look, NULL, "norm_topk_prob", "route_norm", "moe_renormalize", "norm_expert_weight"));
    out->routed_scale =
        find_real(look, (const char *const[]){"routed_scaling_factor", "route_scale", "moe_router_scaling_factor", NULL});
    out->n_group = FIND_INTS(look, "n_group", "num_expert_group");
    out->topk_group = FIND_INTS(look, "topk_group");
}

static void find_quantization(ms_lookup *look, ms_model_config *out) {
    for (size_t s = 0; s < N_SCOPES && !out->quantization; s++) {
        const ms_json_value *const found = ms_json_get(look->levels[s], "quantization_config");
        const ms_str method = ms_json_as_str(ms_json_get(found, "quant_method"), MS_STR(""));
        if (method.size) out->quantization = found, out->quant_method = method;
    }
    for (size_t s = 0; s < N_SCOPES && !out->quantization; s++) { /* MLX */
        const ms_json_value *const found = ms_json_get(look->levels[s], "quantization");
        if (ms_json_get(found, "bits") || ms_json_get(found, "mode"))
            out->quantization = found, out->quant_method = MS_STR("mlx");
    }
    if (!out->quantization) out->quantization = ms_json_get(look->levels[0], "quantization_config");
}

ms_status ms_model_config_read(ms_model_config *out, const ms_json_value *root, ms_arena *arena, ms_notes *notes, ms_str file,
                               ms_err *err) {
    ms_lookup look = lookup_in(root, arena, notes, file);
    *out = (ms_model_config){.root = look.levels[0],
                             .architecture = MS_STR(""),
                             .selection = MS_STR(""),
                             .scoring = MS_STR(""),
                             .quant_method = MS_STR(""),
                             .layer_rule = MS_STR(""),
                             .norm_topk = MS_UNKNOWN};
    const ms_json_value *const names = ms_json_get(look.levels[0], "architectures");
    if (names && names->kind == MS_JSON_ARRAY && names->array.n)
        out->architecture = ms_json_as_str(&names->array.items[0], MS_STR(""));
    out->model_type = ms_json_as_str(ms_json_get(look.levels[0], "model_type"), MS_STR(""));
    out->text_model_type = out->model_type;
    for (size_t s = FFN_SCOPE - 1; s >= 1; s--) {
        const ms_str inner = ms_json_as_str(ms_json_get(look.levels[s], "model_type"), MS_STR(""));
        if (inner.size) out->text_model_type = inner;
    }
    find_counts(&look, out);
    find_wired_top_k(out);
    find_layers_by_length(&look, out);
    mark_lists(out);
    add_up_modalities(&look, &out->experts);
    find_routing(&look, out);
    find_quantization(&look, out);
    find_expert_sizes(&look, out);
    look.notes = NULL; /* keys that mean different things to different rules: no complaints about their types */
    find_layer_kinds(&look, out);
    return look.out_of_memory ? ms_err_memory(err, "the model configuration") : MS_OK;
}

int64_t ms_config_at(const ms_config_ints *value, int64_t layer, int64_t fallback) {
    if (!value->known || value->n == 0) return fallback;
    if (!value->is_list) return value->items[0];
    bool all_equal = true;
    for (size_t i = 1; i < value->n; i++) all_equal = all_equal && value->items[i] == value->items[0];
    if (all_equal) return value->items[0];
    return value->per_layer && layer >= 0 && (uint64_t)layer < value->n ? value->items[layer] : fallback;
}

ms_ternary ms_model_config_has_experts(const ms_model_config *config, int64_t layer) {
    return layer >= 0 && (uint64_t)layer < config->n_layer_kinds ? (ms_ternary)config->layer_kinds[layer] : MS_UNKNOWN;
}

static bool type_fits(ms_str type, ms_str wanted) {
    if (wanted.size && wanted.text[wanted.size - 1] == '*')
        return ms_str_starts_with(type, ms_str_sub(wanted, 0, wanted.size - 1));
    return ms_str_equal(type, wanted);
}

bool ms_model_config_is_type(const ms_model_config *config, const char *const *types) {
    for (size_t i = 0; types && types[i]; i++)
        if (type_fits(config->model_type, ms_str_of(types[i])) || type_fits(config->text_model_type, ms_str_of(types[i])))
            return true;
    return false;
}

/* ---- shape budget ---- */

ms_status ms_model_shape_budget(ms_shape_budget_field out[static MS_SHAPE_BUDGET_FIELDS], const ms_json_value *root,
                                ms_arena *arena, ms_err *err) {
    /* The pipeline's own aliases first, in its order; then those that other families use. */
    static const struct {
        const char *name;
        const char *aliases[MAX_ALIASES];
    } fields[MS_SHAPE_BUDGET_FIELDS] = {
        {"num_hidden_layers", {"num_hidden_layers", "n_layer", "num_layers", "n_layers"}},
        {"hidden_size", {"hidden_size", "d_model"}},
        {"moe_intermediate_size",
         {"moe_intermediate_size", "expert_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size"}},
        {"shared_expert_intermediate_size",
         {"shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size",
          "share_expert_dim"}},
        {"num_experts",
         {"num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts", "num_moe_experts",
          "moe_num_primary_experts"}},
        {"num_experts_per_tok",
         {"num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k",
          "top_k_experts", "num_selected_experts"}},
        {"n_shared_experts", {"n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"}},
        {"decoder_sparse_step", {"decoder_sparse_step"}},
        {"full_attention_interval", {"full_attention_interval"}},
        {"first_k_dense_replace", {"first_k_dense_replace"}},
        {"mlp_only_layers", {"mlp_only_layers"}},
    };
    ms_lookup look = lookup_in(root, arena, NULL, MS_STR(""));
    for (size_t f = 0; f < MS_SHAPE_BUDGET_FIELDS; f++)
        out[f] = (ms_shape_budget_field){fields[f].name, find_ints_from(&look, fields[f].aliases, 0)};
    return look.out_of_memory ? ms_err_memory(err, "the shape budget") : MS_OK;
}
