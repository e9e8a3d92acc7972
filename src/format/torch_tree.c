#include "torch_tree.h"

#include <stdio.h>

#include "checked.h"
#include "json.h"
#include "torch_type.h"

enum { MOST_UNWRAPPING = 8, MOST_JSON_DEPTH = 12, MOST_JSON_BYTES = 1 << 16, MOST_NAME = 4096 };

/* ---- one tensor ---- */

static void set_type(ms_torch_tensor *t, ms_str name) {
    const ms_torch_type type = ms_torch_type_of(name);
    t->type = name, t->dtype = type.dtype, t->item = type.item;
}

/* ('storage', class, key, location, numel[, view]); the view of old files is (key, offset, size). */
static bool read_storage(ms_torch_tensor *t, const ms_pickle *p, ms_pref ref, int64_t *view_offset) {
    const ms_pnode *const node = ms_pickle_node(p, ref);
    if (node->kind != MS_PNODE_PERSISTENT) return false;
    const ms_pref id = node->items[0], class_ref = ms_pickle_item(p, id, 1), view = ms_pickle_item(p, id, 5);
    if (!ms_str_is(ms_pickle_text(p, ms_pickle_item(p, id, 0)), "storage") || class_ref == MS_PREF_NONE) return false;
    const ms_pnode *const class_node = ms_pickle_node(p, class_ref);
    if (class_node->kind != MS_PNODE_GLOBAL || !ms_pickle_int(p, ms_pickle_item(p, id, 4), &t->n_storage)) return false;
    t->storage = ms_pickle_text(p, ms_pickle_item(p, id, 2));
    t->is_untyped = ms_str_is(class_node->global.name, "UntypedStorage");
    set_type(t, class_node->global.name);
    *view_offset = 0;
    if (view != MS_PREF_NONE && ms_pickle_node(p, view)->kind == MS_PNODE_TUPLE)
        ms_pickle_int(p, ms_pickle_item(p, view, 1), view_offset);
    return t->storage.text && t->n_storage >= 0;
}

/* A tuple of extents; also torch.Size((...)). */
static bool read_extents(const ms_pickle *p, ms_pref ref, uint64_t *out, uint32_t *rank) {
    if (ref == MS_PREF_NONE) return false;
    const ms_pnode *node = ms_pickle_node(p, ref);
    if (node->kind == MS_PNODE_CALL && ms_pickle_is_global(p, node->call.callee, "torch", "Size")) {
        ref = ms_pickle_item(p, node->call.args, 0);
        if (ref == MS_PREF_NONE) return false;
        node = ms_pickle_node(p, ref);
    }
    if ((node->kind != MS_PNODE_TUPLE && node->kind != MS_PNODE_LIST) || node->n_items > MS_STRIDED_MAX_RANK) return false;
    for (uint32_t i = 0; i < node->n_items; i++) {
        int64_t value;
        if (!ms_pickle_int(p, node->items[i], &value) || value < 0) return false;
        out[i] = (uint64_t)value;
    }
    *rank = node->n_items;
    return true;
}

/* (storage, offset, size, stride, ...) */
static bool read_rebuild(ms_torch_tensor *t, const ms_pickle *p, ms_pref args, bool has_dtype) {
    int64_t offset, view_offset;
    uint32_t stride_rank;
    const ms_pref storage = ms_pickle_item(p, args, 0);
    if (storage == MS_PREF_NONE || !read_storage(t, p, storage, &view_offset)) return false;
    if (!ms_pickle_int(p, ms_pickle_item(p, args, 1), &offset) || offset < 0 || view_offset < 0) return false;
    if (!read_extents(p, ms_pickle_item(p, args, 2), t->shape, &t->rank)) return false;
    if (!read_extents(p, ms_pickle_item(p, args, 3), t->strides, &stride_rank) || stride_rank != t->rank) return false;
    if (has_dtype) {
        const ms_pref dtype = ms_pickle_item(p, args, 6);
        if (dtype == MS_PREF_NONE || ms_pickle_node(p, dtype)->kind != MS_PNODE_GLOBAL) return false;
        set_type(t, ms_pickle_node(p, dtype)->global.name);
    }
    return ms_add_u64((uint64_t)offset, (uint64_t)view_offset, &t->offset);
}

