/*
 * json_put: members of a JSON object, key and value in one call; above json.h's writer.
 *
 *     ms_json_put_text(&json, "status", "running");
 *     ms_json_put_begin(&json, "run");               // a nested object
 *     ms_json_put_u64(&json, "rows", n);
 *     ms_json_out_end(&json);
 */
#ifndef MS_JSON_PUT_H
#define MS_JSON_PUT_H

#include "json.h"

static inline void ms_json_put_text(ms_json_out *json, const char *key, const char *value) { /* NULL writes null */
    ms_json_out_key(json, key);
    ms_json_out_text(json, value);
}

static inline void ms_json_put_str(ms_json_out *json, const char *key, ms_str value) {
    ms_json_out_key(json, key);
    ms_json_out_str(json, value);
}

static inline void ms_json_put_known(ms_json_out *json, const char *key, ms_str value, bool known) { /* else null */
    ms_json_out_key(json, key);
    if (known) ms_json_out_str(json, value);
    else ms_json_out_null(json);
}

/* A number that may be unknown: negative writes null. */
static inline void ms_json_put_count(ms_json_out *json, const char *key, int64_t value) {
    ms_json_out_key(json, key);
    if (value < 0) ms_json_out_null(json);
    else ms_json_out_i64(json, value);
}

/* A word that may be missing: empty writes null. */
static inline void ms_json_put_word(ms_json_out *json, const char *key, ms_str value) {
    ms_json_put_known(json, key, value, value.size > 0);
}

static inline void ms_json_put_bool(ms_json_out *json, const char *key, bool value) {
    ms_json_out_key(json, key);
    ms_json_out_bool(json, value);
}

static inline void ms_json_put_u64(ms_json_out *json, const char *key, uint64_t value) {
    ms_json_out_key(json, key);
    ms_json_out_u64(json, value);
}

static inline void ms_json_put_f64(ms_json_out *json, const char *key, double value) {
    ms_json_out_key(json, key);
    ms_json_out_f64(json, value);
}

static inline void ms_json_put_strs(ms_json_out *json, const char *key, const ms_str *items, size_t n) {
    ms_json_out_key(json, key);
    ms_json_out_begin_array(json);
    for (size_t i = 0; i < n; i++) ms_json_out_str(json, items[i]);
    ms_json_out_end(json);
}

static inline void ms_json_put_begin(ms_json_out *json, const char *key) {
    ms_json_out_key(json, key);
    ms_json_out_begin_object(json);
}

#endif
