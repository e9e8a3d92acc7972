#include "embedded_config.h"

#include <stdio.h>

/* GGUF's words (after "<architecture>.") and those of config.json. */
static const struct {
    const char *gguf, *config;
} words[] = {
    {"block_count", "num_hidden_layers"},
    {"embedding_length", "hidden_size"},
    {"feed_forward_length", "intermediate_size"},
    {"vocab_size", "vocab_size"},
    {"expert_count", "num_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
    {"expert_weights_scale", "routed_scaling_factor"},
    {"expert_weights_norm", "norm_topk_prob"},
    {"leading_dense_block_count", "first_k_dense_replace"},
    {"nextn_predict_layers", "num_nextn_predict_layers"},
};

static ms_str metadata_of(const ms_reader *reader, ms_str key) {
    for (size_t i = 0; i < reader->n_metadata; i++)
        if (ms_str_equal(reader->metadata[i].key, key)) return reader->metadata[i].value;
    return MS_STR_NONE;
}

static int64_t integer_of(const ms_reader *reader, ms_str architecture, const char *word, int64_t fallback) {
    char key[256];
    int64_t value;
    const int n = snprintf(key, sizeof key, "%.*s.%s", (int)architecture.size, architecture.text, word);
    if (n < 0 || (size_t)n >= sizeof key) return fallback;
    return ms_str_to_i64(metadata_of(reader, ms_str_of(key)), &value) ? value : fallback;
}

/* The MTP layers of a GGUF file are counted in block_count; config.json does not count them. */
static void put_value(ms_buf *out, const ms_reader *reader, ms_str architecture, size_t k, ms_str value) {
    if (strcmp(words[k].gguf, "block_count") != 0) {
        ms_buf_put_str(out, value);
        return;
    }
    const int64_t all = integer_of(reader, architecture, "block_count", 0),
                  extra = integer_of(reader, architecture, "nextn_predict_layers", 0);
    ms_buf_printf(out, "%lld", (long long)(extra > 0 && extra < all ? all - extra : all));
}

static const char *scoring_of(int64_t gating_func) {
    static const char *const names[] = {NULL, "softmax", "sigmoid", "softmax", "sqrtsoftplus"};
    return gating_func >= 0 && gating_func < 5 ? names[gating_func] : NULL;
}

static bool from_gguf(const ms_reader *reader, ms_buf *out) {
    const ms_str architecture = metadata_of(reader, MS_STR("general.architecture"));
    if (!architecture.text || architecture.size > 64) return false;
    ms_json_out json = {.buf = out};
    ms_json_out_begin_object(&json);
    ms_json_out_key(&json, "architectures");
    ms_json_out_begin_array(&json);
    ms_json_out_str(&json, architecture);
    ms_json_out_end(&json);
    ms_json_out_key(&json, "model_type");
    ms_json_out_str(&json, architecture);
    const char *const scoring = scoring_of(integer_of(reader, architecture, "expert_gating_func", -1));
    if (scoring) {
        ms_json_out_key(&json, "scoring_func");
        ms_json_out_text(&json, scoring);
    }
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
        char key[256];
        snprintf(key, sizeof key, "%.*s.%s", (int)architecture.size, architecture.text, words[k].gguf);
        const ms_str value = metadata_of(reader, ms_str_of(key));
        if (!value.text || value.size == 0 || !strchr("-0123456789[tf", value.text[0]))
            continue; /* numbers, lists, booleans: JSON as it is */
        ms_json_out_key(&json, words[k].config);
        ms_buf raw = {0};
        put_value(&raw, reader, architecture, k, value);
        ms_json_out_raw(&json, ms_buf_str(&raw));
        out->failed |= raw.failed;
        ms_buf_free(&raw);
    }
    ms_json_out_end(&json);
    return true;
}

/* nanoMOE and nanoGPT: torch.save({"model": ..., "model_args": {...}}). */
static bool from_torch(const ms_reader *reader, ms_buf *out) {
    static const char *const keys[] = {"model_args", "model_config", "hyper_parameters", "config"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const ms_str value = metadata_of(reader, ms_str_of(keys[i]));
        if (value.size == 0 || value.text[0] != '{') continue;
        ms_buf_put_str(out, value);
        return true;
    }
    return false;
}

ms_status ms_embedded_config_read(ms_checkpoint *ckpt, ms_err *err) {
    if (ckpt->config) return MS_OK;
    ms_buf text = {0};
    bool found = false;
    for (size_t f = 0; f < ckpt->n_files && !found; f++) {
        const ms_reader *const reader = ckpt->files[f].reader;
        if (!reader) continue;
        const ms_str format = ms_str_of(reader->format->name);
        if (ms_str_is(format, "gguf")) found = from_gguf(reader, &text);
        else if (ms_str_starts_with(format, MS_STR("torch"))) found = from_torch(reader, &text);
    }
    const ms_str copy = ms_arena_copy(&ckpt->arena, ms_buf_str(&text)); /* the DOM borrows from it */
    const bool failed = text.failed || !copy.text;
    ms_buf_free(&text);
    if (failed) return ms_err_memory(err, "the config");
    const ms_json_value *root = NULL;
    ms_err why = {0};
    if (!found) return MS_OK;
    if (ms_json_parse(&root, copy.text, copy.size, &ckpt->arena, &why) == MS_OK && root->kind == MS_JSON_OBJECT)
        ckpt->config = root;
    return why.status == MS_ERR_MEMORY ? ms_err_memory(err, "the config") : MS_OK;
}
