#include "json.h"

#include "json_number.h"
#include "json_scan.h"

const char *ms_json_kind_name(ms_json_kind kind) {
    switch (kind) {
    case MS_JSON_NULL: return "null";
    case MS_JSON_BOOL: return "true or false";
    case MS_JSON_INT:
    case MS_JSON_UINT: return "an integer";
    case MS_JSON_REAL: return "a number";
    case MS_JSON_STRING: return "a string";
    case MS_JSON_ARRAY: return "an array";
    case MS_JSON_OBJECT: return "an object";
    }
    return "a value";
}

ms_json ms_json_over(const void *bytes, size_t n, ms_arena *arena) {
    return (ms_json){.bytes = n ? bytes : "", .size = n, .arena = arena};
}

/* ---- what stands at a place, and messages about it ---- */

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t skip_blanks(ms_json *json) {
    size_t at = json->at;
    while (at < json->size && is_blank(json->bytes[at])) at++;
    return json->at = at;
}

/* The byte at the reader, 0 at the end (a zero byte in the text is no JSON either). */
static char here(const ms_json *json) { return json->at < json->size ? json->bytes[json->at] : 0; }

/* The token at `at`, as far as it is worth showing: a string to its closing quote, a word to its end, else one character. */
static ms_str token_at(const ms_json *json, size_t at) {
    enum { MOST = 40 };
    const size_t limit = json->size - at > MOST ? at + MOST : json->size;
    size_t end = at + 1;
    if (json->bytes[at] == '"') {
        while (end < limit && json->bytes[end] != '"') end += json->bytes[end] == '\\' && end + 1 < limit ? 2 : 1;
        end += end < limit;
    } else if (!strchr("{}[],:", json->bytes[at])) {
        while (end < limit && !is_blank(json->bytes[end]) && !strchr("{}[],:\"", json->bytes[end])) end++;
    }
    while (end < limit && (json->bytes[end] & 0xC0) == 0x80) end++; /* whole characters */
    return ms_str_sub((ms_str){json->bytes, json->size}, at, end);
}

static ms_status unexpected(const ms_json *json, size_t at, const char *expected, ms_err *err) {
    if (at >= json->size)
        return ms_err_set(err, MS_ERR_DAMAGED, "byte %zu: expected %s, found the end of the text", at, expected);
    if (at == 0 && json->size >= 3 && memcmp(json->bytes, "\xEF\xBB\xBF", 3) == 0)
        return ms_err_set(err, MS_ERR_DAMAGED,
                          "byte 0: expected %s, found a byte order mark: save the file as UTF-8 without one", expected);
    return ms_err_set(err, MS_ERR_DAMAGED, "byte %zu: expected %s, found '%s'", at, expected,
                      ms_str_shown(token_at(json, at)).text);
}

/* ---- strings ---- */

/* The value of the four hex digits at `at`, or -1. */
static int32_t hex4(const ms_json *json, size_t at) {
    if (json->size - at < 4) return -1;
    int32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        const char c = json->bytes[i];
        const int digit = is_digit(c)            ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The escape whose '\\' is at `at`: its code point and its length, 0 when it is none (*why: what is wrong with it). */
static size_t read_escape(const ms_json *json, size_t at, uint32_t *code, const char **why) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const size_t left = json->size - at;
    *why = "an escape (\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)";
    if (left < 2) return 0;
    const char c = json->bytes[at + 1];
    const char *const letter = c ? strchr(letters, c) : NULL;
    if (letter) return *code = (unsigned char)meanings[letter - letters], 2;
    if (c != 'u') return 0;

    *why = "four hexadecimal digits after \\u";
    const int32_t first = hex4(json, at + 2);
    if (first < 0) return 0;
    *code = (uint32_t)first;
    if (first < 0xD800 || first > 0xDFFF) return 6;
    *why = "a surrogate pair, not half of one";
    if (first >= 0xDC00 || left < 12 || json->bytes[at + 6] != '\\' || json->bytes[at + 7] != 'u') return 0;
    const int32_t second = hex4(json, at + 8);
    if (second < 0xDC00 || second > 0xDFFF) return 0;
    *code = 0x10000u + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return 12;
}

