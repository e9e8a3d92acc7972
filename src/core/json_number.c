#include "json_number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t pass_digits(const char *bytes, size_t at, size_t size) {
    while (at < size && is_digit(bytes[at])) at++;
    return at;
}

static ms_json_kind integer_kind(bool negative, uint64_t magnitude) {
    if (!negative) return magnitude <= INT64_MAX ? MS_JSON_INT : MS_JSON_UINT;
    return magnitude != 0 && magnitude <= (uint64_t)INT64_MAX + 1 ? MS_JSON_INT : MS_JSON_REAL;
}

const char *ms_json_number_scan(ms_json_number *out, const char *bytes, size_t at, size_t size, size_t *bad_at) {
    const size_t begin = at;
    const bool negative = bytes[at] == '-';
    at += negative;
    const size_t first_digit = at;
    uint64_t magnitude = 0;
    bool overflow = false;
    const size_t n_safe = size - at > 19 ? at + 19 : size; /* 19 digits always fit 64 bits */
    for (; at < n_safe && is_digit(bytes[at]); at++) magnitude = magnitude * 10 + (uint64_t)(bytes[at] - '0');
    for (; at < size && is_digit(bytes[at]); at++) {
        overflow |= __builtin_mul_overflow(magnitude, 10, &magnitude);
        overflow |= __builtin_add_overflow(magnitude, (uint64_t)(bytes[at] - '0'), &magnitude);
    }
    *bad_at = at;
    if (at == first_digit) return "a digit";
    if (bytes[first_digit] == '0' && at > first_digit + 1) return *bad_at = first_digit, "no leading zero";

    bool is_real = overflow;
    if (at < size && bytes[at] == '.') {
        is_real = true;
        const size_t end = pass_digits(bytes, at + 1, size);
        *bad_at = end;
        if (end == at + 1) return "a digit after the '.'";
        at = end;
    }
    if (at < size && (bytes[at] | 0x20) == 'e') {
        is_real = true;
        at++;
        at += at < size && (bytes[at] == '+' || bytes[at] == '-');
        const size_t end = pass_digits(bytes, at, size);
        *bad_at = end;
        if (end == at) return "a digit of the exponent";
        at = end;
    }
    *out = (ms_json_number){.end = at,
                            .n_text = at - begin,
                            .kind = is_real ? MS_JSON_REAL : integer_kind(negative, magnitude),
                            .negative = negative,
                            .magnitude = is_real ? 0 : magnitude};
    return NULL;
}

/*
 * A decimal as 0.d1d2d3... * 10^exponent with d1 != 0. A double's rounding is decided by at most 767 digits and by whether
 * anything but zeros follows them.
 */
enum { MOST_DIGITS = 800, EXPONENT_LIMIT = 1 << 20 };
typedef struct decimal {
    char digits[MOST_DIGITS + 1];
    int n;
    int64_t exponent;
} decimal;

static void add_digit(decimal *d, char digit, bool after_point) {
    if (d->n == 0 && digit == '0') {
        d->exponent -= after_point;
        return;
    }
    d->exponent += !after_point;
    if (d->n < MOST_DIGITS) d->digits[d->n++] = digit;
    else if (digit != '0') d->digits[MOST_DIGITS] = '1';
}

static void read_decimal(decimal *d, const char *text, size_t n) {
    *d = (decimal){.digits[MOST_DIGITS] = '0'};
    bool after_point = false;
    size_t i = text[0] == '-';
    for (; i < n && (text[i] | 0x20) != 'e'; i++) {
        if (text[i] == '.') after_point = true;
        else add_digit(d, text[i], after_point);
    }
    if (i == n) return;
    i++;
    const bool negative = text[i] == '-';
    int64_t exponent = 0;
    for (i += text[i] == '-' || text[i] == '+'; i < n; i++)
        if (exponent < INT64_MAX / 100) exponent = exponent * 10 + (text[i] - '0');
    d->exponent += negative ? -exponent : exponent;
}

static double decimal_to_f64(const decimal *d) {
    if (d->n == 0 || d->exponent < -EXPONENT_LIMIT) return 0;
    if (d->exponent > EXPONENT_LIMIT) return INFINITY;
    char text[MOST_DIGITS + 32]; /* all digits before an exponent: no decimal point, so no locale either */
    const int n_digits = d->n == MOST_DIGITS ? MOST_DIGITS + 1 : d->n;
    snprintf(text, sizeof text, "%.*se%lld", n_digits, d->digits, (long long)(d->exponent - n_digits));
    return strtod(text, NULL);
}

/* w * 10^e is exact in one rounding when both factors are doubles (Clinger, 1990). */
static bool small_decimal_to_f64(const decimal *d, double *out) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const int64_t e = d->exponent - d->n;
    if (d->n > 15 || e < -22 || e > 22) return false;
    uint64_t w = 0;
    for (int i = 0; i < d->n; i++) w = w * 10 + (uint64_t)(d->digits[i] - '0');
    *out = e < 0 ? (double)w / tens[-e] : (double)w * tens[e];
    return true;
}

bool ms_json_number_to_f64(const ms_json_number *number, const char *text, double *out) {
    double value;
    if (number->kind != MS_JSON_REAL) {
        value = (double)number->magnitude;
    } else {
        decimal d;
        read_decimal(&d, text, number->n_text);
        if (!small_decimal_to_f64(&d, &value)) value = decimal_to_f64(&d);
    }
    *out = number->negative ? -value : value;
    return isfinite(value);
}
