#include "bank.h"

#include <stdio.h>
#include <stdlib.h>

#include "checked.h"
#include "decoders.h"
#include "expert_widths.h"
#include "family.h"

enum { MAX_SPLITS = 2, MOST_EXPERTS = 1 << 20 };

typedef struct ms_bank_key { /* what one bank is; compared and hashed as bytes, so zero it first */
    char section[24];
    char label[24];
    int32_t layer;
    int32_t role, proj, split;
} ms_bank_key;

typedef struct ms_recent { /* the bank that tensors of a pattern went to last: most come layer by layer */
    int32_t layer;
    uint32_t banks[MAX_SPLITS];
} ms_recent;

typedef struct ms_builder {
    const ms_checkpoint *ckpt;
    ms_banks *out;
    ms_map by_key;
    MS_VEC(ms_bank_key) keys; /* [out->n] */
    MS_VEC(ms_matrix) matrices;
    ms_recent *recent;                 /* [n_patterns] */
    uint32_t (*stacks)[MS_PROJ_COUNT]; /* [n_layers] the stacked tensor of each projection, or MS_NO_TENSOR */
    bool outline;                      /* count the matrices, do not keep them */
    bool said_widths;                  /* that nothing tells the widths of experts */
    bool again;                        /* the banks are complete and all is said: only matrices are wanted */
} ms_builder;

/* ---- the shape of one tensor ---- */

typedef struct ms_axes { /* an unpacked tensor, seen as experts of out x in */
    uint64_t n_experts;  /* 1 for a tensor of one expert */
    uint64_t n_out, n_in;
    uint64_t expert_stride, out_stride, in_stride; /* elements */
    bool transposed;                               /* stored [in, out] */
} ms_axes;

static void strides_of(const ms_logical *shape, bool column_major, uint64_t strides[static MS_LOGICAL_RANK]) {
    uint64_t stride = 1;
    for (uint32_t i = 0; i < shape->rank; i++) {
        const uint32_t axis = column_major ? i : shape->rank - 1 - i;
        strides[axis] = stride;
        stride *= shape->shape[axis]; /* the product was checked */
    }
}

static const ms_tensor *stack_of(const ms_builder *b, const ms_tensor *t, ms_proj proj) {
    const ms_layer *const layer = ms_layers_find(b->ckpt, t->section, t->layer);
    const uint32_t found = layer ? b->stacks[layer - b->ckpt->layers][proj] : MS_NO_TENSOR;
    return found == MS_NO_TENSOR ? NULL : &b->ckpt->tensors[found];
}

/* The hidden size: the config's, else the columns of the layer's router. 0 unknown. */
static uint64_t hidden_size(const ms_builder *b, const ms_tensor *t) {
    const int64_t stated = ms_config_at(&b->ckpt->model.hidden, t->layer, 0);
    const ms_layer *const layer = ms_layers_find(b->ckpt, t->section, t->layer);
    if (stated > 0) return (uint64_t)stated;
    if (!layer || layer->router == MS_NO_TENSOR) return 0;
    const ms_logical router = ms_logical_shape(b->ckpt, &b->ckpt->tensors[layer->router]);
    return router.rank == 2 ? router.shape[1] : 0;
}

/* gate_up [E, a, b] beside down [E, c, d]: as [out, in] a = 2d and b = c, as [in, out] a = d and b = 2c; never both. */
static ms_ternary transposed_by_pair(const ms_builder *b, const ms_tensor *t) {
    const bool is_down = t->proj == MS_PROJ_DOWN;
    const ms_tensor *const other = stack_of(b, t, is_down ? MS_PROJ_GATE_UP : MS_PROJ_DOWN);
    if (!other || (t->proj != MS_PROJ_GATE_UP && !is_down)) return MS_UNKNOWN;
    const ms_logical own = ms_logical_shape(b->ckpt, t), its = ms_logical_shape(b->ckpt, other);
    if (own.rank != 3 || its.rank != 3) return MS_UNKNOWN;
    const uint64_t *const up = is_down ? its.shape : own.shape, *const down = is_down ? own.shape : its.shape;
    const bool straight = up[1] == 2 * down[2] && up[2] == down[1], swapped = up[1] == down[2] && up[2] == 2 * down[1];
    return straight == swapped ? MS_UNKNOWN : swapped ? MS_YES : MS_NO;
}

