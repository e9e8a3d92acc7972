#include "torch_tree.h"

#include <stdio.h>

#include "checked.h"
#include "json.h"
#include "map.h"

enum { MOST_UNWRAPPING = 8, MOST_JSON_DEPTH = 12, MOST_JSON_BYTES = 1 << 16, MOST_NAME = 4096 };

/* ---- one tensor ---- */

static const struct {
    const char *name;
    ms_dtype dtype;
    size_t item;
} types[] = {
    {"DoubleStorage", MS_DTYPE_F64, 8},
    {"FloatStorage", MS_DTYPE_F32, 4},
    {"HalfStorage", MS_DTYPE_F16, 2},
    {"BFloat16Storage", MS_DTYPE_BF16, 2},
    {"LongStorage", MS_DTYPE_I64, 8},
    {"IntStorage", MS_DTYPE_I32, 4},
    {"ShortStorage", MS_DTYPE_I16, 2},
    {"CharStorage", MS_DTYPE_I8, 1},
    {"ByteStorage", MS_DTYPE_U8, 1},
    {"BoolStorage", MS_DTYPE_BOOL, 1},
    {"ComplexFloatStorage", MS_DTYPE_C64, 8},
    {"ComplexDoubleStorage", MS_DTYPE_UNKNOWN, 16},
    {"QInt8Storage", MS_DTYPE_UNKNOWN, 1},
    {"QUInt8Storage", MS_DTYPE_UNKNOWN, 1},
    {"QInt32Storage", MS_DTYPE_UNKNOWN, 4},
    {"QUInt4x2Storage", MS_DTYPE_UNKNOWN, 1},
    {"QUInt2x4Storage", MS_DTYPE_UNKNOWN, 1},
    {"float64", MS_DTYPE_F64, 8},
    {"double", MS_DTYPE_F64, 8},
    {"float32", MS_DTYPE_F32, 4},
    {"float", MS_DTYPE_F32, 4},
    {"float16", MS_DTYPE_F16, 2},
    {"half", MS_DTYPE_F16, 2},
    {"bfloat16", MS_DTYPE_BF16, 2},
    {"int64", MS_DTYPE_I64, 8},
    {"int32", MS_DTYPE_I32, 4},
    {"int16", MS_DTYPE_I16, 2},
    {"int8", MS_DTYPE_I8, 1},
    {"uint8", MS_DTYPE_U8, 1},
    {"uint16", MS_DTYPE_U16, 2},
    {"uint32", MS_DTYPE_U32, 4},
    {"uint64", MS_DTYPE_U64, 8},
    {"bool", MS_DTYPE_BOOL, 1},
    {"float8_e4m3fn", MS_DTYPE_F8_E4M3, 1},
    {"float8_e5m2", MS_DTYPE_F8_E5M2, 1},
    {"float8_e4m3fnuz", MS_DTYPE_F8_E4M3FNUZ, 1},
    {"float8_e5m2fnuz", MS_DTYPE_F8_E5M2FNUZ, 1},
    {"float8_e8m0fnu", MS_DTYPE_F8_E8M0, 1},
    {"complex64", MS_DTYPE_C64, 8},
};