static bool name_is(const ms_pickle *p, ms_pref callee, const char *name) {
    const ms_pnode *const node = ms_pickle_node(p, callee);
    return node->kind == MS_PNODE_GLOBAL && ms_str_is(node->global.name, name) &&
           ms_str_starts_with(node->global.module, MS_STR("torch"));
}

static bool read_number(const ms_pickle *p, ms_pref ref, double *out) {
    int64_t integer;
    if (ref == MS_PREF_NONE) return false;
    const ms_pnode *const node = ms_pickle_node(p, ref);
    if (node->kind == MS_PNODE_FLOAT) return *out = node->real, true;
    if (!ms_pickle_int(p, ref, &integer)) return false;
    return *out = (double)integer, true;
}

/* (torch.per_tensor_affine, scale, zero point), or (torch.per_channel_affine, scales, zero points, axis). */
static bool read_quantiser(ms_torch_affine *out, const ms_pickle *p, ms_pref params, uint32_t rank) {
    const ms_pref scheme = params == MS_PREF_NONE ? MS_PREF_NONE : ms_pickle_item(p, params, 0);
    if (scheme == MS_PREF_NONE) return false;
    const bool by_channel = name_is(p, scheme, "per_channel_affine") || name_is(p, scheme, "per_channel_affine_float_qparams");
    *out = (ms_torch_affine){.is_there = true, .by_channel = by_channel};
    if (!by_channel)
        return name_is(p, scheme, "per_tensor_affine") && read_number(p, ms_pickle_item(p, params, 1), &out->scale) &&
               ms_pickle_int(p, ms_pickle_item(p, params, 2), &out->zero) && out->zero >= INT32_MIN && out->zero <= INT32_MAX;
    out->scales = ms_pickle_item(p, params, 1), out->zeros = ms_pickle_item(p, params, 2);
    return out->scales != MS_PREF_NONE && out->zeros != MS_PREF_NONE &&
           ms_pickle_int(p, ms_pickle_item(p, params, 3), &out->axis) && out->axis >= 0 && out->axis < rank;
}

typedef enum ms_tensor_kind {
    NO_TENSOR,
    TENSOR,
    SPARSE,
    WITHOUT_DATA,
    NESTED,
    SUBCLASS,
    LAZY,
    NARROW,
    MALFORMED
} ms_tensor_kind;

/* What a function of torch that is no plain rebuilding makes. */
static ms_tensor_kind kind_of_other(const ms_pickle *p, ms_pref callee) {
    if (name_is(p, callee, "_rebuild_sparse_tensor") || name_is(p, callee, "_rebuild_sparse_csr_tensor")) return SPARSE;
    if (name_is(p, callee, "_rebuild_meta_tensor_no_storage")) return WITHOUT_DATA;
    if (name_is(p, callee, "_rebuild_nested_tensor")) return NESTED;
    if (name_is(p, callee, "_rebuild_wrapper_subclass") || name_is(p, callee, "_rebuild_device_tensor_from_numpy"))
        return SUBCLASS;
    return NO_TENSOR;
}

/* The last argument of rebuilding may say that the values are conjugated or negated when they are used. */
static bool is_lazy(const ms_pickle *p, ms_pref args, size_t n_plain) {
    const ms_pref flags = ms_pickle_item(p, args, n_plain);
    if (flags == MS_PREF_NONE || ms_pickle_node(p, flags)->kind != MS_PNODE_DICT) return false;
    int64_t conj = 0, neg = 0;
    ms_pickle_int(p, ms_pickle_get(p, flags, "conj"), &conj);
    ms_pickle_int(p, ms_pickle_get(p, flags, "neg"), &neg);
    return conj || neg;
}

