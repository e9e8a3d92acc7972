#include "str.h"

#include <stdio.h>

int ms_str_compare(ms_str a, ms_str b) {
    const size_t n = a.size < b.size ? a.size : b.size;
    const int order = n ? memcmp(a.text, b.text, n) : 0;
    if (order != 0) return order;
    return (a.size > b.size) - (a.size < b.size);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The run of digits at `at`: *value_at skips leading zeros; returns the end of the run. */
static size_t digit_run(ms_str s, size_t at, size_t *value_at) {
    size_t end = at;
    while (end < s.size && is_digit(s.text[end])) end++;
    while (at + 1 < end && s.text[at] == '0') at++;
    *value_at = at;
    return end;
}

int ms_str_compare_natural(ms_str a, ms_str b) {
    size_t i = 0, j = 0;
    while (i < a.size && j < b.size) {
        if (is_digit(a.text[i]) && is_digit(b.text[j])) {
            size_t a_value, b_value;
            const size_t a_end = digit_run(a, i, &a_value), b_end = digit_run(b, j, &b_value);
            const size_t a_digits = a_end - a_value, b_digits = b_end - b_value;
            if (a_digits != b_digits) return a_digits < b_digits ? -1 : 1;
            const int order = memcmp(a.text + a_value, b.text + b_value, a_digits);
            if (order != 0) return order;
            i = a_end, j = b_end;
            continue;
        }
        if (a.text[i] != b.text[j]) return (unsigned char)a.text[i] < (unsigned char)b.text[j] ? -1 : 1;
        i++, j++;
    }
    const size_t a_left = a.size - i, b_left = b.size - j;
    if (a_left != b_left) return a_left < b_left ? -1 : 1;
    return ms_str_compare(a, b); /* "01" and "1" are equal as numbers: keep the order total */
}

size_t ms_str_find(ms_str s, ms_str needle, size_t from) {
    if (from > s.size || needle.size > s.size - from) return SIZE_MAX;
    if (needle.size == 0) return from;
    const char *const p = memmem(s.text + from, s.size - from, needle.text, needle.size);
    return p ? (size_t)(p - s.text) : SIZE_MAX;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool ms_str_equal_nocase(ms_str a, ms_str b) {
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.text[i]) != lower(b.text[i])) return false;
    return true;
}

bool ms_str_contains_nocase(ms_str s, ms_str needle) {
    if (needle.size > s.size) return false;
    for (size_t i = 0; i + needle.size <= s.size; i++)
        if (ms_str_equal_nocase(ms_str_sub(s, i, i + needle.size), needle)) return true;
    return false;
}

bool ms_str_to_i64(ms_str s, int64_t *out) {
    size_t i = 0;
    const bool negative = s.size > 0 && s.text[0] == '-';
    if (s.size > 0 && (s.text[0] == '-' || s.text[0] == '+')) i = 1;
    if (i == s.size) return false;
    int64_t value = 0;
    for (; i < s.size; i++) {
        if (!is_digit(s.text[i])) return false;
        const int digit = s.text[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, negative ? -digit : digit, &value)) return false;
    }
    *out = value;
    return true;
}

ms_str ms_str_cut(ms_str *rest, char separator) {
    const char *const p = rest->size ? memchr(rest->text, separator, rest->size) : NULL;
    const ms_str whole = *rest;
    if (!p) {
        *rest = MS_STR_NONE;
        return whole;
    }
    const size_t at = (size_t)(p - whole.text);
    *rest = ms_str_sub(whole, at + 1, whole.size);
    return ms_str_sub(whole, 0, at);
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t left, uint32_t *code) {
    if (p[0] < 0x80) return *code = p[0], 1;
    const size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n > left) return 0;
    uint32_t value = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        value = value << 6 | (p[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 0;
    *code = value;
    return n;
}

size_t ms_str_code_at(ms_str s, size_t at, uint32_t *code) {
    return utf8_length((const unsigned char *)s.text + at, s.size - at, code);
}

bool ms_str_is_utf8(ms_str s, size_t *bad_at) {
    const unsigned char *const p = (const unsigned char *)s.text;
    size_t i = 0;
    while (i < s.size) {
        uint64_t eight;
        if (s.size - i >= 8 && (memcpy(&eight, p + i, 8), (eight & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        uint32_t code;
        const size_t n = utf8_length(p + i, s.size - i, &code);
        if (n == 0) {
            if (bad_at) *bad_at = i;
            return false;
        }
        i += n;
    }
    return true;
}

/* Controls, line and paragraph separators, bidi and zero-width marks, tags, private and unassigned tails. */
static bool is_unprintable(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || (c >= 0xE000 && c <= 0xF8FF) || c == 0xFEFF ||
           (c >= 0xFFF0 && c <= 0xFFFB) || c >= 0xE0000;
}

bool ms_str_is_plain(ms_str s, size_t *bad_at) {
    for (size_t i = 0; i < s.size;) {
        uint32_t code = 0;
        const size_t n = utf8_length((const unsigned char *)s.text + i, s.size - i, &code);
        if (n == 0 || is_unprintable(code)) {
            if (bad_at) *bad_at = i;
            return false;
        }
        i += n;
    }
    return true;
}

ms_shown ms_str_shown(ms_str s) {
    ms_shown shown;
    const size_t most = sizeof shown.text - 16; /* room for one escape and the ellipsis */
    size_t n = 0, i = 0;
    const unsigned char *const p = (const unsigned char *)s.text;
    while (i < s.size && n < most) {
        uint32_t code = 0;
        const size_t length = utf8_length(p + i, s.size - i, &code);
        if (length == 0) {
            n += (size_t)snprintf(shown.text + n, 12, "\\x%02X", p[i]);
            i += 1;
        } else if (code == '\n' || code == '\t' || code == '\r') {
            n += (size_t)snprintf(shown.text + n, 12, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
            i += 1;
        } else if (is_unprintable(code)) {
            n += (size_t)snprintf(shown.text + n, 12, code < 0x80 ? "\\x%02X" : "\\u{%04X}", code);
            i += length;
        } else {
            memcpy(shown.text + n, p + i, length);
            n += length, i += length;
        }
    }
    snprintf(shown.text + n, sizeof shown.text - n, "%s", i < s.size ? "..." : "");
    return shown;
}
