/*
 * layers: what the tensors say about the experts of each layer, compared with what the config says. The tensors win; every
 * disagreement is a note.
 */
#include <stdio.h>
#include <stdlib.h>

#include "family.h"
#include "vec.h"

typedef struct ms_layer_set { /* under construction */
    ms_checkpoint *ckpt;
    MS_VEC(ms_layer) items;
    MS_VEC(size_t) counts; /* [n * MS_PROJ_COUNT] expert tensors a projection */
    ms_map by_key;
    ms_arena arena;
    size_t last; /* the layer of the tensor before */
} ms_layer_set;

static bool same_layer(const ms_layer *layer, const char *section, int32_t number) {
    return layer->layer == number && strcmp(layer->section, section) == 0;
}

/* The index of the layer, made when it is new; SIZE_MAX when memory is short. */
static size_t layer_of(ms_layer_set *set, const ms_tensor *t) {
    if (set->last < set->items.n && same_layer(&set->items.items[set->last], t->section, t->layer)) return set->last;
    const ms_str key = ms_arena_printf(&set->arena, "%d.%s", t->layer, t->section);
    size_t *slot;
    bool is_new;
    if (!key.text || !ms_map_add(&set->by_key, key, set->items.n, &slot, &is_new)) return SIZE_MAX;
    if (is_new) {
        const ms_layer fresh = {.section = t->section, .layer = t->layer, .router = MS_NO_TENSOR, .router_rows = -1};
        if (!MS_VEC_PUSH(&set->items, fresh) || !MS_VEC_RESERVE(&set->counts, MS_PROJ_COUNT)) return SIZE_MAX;
        for (int p = 0; p < MS_PROJ_COUNT; p++) set->counts.items[set->counts.n++] = 0;
    }
    return set->last = *slot;
}

static bool is_hidden(const ms_checkpoint *ckpt, uint64_t n) {
    const int64_t hidden = ms_config_at(&ckpt->model.hidden, 0, -1);
    return hidden <= 0 || n == (uint64_t)hidden;
}

/* Logits of a router: [E, H], or [H, E] where only that fits the hidden size. */
static int64_t rows_of_router(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const int64_t hidden = ms_config_at(&ckpt->model.hidden, 0, -1);
    const ms_logical shape = ms_logical_shape(ckpt, t);
    const uint64_t *const dims = shape.rank == 2 ? shape.shape : t->stored->shape;
    const bool swapped =
        (shape.rank == 2 && shape.transposed) || (hidden > 0 && dims[0] == (uint64_t)hidden && dims[1] != (uint64_t)hidden);
    return (int64_t)dims[swapped];
}

static void add_expert(ms_layer_set *set, size_t l, const ms_tensor *t) {
    ms_layer *const layer = &set->items.items[l];
    const unsigned how = set->ckpt->patterns[t->pattern].row->layout;
    if (t->expert >= 0) {
        if (t->expert + 1 > layer->experts) layer->experts = t->expert + 1;
        set->counts.items[l * MS_PROJ_COUNT + t->proj]++;
    } else if (how & MS_LAY_STACKED) {
        const uint64_t n = t->stored->shape[0];
        if (n <= INT32_MAX && (int64_t)n > layer->experts) layer->experts = (int64_t)n;
        layer->present = layer->experts;
    } else {
        layer->stacked_unsized = true;
    }
}

static ms_status gather(ms_layer_set *set, ms_err *err) {
    ms_checkpoint *const ckpt = set->ckpt;
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_tensor *const t = &ckpt->tensors[i];
        if (t->role != MS_ROLE_EXPERT && t->role != MS_ROLE_ROUTER && t->role != MS_ROLE_SHARED_EXPERT) continue;
        const size_t l = layer_of(set, t);
        if (l == SIZE_MAX) return ms_err_memory(err, "the layers");
        ms_layer *const layer = &set->items.items[l];
        if (t->role == MS_ROLE_SHARED_EXPERT) {
            if (!layer->has_shared) layer->shared_is_one = !ms_str_contains(ckpt->patterns[t->pattern].text, MS_STR("experts"));
            layer->has_shared = true;
        } else if (t->role == MS_ROLE_EXPERT) {
            add_expert(set, l, t);
        } else {
            const int64_t rows = rows_of_router(ckpt, t);
            const bool another = layer->router != MS_NO_TENSOR && ckpt->tensors[layer->router].pattern != t->pattern;
            if (layer->router == MS_NO_TENSOR) layer->router = (uint32_t)i, layer->router_rows = rows;
            else if (another) layer->router_rows += rows; /* ERNIE-VL: one for text, one for vision */
        }
    }
    return MS_OK;
}