static bool is_wrapper(const ms_pickle *p, ms_pref callee) {
    static const char *const names[] = {
        "_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter", "Buffer", "_rebuild_device_tensor_from_cpu_tensor",
        "_rebuild_xla_tensor"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (name_is(p, callee, names[i])) return true;
    return false;
}

static ms_tensor_kind read_plain(ms_torch_tensor *t, const ms_pickle *p, ms_pref callee, ms_pref args) {
    const bool is_v3 = name_is(p, callee, "_rebuild_tensor_v3"), is_v2 = name_is(p, callee, "_rebuild_tensor_v2");
    const bool is_quantised = name_is(p, callee, "_rebuild_qtensor");
    if (!is_v3 && !is_v2 && !name_is(p, callee, "_rebuild_tensor") && !is_quantised) return kind_of_other(p, callee);
    if (!read_rebuild(t, p, args, is_v3)) return MALFORMED;
    if (is_quantised && t->dtype == MS_DTYPE_UNKNOWN) return NARROW;
    if (is_quantised && !read_quantiser(&t->affine, p, ms_pickle_item(p, args, 4), t->rank)) return MALFORMED;
    return (is_v2 && is_lazy(p, args, 6)) || (is_v3 && is_lazy(p, args, 7)) ? LAZY : TENSOR;
}

/* A tensor that stands for itself by its number: TENSOR, or MALFORMED when there is none of that number. */
static ms_tensor_kind read_given(ms_torch_tensor *t, const ms_pickle *p, ms_pref ref, const ms_torch_given *given) {
    char digits[24];
    int64_t number;
    const ms_pref id = ms_pickle_node(p, ref)->items[0];
    ms_str key = ms_pickle_text(p, id);
    if (ms_pickle_int(p, id, &number)) {
        snprintf(digits, sizeof digits, "%lld", (long long)number);
        key = ms_str_of(digits);
    }
    if (!given || !key.text) return NO_TENSOR;
    const size_t *const found = ms_map_find(&given->by_key, key);
    if (!found) return NO_TENSOR; /* a storage by itself */
    const uint32_t at = t->at;
    *t = given->tensors.items[*found];
    t->at = at;
    return TENSOR;
}

/* Reads through wrappers (parameters, subclasses) down to the tensor. */
static ms_tensor_kind read_tensor(ms_torch_tensor *t, const ms_pickle *p, ms_pref ref, const ms_torch_given *given) {
    for (int level = 0; level < MOST_UNWRAPPING; level++) {
        const ms_pnode *const node = ref == MS_PREF_NONE ? NULL : ms_pickle_node(p, ref);
        if (node && level == 0) t->at = node->at;
        if (node && node->kind == MS_PNODE_PERSISTENT) return read_given(t, p, ref, given);
        if (!node || node->kind != MS_PNODE_CALL) return level ? MALFORMED : NO_TENSOR;
        ms_pref callee = node->call.callee, args = node->call.args;
        for (; level < MOST_UNWRAPPING; level++) { /* (function, type, args, state) */
            const bool is_typed = name_is(p, callee, "_rebuild_from_type") || name_is(p, callee, "_rebuild_from_type_v2");
            if (args == MS_PREF_NONE || !is_typed) break;
            callee = ms_pickle_item(p, args, 0);
            args = ms_pickle_item(p, args, 2);
            if (callee == MS_PREF_NONE) return MALFORMED;
        }
        if (args == MS_PREF_NONE) return NO_TENSOR;
        if (!is_wrapper(p, callee)) return read_plain(t, p, callee, args);
        ref = ms_pickle_item(p, args, 0);
        if (ref == MS_PREF_NONE) ref = ms_pickle_item(p, node->call.state, 0); /* torch 0.1: Parameter() and a state */
    }
    return MALFORMED;
}

bool ms_torch_tensor_fits(const ms_torch_tensor *t) {
    uint64_t last = t->offset, n = 1, step;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!ms_mul_u64(n, t->shape[i], &n)) return false;
    uint64_t n_bytes;
    if (!ms_mul_u64(n, t->item ? t->item : 1, &n_bytes)) return false;
    if (n == 0) return true;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!ms_mul_u64(t->shape[i] - 1, t->strides[i], &step) || !ms_add_u64(last, step, &last)) return false;
    const uint64_t n_elements = t->is_untyped && t->item ? (uint64_t)t->n_storage / t->item : (uint64_t)t->n_storage;
    return last < n_elements;
}

