/*
 * local_models: models that other programs have put on this machine, by the names those programs use.
 *
 *   Hub cache   CACHE/models--OWNER--NAME as a folder: its snapshot of main, else its only snapshot
 *   Ollama      ROOT/manifests/HOST/NAMESPACE/MODEL/TAG: JSON that lists layers by digest; the layer of media type
 *               application/vnd.ollama.image.model is a GGUF file, ROOT/blobs/sha256-HEX. As a path, or
 *               ollama:[[HOST/]NAMESPACE/]MODEL[:TAG]. ROOT: $OLLAMA_MODELS, else ~/.ollama/models, else
 *               /usr/share/ollama/.ollama/models
 *   LM Studio   ROOT/OWNER/NAME, a plain folder of GGUF or MLX files: OWNER/NAME, or lmstudio:OWNER/NAME.
 *               ROOT: what ~/.lmstudio/settings.json chooses, else ~/.lmstudio/models, else ~/.cache/lm-studio/models
 */
#ifndef MS_LOCAL_MODELS_H
#define MS_LOCAL_MODELS_H

#include "arena.h"
#include "err.h"
#include "hub_env.h"
#include "str.h"

/* *out: `text` itself (the same pointer) when it is none of these. text: terminated. MS_ERR_NOT_FOUND for names after "ollama:"
 * or "lmstudio:" that are not there. */
ms_status ms_local_models_find(ms_str *out, ms_arena *arena, ms_str text, const ms_hub_env *env, ms_env_get *get, ms_err *err);

typedef struct ms_model_layer { /* what a manifest of Ollama says */
    ms_str digest;              /* SHA-256 of the GGUF file, 64 hex digits; "" when there is none */
    int64_t n_bytes;            /* of it; -1: not said */
    bool is_scattered;          /* its tensors are layers of their own */
} ms_model_layer;

/* Texts lie in the arena or are borrowed from `text`. What is no manifest has no such layer. */
ms_model_layer ms_local_models_layer(const char *text, size_t n, ms_arena *arena);

#endif
