/* The writer of json.h. */
#include <math.h>
#include <stdlib.h>

#include "json.h"
#include "mem.h"

static bool bit(const uint64_t *bits, int i) { return bits[i >> 6] >> (i & 63) & 1; }

static void set_bit(uint64_t *bits, int i, bool on) {
    const uint64_t mask = (uint64_t)1 << (i & 63);
    bits[i >> 6] = on ? bits[i >> 6] | mask : bits[i >> 6] & ~mask;
}

static void put_line(ms_json_out *out) {
    static const char blanks[] = "                                ";
    size_t n = (size_t)out->depth * (size_t)out->indent;
    ms_buf_put_char(out->buf, '\n');
    for (; n >= sizeof blanks; n -= sizeof blanks - 1) ms_buf_put(out->buf, blanks, sizeof blanks - 1);
    ms_buf_put(out->buf, blanks, n);
}

/* What stands before an item or a key of the innermost container. */
static void begin_item(ms_json_out *out) {
    if (out->depth == 0) return;
    if (bit(out->has_items, out->depth - 1)) ms_buf_put_text(out->buf, out->indent == 0 ? ", " : ",");
    set_bit(out->has_items, out->depth - 1, true);
    if (out->indent > 0) put_line(out);
}

static void begin_value(ms_json_out *out) {
    if (!out->after_key) begin_item(out);
    out->after_key = false;
}

static void begin_container(ms_json_out *out, bool is_object) {
    begin_value(out);
    if (out->depth >= MS_JSON_OUT_MAX_DEPTH) {
        out->buf->failed = true;
        return;
    }
    ms_buf_put_char(out->buf, is_object ? '{' : '[');
    set_bit(out->is_object, out->depth, is_object);
    set_bit(out->has_items, out->depth, false);
    out->depth++;
}

void ms_json_out_begin_object(ms_json_out *out) { begin_container(out, true); }
void ms_json_out_begin_array(ms_json_out *out) { begin_container(out, false); }

void ms_json_out_end(ms_json_out *out) {
    if (out->depth == 0) return;
    out->depth--;
    if (out->indent > 0 && bit(out->has_items, out->depth)) put_line(out);
    ms_buf_put_char(out->buf, bit(out->is_object, out->depth) ? '}' : ']');
}

/* ---- strings ---- */