bool ms_torch_tensor_at(ms_torch_tensor *out, const ms_pickle *pickle, ms_pref ref, const ms_torch_given *given) {
    *out = (ms_torch_tensor){0};
    return read_tensor(out, pickle, ref, given) == TENSOR && ms_torch_tensor_fits(out);
}

/* ---- walking ---- */

typedef struct visit {
    ms_pref node;
    ms_str path;
} visit;

typedef struct walker {
    const ms_pickle *p;
    const ms_torch_given *given;
    ms_torch_tree *tree;
    const ms_broken_rules *rules;
    ms_err *err;
    unsigned char *seen; /* [n_nodes] containers */
    MS_VEC(visit) todo;
} walker;

static ms_status out_of_memory(walker *w) { return ms_err_memory(w->err, "the tensors of a torch file"); }

/* The key as a part of a name: texts and numbers; others end the path. */
static ms_str key_text(walker *w, ms_pref key) {
    int64_t number;
    const ms_str text = ms_pickle_text(w->p, key);
    if (text.text) return ms_str_is_utf8(text, NULL) ? text : MS_STR_NONE;
    return ms_pickle_int(w->p, key, &number) ? ms_arena_printf(&w->tree->arena, "%lld", (long long)number) : MS_STR_NONE;
}

static bool is_module_part(ms_str key) {
    return ms_str_is(key, "_parameters") || ms_str_is(key, "_buffers") || ms_str_is(key, "_modules");
}

static bool may_hold_tensors(ms_pnode_kind kind) {
    return kind == MS_PNODE_DICT || kind == MS_PNODE_CALL || kind == MS_PNODE_LIST || kind == MS_PNODE_TUPLE ||
           kind == MS_PNODE_PERSISTENT;
}

static ms_status later(walker *w, ms_pref node, ms_str path, ms_str key, bool is_state) {
    if (!may_hold_tensors(ms_pickle_node(w->p, node)->kind)) return MS_OK;
    if (!key.text || path.size + key.size > MOST_NAME) return MS_OK;
    ms_str name = path;
    if (!(is_state && is_module_part(key)))
        name = path.size ? ms_arena_printf(&w->tree->arena, "%.*s.%.*s", (int)path.size, path.text, (int)key.size, key.text)
                         : ms_arena_copy(&w->tree->arena, key);
    if (!name.text) return out_of_memory(w);
    return MS_VEC_PUSH(&w->todo, (visit){node, name}) ? MS_OK : out_of_memory(w);
}

static ms_status walk_pairs(walker *w, const ms_pnode *node, ms_str path, bool is_state) {
    for (uint32_t i = node->n_items / 2 * 2; i >= 2; i -= 2) /* last first: the stack turns them round */
        MS_TRY(later(w, node->items[i - 1], path, key_text(w, node->items[i - 2]), is_state));
    return MS_OK;
}

static ms_status walk_list(walker *w, const ms_pnode *node, ms_str path) {
    for (uint32_t i = node->n_items; i-- > 0;) {
        if (!may_hold_tensors(ms_pickle_node(w->p, node->items[i])->kind)) continue;
        MS_TRY(later(w, node->items[i], path, ms_arena_printf(&w->tree->arena, "%u", i), false));
    }
    return MS_OK;
}

/* The dict inside an object's state: the state itself, or the first of a (dict, slots) pair. */
static ms_pref state_dict_of(const ms_pickle *p, ms_pref state) {
    if (state == MS_PREF_NONE) return MS_PREF_NONE;
    if (ms_pickle_node(p, state)->kind == MS_PNODE_TUPLE) state = ms_pickle_item(p, state, 0);
    return state != MS_PREF_NONE && ms_pickle_node(p, state)->kind == MS_PNODE_DICT ? state : MS_PREF_NONE;
}

