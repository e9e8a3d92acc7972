/*
 * str: text with a length, borrowed from somewhere; and how text from files is shown.
 *
 *     const ms_str name = MS_STR("model.layers.0");
 *     MS_FAIL_IF(!ms_str_ends_with(name, MS_STR(".weight")), ..., "tensor '%s': ...", ms_str_shown(name).text);
 *
 * A ms_str is not terminated and not owned; it is valid as long as what it was taken from.
 */
#ifndef MS_STR_H
#define MS_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ms_str {
    const char *text; /* [size] bytes, may hold zeros; borrowed */
    size_t size;
} ms_str;

#define MS_STR(literal) ((ms_str){"" literal "", sizeof literal - 1})
#define MS_STR_NONE ((ms_str){NULL, 0})

static inline ms_str ms_str_of(const char *text) { return (ms_str){text, text ? strlen(text) : 0}; }
static inline ms_str ms_str_sub(ms_str s, size_t from, size_t to) { return (ms_str){s.text + from, to - from}; }

static inline bool ms_str_equal(ms_str a, ms_str b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.text, b.text, a.size) == 0);
}
static inline bool ms_str_is(ms_str a, const char *b) { return ms_str_equal(a, ms_str_of(b)); }
static inline bool ms_str_starts_with(ms_str s, ms_str head) {
    return s.size >= head.size && ms_str_equal(ms_str_sub(s, 0, head.size), head);
}
static inline bool ms_str_ends_with(ms_str s, ms_str tail) {
    return s.size >= tail.size && ms_str_equal(ms_str_sub(s, s.size - tail.size, s.size), tail);
}

/* Byte order, shorter first on a tie: <0, 0, >0. The order of Python's sorted() on ASCII and on UTF-8 text. */
int ms_str_compare(ms_str a, ms_str b);

/* Natural order: runs of digits compare as numbers ("layers.2" before "layers.10"). */
int ms_str_compare_natural(ms_str a, ms_str b);

/* The first place of `needle` at or after `from`, or SIZE_MAX. */
size_t ms_str_find(ms_str s, ms_str needle, size_t from);
static inline bool ms_str_contains(ms_str s, ms_str needle) { return ms_str_find(s, needle, 0) != SIZE_MAX; }

/* Case-insensitive (ASCII) versions. */
bool ms_str_equal_nocase(ms_str a, ms_str b);
bool ms_str_contains_nocase(ms_str s, ms_str needle);

/* All of s as a decimal integer that fits int64_t, optional sign, no blanks; false when it is not one. */
bool ms_str_to_i64(ms_str s, int64_t *out);

/* Cuts the part of *rest before `separator` off and returns it; *rest is what follows, or MS_STR_NONE at the end. */
ms_str ms_str_cut(ms_str *rest, char separator);

/* True for well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). *bad_at (may be NULL): first bad byte. */
bool ms_str_is_utf8(ms_str s, size_t *bad_at);

/* Bytes of the well-formed sequence that begins at `at` < s.size and its code point; 0 when there is none. */
size_t ms_str_code_at(ms_str s, size_t at, uint32_t *code);

/* True when ms_str_shown would show it as it is, but for its length: no controls, bidi or zero-width marks, broken UTF-8.
 * *bad_at (may be NULL): the first byte that is none. */
bool ms_str_is_plain(ms_str s, size_t *bad_at);

/* Text from a file, fit for a terminal: control characters, bidi controls, DEL and broken UTF-8 become \xNN or \u{NNNN}, and
 * more than about 200 bytes are cut with an ellipsis. By value, so it lives to the end of the full expression. */
typedef struct ms_shown {
    char text[256];
} ms_shown;
ms_shown ms_str_shown(ms_str s);

#endif