static void set_type(ms_torch_tensor *t, ms_str name) {
    t->type = name, t->dtype = MS_DTYPE_UNKNOWN, t->item = 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (ms_str_is(name, types[i].name)) t->dtype = types[i].dtype, t->item = types[i].item;
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

/* True when the node describes a tensor; *usable false when it does so in a way that is not understood. */
static bool read_tensor(ms_torch_tensor *t, const ms_pickle *p, ms_pref ref, bool *usable) {
    *usable = false;
    ms_pref callee = MS_PREF_NONE, args = MS_PREF_NONE;
    for (int level = 0; level < MOST_UNWRAPPING; level++) {
        if (callee == MS_PREF_NONE) {
            if (ref == MS_PREF_NONE || ms_pickle_node(p, ref)->kind != MS_PNODE_CALL) return level > 0;
            callee = ms_pickle_node(p, ref)->call.callee, args = ms_pickle_node(p, ref)->call.args;
            t->at = ms_pickle_node(p, ref)->at;
        }
        if (args == MS_PREF_NONE) return false;
        const bool is_v3 = name_is(p, callee, "_rebuild_tensor_v3");
        if (is_v3 || name_is(p, callee, "_rebuild_tensor_v2") || name_is(p, callee, "_rebuild_tensor") ||
            name_is(p, callee, "_rebuild_qtensor"))
            return *usable = read_rebuild(t, p, args, is_v3), true;
        if (name_is(p, callee, "_rebuild_from_type_v2") ||
            name_is(p, callee, "_rebuild_from_type")) { /* (function, type, args, state) */
            callee = ms_pickle_item(p, args, 0);
            args = ms_pickle_item(p, args, name_is(p, ms_pickle_node(p, ref)->call.callee, "_rebuild_from_type") ? 1 : 2);
            if (callee == MS_PREF_NONE) return false;
            continue;
        }
        const bool wraps = name_is(p, callee, "_rebuild_parameter") || name_is(p, callee, "_rebuild_parameter_with_state") ||
                           name_is(p, callee, "Parameter") || name_is(p, callee, "Buffer");
        if (!wraps)
            return name_is(p, callee, "_rebuild_sparse_tensor") || name_is(p, callee, "_rebuild_meta_tensor_no_storage") ||
                   name_is(p, callee, "_rebuild_nested_tensor") || name_is(p, callee, "_rebuild_wrapper_subclass");
        ref = ms_pickle_item(p, args, 0);
        callee = MS_PREF_NONE;
    }
    return false;
}

/* Every element lies inside the storage; the size fits. */
static bool fits(const ms_torch_tensor *t) {
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

/* ---- walking ---- */

typedef struct visit {
    ms_pref node;
    ms_str path;
} visit;

typedef struct walker {
    const ms_pickle *p;
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

static ms_status later(walker *w, ms_pref node, ms_str path, ms_str key, bool is_state) {
    const ms_pnode_kind kind = ms_pickle_node(w->p, node)->kind;
    if (kind != MS_PNODE_DICT && kind != MS_PNODE_CALL && kind != MS_PNODE_LIST && kind != MS_PNODE_TUPLE) return MS_OK;
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
        const ms_pnode_kind kind = ms_pickle_node(w->p, node->items[i])->kind;
        if (kind != MS_PNODE_DICT && kind != MS_PNODE_CALL && kind != MS_PNODE_LIST && kind != MS_PNODE_TUPLE) continue;
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

static ms_status note_tensor(walker *w, ms_torch_tensor t, bool usable, ms_str path) {
    t.name = path;
    if (!usable || !fits(&t))
        return ms_broken(
            w->rules, w->err, usable ? "torch.tensor_outside" : "torch.tensor_unknown", path, (int64_t)t.at,
            usable ? "its elements lie outside its storage, or its size overflows"
                   : "it is stored in a way that is not read here (sparse, nested, or damaged); --lenient lists the others");
    return MS_VEC_PUSH(&w->tree->tensors, t) ? MS_OK : out_of_memory(w);
}

static ms_status visit_one(walker *w, visit v) {
    const ms_pnode *const node = ms_pickle_node(w->p, v.node);
    ms_torch_tensor t = {0};
    bool usable;
    if (node->kind == MS_PNODE_CALL && read_tensor(&t, w->p, v.node, &usable)) return note_tensor(w, t, usable, v.path);
    if (w->seen[v.node]) return MS_OK;
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

/* The root's own values, as far as they are tensors. */
static bool root_is_mostly_tensors(const walker *w) {
    const ms_pnode *const root = ms_pickle_node(w->p, w->p->root);
    const bool pairs = root->kind == MS_PNODE_DICT || (root->kind == MS_PNODE_CALL && root->items_are_pairs);
    size_t n_tensors = 0;
    for (uint32_t i = 1; pairs && i < root->n_items; i += 2) {
        ms_torch_tensor t = {0};
        bool usable;
        n_tensors +=
            ms_pickle_node(w->p, root->items[i])->kind == MS_PNODE_CALL && read_tensor(&t, w->p, root->items[i], &usable);
    }
    return pairs && n_tensors * 2 > root->n_items / 2;
}

static ms_str choose_root(const walker *w) {
    static const char *const usual[] = {"model",     "state_dict", "model_state_dict", "module", "net",
                                        "generator", "ema",        "model_ema",        "params", "weights"};
    const ms_pnode_kind kind = ms_pickle_node(w->p, w->p->root)->kind;
    if (root_is_mostly_tensors(w)) return MS_STR("");
    if (kind == MS_PNODE_CALL && !ms_pickle_node(w->p, w->p->root)->items_are_pairs) return MS_STR(""); /* a whole module */
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (has_tensors_under(w->tree, ms_str_of(usual[i]))) return ms_str_of(usual[i]);
    for (size_t i = 0; i < w->tree->tensors.n; i++) {
        const ms_str part = first_part(w->tree->tensors.items[i].name);
        if (part.size < w->tree->tensors.items[i].name.size && !ms_str_contains(part, MS_STR("optim"))) return part;
    }
    return MS_STR("");
}

static ms_str without_wrappers(ms_str name) {
    static const char *const wrappers[] = {"_orig_mod.", "module.", "_forward_module.", "_fsdp_wrapped_module."};
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0];) {
        const ms_str w = ms_str_of(wrappers[i]);
        if (ms_str_starts_with(name, w) && name.size > w.size) name = ms_str_sub(name, w.size, name.size), i = 0;
        else i++;
    }
    return name;
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
        t.name = without_wrappers(t.name);
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
    bool usable;
    switch (node->kind) {
    case MS_PNODE_BOOL: ms_json_out_bool(out, node->boolean); break;
    case MS_PNODE_INT: ms_json_out_i64(out, node->integer); break;
    case MS_PNODE_FLOAT: ms_json_out_f64(out, node->real); break;
    case MS_PNODE_STR: ms_json_out_str(out, node->text); break;
    case MS_PNODE_GLOBAL: ms_json_out_str(out, node->global.name); break;
    case MS_PNODE_CALL: ms_json_out_text(out, read_tensor(&t, p, ref, &usable) ? "<tensor>" : "<object>"); break;
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
        bool usable;
        if (!key.text || !ms_str_is_utf8(key, NULL) || ms_str_equal(key, w->tree->root) ||
            ms_str_contains(key, MS_STR("optim")))
            continue;
        if (read_tensor(&t, w->p, root->items[i + 1], &usable)) continue;
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

ms_status ms_torch_tree_build(ms_torch_tree *out, const ms_pickle *pickle, const ms_broken_rules *rules, ms_err *err) {
    *out = (ms_torch_tree){.arena = {.budget = (size_t)1 << 30}};
    walker w = {.p = pickle, .tree = out, .rules = rules, .err = err, .seen = ms_mem_zalloc(pickle->nodes.n + 1)};
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

/* ---- what loading it would do ---- */

/* Prefix of modules and names; a name of "" stands for all. torch 2.6's list for weights_only, and what code-running payloads
 * use. */
static const struct {
    const char *module, *name;
    ms_pickle_danger danger;
} judgements[] = {
    {"collections", "OrderedDict", MS_PICKLE_KNOWN},
    {"collections", "Counter", MS_PICKLE_KNOWN},
    {"torch", "Size", MS_PICKLE_KNOWN},
    {"torch", "Tensor", MS_PICKLE_KNOWN},
    {"torch", "device", MS_PICKLE_KNOWN},
    {"torch.nn.parameter", "Parameter", MS_PICKLE_KNOWN},
    {"torch.nn.parameter", "Buffer", MS_PICKLE_KNOWN},
    {"torch.serialization", "_get_layout", MS_PICKLE_KNOWN},
    {"torch.storage", "UntypedStorage", MS_PICKLE_KNOWN},
    {"torch.storage", "TypedStorage", MS_PICKLE_KNOWN},
    {"torch._tensor", "_rebuild_from_type_v2", MS_PICKLE_KNOWN},
    {"_codecs", "encode", MS_PICKLE_KNOWN},
    {"builtins", "bytearray", MS_PICKLE_KNOWN},
    {"builtins", "set", MS_PICKLE_KNOWN},
    {"builtins", "complex", MS_PICKLE_KNOWN},
    {"__builtin__", "bytearray", MS_PICKLE_KNOWN},
    {"__builtin__", "set", MS_PICKLE_KNOWN},
    {"builtins", "dict", MS_PICKLE_UNKNOWN},
    {"builtins", "list", MS_PICKLE_UNKNOWN},
    {"builtins", "tuple", MS_PICKLE_UNKNOWN},
    {"builtins", "int", MS_PICKLE_UNKNOWN},
    {"builtins", "float", MS_PICKLE_UNKNOWN},
    {"builtins", "str", MS_PICKLE_UNKNOWN},
    {"builtins", "slice", MS_PICKLE_UNKNOWN},
    {"builtins", "range", MS_PICKLE_UNKNOWN},
    {"builtins", "frozenset", MS_PICKLE_UNKNOWN},
    {"builtins", "", MS_PICKLE_DANGEROUS},
    {"__builtin__", "", MS_PICKLE_DANGEROUS},
    {"os", "", MS_PICKLE_DANGEROUS},
    {"posix", "", MS_PICKLE_DANGEROUS},
    {"nt", "", MS_PICKLE_DANGEROUS},
    {"sys", "", MS_PICKLE_DANGEROUS},
    {"subprocess", "", MS_PICKLE_DANGEROUS},
    {"socket", "", MS_PICKLE_DANGEROUS},
    {"runpy", "", MS_PICKLE_DANGEROUS},
    {"importlib", "", MS_PICKLE_DANGEROUS},
    {"pickle", "", MS_PICKLE_DANGEROUS},
    {"_pickle", "", MS_PICKLE_DANGEROUS},
    {"shutil", "", MS_PICKLE_DANGEROUS},
    {"pip", "", MS_PICKLE_DANGEROUS},
    {"webbrowser", "", MS_PICKLE_DANGEROUS},
    {"ctypes", "", MS_PICKLE_DANGEROUS},
    {"code", "", MS_PICKLE_DANGEROUS},
    {"pty", "", MS_PICKLE_DANGEROUS},
    {"urllib", "", MS_PICKLE_DANGEROUS},
    {"http", "", MS_PICKLE_DANGEROUS},
    {"ftplib", "", MS_PICKLE_DANGEROUS},
    {"requests", "", MS_PICKLE_DANGEROUS},
    {"aiohttp", "", MS_PICKLE_DANGEROUS},
    {"multiprocessing", "", MS_PICKLE_DANGEROUS},
    {"asyncio", "", MS_PICKLE_DANGEROUS},
    {"logging", "", MS_PICKLE_DANGEROUS},
    {"timeit", "", MS_PICKLE_DANGEROUS},
    {"cProfile", "", MS_PICKLE_DANGEROUS},
    {"profile", "", MS_PICKLE_DANGEROUS},
    {"pdb", "", MS_PICKLE_DANGEROUS},
    {"bdb", "", MS_PICKLE_DANGEROUS},
    {"trace", "", MS_PICKLE_DANGEROUS},
    {"operator", "attrgetter", MS_PICKLE_DANGEROUS},
    {"operator", "methodcaller", MS_PICKLE_DANGEROUS},
    {"functools", "partial", MS_PICKLE_DANGEROUS},
    {"functools", "reduce", MS_PICKLE_DANGEROUS},
    {"types", "FunctionType", MS_PICKLE_DANGEROUS},
    {"types", "CodeType", MS_PICKLE_DANGEROUS},
    {"marshal", "", MS_PICKLE_DANGEROUS},
    {"shelve", "", MS_PICKLE_DANGEROUS},
    {"tempfile", "", MS_PICKLE_DANGEROUS},
    {"linecache", "", MS_PICKLE_DANGEROUS},
    {"io", "", MS_PICKLE_DANGEROUS},
    {"_io", "", MS_PICKLE_DANGEROUS},
    {"torch.storage", "_load_from_bytes", MS_PICKLE_DANGEROUS},
    {"torch", "load", MS_PICKLE_DANGEROUS},
    {"torch.hub", "", MS_PICKLE_DANGEROUS},
    {"torch.serialization", "load", MS_PICKLE_DANGEROUS},
    {"numpy.testing", "", MS_PICKLE_DANGEROUS},
    {"numpy.f2py", "", MS_PICKLE_DANGEROUS},
};

/* "os" holds "os" and "os.path". */
static bool is_module(ms_str module, ms_str of) {
    return ms_str_starts_with(module, of) && (module.size == of.size || module.text[of.size] == '.');
}

ms_pickle_danger ms_pickle_judge(ms_str module, ms_str name) {
    const bool is_torch = ms_str_is(module, "torch") || ms_str_is(module, "torch.cuda");
    if (is_torch && ms_str_ends_with(name, MS_STR("Storage"))) return MS_PICKLE_KNOWN;
    if (ms_str_is(module, "torch._utils") && ms_str_starts_with(name, MS_STR("_rebuild_"))) return MS_PICKLE_KNOWN;
    if (is_torch)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (ms_str_is(name, types[i].name)) return MS_PICKLE_KNOWN;
    for (size_t i = 0; i < sizeof judgements / sizeof judgements[0]; i++) {
        const bool same_name = judgements[i].name[0] ? ms_str_is(name, judgements[i].name) : true;
        if (same_name && (judgements[i].name[0] ? ms_str_is(module, judgements[i].module)
                                                : is_module(module, ms_str_of(judgements[i].module))))
            return judgements[i].danger;
    }
    return MS_PICKLE_UNKNOWN;
}

bool ms_torch_tree_judge(const ms_pickle *pickle, const ms_broken_rules *rules, uint64_t pickle_at) {
    bool weights_only = true;
    ms_map said = {0};
    for (size_t i = 0; i < pickle->nodes.n; i++) {
        const ms_pnode *const node = &pickle->nodes.items[i];
        if (node->kind != MS_PNODE_GLOBAL) continue;
        const ms_pickle_danger danger = ms_pickle_judge(node->global.module, node->global.name);
        if (danger == MS_PICKLE_KNOWN) continue;
        weights_only = false;
        bool is_new = true;
        if (!ms_map_add(&said, node->global.name, i, NULL, &is_new) || !is_new || !rules->notes) continue;
        ms_notes_add(
            rules->notes, danger == MS_PICKLE_DANGEROUS ? MS_NOTE_ERROR : MS_NOTE_WARNING,
            danger == MS_PICKLE_DANGEROUS ? "torch.dangerous_global" : "torch.unknown_global", ms_str_of(rules->path),
            MS_STR_NONE, (int64_t)(pickle_at + node->at),
            danger == MS_PICKLE_DANGEROUS
                ? "loading this file would import '%s.%s', which can run code or open files; it was only read as data here"
                : "'%s.%s' is not in the list that torch.load(weights_only=True) takes",
            ms_str_shown(node->global.module).text, ms_str_shown(node->global.name).text);
    }
    ms_map_free(&said);
    return weights_only;
}