/* Sound, but not to be read as a matrix: a note, and the others go on. */
static ms_status note_other(walker *w, ms_tensor_kind kind, uint32_t at, ms_str path) {
    static const struct {
        const char *code, *what;
    } kinds[] = {
        [SPARSE] = {"torch.sparse", "a sparse tensor; it is left out: save it with .to_dense() to have it read"},
        [WITHOUT_DATA] = {"torch.no_data", "a tensor of the device 'meta', which has a shape but no values; it is left out"},
        [NESTED] = {"torch.nested", "a nested tensor; it is left out: save its parts"},
        [SUBCLASS] = {"torch.subclass", "a tensor of a class of its own, whose storage only that class knows; it is left out"},
        [NARROW] = {"torch.narrow", "quantised to 4 or 2 bits, several codes a byte, which nothing but torch reads; it is left "
                                    "out: save it with .dequantize()"},
        [LAZY] = {"torch.lazy", "a tensor to be conjugated or negated when it is used; it is left out: save it with "
                                ".resolve_conj().resolve_neg()"},
    };
    return ms_broken_remark(w->rules, w->err, MS_NOTE_WARNING, kinds[kind].code, path, at, "%s", kinds[kind].what);
}

static ms_status note_tensor(walker *w, ms_torch_tensor t, ms_tensor_kind kind, ms_str path) {
    t.name = path.size ? path : MS_STR("tensor"); /* torch.save(tensor) */
    if (kind != TENSOR && kind != MALFORMED) return note_other(w, kind, t.at, t.name);
    if (kind == MALFORMED || !ms_torch_tensor_fits(&t))
        return ms_broken(w->rules, w->err, kind == MALFORMED ? "torch.tensor_unknown" : "torch.tensor_outside", t.name,
                         (int64_t)t.at, "%s",
                         kind == MALFORMED ? "its description is damaged; --lenient lists the others"
                                           : "its elements lie outside its storage, or its size overflows");
    return MS_VEC_PUSH(&w->tree->tensors, t) ? MS_OK : out_of_memory(w);
}

static ms_status visit_one(walker *w, visit v) {
    const ms_pnode *const node = ms_pickle_node(w->p, v.node);
    ms_torch_tensor t = {0};
    const ms_tensor_kind kind = read_tensor(&t, w->p, v.node, w->given);
    if (kind != NO_TENSOR) return note_tensor(w, t, kind, v.path);
    if (w->seen[v.node] || node->kind == MS_PNODE_PERSISTENT) return MS_OK;
    w->seen[v.node] = 1;
    if (node->kind == MS_PNODE_DICT) return walk_pairs(w, node, v.path, false);
    if (node->kind != MS_PNODE_CALL) return walk_list(w, node, v.path);
    const ms_pref state = state_dict_of(w->p, node->call.state);
    if (state != MS_PREF_NONE && !(node->items_are_pairs && node->n_items))
        MS_TRY(walk_pairs(w, ms_pickle_node(w->p, state), v.path, true));
    return node->items_are_pairs ? walk_pairs(w, node, v.path, false) : walk_list(w, node, v.path);
}

static ms_status walk(walker *w) {
    if (!MS_VEC_PUSH(&w->todo, (visit){w->p->root, MS_STR("")})) return out_of_memory(w);
    while (w->todo.n > 0) {
        const visit v = w->todo.items[--w->todo.n];
        MS_TRY(visit_one(w, v));
    }
    return MS_OK;
}

/* ---- which mapping holds the weights ---- */

static ms_str first_part(ms_str path) {
    size_t n = 0;
    while (n < path.size && path.text[n] != '.') n++;
    return ms_str_sub(path, 0, n);
}

static bool begins_with_part(ms_str path, ms_str part) {
    return ms_str_starts_with(path, part) && path.size > part.size && path.text[part.size] == '.';
}

static bool has_tensors_under(const ms_torch_tree *tree, ms_str part) {
    for (size_t i = 0; i < tree->tensors.n; i++)
        if (begins_with_part(tree->tensors.items[i].name, part)) return true;
    return false;
}

