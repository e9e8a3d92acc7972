/*
 * groups: a long list of tensors, folded: names that differ in numbers only, of one type and shape, become one line.
 *
 *     model.layers.{0..5}.mlp.experts.{0..15}.gate_proj.weight   [64,128]  BF16   96 tensors
 *
 *     ms_groups groups;
 *     MS_TRY(ms_groups_build(&groups, ckpt, err));         // the checkpoint opened with families
 *     for (size_t i = 0; i < groups.n; i++) use(&groups.items[i]);
 *     ms_groups_free(&groups);
 */
#ifndef MS_GROUPS_H
#define MS_GROUPS_H

#include "checkpoint.h"

typedef struct ms_group {
    ms_str text;        /* numbers as sets: "{0..5}", "{0,2..4}", "7" when all have it; in the groups' arena */
    uint32_t pattern;   /* index into the checkpoint's patterns */
    uint32_t first;     /* a tensor of the group: its type and shape are everyone's */
    size_t n;           /* tensors */
    size_t n_product;   /* tensors if every combination of the numbers were there */
    uint64_t n_bytes;   /* stored, of all */
    uint64_t n_weights; /* parameters, of all */
} ms_group;

typedef struct ms_groups {
    ms_group *items; /* [n], by name in natural order, then by first tensor; owned */
    size_t n, capacity;
    ms_arena arena;
} ms_groups;

ms_status ms_groups_build(ms_groups *out, const ms_checkpoint *ckpt, ms_err *err);
void ms_groups_free(ms_groups *groups);

#endif
