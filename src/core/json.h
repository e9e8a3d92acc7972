/*
 * json: RFC 8259, strict, from untrusted bytes; no recursion, nothing copied unless a string has escapes.
 *
 * Pull reader, for headers and indexes of any size (at least 500 MB/s on safetensors headers):
 *
 *     ms_json json = ms_json_over(bytes, n, &arena);
 *     MS_TRY(ms_json_expect(&json, MS_JSON_OBJECT, err));
 *     for (ms_str key;;) {
 *         bool more;
 *         MS_TRY(ms_json_next_key(&json, &key, &more, err));
 *         if (!more) break;
 *         if (ms_str_is(key, "dtype")) MS_TRY(ms_json_string(&json, &dtype, err));
 *         else MS_TRY(ms_json_skip(&json, err));
 *     }
 *     MS_TRY(ms_json_end(&json, err));            // nothing but white space may follow
 *
 * DOM, for config files: ms_json_parse, then ms_json_get and the ms_json_as_* readers.
 *
 * Refused, with the byte offset: depth over 128, invalid UTF-8, lone surrogates, control characters in strings, numbers with
 * leading zeros, trailing commas, NaN. Strings are borrowed from the bytes when they hold no escape, else they live in the
 * arena.
 */
#ifndef MS_JSON_H
#define MS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

enum { MS_JSON_MAX_DEPTH = 128 };

typedef enum ms_json_kind {
    MS_JSON_NULL,
    MS_JSON_BOOL,
    MS_JSON_INT,  /* a number without fraction or exponent that fits int64_t */
    MS_JSON_UINT, /* ... that fits only uint64_t */
    MS_JSON_REAL, /* any other number */
    MS_JSON_STRING,
    MS_JSON_ARRAY,
    MS_JSON_OBJECT,
} ms_json_kind;

const char *ms_json_kind_name(ms_json_kind kind); /* "a string", "an object", ... */

/* ---- pull reader ---- */

typedef struct ms_json {
    const char *bytes; /* borrowed */
    size_t size, at;   /* at: the offset of the next byte, for messages */
    ms_arena *arena;   /* borrowed: unescaped strings live here */
    int depth;
    uint64_t is_object[2]; /* bit d: container d is an object */
    uint64_t has_items[2]; /* bit d: container d has an item already */
} ms_json;

ms_json ms_json_over(const void *bytes, size_t n, ms_arena *arena);

/* The kind of the value that comes next (numbers: decided by looking at all of it). Consumes white space only. */
ms_status ms_json_peek(ms_json *json, ms_json_kind *kind, ms_err *err);

/* Enters the array or object that comes next; MS_ERR_DAMAGED naming the byte when it is another kind. */
ms_status ms_json_expect(ms_json *json, ms_json_kind container, ms_err *err);

/* In an object: the next key, or *more = false and the object is left. */
ms_status ms_json_next_key(ms_json *json, ms_str *key, bool *more, ms_err *err);
/* In an array: *more = true before each value, or false and the array is left. */
ms_status ms_json_next_item(ms_json *json, bool *more, ms_err *err);

ms_status ms_json_string(ms_json *json, ms_str *out, ms_err *err);
ms_status ms_json_bool(ms_json *json, bool *out, ms_err *err);
ms_status ms_json_null(ms_json *json, ms_err *err);
/* A JSON integer (no fraction, no exponent, "-0" refused) that fits; what else is there is MS_ERR_DAMAGED. */
ms_status ms_json_u64(ms_json *json, uint64_t *out, ms_err *err);
ms_status ms_json_i64(ms_json *json, int64_t *out, ms_err *err);
ms_status ms_json_f64(ms_json *json, double *out, ms_err *err);
/* Passes over the value that comes next, checking it. */
ms_status ms_json_skip(ms_json *json, ms_err *err);
ms_status ms_json_end(ms_json *json, ms_err *err);

/* ---- DOM ---- */

typedef struct ms_json_value ms_json_value;
typedef struct ms_json_member {
    ms_str key;
    const ms_json_value *value;
} ms_json_member;

struct ms_json_value {
    ms_json_kind kind;
    size_t at; /* byte offset in the text */
    union {
        bool boolean;
        int64_t integer;
        uint64_t unsigned_integer;
        double real;
        ms_str string;
        struct {
            size_t n;
            const ms_json_value *items;
        } array;
        struct {
            size_t n;
            const ms_json_member *members; /* in file order; a repeated key appears again */
        } object;
    };
};

/* The whole text as one value; all of it lives in the arena, strings without escapes in `bytes`. */
ms_status ms_json_parse(const ms_json_value **out, const void *bytes, size_t n, ms_arena *arena, ms_err *err);

/* The member of that name, the last one of several as in Python; NULL when absent, or when `object` is NULL or no object. */
const ms_json_value *ms_json_get(const ms_json_value *object, const char *key);
/* The same down a path "a.b.c" of keys without dots. */
const ms_json_value *ms_json_path(const ms_json_value *object, const char *path);

/* The value when it is of that kind (NULL is not), else the fallback. Numbers convert between int, uint and real when exact. */
ms_str ms_json_as_str(const ms_json_value *value, ms_str fallback);
bool ms_json_as_bool(const ms_json_value *value, bool fallback);
int64_t ms_json_as_i64(const ms_json_value *value, int64_t fallback);
double ms_json_as_f64(const ms_json_value *value, double fallback);

/* Writing back a DOM: through ms_json_out below. */

/* ---- writer ---- */

/*
 *     ms_json_out out = {.buf = &buf, .indent = 2};
 *     ms_json_out_begin_object(&out);
 *     ms_json_out_key(&out, "experts"); ms_json_out_i64(&out, 16);
 *     ms_json_out_end(&out);
 *
 * As Python's json.dump(ensure_ascii=True): ASCII escapes, "key": value, doubles in the shortest form that reads back;
 * NaN and infinities become null (JSON has none). Bytes that are no UTF-8 become U+FFFD. indent 0: one line, ", " and ": ";
 * indent < 0: no blanks at all. Empty containers are {} and [].
 */
enum { MS_JSON_OUT_MAX_DEPTH = 256 }; /* deeper sets buf->failed */

typedef struct ms_json_out {
    ms_buf *buf; /* borrowed */
    int indent;
    int depth;
    bool after_key;
    uint64_t is_object[4], has_items[4];
} ms_json_out;

void ms_json_out_begin_object(ms_json_out *out);
void ms_json_out_begin_array(ms_json_out *out);
void ms_json_out_end(ms_json_out *out); /* the innermost container */
void ms_json_out_key(ms_json_out *out, const char *key);
void ms_json_out_key_str(ms_json_out *out, ms_str key);
void ms_json_out_null(ms_json_out *out);
void ms_json_out_bool(ms_json_out *out, bool value);
void ms_json_out_i64(ms_json_out *out, int64_t value);
void ms_json_out_u64(ms_json_out *out, uint64_t value);
void ms_json_out_f64(ms_json_out *out, double value);
void ms_json_out_str(ms_json_out *out, ms_str value);
void ms_json_out_text(ms_json_out *out, const char *value); /* NULL writes null */
/* Text that is JSON already; the caller's word for it. */
void ms_json_out_raw(ms_json_out *out, ms_str json);
/* A parsed value again; sort_keys: members in byte order of their names, at every level. */
void ms_json_out_value(ms_json_out *out, const ms_json_value *value, bool sort_keys);

#endif