/* The part with most bytes of tensors that is no optimiser's, or "". */
static ms_str largest_part(const ms_torch_tree *tree) {
    ms_str best = MS_STR("");
    uint64_t most = 0;
    for (size_t i = 0; i < tree->tensors.n;) { /* tensors of a part follow each other */
        const ms_str part = first_part(tree->tensors.items[i].name);
        uint64_t n_bytes = 0, one;
        for (; i < tree->tensors.n && ms_str_equal(first_part(tree->tensors.items[i].name), part); i++) {
            const ms_torch_tensor *const t = &tree->tensors.items[i];
            one = t->item;
            for (uint32_t k = 0; k < t->rank; k++) one *= t->shape[k]; /* checked by ms_torch_tensor_fits */
            if (t->name.size > part.size && !ms_add_u64(n_bytes, one, &n_bytes)) n_bytes = UINT64_MAX;
        }
        if (n_bytes > most && !ms_str_contains(part, MS_STR("optim"))) most = n_bytes, best = part;
    }
    return best;
}

/* A tensor, or a pair of them, as the packed parameters of quantised modules are. */
static bool is_tensor_or_pair(const walker *w, ms_pref ref) {
    ms_torch_tensor t = {0};
    const ms_pref first = ms_pickle_node(w->p, ref)->kind == MS_PNODE_TUPLE ? ms_pickle_item(w->p, ref, 0) : MS_PREF_NONE;
    if (first != MS_PREF_NONE && read_tensor(&t, w->p, first, w->given) != NO_TENSOR) return true;
    return read_tensor(&t, w->p, ref, w->given) != NO_TENSOR;
}

/* The root's own values, as far as they are tensors. */
static bool root_is_mostly_tensors(const walker *w) {
    const ms_pnode *const root = ms_pickle_node(w->p, w->p->root);
    const bool pairs = root->kind == MS_PNODE_DICT || (root->kind == MS_PNODE_CALL && root->items_are_pairs);
    size_t n_tensors = 0;
    for (uint32_t i = 1; pairs && i < root->n_items; i += 2) n_tensors += is_tensor_or_pair(w, root->items[i]);
    return pairs && n_tensors * 2 > root->n_items / 2;
}

static ms_str choose_root(const walker *w) {
    static const char *const usual[] = {"model",     "state_dict", "model_state_dict", "module", "net",
                                        "generator", "ema",        "model_ema",        "params", "weights"};
    const ms_pnode_kind kind = ms_pickle_node(w->p, w->p->root)->kind;
    if (root_is_mostly_tensors(w) || kind == MS_PNODE_LIST || kind == MS_PNODE_TUPLE) return MS_STR("");
    if (kind == MS_PNODE_CALL && !ms_pickle_node(w->p, w->p->root)->items_are_pairs) return MS_STR(""); /* a whole module */
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (has_tensors_under(w->tree, ms_str_of(usual[i]))) return ms_str_of(usual[i]);
    return largest_part(w->tree);
}

static ms_str without_wrappers(ms_str name) {
    static const char *const wrappers[] = {"_orig_mod.", "module.", "_forward_module.", "_fsdp_wrapped_module.",
                                           "_checkpoint_wrapped_module."};
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0];) {
        const ms_str w = ms_str_of(wrappers[i]);
        if (ms_str_starts_with(name, w) && name.size > w.size) name = ms_str_sub(name, w.size, name.size), i = 0;
        else i++;
    }
    return name;
}

/* Those of single layers stand inside the name: "layers.0._checkpoint_wrapped_module.mlp.w1". */
static ms_status drop_wrappers(walker *w, ms_str *name) {
    static const char *const inner[] = {"._orig_mod.", "._fsdp_wrapped_module.", "._checkpoint_wrapped_module."};
    char text[MOST_NAME + 2];
    *name = without_wrappers(*name);
    if (name->size > sizeof text) return MS_OK;
    memcpy(text, name->text, name->size);
    ms_str left = {text, name->size};
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        const size_t n = strlen(inner[i]) - 1; /* the last dot stays */
        for (size_t at; (at = ms_str_find(left, ms_str_of(inner[i]), 0)) != SIZE_MAX; left.size -= n)
            memmove(text + at, text + at + n, left.size - at - n);
    }
    if (left.size == name->size) return MS_OK;
    *name = ms_arena_copy(&w->tree->arena, left);
    return name->text ? MS_OK : out_of_memory(w);
}