/* Experts stacked along an axis they share with something else: the router or the config gives their number. Those that only pass
 * their input on are none, though transformers 5 saves gates for them (LongCat). */
static void size_stacks(ms_layer_set *set) {
    const ms_model_config *const config = &set->ckpt->model;
    for (size_t l = 0; l < set->items.n; l++) {
        ms_layer *const layer = &set->items.items[l];
        if (layer->stacked_unsized && layer->experts == 0) {
            const int64_t n = layer->router_rows > 0 ? layer->router_rows : ms_config_at(&config->experts, layer->layer, 0);
            layer->experts = layer->present = n;
        }
        const int64_t stated = ms_config_at(&config->experts, layer->layer, 0),
                      zero = ms_config_at(&config->zero_experts, 0, 0);
        if (zero > 0 && stated > 0 && layer->experts - zero == stated) {
            layer->experts = stated;
            if (layer->present > stated) layer->present = stated;
        }
        for (int p = 0; p < MS_PROJ_COUNT && layer->present < layer->experts; p++) {
            const int64_t n = (int64_t)set->counts.items[l * MS_PROJ_COUNT + p];
            if (n > layer->present) layer->present = n < layer->experts ? n : layer->experts;
        }
    }
}

static int compare_layers(const void *a, const void *b) {
    const ms_layer *const x = a, *const y = b;
    const int by_section = strcmp(x->section, y->section);
    return by_section ? by_section : (x->layer > y->layer) - (x->layer < y->layer);
}

const ms_layer *ms_layers_find(const ms_checkpoint *ckpt, const char *section, int32_t layer) {
    const ms_layer wanted = {.section = section, .layer = layer};
    size_t from = 0, to = ckpt->n_layers;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const int order = compare_layers(&wanted, &ckpt->layers[middle]);
        if (order == 0) return &ckpt->layers[middle];
        if (order < 0) to = middle;
        else from = middle + 1;
    }
    return NULL;
}

/* ---- checks ---- */

typedef struct ms_finding { /* the same fault in several layers is one note */
    size_t n;
    const ms_layer *first, *last;
} ms_finding;

static void found(ms_finding *f, const ms_layer *layer) {
    if (f->n++ == 0) f->first = layer;
    f->last = layer;
}

/* "layer 3", "layers 3 to 17 (12 of them)" */
static const char *layers_text(const ms_finding *f, char text[static 64]) {
    if (!f->n) text[0] = 0;
    else if (f->n == 1) snprintf(text, 64, "layer %d", f->first->layer);
    else snprintf(text, 64, "%zu layers from %d to %d", f->n, f->first->layer, f->last->layer);
    return text;
}

/* A single expert without a router is a dense layer (early Jamba exports); a router in a layer that has no experts is none. */
static void demote(ms_checkpoint *ckpt) {
    ms_finding lonely = {0};
    bool any_experts = false;
    for (size_t l = 0; l < ckpt->n_layers; l++) any_experts = any_experts || ckpt->layers[l].experts > 0;
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        ms_tensor *const t = &ckpt->tensors[i];
        if (t->role != MS_ROLE_EXPERT && t->role != MS_ROLE_ROUTER) continue;
        const ms_layer *const layer = ms_layers_find(ckpt, t->section, t->layer);
        if (!layer) continue;
        if (t->role == MS_ROLE_EXPERT && layer->experts == 1 && layer->router == MS_NO_TENSOR && t->expert == 0) {
            t->role = MS_ROLE_DENSE_FFN;
            t->expert = -1;
        }
        const int64_t wanted = ms_config_at(&ckpt->model.experts, t->layer, -1);
        if (t->role != MS_ROLE_ROUTER || layer->experts > 0 || layer->router_rows == wanted) continue;
        if (any_experts || layer->router_rows <= 1) {
            found(&lonely, layer);
            t->role = MS_ROLE_OTHER, t->proj = MS_PROJ_NONE;
        }
    }
    char text[64];
    if (lonely.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "router.no_experts", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%s: a tensor is named like a router, but there are no experts beside it; it is not taken for one",
                     layers_text(&lonely, text));
}