/* Passes what stopped the scan inside a string at *at, unless it is the closing quote. */
static ms_status pass_special(const ms_json *json, size_t *at, size_t begin, bool *escaped, ms_err *err) {
    MS_FAIL_IF(*at == json->size, MS_ERR_DAMAGED, err, "byte %zu: the string that begins here has no closing quote", begin);
    const char c = json->bytes[*at];
    uint32_t code;
    const char *why;
    if (c == '\\') {
        const size_t n = read_escape(json, *at, &code, &why);
        if (n == 0) return unexpected(json, *at, why, err);
        *escaped = true;
        *at += n;
    } else if (c & 0x80) {
        const size_t n = ms_str_code_at((ms_str){json->bytes, json->size}, *at, &code);
        MS_FAIL_IF(n == 0, MS_ERR_DAMAGED, err, "byte %zu: '\\x%02X' is not UTF-8; JSON text must be", *at, (unsigned char)c);
        *at += n;
    } else {
        return ms_err_set(err, MS_ERR_DAMAGED, "byte %zu: control character '\\x%02X' in a string; it must be escaped", *at,
                          (unsigned char)c);
    }
    return MS_OK;
}

/* Checks the string that begins at the reader and passes it; *raw: what stands between the quotes. */
static ms_status pass_string(ms_json *json, ms_str *raw, bool *escaped, ms_err *err) {
    const size_t begin = json->at;
    size_t at = begin + 1;
    *escaped = false;
    for (;;) {
        at = ms_json_scan(json->bytes, at, json->size);
        if (at < json->size && json->bytes[at] == '"') break;
        MS_TRY(pass_special(json, &at, begin, escaped, err));
    }
    *raw = (ms_str){json->bytes + begin + 1, at - begin - 1};
    json->at = at + 1;
    return MS_OK;
}

static size_t put_utf8(char *out, uint32_t code) {
    if (code < 0x80) return out[0] = (char)code, 1;
    const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(heads[n] | code);
    return n;
}

/* The text of a checked string, in the arena. An escape is never shorter than what it stands for. */
static ms_status unescape(const ms_json *json, ms_str raw, ms_str *out, ms_err *err) {
    char *const text = ms_arena_alloc(json->arena, raw.size);
    if (!text) return ms_err_memory(err, "a JSON string");
    const size_t begin = (size_t)(raw.text - json->bytes), end = begin + raw.size;
    size_t n = 0, at = begin;
    while (at < end) {
        const char *const next = memchr(json->bytes + at, '\\', end - at);
        const size_t n_plain = next ? (size_t)(next - json->bytes) - at : end - at;
        memcpy(text + n, json->bytes + at, n_plain);
        n += n_plain, at += n_plain;
        if (!next) break;
        uint32_t code = 0;
        const char *why;
        at += read_escape(json, at, &code, &why);
        n += put_utf8(text + n, code);
    }
    *out = (ms_str){text, n};
    return MS_OK;
}

static ms_status read_text(ms_json *json, ms_str *out, ms_err *err) {
    ms_str raw;
    bool escaped;
    MS_TRY(pass_string(json, &raw, &escaped, err));
    if (escaped) return unescape(json, raw, out, err);
    *out = raw;
    return MS_OK;
}

ms_status ms_json_string(ms_json *json, ms_str *out, ms_err *err) {
    skip_blanks(json);
    if (here(json) != '"') return unexpected(json, json->at, "a string", err);
    return read_text(json, out, err);
}

/* ---- numbers and words ---- */