/* Drops tensors outside the chosen mapping (an optimiser's, say), shortens the names. */
static ms_status keep_chosen(walker *w) {
    ms_torch_tree *const tree = w->tree;
    tree->root = choose_root(w);
    size_t n = 0, n_outside = 0;
    for (size_t i = 0; i < tree->tensors.n; i++) {
        ms_torch_tensor t = tree->tensors.items[i];
        if (tree->root.size > 0) {
            if (!begins_with_part(t.name, tree->root)) {
                n_outside++;
                continue;
            }
            t.name = ms_str_sub(t.name, tree->root.size + 1, t.name.size);
        }
        MS_TRY(drop_wrappers(w, &t.name));
        tree->tensors.items[n++] = t;
    }
    tree->tensors.n = n;
    if (n_outside && w->rules->notes)
        ms_notes_add(w->rules->notes, MS_NOTE_INFO, "torch.other_tensors", ms_str_of(w->rules->path), MS_STR_NONE,
                     MS_NOTE_NO_OFFSET,
                     "the weights are taken from '%s'; %zu tensors elsewhere (an optimiser's state, say) are left out",
                     ms_str_shown(tree->root).text, n_outside);
    ms_map names = {0};
    ms_status status = MS_OK;
    for (size_t i = 0; i < n && status == MS_OK; i++) {
        bool is_new = true;
        if (!ms_map_add(&names, tree->tensors.items[i].name, i, NULL, &is_new)) status = out_of_memory(w);
        else if (!is_new)
            status = ms_broken(w->rules, w->err, "torch.duplicate", tree->tensors.items[i].name,
                               (int64_t)tree->tensors.items[i].at, "two tensors have this name");
    }
    ms_map_free(&names);
    return status;
}

/* ---- what stands beside the weights ---- */

typedef struct json_frame {
    ms_pref node;
    uint32_t next;
} json_frame;

static void put_plain(ms_json_out *out, const ms_pickle *p, ms_pref ref) {
    const ms_pnode *const node = ms_pickle_node(p, ref);
    ms_torch_tensor t;
    switch (node->kind) {
    case MS_PNODE_BOOL: ms_json_out_bool(out, node->boolean); break;
    case MS_PNODE_INT: ms_json_out_i64(out, node->integer); break;
    case MS_PNODE_FLOAT: ms_json_out_f64(out, node->real); break;
    case MS_PNODE_STR: ms_json_out_str(out, node->text); break;
    case MS_PNODE_GLOBAL: ms_json_out_str(out, node->global.name); break;
    case MS_PNODE_CALL: ms_json_out_text(out, read_tensor(&t, p, ref, NULL) != NO_TENSOR ? "<tensor>" : "<object>"); break;
    default: ms_json_out_null(out); break;
    }
}

static bool opens(const ms_pnode *node) {
    return node->kind == MS_PNODE_DICT || node->kind == MS_PNODE_LIST || node->kind == MS_PNODE_TUPLE ||
           node->kind == MS_PNODE_SET;
}