static bool packs_along_last_axis(const char *scheme) {
    return strncmp(scheme, "mlx_", 4) == 0 || strcmp(scheme, "mxfp4") == 0 || strcmp(scheme, "nvfp4") == 0;
}

static bool is_transposed(const ms_builder *b, const ms_tensor *t, unsigned layout, const ms_logical *shape) {
    const bool by_default = (layout & MS_LAY_TRANSPOSED) != 0;
    if (shape->in_before_out) return true;
    if (shape->transposed) return !by_default;
    if (!(layout & MS_LAY_AXES_BY_SHAPE)) return by_default;
    if (packs_along_last_axis(t->scheme)) return false;
    const ms_ternary by_pair = transposed_by_pair(b, t);
    if (by_pair != MS_UNKNOWN) return by_pair == MS_YES;
    const uint64_t hidden = hidden_size(b, t), rows = shape->shape[shape->rank - 2], cols = shape->shape[shape->rank - 1];
    if (rows == cols || (rows != hidden && cols != hidden)) return by_default;
    return t->proj == MS_PROJ_DOWN ? cols == hidden : rows == hidden;
}

static ms_axes axes_of(const ms_builder *b, const ms_tensor *t, unsigned layout, const ms_logical *shape) {
    uint64_t strides[MS_LOGICAL_RANK] = {0};
    strides_of(shape, t->stored->column_major, strides);
    const uint32_t row = shape->rank - 2, col = shape->rank - 1;
    ms_axes axes = {.n_experts = 1, .transposed = is_transposed(b, t, layout, shape)};
    axes.n_out = shape->shape[axes.transposed ? col : row], axes.out_stride = strides[axes.transposed ? col : row];
    axes.n_in = shape->shape[axes.transposed ? row : col], axes.in_stride = strides[axes.transposed ? row : col];
    if (layout & MS_LAY_STACKED) axes.n_experts = shape->shape[0], axes.expert_stride = strides[0];
    return axes;
}

/* ---- banks ---- */

static void note(ms_builder *b, const ms_tensor *t, const char *code, const char *text) {
    if (b->again) return;
    ms_notes_add(&b->out->notes, MS_NOTE_WARNING, code, b->ckpt->files[t->file].name, t->stored->name, MS_NOTE_NO_OFFSET, "%s",
                 text);
}

static ms_str key_text(const ms_bank_key *key) { return (ms_str){(const char *)key, sizeof *key}; }

static bool find_bank(ms_builder *b, const ms_bank_key *key, uint32_t *out) {
    ms_banks *const banks = b->out;
    size_t *slot = ms_map_find(&b->by_key, key_text(key));
    if (!slot) {
        const ms_str kept = ms_arena_copy(&banks->arena, key_text(key));
        if (!kept.text || !ms_map_add(&b->by_key, kept, banks->n, &slot, NULL)) return false;
        if (!MS_VEC_PUSH(banks, (ms_bank){0}) || !MS_VEC_PUSH(&b->keys, *key)) return false;
    }
    *out = (uint32_t)*slot;
    return true;
}

static bool bank_of(ms_builder *b, const ms_tensor *t, ms_proj proj, ms_split split, uint32_t *out) {
    const int part = split == MS_SPLIT_NONE ? 0 : proj == MS_PROJ_UP;
    ms_recent *const recent = &b->recent[t->pattern];
    const ms_pattern *const pattern = &b->ckpt->patterns[t->pattern];
    if (recent->layer == t->layer && recent->banks[part] != UINT32_MAX) {
        *out = recent->banks[part];
        return true;
    }
    ms_bank_key key;
    memset(&key, 0, sizeof key);
    snprintf(key.section, sizeof key.section, "%s", t->section);
    snprintf(key.label, sizeof key.label, "%s", pattern->row && pattern->row->label ? pattern->row->label : "");
    key.layer = t->layer, key.role = (int32_t)t->role, key.proj = (int32_t)proj, key.split = (int32_t)split;
    if (!find_bank(b, &key, out)) return false;
    ms_bank *const bank = &b->out->items[*out];
    if (!bank->section)
        *bank = (ms_bank){.layer = t->layer,
                          .section = t->section,
                          .role = t->role,
                          .split = split,
                          .origin = MS_ORIGIN_FAMILY,
                          .proj = ms_str_of(key.label[0] ? pattern->row->label : ms_proj_name(proj))};
    if (recent->layer != t->layer) *recent = (ms_recent){.layer = t->layer, .banks = {UINT32_MAX, UINT32_MAX}};
    recent->banks[part] = *out;
    return true;
}

