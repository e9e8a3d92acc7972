#include "parameters.h"

#include "checked.h"
#include "family.h"
#include "json_put.h"
#include "mem.h"

/* Sums saturate: a hostile header may claim shapes whose counts do not fit. */
static void add(uint64_t *sum, uint64_t n) {
    if (!ms_add_u64(*sum, n, sum)) *sum = UINT64_MAX;
}

static uint64_t *part_of(ms_parameters *p, ms_role role) {
    switch (role) {
    case MS_ROLE_EXPERT:
    case MS_ROLE_EXPERT_BIAS: return &p->routed;
    case MS_ROLE_SHARED_EXPERT:
    case MS_ROLE_SHARED_GATE: return &p->shared;
    case MS_ROLE_ROUTER:
    case MS_ROLE_ROUTER_AUX: return &p->router;
    case MS_ROLE_ATTENTION: return &p->attention;
    case MS_ROLE_EMBEDDING: return &p->embedding;
    default: return &p->other;
    }
}

int64_t ms_parameters_top_k(const ms_checkpoint *ckpt, const ms_layer *layer) {
    const int64_t k = ms_config_at(&ckpt->model.top_k, layer->layer, -1);
    return k > layer->experts ? layer->experts : k;
}

/* floor(n * k / e) without overflow: k <= e. */
static uint64_t share(uint64_t n, int64_t k, int64_t e) {
    return e <= 0 || k < 0 ? n : n / (uint64_t)e * (uint64_t)k + n % (uint64_t)e * (uint64_t)k / (uint64_t)e;
}

enum { MAX_TIED = 8 };

/* Embeddings that share their bytes with one before (torch files keep a tied head as a second name). */
typedef struct ms_tied {
    const ms_stored *items[MAX_TIED];
    size_t n;
} ms_tied;

static bool is_tied(ms_tied *tied, const ms_tensor *t) {
    if (t->role != MS_ROLE_EMBEDDING) return false;
    for (size_t i = 0; i < tied->n; i++)
        if (tied->items[i]->source == t->stored->source && tied->items[i]->offset == t->stored->offset &&
            tied->items[i]->n_bytes == t->stored->n_bytes && t->stored->n_bytes > 0)
            return true;
    if (tied->n < MAX_TIED) tied->items[tied->n++] = t->stored;
    return false;
}

static bool is_mtp(const char *section) { return strcmp(section, "mtp") == 0; }

ms_status ms_parameters_count(ms_parameters *out, const ms_checkpoint *ckpt, ms_err *err) {
    *out = (ms_parameters){.active_known = true};
    uint64_t *const routed = ms_mem_zalloc_array(ckpt->n_layers, sizeof *routed);
    if (!routed) return ms_err_memory(err, "the counts of the layers");
    const ms_layer *layer = NULL;
    ms_tied tied = {0};
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_tensor *const t = &ckpt->tensors[i];
        if (t->shadowed || is_tied(&tied, t)) continue;
        const uint64_t n = ms_parameter_count(ckpt, t);
        uint64_t *const part = part_of(out, t->role);
        add(&out->total, n);
        add(part, n);
        if (is_mtp(t->section)) continue;
        if (part != &out->routed) {
            add(&out->active, n);
            continue;
        }
        if (!layer || layer->layer != t->layer || strcmp(layer->section, t->section) != 0)
            layer = ms_layers_find(ckpt, t->section, t->layer);
        if (layer) add(&routed[layer - ckpt->layers], n);
        else add(&out->active, n);
    }
    for (size_t l = 0; l < ckpt->n_layers; l++) {
        const int64_t k = ms_parameters_top_k(ckpt, &ckpt->layers[l]);
        if (routed[l] == 0) continue;
        if (k < 0) out->active_known = false;
        else add(&out->active, share(routed[l], k, ckpt->layers[l].experts));
    }
    ms_mem_free(routed);
    return MS_OK;
}

void ms_parameters_put(ms_json_out *json, const ms_parameters *p) {
    ms_json_put_begin(json, "parameters");
    ms_json_put_u64(json, "total", p->total);
    ms_json_out_key(json, "active");
    if (p->active_known) ms_json_out_u64(json, p->active);
    else ms_json_out_null(json);
    ms_json_put_u64(json, "routed", p->routed);
    ms_json_put_u64(json, "shared", p->shared);
    ms_json_put_u64(json, "router", p->router);
    ms_json_put_u64(json, "attention", p->attention);
    ms_json_put_u64(json, "embedding", p->embedding);
    ms_json_put_u64(json, "other", p->other);
    ms_json_out_end(json);
}
