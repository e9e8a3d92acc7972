#include "inspect.h"

/* Rows of the first matrix of a bank, -1 when they are not all alike; cols likewise. */
static ms_inspect_shape shape_of(const ms_banks *banks, const ms_bank *bank) {
    const ms_matrix *const m = &banks->matrices.items[bank->first_matrix];
    ms_inspect_shape shape = {.proj = bank->proj, .rows = (int64_t)m[0].rows, .cols = (int64_t)m[0].cols};
    for (size_t i = 1; i < bank->n_matrices; i++) {
        if (m[i].rows != m[0].rows) shape.rows = -1;
        if (m[i].cols != m[0].cols) shape.cols = -1;
    }
    return shape;
}

/* Shared experts of a layer: the config's number; where it has none, one module spelled in the singular is one expert. */
static int64_t shared_experts(const ms_checkpoint *ckpt, const ms_layer *layer, const ms_banks *banks, const ms_bank *shared) {
    if (!layer->has_shared) return 0;
    const int64_t stated = ms_config_at(&ckpt->model.shared_experts, layer->layer, -1);
    if (stated > 0 || !shared) return stated > 0 ? stated : -1;
    const ms_str name = ckpt->tensors[banks->matrices.items[shared->first_matrix].tensor].stored->name;
    return ms_str_contains(name, MS_STR("shared_experts.")) ? -1 : 1;
}

static int compare(const ms_layer *layer, const ms_bank *bank) {
    const int order = strcmp(layer->section, bank->section);
    return order ? order : (layer->layer > bank->layer) - (layer->layer < bank->layer);
}

/* Banks and layers are in the same order: one walk over both. */
static void add_banks(ms_inspect *out) {
    size_t l = 0;
    for (size_t b = 0; b < out->banks.n; b++) {
        const ms_bank *const bank = &out->banks.items[b];
        while (l < out->n_layers && compare(out->layers[l].layer, bank) < 0) l++;
        if (l == out->n_layers) return;
        ms_inspect_layer *const layer = &out->layers[l];
        if (compare(layer->layer, bank) > 0) continue;
        if (bank->role == MS_ROLE_EXPERT && layer->n_shapes < MS_INSPECT_MAX_SHAPES)
            layer->shapes[layer->n_shapes++] = shape_of(&out->banks, bank);
        if (bank->role == MS_ROLE_SHARED_EXPERT) layer->shared = shared_experts(out->ckpt, layer->layer, &out->banks, bank);
    }
}

ms_status ms_inspect_gather(ms_inspect *out, const ms_checkpoint *ckpt, ms_err *err) {
    *out = (ms_inspect){.ckpt = ckpt};
    ms_status status = ms_parameters_count(&out->parameters, ckpt, err);
    if (status == MS_OK) status = ms_banks_from_family(&out->banks, ckpt, err);
    if (status == MS_OK) {
        out->layers = ms_mem_zalloc_array(ckpt->n_layers, sizeof *out->layers);
        if (!out->layers) status = ms_err_memory(err, "the layers");
    }
    if (status != MS_OK) {
        ms_inspect_free(out);
        return status;
    }
    for (size_t i = 0; i < ckpt->n_layers; i++) {
        const ms_layer *const layer = &ckpt->layers[i];
        if (layer->experts == 0) continue;
        out->layers[out->n_layers++] =
            (ms_inspect_layer){.layer = layer, .top_k = ms_parameters_top_k(ckpt, layer), .shared = layer->has_shared ? -1 : 0};
    }
    add_banks(out);
    return MS_OK;
}

void ms_inspect_free(ms_inspect *inspect) {
    ms_banks_free(&inspect->banks);
    ms_mem_free(inspect->layers);
    inspect->layers = NULL;
}

const char *ms_inspect_proj(const ms_checkpoint *ckpt, const ms_tensor *tensor) {
    const ms_pattern *const pattern = &ckpt->patterns[tensor->pattern];
    if (pattern->row && pattern->row->label) return pattern->row->label;
    return tensor->proj == MS_PROJ_NONE ? NULL : ms_proj_name(tensor->proj);
}