static void count_matrix(ms_bank *bank, const ms_matrix *m) {
    if (bank->n_matrices++ == 0) bank->rows = m->rows, bank->cols = m->cols;
    if (bank->rows != m->rows) bank->rows = MS_BANK_VARIES;
    if (bank->cols != m->cols) bank->cols = MS_BANK_VARIES;
}

static bool add_matrix(ms_builder *b, const ms_tensor *t, ms_proj proj, ms_split split, ms_matrix m) {
    if (!bank_of(b, t, proj, split, &m.bank)) return false;
    if (!b->again) count_matrix(&b->out->items[m.bank], &m);
    m.tensor = (uint32_t)(t - b->ckpt->tensors);
    return b->outline || MS_VEC_PUSH(&b->matrices, m);
}

/* ---- tensors to matrices ---- */

/* One expert's gate_up as two matrices: halves along the out axis, or every other index. */
static bool add_fused(ms_builder *b, const ms_tensor *t, unsigned layout, const ms_axes *axes, ms_matrix m) {
    const bool interleaved = layout & MS_LAY_INTERLEAVED;
    const ms_split split = axes->transposed ? (interleaved ? MS_SPLIT_COLS_INTERLEAVED : MS_SPLIT_COLS)
                                            : (interleaved ? MS_SPLIT_ROWS_INTERLEAVED : MS_SPLIT_ROWS);
    m.rows /= 2;
    const uint64_t step = interleaved ? axes->out_stride : m.rows * axes->out_stride;
    if (interleaved) m.row_stride *= 2;
    for (uint64_t part = 0; part < 2; part++) {
        ms_matrix half = m;
        const bool is_up = (part == 1) != ((layout & MS_LAY_UP_FIRST) != 0);
        half.first += part * step;
        if (!add_matrix(b, t, is_up ? MS_PROJ_UP : MS_PROJ_GATE, split, half)) return false;
    }
    return true;
}

static bool add_expert_matrix(ms_builder *b, const ms_tensor *t, unsigned layout, const ms_axes *axes, ms_matrix m) {
    if (t->proj != MS_PROJ_GATE_UP) return add_matrix(b, t, t->proj, MS_SPLIT_NONE, m);
    if (m.rows % 2) {
        note(b, t, "bank.odd", "holds gate and up, but has an odd number of rows; it is left out");
        return true;
    }
    return add_fused(b, t, layout, axes, m);
}

/* What is said about the widths of the experts in this tensor; items NULL: nothing. */
static bool widths_of(ms_builder *b, const ms_tensor *t, unsigned layout, ms_expert_widths *out) {
    const ms_model_config *const config = &b->ckpt->model;
    *out = (ms_expert_widths){0};
    if (!(layout & MS_LAY_VARIABLE_WIDTH)) return true;
    *out = (ms_expert_widths){.items = config->expert_sizes, .n = config->n_expert_sizes};
    if (out->n > 0) return true;
    ms_err why = {0};
    return ms_expert_widths_of_buffer(out, b->ckpt, t, &b->out->arena, &why) != MS_ERR_MEMORY; /* unreadable: none */
}

