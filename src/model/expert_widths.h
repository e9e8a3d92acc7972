/*
 * expert_widths: how wide each expert of a packed bank is, where a user says it: "4x2944,4x128" is four experts of 2944 and
 * four of 128, "2944,128" one of each; the order is that of the experts.
 *
 * A bank of experts of different widths is one matrix [H, sum of widths]. Its length does not tell the widths; they are, in
 * this order, what the user says, `expert_sizes` of the config (rounded up to multiples of 128, where only that fits: older
 * code of nanoMOE did so), the buffer expert_size_blocks beside the bank, and equal shares.
 */
#ifndef MS_EXPERT_WIDTHS_H
#define MS_EXPERT_WIDTHS_H

#include "checkpoint.h"

enum { MS_EXPERT_WIDTHS_MOST = 1 << 16, MS_EXPERT_BLOCK = 128 }; /* experts; the grain of the block-sparse kernels */

typedef struct ms_expert_widths {
    const int64_t *items; /* [n], in the arena; NULL: nothing is said */
    size_t n;
    bool rounded; /* each counts as the next multiple of MS_EXPERT_BLOCK */
} ms_expert_widths;

/* MS_ERR_USAGE when the text is no such list. */
ms_status ms_expert_widths_parse(ms_expert_widths *out, ms_str text, ms_arena *arena, ms_err *err);

/* The buffer beside a bank ("...mlp.expert_size_blocks" beside "...mlp.w1"), in units of 128; items NULL: there is none. */
ms_status ms_expert_widths_of_buffer(ms_expert_widths *out, const ms_checkpoint *ckpt, const ms_tensor *bank, ms_arena *arena,
                                     ms_err *err);

/* Makes the widths add up to this length, by rounding them if need be; false: they do not. */
bool ms_expert_widths_fit(ms_expert_widths *widths, uint64_t length);

/* Of expert e. */
static inline uint64_t ms_expert_width(const ms_expert_widths *widths, size_t e) {
    const uint64_t width = (uint64_t)widths->items[e];
    return widths->rounded ? (width + MS_EXPERT_BLOCK - 1) / MS_EXPERT_BLOCK * MS_EXPERT_BLOCK : width;
}

#endif
