/* Any bytes as JSON: what is read is written and read again the same, and all readers agree on what is JSON. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "json.h"

static bool same(const ms_json_value *a, const ms_json_value *b) { /* at most MS_JSON_MAX_DEPTH deep */
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case MS_JSON_NULL: return true;
    case MS_JSON_BOOL: return a->boolean == b->boolean;
    case MS_JSON_INT: return a->integer == b->integer;
    case MS_JSON_UINT: return a->unsigned_integer == b->unsigned_integer;
    case MS_JSON_REAL: return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case MS_JSON_STRING: return ms_str_equal(a->string, b->string);
    case MS_JSON_ARRAY:
        if (a->array.n != b->array.n) return false;
        for (size_t i = 0; i < a->array.n; i++)
            if (!same(&a->array.items[i], &b->array.items[i])) return false;
        return true;
    case MS_JSON_OBJECT:
        if (a->object.n != b->object.n) return false;
        for (size_t i = 0; i < a->object.n; i++)
            if (!ms_str_equal(a->object.members[i].key, b->object.members[i].key) ||
                !same(a->object.members[i].value, b->object.members[i].value))
                return false;
        return true;
    }
    return false;
}

/* Reals are what the C library makes of their text. */
static void check_reals(const ms_json_value *value, const char *bytes, size_t size) {
    if (value->kind == MS_JSON_REAL) {
        char text[400] = {0};
        size_t n = 0;
        while (value->at + n < size && n < sizeof text - 1 && strchr("+-.0123456789eE", bytes[value->at + n])) n++;
        memcpy(text, bytes + value->at, n);
        if (n < sizeof text - 1) FUZZ_CHECK(strtod(text, NULL) == value->real);
    } else if (value->kind == MS_JSON_ARRAY) {
        for (size_t i = 0; i < value->array.n; i++) check_reals(&value->array.items[i], bytes, size);
    } else if (value->kind == MS_JSON_OBJECT) {
        for (size_t i = 0; i < value->object.n; i++) check_reals(value->object.members[i].value, bytes, size);
    }
}

static void check_round_trip(const ms_json_value *value, int indent, bool sort_keys, ms_arena *arena) {
    ms_buf text = {0};
    ms_json_out out = {.buf = &text, .indent = indent};
    ms_json_out_value(&out, value, sort_keys);
    FUZZ_CHECK(!text.failed && out.depth == 0);
    for (size_t i = 0; i < text.size; i++) FUZZ_CHECK((signed char)text.bytes[i] > 0 && text.bytes[i] != 0x7F);
    const ms_json_value *again = NULL;
    FUZZ_CHECK(ms_json_parse(&again, text.bytes, text.size, arena, NULL) == MS_OK);
    FUZZ_CHECK(sort_keys || same(value, again));
    ms_buf_free(&text);
}

/* Walks the text with the pull reader, asking for the kind first; true when it is JSON to its end. */
static bool pull(const void *bytes, size_t size, ms_arena *arena, ms_err *err) {
    ms_json json = ms_json_over(bytes, size, arena);
    bool begun = false;
    for (;;) {
        bool more = !begun;
        ms_str text;
        if (begun && json.depth == 0) break;
        if (begun) {
            const int d = json.depth - 1;
            const bool in_object = json.is_object[d >> 6] >> (d & 63) & 1;
            if ((in_object ? ms_json_next_key(&json, &text, &more, err) : ms_json_next_item(&json, &more, err)) != MS_OK)
                return false;
        }
        begun = true;
        if (!more) continue;
        ms_json_kind kind;
        if (ms_json_peek(&json, &kind, err) != MS_OK) return false;
        const bool is_container = kind == MS_JSON_ARRAY || kind == MS_JSON_OBJECT;
        if ((is_container ? ms_json_expect(&json, kind, err) : ms_json_skip(&json, err)) != MS_OK) return false;
    }
    return ms_json_end(&json, err) == MS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_arena arena = {0};
    ms_err err = {0}, pull_err = {0}, skip_err = {0};
    const ms_json_value *value = NULL;
    const bool parsed = ms_json_parse(&value, data, size, &arena, &err) == MS_OK;
    ms_json json = ms_json_over(data, size, &arena);
    const bool skipped = ms_json_skip(&json, &skip_err) == MS_OK && ms_json_end(&json, &skip_err) == MS_OK;
    const bool pulled = pull(data, size, &arena, &pull_err);

    FUZZ_CHECK(skipped == pulled && strcmp(skip_err.text, pull_err.text) == 0);
    FUZZ_CHECK(parsed || strncmp(err.text, "byte ", 5) == 0);
    FUZZ_CHECK(parsed == skipped || strstr(err.text, "magnitude")); /* skipping does not compute the numbers */
    FUZZ_CHECK(ms_str_is_utf8(ms_str_of(err.text), NULL));
    if (parsed) {
        check_reals(value, (const char *)data, size);
        check_round_trip(value, 2, false, &arena);
        check_round_trip(value, 0, false, &arena);
        check_round_trip(value, -1, true, &arena);
    }
    ms_arena_free(&arena);
    return 0;
}