/* Why experts that lie one after the other over `length` cannot be told apart, or NULL. n: how many there are. */
static const char *fault_of_widths(ms_expert_widths *widths, uint64_t n, uint64_t length) {
    if (n == 0) return "holds all experts one after the other, but nothing says how many; it is left out";
    const bool fits =
        n <= MOST_EXPERTS && length > 0 && (widths->items ? ms_expert_widths_fit(widths, length) : length % n == 0);
    return fits ? NULL
                : "holds all experts one after the other, but its length is not what their widths add up to (--expert-widths "
                  "4x2944,4x128 says them); it is left out";
}

/* Experts one after the other along an axis: equal shares, or the widths that something says. */
static bool add_shared_axis(ms_builder *b, const ms_tensor *t, unsigned layout, const ms_axes *axes) {
    const ms_layer *const layer = ms_layers_find(b->ckpt, t->section, t->layer);
    const bool along_out = ((layout & MS_LAY_COL_STACKED) != 0) == axes->transposed;
    const uint64_t length = along_out ? axes->n_out : axes->n_in, stride = along_out ? axes->out_stride : axes->in_stride;
    ms_expert_widths widths;
    if (!widths_of(b, t, layout, &widths)) return false;
    const uint64_t n = widths.items ? widths.n : layer && layer->experts > 0 ? (uint64_t)layer->experts : 0;
    const char *const fault = fault_of_widths(&widths, n, length);
    if (fault) {
        note(b, t, "bank.experts", fault);
        return true;
    }
    if (!widths.items && (layout & MS_LAY_VARIABLE_WIDTH) && !b->ckpt->model.root && !b->said_widths) {
        note(b, t, "bank.widths",
             "holds experts that may be of different widths, and nothing says them: equal shares are assumed, here and in the "
             "other layers; --expert-widths 4x2944,4x128 says otherwise");
        b->said_widths = true;
    }
    uint64_t at = 0;
    for (uint64_t e = 0; e < n; e++) {
        const uint64_t width = widths.items ? ms_expert_width(&widths, e) : length / n;
        const ms_matrix m = {.expert = (int32_t)e,
                             .rows = along_out ? width : axes->n_out,
                             .cols = along_out ? axes->n_in : width,
                             .first = at * stride,
                             .row_stride = axes->out_stride,
                             .col_stride = axes->in_stride};
        if (!add_expert_matrix(b, t, layout, axes, m)) return false;
        at += width;
    }
    return true;
}

/* Megatron's fc1 is gate and up, or up alone: in the second case it has as many rows as fc2 has columns. */
static bool is_up_alone(const ms_builder *b, const ms_tensor *t, const ms_axes *axes) {
    static const char fc1[] = "linear_fc1", fc2[] = "linear_fc2";
    char text[512];
    const ms_str name = t->stored->name;
    const size_t at = ms_str_find(name, MS_STR("linear_fc1"), 0);
    if (t->proj != MS_PROJ_GATE_UP || at == SIZE_MAX || name.size >= sizeof text) return false;
    memcpy(text, name.text, name.size);
    memcpy(text + at, fc2, sizeof fc1 - 1);
    const ms_tensor *const down = ms_checkpoint_find(b->ckpt, (ms_str){text, name.size});
    const ms_logical shape = down ? ms_logical_shape(b->ckpt, down) : (ms_logical){0};
    return shape.rank == 2 && shape.shape[1] == axes->n_out;
}

/* Of a scheme that has no decoder, or whose shape nothing tells: said once for all that are named alike. */
static void note_undecoded(ms_builder *b, const ms_tensor *t) {
    const ms_pattern *const pattern = &b->ckpt->patterns[t->pattern];
    char text[160];
    if (&b->ckpt->tensors[pattern->first_tensor] != t) return;
    if (ms_decoders_check(t, NULL) == MS_OK) snprintf(text, sizeof text, "its unpacked shape cannot be told");
    else snprintf(text, sizeof text, "weights quantised as %s cannot be decoded", t->scheme);
    const size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, "; %zu such tensor%s left out", pattern->n_tensors,
             pattern->n_tensors == 1 ? " is" : "s are");
    note(b, t, "bank.shape", text);
}