/* Layers without experts that remain after demoting leave the list. */
static void drop_empty(ms_checkpoint *ckpt) {
    size_t n = 0;
    for (size_t l = 0; l < ckpt->n_layers; l++) {
        const ms_layer *const layer = &ckpt->layers[l];
        const bool has_router = layer->router != MS_NO_TENSOR && ckpt->tensors[layer->router].role == MS_ROLE_ROUTER;
        const bool has_experts = layer->experts > 1 || (layer->experts == 1 && has_router);
        if (!has_router && !has_experts && !layer->has_shared) continue;
        ckpt->layers[n] = *layer;
        if (!has_router) ckpt->layers[n].router = MS_NO_TENSOR, ckpt->layers[n].router_rows = -1;
        if (!has_experts) ckpt->layers[n].experts = ckpt->layers[n].present = 0;
        n++;
    }
    ckpt->n_layers = n;
}

/* "'num_experts'", the key of config.json; GGUF and torch files have other keys for it. */
static ms_shown stated_by(const ms_checkpoint *ckpt, const ms_config_ints *value) {
    ms_shown shown;
    if (ckpt->config_path.size) snprintf(shown.text, sizeof shown.text, "'%s'", ms_str_shown(value->key).text);
    else snprintf(shown.text, sizeof shown.text, "the file's metadata");
    return shown;
}

/* ERNIE-VL has a router for text and one for pictures; transformers 5 writes the number of experts of one. */
static bool is_of_one_router(const ms_checkpoint *ckpt, const ms_layer *layer, int64_t stated) {
    return layer->router != MS_NO_TENSOR && layer->router_rows == layer->experts &&
           rows_of_router(ckpt, &ckpt->tensors[layer->router]) == stated;
}

static void check_counts(ms_checkpoint *ckpt) {
    ms_finding config = {0}, chosen = {0}, router = {0}, missing = {0}, width = {0};
    int64_t wanted = 0;
    const int64_t zero = ms_config_at(&ckpt->model.zero_experts, 0, 0),
                  shared = ms_config_at(&ckpt->model.shared_experts, 0, 0);
    char text[64];
    for (size_t l = 0; l < ckpt->n_layers; l++) {
        const ms_layer *const layer = &ckpt->layers[l];
        if (strcmp(layer->section, "") != 0 && strcmp(layer->section, "mtp") != 0) continue;
        const int64_t stated = ms_config_at(&ckpt->model.experts, layer->layer, -1);
        if (layer->experts > 0 && stated >= 0 && layer->experts != stated && !is_of_one_router(ckpt, layer, stated))
            found(&config, layer), wanted = stated;
        if (layer->experts > 0 && ms_config_at(&ckpt->model.top_k, layer->layer, 0) > layer->experts + zero)
            found(&chosen, layer);
        if (layer->experts > 0 && layer->router_rows >= 0 && layer->router_rows != layer->experts &&
            layer->router_rows != layer->experts + zero &&
            layer->router_rows != layer->experts + shared) /* Inkling routes both */
            found(&router, layer);
        if (layer->present < layer->experts) found(&missing, layer);
        const ms_logical shape =
            layer->router == MS_NO_TENSOR ? (ms_logical){0} : ms_logical_shape(ckpt, &ckpt->tensors[layer->router]);
        if (shape.rank == 2 && !is_hidden(ckpt, shape.shape[0]) && !is_hidden(ckpt, shape.shape[1])) found(&width, layer);
    }
    if (width.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "router.width", MS_STR(""), ckpt->tensors[width.first->router].stored->name,
                     MS_NOTE_NO_OFFSET, "%s: no axis of the router is the hidden size %lld of the config",
                     layers_text(&width, text), (long long)ms_config_at(&ckpt->model.hidden, 0, -1));
    if (config.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "experts.config", ckpt->config_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%s says %lld experts, the tensors of %s say %lld; the tensors are believed",
                     stated_by(ckpt, &ckpt->model.experts).text, (long long)wanted, layers_text(&config, text),
                     (long long)config.first->experts);
    if (chosen.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "experts.top_k", ckpt->config_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%s says a token uses %lld experts, %s has %lld", stated_by(ckpt, &ckpt->model.top_k).text,
                     (long long)ms_config_at(&ckpt->model.top_k, chosen.first->layer, 0), layers_text(&chosen, text),
                     (long long)chosen.first->experts);
    if (router.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "experts.router", MS_STR(""),
                     ckpt->tensors[router.first->router].stored->name, MS_NOTE_NO_OFFSET,
                     "%s: the router has %lld rows, but there are %lld experts", layers_text(&router, text),
                     (long long)router.first->router_rows, (long long)router.first->experts);
    if (missing.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "experts.missing", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%s: only %lld of %lld experts are in the files; is a shard missing?", layers_text(&missing, text),
                     (long long)missing.first->present, (long long)missing.first->experts);
}