/* A value as JSON: at most MOST_JSON_DEPTH deep and MOST_JSON_BYTES long; deeper things become null. */
static void put_json(ms_json_out *out, const ms_pickle *p, ms_pref ref) {
    json_frame frames[MOST_JSON_DEPTH];
    int depth = 0;
    if (!opens(ms_pickle_node(p, ref))) {
        put_plain(out, p, ref);
        return;
    }
    frames[depth++] = (json_frame){ref, 0};
    if (ms_pickle_node(p, ref)->kind == MS_PNODE_DICT) ms_json_out_begin_object(out);
    else ms_json_out_begin_array(out);
    while (depth > 0) {
        json_frame *const f = &frames[depth - 1];
        const ms_pnode *const node = ms_pickle_node(p, f->node);
        const bool is_dict = node->kind == MS_PNODE_DICT;
        if (f->next + (is_dict ? 1 : 0) >= node->n_items || out->buf->size > MOST_JSON_BYTES) {
            ms_json_out_end(out);
            depth--;
            continue;
        }
        if (is_dict) {
            const ms_str key = ms_pickle_text(p, node->items[f->next]);
            int64_t number = 0;
            char digits[24];
            snprintf(digits, sizeof digits, "%lld", ms_pickle_int(p, node->items[f->next], &number) ? (long long)number : 0);
            f->next++;
            ms_json_out_key_str(out, key.text ? key : ms_str_of(digits));
        }
        const ms_pref child = node->items[f->next++];
        const ms_pnode *const inner = ms_pickle_node(p, child);
        if (!opens(inner) || depth == MOST_JSON_DEPTH) {
            put_plain(out, p, child);
            continue;
        }
        frames[depth++] = (json_frame){child, 0};
        if (inner->kind == MS_PNODE_DICT) ms_json_out_begin_object(out);
        else ms_json_out_begin_array(out);
    }
}

static ms_status collect_extras(walker *w) {
    const ms_pnode *const root = ms_pickle_node(w->p, w->p->root);
    if (root->kind != MS_PNODE_DICT) return MS_OK;
    for (uint32_t i = 0; i + 1 < root->n_items; i += 2) {
        const ms_str key = ms_pickle_text(w->p, root->items[i]);
        ms_torch_tensor t;
        if (!key.text || !ms_str_is_utf8(key, NULL) || ms_str_equal(key, w->tree->root) ||
            ms_str_contains(key, MS_STR("optim")))
            continue;
        if (read_tensor(&t, w->p, root->items[i + 1], w->given) != NO_TENSOR) continue;
        ms_buf text = {0};
        ms_json_out out = {.buf = &text};
        put_json(&out, w->p, root->items[i + 1]);
        const ms_torch_extra extra = {.key = key, .json = ms_arena_copy(&w->tree->arena, ms_buf_str(&text))};
        const bool ok = !text.failed && extra.json.text && MS_VEC_PUSH(&w->tree->extras, extra);
        ms_buf_free(&text);
        if (!ok) return out_of_memory(w);
    }
    return MS_OK;
}

ms_status ms_torch_tree_build(ms_torch_tree *out, const ms_pickle *pickle, const ms_torch_given *given,
                              const ms_broken_rules *rules, ms_err *err) {
    *out = (ms_torch_tree){.arena = {.budget = (size_t)1 << 30}};
    walker w = {.p = pickle, .given = given, .tree = out, .rules = rules, .err = err};
    w.seen = ms_mem_zalloc(pickle->nodes.n + 1);
    ms_status status = w.seen ? walk(&w) : out_of_memory(&w);
    if (status == MS_OK) status = keep_chosen(&w);
    if (status == MS_OK) status = collect_extras(&w);
    ms_mem_free(w.seen);
    MS_VEC_FREE(&w.todo);
    if (status != MS_OK) ms_torch_tree_free(out);
    return status;
}

void ms_torch_tree_free(ms_torch_tree *tree) {
    MS_VEC_FREE(&tree->tensors);
    MS_VEC_FREE(&tree->extras);
    ms_arena_free(&tree->arena);
}

ms_status ms_torch_tree_items(ms_map *out, const ms_pickle *pickle, ms_err *err) {
    for (size_t i = 0; i < pickle->nodes.n; i++) {
        ms_torch_tensor t;
        int64_t view_offset;
        if (pickle->nodes.items[i].kind != MS_PNODE_PERSISTENT || !read_storage(&t, pickle, (ms_pref)i, &view_offset)) continue;
        if (!ms_map_add(out, t.storage, t.item, NULL, NULL)) return ms_err_memory(err, "the storages");
    }
    return MS_OK;
}
