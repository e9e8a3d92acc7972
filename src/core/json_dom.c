/* The DOM of json.h, built on its pull reader. */
#include <math.h>

#include "json.h"
#include "vec.h"

/* Values read but not yet in their container; the container itself stands just before its items. */
typedef struct pending {
    ms_str key;
    ms_json_value value;
} pending;

typedef struct builder {
    ms_json json;
    MS_VEC(pending) stack;
    size_t first_item[MS_JSON_MAX_DEPTH]; /* of each open container: index into stack */
} builder;

static ms_status push(builder *b, ms_str key, ms_json_value value, ms_err *err) {
    const size_t budget = b->json.arena->budget; /* the stack is scratch, but wide files must not escape the budget by it */
    if (budget && (b->stack.n + 1) * sizeof(pending) > budget) return ms_err_memory(err, "a JSON text within its budget");
    if (!MS_VEC_PUSH(&b->stack, (pending){key, value})) return ms_err_memory(err, "a JSON text");
    return MS_OK;
}

/* Reads a value that is no container, or enters one. */
static ms_status read_value(builder *b, ms_str key, ms_err *err) {
    ms_json *const json = &b->json;
    ms_json_value value = {0};
    MS_TRY(ms_json_peek(json, &value.kind, err));
    value.at = json->at;
    switch (value.kind) {
    case MS_JSON_NULL: MS_TRY(ms_json_null(json, err)); break;
    case MS_JSON_BOOL: MS_TRY(ms_json_bool(json, &value.boolean, err)); break;
    case MS_JSON_INT: MS_TRY(ms_json_i64(json, &value.integer, err)); break;
    case MS_JSON_UINT: MS_TRY(ms_json_u64(json, &value.unsigned_integer, err)); break;
    case MS_JSON_REAL: MS_TRY(ms_json_f64(json, &value.real, err)); break;
    case MS_JSON_STRING: MS_TRY(ms_json_string(json, &value.string, err)); break;
    case MS_JSON_ARRAY:
    case MS_JSON_OBJECT:
        MS_TRY(ms_json_expect(json, value.kind, err));
        MS_TRY(push(b, key, value, err));
        b->first_item[json->depth - 1] = b->stack.n;
        return MS_OK;
    }
    return push(b, key, value, err);
}

/* Moves the items of the container that just ended from the stack into it. */
static ms_status close_container(builder *b, ms_err *err) {
    const size_t first = b->first_item[b->json.depth], n = b->stack.n - first;
    const pending *const items = b->stack.items + first;
    ms_json_value *const container = &b->stack.items[first - 1].value;
    b->stack.n = first;
    if (n == 0) return MS_OK;
    ms_json_value *const values = ms_arena_alloc_array(b->json.arena, n, sizeof *values);
    if (!values) return ms_err_memory(err, "a JSON text");
    for (size_t i = 0; i < n; i++) values[i] = items[i].value;
    if (container->kind == MS_JSON_ARRAY) {
        container->array.n = n;
        container->array.items = values;
        return MS_OK;
    }
    ms_json_member *const members = ms_arena_alloc_array(b->json.arena, n, sizeof *members);
    if (!members) return ms_err_memory(err, "a JSON text");
    for (size_t i = 0; i < n; i++) members[i] = (ms_json_member){items[i].key, &values[i]};
    container->object.n = n;
    container->object.members = members;
    return MS_OK;
}

static ms_status build(builder *b, ms_err *err) {
    ms_json *const json = &b->json;
    MS_TRY(read_value(b, MS_STR_NONE, err));
    while (json->depth > 0) {
        const bool in_object = b->stack.items[b->first_item[json->depth - 1] - 1].value.kind == MS_JSON_OBJECT;
        ms_str key = MS_STR_NONE;
        bool more;
        if (in_object) MS_TRY(ms_json_next_key(json, &key, &more, err));
        else MS_TRY(ms_json_next_item(json, &more, err));
        if (more) MS_TRY(read_value(b, key, err));
        else MS_TRY(close_container(b, err));
    }
    return ms_json_end(json, err);
}

ms_status ms_json_parse(const ms_json_value **out, const void *bytes, size_t n, ms_arena *arena, ms_err *err) {
    builder b = {.json = ms_json_over(bytes, n, arena)};
    ms_status status = build(&b, err);
    if (status == MS_OK) {
        ms_json_value *const root = ms_arena_alloc(arena, sizeof *root);
        if (root) *root = b.stack.items[0].value, *out = root;
        else status = ms_err_memory(err, "a JSON text");
    }
    MS_VEC_FREE(&b.stack);
    return status;
}

/* ---- readers ---- */

static const ms_json_value *get(const ms_json_value *object, ms_str key) {
    if (!object || object->kind != MS_JSON_OBJECT) return NULL;
    for (size_t i = object->object.n; i > 0; i--)
        if (ms_str_equal(object->object.members[i - 1].key, key)) return object->object.members[i - 1].value;
    return NULL;
}

const ms_json_value *ms_json_get(const ms_json_value *object, const char *key) { return get(object, ms_str_of(key)); }

const ms_json_value *ms_json_path(const ms_json_value *object, const char *path) {
    ms_str rest = ms_str_of(path);
    while (object && rest.text) object = get(object, ms_str_cut(&rest, '.'));
    return object;
}

ms_str ms_json_as_str(const ms_json_value *value, ms_str fallback) {
    return value && value->kind == MS_JSON_STRING ? value->string : fallback;
}

bool ms_json_as_bool(const ms_json_value *value, bool fallback) {
    return value && value->kind == MS_JSON_BOOL ? value->boolean : fallback;
}

int64_t ms_json_as_i64(const ms_json_value *value, int64_t fallback) {
    if (!value) return fallback;
    if (value->kind == MS_JSON_INT) return value->integer;
    if (value->kind != MS_JSON_REAL) return fallback; /* what is MS_JSON_UINT does not fit */
    const double real = value->real;
    return real >= -0x1p63 && real < 0x1p63 && real == floor(real) ? (int64_t)real : fallback;
}

double ms_json_as_f64(const ms_json_value *value, double fallback) {
    if (!value) return fallback;
    double real;
    switch (value->kind) {
    case MS_JSON_REAL: return value->real;
    case MS_JSON_INT: real = (double)value->integer; return real < 0x1p63 && (int64_t)real == value->integer ? real : fallback;
    case MS_JSON_UINT:
        real = (double)value->unsigned_integer;
        return real < 0x1p64 && (uint64_t)real == value->unsigned_integer ? real : fallback;
    default: return fallback;
    }
}