static void check_kinds(ms_checkpoint *ckpt) {
    const ms_model_config *const config = &ckpt->model;
    ms_finding unexpected = {0}, absent = {0};
    char text[64];
    bool any = false;
    for (size_t l = 0; l < ckpt->n_layers; l++) /* the rule is about the model proper, not about its encoder */
        any = any || (ckpt->layers[l].experts > 0 && ckpt->layers[l].section[0] == 0);
    ms_layer blank = {0};
    for (size_t i = 0; any && i < config->n_layer_kinds; i++) {
        const ms_layer *const layer = ms_layers_find(ckpt, "", (int32_t)i);
        const bool has = layer && layer->experts > 0;
        if (has && config->layer_kinds[i] == MS_NO) found(&unexpected, layer);
        if (!has && config->layer_kinds[i] == MS_YES) {
            blank.layer = absent.n ? blank.layer : (int32_t)i; /* the first one stands for all */
            found(&absent, &blank);
        }
    }
    if (unexpected.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "layers.config", ckpt->config_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "'%s' says %s has no experts, but they are in the files", ms_str_shown(config->layer_rule).text,
                     layers_text(&unexpected, text));
    if (absent.n)
        ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "layers.config", ckpt->config_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "'%s' says %zu layers (the first is layer %d) have experts that are not in the files",
                     ms_str_shown(config->layer_rule).text, absent.n, blank.layer);
}

ms_status ms_layers_build(ms_checkpoint *ckpt, ms_err *err) {
    ms_layer_set set = {.ckpt = ckpt, .last = SIZE_MAX};
    ms_status status = gather(&set, err);
    if (status == MS_OK) {
        size_stacks(&set);
        ckpt->layers = ms_arena_alloc_array(&ckpt->arena, set.items.n ? set.items.n : 1, sizeof *ckpt->layers);
        if (!ckpt->layers) status = ms_err_memory(err, "the layers");
    }
    if (status == MS_OK) {
        ckpt->n_layers = set.items.n;
        if (set.items.n) memcpy(ckpt->layers, set.items.items, set.items.n * sizeof *ckpt->layers);
        if (set.items.n) qsort(ckpt->layers, ckpt->n_layers, sizeof *ckpt->layers, compare_layers);
        demote(ckpt);
        drop_empty(ckpt);
        check_counts(ckpt);
        check_kinds(ckpt);
    }
    MS_VEC_FREE(&set.items);
    MS_VEC_FREE(&set.counts);
    ms_map_free(&set.by_key);
    ms_arena_free(&set.arena);
    return status;
}