/* Reads the number at the reader without passing it. */
static ms_status look_at_number(const ms_json *json, ms_json_number *out, const char *expected, ms_err *err) {
    const char c = here(json);
    if (c != '-' && !is_digit(c)) return unexpected(json, json->at, expected, err);
    size_t bad_at;
    const char *why = ms_json_number_scan(out, json->bytes, json->at, json->size, &bad_at);
    if (!why) return MS_OK;
    if (bad_at >= json->size) return unexpected(json, bad_at, why, err);
    return ms_err_set(err, MS_ERR_DAMAGED, "byte %zu: expected %s, found '%s' in the number '%s'", bad_at, why,
                      ms_str_shown(ms_str_sub((ms_str){json->bytes, json->size}, bad_at, bad_at + 1)).text,
                      ms_str_shown(token_at(json, json->at)).text);
}

ms_status ms_json_u64(ms_json *json, uint64_t *out, ms_err *err) {
    ms_json_number number;
    skip_blanks(json);
    MS_TRY(look_at_number(json, &number, "an integer of 0 or more", err));
    if (number.kind == MS_JSON_REAL || number.negative)
        return unexpected(json, json->at, "an integer from 0 to 18446744073709551615", err);
    *out = number.magnitude;
    json->at = number.end;
    return MS_OK;
}

ms_status ms_json_i64(ms_json *json, int64_t *out, ms_err *err) {
    ms_json_number number;
    skip_blanks(json);
    MS_TRY(look_at_number(json, &number, "an integer", err));
    if (number.kind != MS_JSON_INT)
        return unexpected(json, json->at, "an integer from -9223372036854775808 to 9223372036854775807", err);
    *out = number.negative ? (int64_t)(0 - number.magnitude) : (int64_t)number.magnitude;
    json->at = number.end;
    return MS_OK;
}

ms_status ms_json_f64(ms_json *json, double *out, ms_err *err) {
    ms_json_number number;
    skip_blanks(json);
    MS_TRY(look_at_number(json, &number, "a number", err));
    double value;
    if (!ms_json_number_to_f64(&number, json->bytes + json->at, &value))
        return unexpected(json, json->at, "a number of magnitude below 1.8e308", err);
    *out = value;
    json->at = number.end;
    return MS_OK;
}

static bool pass_word(ms_json *json, const char *word) {
    const size_t n = strlen(word);
    if (json->size - json->at < n || memcmp(json->bytes + json->at, word, n) != 0) return false;
    json->at += n;
    return true;
}

ms_status ms_json_bool(ms_json *json, bool *out, ms_err *err) {
    skip_blanks(json);
    if (pass_word(json, "true")) *out = true;
    else if (pass_word(json, "false")) *out = false;
    else return unexpected(json, json->at, "true or false", err);
    return MS_OK;
}

ms_status ms_json_null(ms_json *json, ms_err *err) {
    skip_blanks(json);
    return pass_word(json, "null") ? MS_OK : unexpected(json, json->at, "null", err);
}

ms_status ms_json_peek(ms_json *json, ms_json_kind *kind, ms_err *err) {
    skip_blanks(json);
    ms_json_number number;
    switch (here(json)) {
    case '{': *kind = MS_JSON_OBJECT; return MS_OK;
    case '[': *kind = MS_JSON_ARRAY; return MS_OK;
    case '"': *kind = MS_JSON_STRING; return MS_OK;
    case 't':
    case 'f': *kind = MS_JSON_BOOL; return MS_OK;
    case 'n': *kind = MS_JSON_NULL; return MS_OK;
    default: break;
    }
    MS_TRY(look_at_number(json, &number, "a value", err));
    *kind = number.kind;
    return MS_OK;
}

/* ---- containers ---- */

static bool bit(const uint64_t bits[static 2], int i) { return bits[i >> 6] >> (i & 63) & 1; }

static void set_bit(uint64_t bits[static 2], int i, bool on) {
    const uint64_t mask = (uint64_t)1 << (i & 63);
    bits[i >> 6] = on ? bits[i >> 6] | mask : bits[i >> 6] & ~mask;
}

