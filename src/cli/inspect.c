#include "inspect.h"

#include <stdio.h>

#include "dtype.h"

static int64_t extent(uint64_t n) { return n > INT64_MAX ? -1 : (int64_t)n; }

/* Shared experts of a layer: the config's number; where it has none, one module spelled in the singular is one expert, and so is
 * one whose width the config gives. */
static int64_t shared_experts(const ms_checkpoint *ckpt, const ms_layer *layer) {
    if (!layer->has_shared) return 0;
    const int64_t stated = ms_config_at(&ckpt->model.shared_experts, layer->layer, -1);
    const bool is_one = layer->shared_is_one || ms_config_at(&ckpt->model.shared_width, layer->layer, 0) > 0;
    return stated > 0 ? stated : is_one ? 1 : -1;
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
            layer->shapes[layer->n_shapes++] = (ms_inspect_shape){bank->proj, extent(bank->rows), extent(bank->cols)};
    }
}

ms_status ms_inspect_gather(ms_inspect *out, const ms_checkpoint *ckpt, ms_err *err) {
    *out = (ms_inspect){.ckpt = ckpt};
    ms_status status = ms_parameters_count(&out->parameters, ckpt, err);
    if (status == MS_OK) status = ms_banks_outline(&out->banks, ckpt, err);
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
        out->layers[out->n_layers++] = (ms_inspect_layer){
            .layer = layer, .top_k = ms_parameters_top_k(ckpt, layer), .shared = shared_experts(ckpt, layer)};
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

ms_inspect_scheme_name ms_inspect_scheme(const ms_tensor *tensor) {
    ms_inspect_scheme_name out = {""};
    const ms_dtype_info *const info = ms_dtype_info_of(tensor->stored->dtype);
    if (tensor->scheme[0] || info->block == 0) {
        snprintf(out.text, sizeof out.text, "%s", tensor->scheme);
        return out;
    }
    snprintf(out.text, sizeof out.text, "gguf_%s", info->name);
    for (char *c = out.text; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    return out;
}

static ms_str metadata_of(const ms_reader *reader, const char *key) {
    for (size_t i = 0; i < reader->n_metadata; i++)
        if (ms_str_is(reader->metadata[i].key, key)) return reader->metadata[i].value;
    return MS_STR_NONE;
}

ms_ternary ms_inspect_weights_only(const ms_checkpoint *ckpt, ms_str *refused) {
    ms_ternary found = MS_UNKNOWN;
    if (refused) *refused = MS_STR("[]");
    for (size_t f = 0; f < ckpt->n_files; f++) {
        const ms_reader *const reader = ckpt->files[f].reader;
        if (!reader || !ms_str_starts_with(ms_str_of(reader->format->name), MS_STR("torch"))) continue;
        const bool takes = ms_str_is(metadata_of(reader, "torch.weights_only"), "yes");
        const ms_str names = metadata_of(reader, "torch.refused");
        if (refused && names.size > 2 && refused->size == 2) *refused = names;
        if (found != MS_NO) found = takes ? MS_YES : MS_NO;
    }
    return found;
}