static bool add_tensor(ms_builder *b, const ms_tensor *t) {
    const ms_pattern *const pattern = &b->ckpt->patterns[t->pattern];
    const bool is_weight = !pattern->leaf || pattern->leaf->kind == MS_LEAF_WEIGHT;
    if (!is_weight || !pattern->row || t->shadowed) return true;
    const unsigned layout = pattern->row->layout;
    const ms_logical shape = ms_logical_shape(b->ckpt, t);
    const uint32_t wanted = layout & MS_LAY_STACKED ? 3 : 2;
    if (shape.rank == 0) return note_undecoded(b, t), true;
    if (shape.rank != wanted) {
        note(b, t, "bank.shape", "its unpacked shape has too many or too few axes; it is left out");
        return true;
    }
    ms_axes axes = axes_of(b, t, layout, &shape);
    if (axes.n_out == 0 || axes.n_in == 0 || axes.n_experts > MOST_EXPERTS) { /* shapes of nothing may claim any number */
        note(b, t, "bank.empty", "has no elements, or more experts than can be; it is left out");
        return true;
    }
    ms_tensor seen = *t;
    if (is_up_alone(b, t, &axes)) seen.proj = MS_PROJ_UP;
    if (layout & (MS_LAY_ROW_STACKED | MS_LAY_COL_STACKED)) return add_shared_axis(b, t, layout, &axes);
    if (t->role == MS_ROLE_ROUTER) { /* [E, H], or [H, E] where only that fits */
        const uint64_t hidden = hidden_size(b, t);
        if (!shape.transposed && hidden && axes.n_out == hidden && axes.n_in != hidden) {
            const ms_axes swapped = axes;
            axes.n_out = swapped.n_in, axes.n_in = swapped.n_out;
            axes.out_stride = swapped.in_stride, axes.in_stride = swapped.out_stride;
        }
    }
    for (uint64_t e = 0; e < axes.n_experts; e++) {
        const bool numbered = (layout & MS_LAY_STACKED) != 0;
        const ms_matrix m = {.expert = t->role != MS_ROLE_EXPERT ? -1
                                       : numbered                ? (int32_t)e
                                                                 : t->expert,
                             .rows = axes.n_out,
                             .cols = axes.n_in,
                             .first = e * axes.expert_stride,
                             .row_stride = axes.out_stride,
                             .col_stride = axes.in_stride};
        if (seen.proj != t->proj ? !add_matrix(b, t, seen.proj, MS_SPLIT_NONE, m) : !add_expert_matrix(b, t, layout, &axes, m))
            return false;
    }
    return true;
}

static bool is_banked(ms_role role) {
    return role == MS_ROLE_EXPERT || role == MS_ROLE_SHARED_EXPERT || role == MS_ROLE_ROUTER;
}

static bool find_stacks(ms_builder *b) {
    const ms_checkpoint *const ckpt = b->ckpt;
    b->stacks = ms_mem_alloc_array(ckpt->n_layers, sizeof *b->stacks);
    if (!b->stacks) return false;
    memset(b->stacks, 0xff, ckpt->n_layers * sizeof *b->stacks); /* MS_NO_TENSOR */
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_tensor *const t = &ckpt->tensors[i];
        const ms_family_row *const row = ckpt->patterns[t->pattern].row;
        if (t->role != MS_ROLE_EXPERT || t->shadowed || !row || !(row->layout & MS_LAY_STACKED)) continue;
        const ms_layer *const layer = ms_layers_find(ckpt, t->section, t->layer);
        if (layer) b->stacks[layer - ckpt->layers][t->proj] = (uint32_t)i;
    }
    return true;
}

/* ---- order ---- */

static int compare_keys(const ms_bank_key *x, const ms_bank_key *y) {
    static const int role_order[MS_ROLE_COUNT] = {[MS_ROLE_EXPERT] = 0, [MS_ROLE_SHARED_EXPERT] = 1, [MS_ROLE_ROUTER] = 2};
    int order = strcmp(x->section, y->section);
    if (!order) order = (x->layer > y->layer) - (x->layer < y->layer);
    if (!order) order = role_order[x->role] - role_order[y->role];
    if (!order) order = x->proj - y->proj;
    if (!order) order = strcmp(x->label, y->label);
    return order ? order : x->split - y->split;
}