ms_status ms_json_expect(ms_json *json, ms_json_kind container, ms_err *err) {
    skip_blanks(json);
    const bool is_object = container == MS_JSON_OBJECT;
    if (here(json) != (is_object ? '{' : '[')) return unexpected(json, json->at, ms_json_kind_name(container), err);
    MS_FAIL_IF(json->depth >= MS_JSON_MAX_DEPTH, MS_ERR_DAMAGED, err, "byte %zu: nested deeper than %d levels", json->at,
               MS_JSON_MAX_DEPTH);
    set_bit(json->is_object, json->depth, is_object);
    set_bit(json->has_items, json->depth, false);
    json->depth++;
    json->at++;
    return MS_OK;
}

/* In the innermost container: passes the comma between items, or leaves it at `close`. */
static ms_status next_in(ms_json *json, char close, bool *more, ms_err *err) {
    const int d = json->depth - 1;
    const bool has_items = bit(json->has_items, d);
    skip_blanks(json);
    *more = here(json) != close;
    if (!*more) {
        json->at++;
        json->depth--;
    } else if (!has_items) {
        set_bit(json->has_items, d, true);
    } else {
        if (here(json) != ',') return unexpected(json, json->at, close == '}' ? "',' or '}'" : "',' or ']'", err);
        const size_t comma = json->at++;
        skip_blanks(json);
        MS_FAIL_IF(here(json) == close, MS_ERR_DAMAGED, err, "byte %zu: a comma before '%c'; nothing follows it", comma, close);
    }
    return MS_OK;
}

/* The raw key of the next member, its colon passed. */
static ms_status next_raw_key(ms_json *json, ms_str *raw, bool *escaped, bool *more, ms_err *err) {
    const bool first = !bit(json->has_items, json->depth - 1);
    MS_TRY(next_in(json, '}', more, err));
    if (!*more) return MS_OK;
    if (here(json) != '"') return unexpected(json, json->at, first ? "a key in quotes or '}'" : "a key in quotes", err);
    MS_TRY(pass_string(json, raw, escaped, err));
    skip_blanks(json);
    if (here(json) != ':') return unexpected(json, json->at, "':'", err);
    json->at++;
    return MS_OK;
}

ms_status ms_json_next_key(ms_json *json, ms_str *key, bool *more, ms_err *err) {
    ms_str raw;
    bool escaped;
    MS_TRY(next_raw_key(json, &raw, &escaped, more, err));
    if (!*more) return MS_OK;
    if (escaped) return unescape(json, raw, key, err);
    *key = raw;
    return MS_OK;
}

ms_status ms_json_next_item(ms_json *json, bool *more, ms_err *err) { return next_in(json, ']', more, err); }

/* A value that is no container is passed; a container is entered. */
static ms_status pass_or_enter(ms_json *json, ms_err *err) {
    skip_blanks(json);
    ms_str raw;
    bool unused;
    ms_json_number number;
    switch (here(json)) {
    case '{': return ms_json_expect(json, MS_JSON_OBJECT, err);
    case '[': return ms_json_expect(json, MS_JSON_ARRAY, err);
    case '"': return pass_string(json, &raw, &unused, err);
    case 't':
    case 'f': return ms_json_bool(json, &unused, err);
    case 'n': return ms_json_null(json, err);
    default: break;
    }
    MS_TRY(look_at_number(json, &number, "a value", err));
    json->at = number.end;
    return MS_OK;
}

ms_status ms_json_skip(ms_json *json, ms_err *err) {
    const int outside = json->depth;
    MS_TRY(pass_or_enter(json, err));
    while (json->depth > outside) {
        ms_str raw;
        bool escaped, more;
        if (bit(json->is_object, json->depth - 1)) MS_TRY(next_raw_key(json, &raw, &escaped, &more, err));
        else MS_TRY(next_in(json, ']', &more, err));
        if (more) MS_TRY(pass_or_enter(json, err));
    }
    return MS_OK;
}

ms_status ms_json_end(ms_json *json, ms_err *err) {
    skip_blanks(json);
    return json->at == json->size ? MS_OK : unexpected(json, json->at, "the end of the text", err);
}
