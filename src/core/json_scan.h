/*
 * json_scan: finds the byte of a JSON string that needs a look: '"', '\\', a control character, or a byte of 0x80 and above.
 * All others pass, 16 at a time where the machine has SSE2 (every x86-64), else 8. Private to json*.c and its test.
 */
#ifndef MS_JSON_SCAN_H
#define MS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool ms_json_scan_is_plain(char c) { return (signed char)c >= 0x20 && c != '"' && c != '\\'; }

static inline size_t ms_json_scan_bytes(const char *bytes, size_t at, size_t size) {
    while (at < size && ms_json_scan_is_plain(bytes[at])) at++;
    return at;
}

/* Eight bytes in one word: the high bit of each byte that needs a look, exact up to and including the first one. */
static inline size_t ms_json_scan_words(const char *bytes, size_t at, size_t size) {
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    while (size - at >= 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        const uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
        const uint64_t look = ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & highs;
        if (look) return ms_json_scan_bytes(bytes, at, size);
        at += 8;
    }
    return ms_json_scan_bytes(bytes, at, size);
}

/* The first byte at or after `at` that needs a look, or `size`. Reads nothing at or beyond bytes + size. */
static inline size_t ms_json_scan(const char *bytes, size_t at, size_t size) {
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    while (size - at >= 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));
        const __m128i low = _mm_cmplt_epi8(v, space); /* signed: 0x80 and above too */
        const __m128i look = _mm_or_si128(low, _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
        const unsigned mask = (unsigned)_mm_movemask_epi8(look);
        if (mask) return at + (size_t)__builtin_ctz(mask);
        at += 16;
    }
    return ms_json_scan_bytes(bytes, at, size);
#else
    return ms_json_scan_words(bytes, at, size);
#endif
}

#endif
