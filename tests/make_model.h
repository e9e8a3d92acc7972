/*
 * make_model: checkpoints for tests, from a list of names.
 *
 *     ms_checkpoint *ckpt = make_model(&arena, "{\"num_experts\": 4}", (const char *[]){
 *         "model.layers.0.mlp.gate.weight BF16 4x24", ..., NULL});
 */
#ifndef MS_MAKE_MODEL_H
#define MS_MAKE_MODEL_H

#include "checkpoint.h"
#include "make_file.h"

/* The bytes of a safetensors file with these tensors, all of whose data are zero. lines: "name TYPE 2x3" (scalars: "-"),
 * NULL-terminated. In the arena. */
ms_str make_model_file(ms_arena *arena, const char *const *lines);

/* A checkpoint over that file in memory; config: NULL for none. Owned; the arena must outlive it. */
ms_checkpoint *make_model(ms_arena *arena, const char *config, const char *const *lines);
ms_status try_make_model(ms_checkpoint **out, ms_str file, const char *config, ms_err *err);

/* The code of the first note of at least warning severity whose code is that, or NULL. */
const ms_note *find_note(const ms_notes *notes, const char *code);

#endif