static int compare_keys_of(const void *a, const void *b, void *keys) {
    return compare_keys(&((const ms_bank_key *)keys)[*(const uint32_t *)a], &((const ms_bank_key *)keys)[*(const uint32_t *)b]);
}

static int compare_matrices(const void *a, const void *b) {
    const ms_matrix *const x = a, *const y = b;
    if (x->expert != y->expert) return x->expert < y->expert ? -1 : 1;
    return (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

/* Puts the matrices of bank i behind those of bank i - 1: place[k] is where bank k went. next: [n + 1] zeroed. */
static bool place_matrices(ms_builder *b, const uint32_t *place, size_t *next) {
    ms_banks *const banks = b->out;
    const size_t n = b->matrices.n;
    if (!MS_VEC_RESERVE(&banks->matrices, n)) return false;
    for (size_t i = 0; i < banks->n; i++) {
        banks->items[i].first_matrix = next[i];
        next[i + 1] = next[i] + banks->items[i].n_matrices;
    }
    for (size_t m = 0; m < n; m++) {
        ms_matrix matrix = b->matrices.items[m];
        matrix.bank = place[matrix.bank];
        banks->matrices.items[next[matrix.bank]++] = matrix;
    }
    banks->matrices.n = n;
    for (size_t i = 0; i < banks->n; i++) {
        ms_matrix *const first = &banks->matrices.items[banks->items[i].first_matrix];
        bool in_order = true;
        for (size_t m = 1; m < banks->items[i].n_matrices && in_order; m++)
            in_order = compare_matrices(&first[m - 1], &first[m]) <= 0;
        if (!in_order) qsort(first, banks->items[i].n_matrices, sizeof *first, compare_matrices);
    }
    return true;
}

/* What is added from now on goes to the banks in their order. */
static void number_anew(ms_builder *b, const uint32_t *place) {
    for (size_t i = 0; i < b->keys.n; i++) *ms_map_find(&b->by_key, key_text(&b->keys.items[i])) = place[i];
    for (size_t p = 0; p < b->ckpt->n_patterns; p++)
        for (int part = 0; part < MAX_SPLITS; part++) {
            uint32_t *const bank = &b->recent[p].banks[part];
            if (*bank != UINT32_MAX) *bank = place[*bank];
        }
}

/* Puts the banks into order, and behind each other the matrices of each. */
static bool arrange(ms_builder *b) {
    ms_banks *const banks = b->out;
    const size_t n = banks->n;
    uint32_t *const order = ms_mem_alloc_array(n, sizeof *order), *const place = ms_mem_alloc_array(n, sizeof *place);
    size_t *const next = ms_mem_zalloc_array(n + 1, sizeof *next);
    ms_bank *const sorted = ms_mem_alloc_array(n, sizeof *sorted);
    bool ok = order && place && next && sorted;
    if (ok && n) {
        for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
        qsort_r(order, n, sizeof *order, compare_keys_of, b->keys.items);
        for (size_t i = 0; i < n; i++) place[order[i]] = (uint32_t)i, sorted[i] = banks->items[order[i]];
        memcpy(banks->items, sorted, n * sizeof *sorted);
        number_anew(b, place);
        ok = b->outline || place_matrices(b, place, next);
    }
    ms_mem_free(order), ms_mem_free(place), ms_mem_free(next), ms_mem_free(sorted);
    return ok;
}

static bool build(ms_builder *b) {
    const ms_checkpoint *const ckpt = b->ckpt;
    size_t n_banked = 0;
    for (size_t i = 0; i < ckpt->n_tensors; i++) n_banked += is_banked(ckpt->tensors[i].role);
    if (!b->outline && !MS_VEC_RESERVE(&b->matrices, n_banked)) return false;
    b->recent = ms_mem_alloc_array(ckpt->n_patterns, sizeof *b->recent);
    if (!b->recent || !find_stacks(b)) return false;
    for (size_t p = 0; p < ckpt->n_patterns; p++) b->recent[p] = (ms_recent){INT32_MIN, {UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < ckpt->n_tensors; i++)
        if (is_banked(ckpt->tensors[i].role) && !add_tensor(b, &ckpt->tensors[i])) return false;
    return arrange(b);
}

static void free_builder(ms_builder *b) {
    ms_map_free(&b->by_key);
    MS_VEC_FREE(&b->keys);
    MS_VEC_FREE(&b->matrices);
    ms_mem_free(b->recent);
    ms_mem_free(b->stacks);
}

static ms_status make(ms_banks *out, const ms_checkpoint *ckpt, bool outline, ms_err *err) {
    *out = (ms_banks){0};
    if (!ckpt->patterns) return MS_OK;
    ms_builder b = {.ckpt = ckpt, .out = out, .outline = outline};
    const bool ok = build(&b);
    free_builder(&b);
    if (!ok) ms_banks_free(out);
    return ok ? MS_OK : ms_err_memory(err, "the banks");
}

ms_status ms_banks_from_family(ms_banks *out, const ms_checkpoint *ckpt, ms_err *err) { return make(out, ckpt, false, err); }

ms_status ms_banks_outline(ms_banks *out, const ms_checkpoint *ckpt, ms_err *err) { return make(out, ckpt, true, err); }

void ms_banks_free(ms_banks *banks) {
    MS_VEC_FREE(banks);
    MS_VEC_FREE(&banks->matrices);
    ms_notes_free(&banks->notes);
    ms_arena_free(&banks->arena);
}

/* ---- tensor by tensor ---- */

ms_status ms_bank_cutter_open(ms_bank_cutter **out, const ms_checkpoint *ckpt, ms_err *err) {
    ms_bank_cutter *const cutter = ms_mem_zalloc(sizeof *cutter);
    ms_builder *const b = ms_mem_zalloc(sizeof *b);
    if (cutter && b) {
        cutter->builder = b;
        *b = (ms_builder){.ckpt = ckpt, .out = &cutter->outline, .outline = true};
    }
    *out = cutter;
    if (cutter && b && (!ckpt->patterns || build(b))) {
        b->outline = false, b->again = true;
        return MS_OK;
    }
    if (!cutter) ms_mem_free(b);
    ms_bank_cutter_close(cutter);
    *out = NULL;
    return ms_err_memory(err, "the banks");
}

static int compare_cut(const void *a, const void *b) {
    const ms_matrix *const x = a, *const y = b;
    return x->bank != y->bank ? (x->bank < y->bank ? -1 : 1) : compare_matrices(a, b);
}

ms_status ms_bank_cutter_cut(ms_bank_cutter *cutter, uint32_t tensor, ms_err *err) {
    ms_builder *const b = cutter->builder;
    const ms_tensor *const t = &b->ckpt->tensors[tensor];
    b->matrices.n = 0;
    const bool ok = !b->ckpt->patterns || !is_banked(t->role) || add_tensor(b, t);
    if (b->matrices.n > 1) qsort(b->matrices.items, b->matrices.n, sizeof *b->matrices.items, compare_cut);
    cutter->matrices = b->matrices.items;
    cutter->n_matrices = ok ? b->matrices.n : 0;
    return ok ? MS_OK : ms_err_memory(err, "the banks");
}

void ms_bank_cutter_close(ms_bank_cutter *cutter) {
    if (!cutter) return;
    if (cutter->builder) free_builder(cutter->builder);
    ms_mem_free(cutter->builder);
    ms_banks_free(&cutter->outline);
    ms_mem_free(cutter);
}

void ms_matrix_derived_name(const ms_checkpoint *ckpt, const ms_banks *banks, const ms_matrix *matrix, ms_buf *out) {
    static const char *const splits[] = {
        "", "split[rows]::", "split[cols]::", "split[rows,interleaved]::", "split[cols,interleaved]::"};
    const ms_bank *const bank = &banks->items[matrix->bank];
    ms_buf_put_str(out, ckpt->tensors[matrix->tensor].stored->name);
    ms_buf_put_text(out, "::");
    ms_buf_put_text(out, splits[bank->split]);
    ms_buf_put_str(out, bank->proj);
}