static void put_unit(ms_buf *b, uint32_t unit) {
    static const char hex[] = "0123456789abcdef";
    const char text[] = {'\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    ms_buf_put(b, text, sizeof text);
}

static void put_escaped(ms_buf *b, uint32_t code) {
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    const char *const meaning = code && code < 0x80 ? strchr(meanings, (int)code) : NULL;
    if (meaning) {
        ms_buf_put(b, (const char[]){'\\', letters[meaning - meanings]}, 2);
    } else if (code >= 0x10000) {
        put_unit(b, 0xD800 + ((code - 0x10000) >> 10));
        put_unit(b, 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
        put_unit(b, code);
    }
}

static bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

static void put_string(ms_buf *b, ms_str s) {
    ms_buf_put_char(b, '"');
    for (size_t i = 0; i < s.size;) {
        const size_t begin = i;
        while (i < s.size && is_plain(s.text[i])) i++;
        ms_buf_put(b, s.text + begin, i - begin);
        if (i == s.size) break;
        uint32_t code;
        const size_t n = ms_str_code_at(s, i, &code);
        put_escaped(b, n ? code : 0xFFFD);
        i += n ? n : 1;
    }
    ms_buf_put_char(b, '"');
}

void ms_json_out_key_str(ms_json_out *out, ms_str key) {
    begin_item(out);
    put_string(out->buf, key);
    ms_buf_put_text(out->buf, out->indent < 0 ? ":" : ": ");
    out->after_key = true;
}

void ms_json_out_key(ms_json_out *out, const char *key) { ms_json_out_key_str(out, ms_str_of(key)); }

/* ---- values ---- */

void ms_json_out_null(ms_json_out *out) {
    begin_value(out);
    ms_buf_put_text(out->buf, "null");
}

void ms_json_out_raw(ms_json_out *out, ms_str json) {
    begin_value(out);
    ms_buf_put_str(out->buf, json);
}

void ms_json_out_bool(ms_json_out *out, bool value) {
    begin_value(out);
    ms_buf_put_text(out->buf, value ? "true" : "false");
}

static void put_integer(ms_json_out *out, bool negative, uint64_t magnitude) {
    char text[24];
    size_t at = sizeof text;
    do text[--at] = (char)('0' + magnitude % 10);
    while ((magnitude /= 10) != 0);
    if (negative) text[--at] = '-';
    begin_value(out);
    ms_buf_put(out->buf, text + at, sizeof text - at);
}

void ms_json_out_i64(ms_json_out *out, int64_t value) {
    put_integer(out, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void ms_json_out_u64(ms_json_out *out, uint64_t value) { put_integer(out, false, value); }

void ms_json_out_f64(ms_json_out *out, double value) {
    begin_value(out);
    if (isfinite(value)) ms_buf_put_f64(out->buf, value);
    else ms_buf_put_text(out->buf, "null");
}

void ms_json_out_str(ms_json_out *out, ms_str value) {
    begin_value(out);
    put_string(out->buf, value);
}

void ms_json_out_text(ms_json_out *out, const char *value) {
    if (value) ms_json_out_str(out, ms_str_of(value));
    else ms_json_out_null(out);
}

/* ---- a DOM again ---- */

typedef struct frame {
    const ms_json_value *container;
    const ms_json_member **order; /* owned; NULL: the members as they stand */
    size_t next;
} frame;

static int compare_members(const void *a, const void *b) {
    const ms_json_member *const x = *(const ms_json_member *const *)a, *const y = *(const ms_json_member *const *)b;
    const int order = ms_str_compare(x->key, y->key);
    return order ? order : (x > y) - (x < y); /* repeated keys keep the order of the file */
}

static const ms_json_member **sorted_members(const ms_json_value *object) {
    const ms_json_member **const order = ms_mem_alloc_array(object->object.n, sizeof *order);
    if (!order) return NULL;
    for (size_t i = 0; i < object->object.n; i++) order[i] = &object->object.members[i];
    qsort(order, object->object.n, sizeof *order, compare_members);
    return order;
}

/* Writes a value that is no container, or begins one; true when it began one. */
static bool put_value(ms_json_out *out, const ms_json_value *value) {
    switch (value->kind) {
    case MS_JSON_NULL: ms_json_out_null(out); break;
    case MS_JSON_BOOL: ms_json_out_bool(out, value->boolean); break;
    case MS_JSON_INT: ms_json_out_i64(out, value->integer); break;
    case MS_JSON_UINT: ms_json_out_u64(out, value->unsigned_integer); break;
    case MS_JSON_REAL: ms_json_out_f64(out, value->real); break;
    case MS_JSON_STRING: ms_json_out_str(out, value->string); break;
    case MS_JSON_ARRAY: ms_json_out_begin_array(out); return true;
    case MS_JSON_OBJECT: ms_json_out_begin_object(out); return true;
    }
    return false;
}

static bool enter(ms_json_out *out, frame *f, const ms_json_value *container, bool sort_keys) {
    *f = (frame){.container = container};
    if (!sort_keys || container->kind != MS_JSON_OBJECT || container->object.n < 2) return true;
    f->order = sorted_members(container);
    if (!f->order) out->buf->failed = true;
    return f->order != NULL;
}

/* The next value of a container, its key written; NULL at the end. */
static const ms_json_value *next_value(ms_json_out *out, frame *f) {
    const ms_json_value *const container = f->container;
    const size_t i = f->next++;
    if (container->kind == MS_JSON_ARRAY) return i < container->array.n ? &container->array.items[i] : NULL;
    if (i >= container->object.n) return NULL;
    const ms_json_member *const member = f->order ? f->order[i] : &container->object.members[i];
    ms_json_out_key_str(out, member->key);
    return member->value;
}

void ms_json_out_value(ms_json_out *out, const ms_json_value *value, bool sort_keys) {
    frame frames[MS_JSON_MAX_DEPTH];
    int n_frames = 0;
    while (value) {
        if (put_value(out, value)) {
            if (n_frames == MS_JSON_MAX_DEPTH) out->buf->failed = true; /* not from ms_json_parse */
            else if (enter(out, &frames[n_frames], value, sort_keys)) n_frames++;
        }
        value = NULL;
        while (!value && n_frames > 0 && !out->buf->failed) {
            value = next_value(out, &frames[n_frames - 1]);
            if (value) break;
            ms_json_out_end(out);
            ms_mem_free(frames[--n_frames].order);
        }
    }
    while (n_frames > 0) ms_mem_free(frames[--n_frames].order);
}
