/*
 * Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2020), as in JDK 19 and later.
 *
 * A double v = c * 2^q owns the interval of all reals that round to it. With k = floor(log10(2^q)) at least one and at most a
 * few multiples of 10^k lie inside, and at most one multiple of 10^(k+1). Four times v and its bounds, in units of 10^k, are
 * computed to 64 bits with one power of ten of 128 bits; "round to odd" keeps comparisons with integers exact.
 */
#include "shortest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "pow10_table.h"

typedef struct decimal {
    uint64_t digits;
    int exponent; /* digits * 10^exponent */
} decimal;

/* floor(log2(10^e)), |e| < 1650 */
static int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }

/* cp * g / 2^127 with the lowest bit set when the result is not exact. */
static uint64_t round_to_odd(const uint64_t g[static 2], uint64_t cp) {
    const unsigned __int128 x = (unsigned __int128)g[1] * cp;
    const unsigned __int128 y = (unsigned __int128)g[0] * cp + (uint64_t)(x >> 64);
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

static decimal schubfach(uint64_t fraction, int biased_exponent) {
    const uint64_t c = biased_exponent ? fraction | (uint64_t)1 << 52 : fraction;
    const int q = (biased_exponent ? biased_exponent : 1) - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) return (decimal){c >> -q, 0}; /* an integer */

    const bool odd = c & 1;                                            /* ties go to even, so the bounds belong to even ones */
    const bool lower_is_closer = fraction == 0 && biased_exponent > 1; /* below a power of two the doubles lie twice as dense */
    const int k = (q * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22;
    const int h = q + floor_log2_pow10(-k) + 1;
    const uint64_t *const g = pow10_table[-k - POW10_FIRST];
    const uint64_t lower = round_to_odd(g, (4 * c - 2 + lower_is_closer) << h) + odd;
    const uint64_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;
    const uint64_t v = round_to_odd(g, (4 * c) << h), s = v / 4;

    if (s >= 10) {
        const uint64_t ten = s / 10;
        const bool below = lower <= 40 * ten, above = 40 * ten + 40 <= upper;
        if (below != above) return (decimal){ten + above, k + 1};
    }
    const bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
    if (below != above) return (decimal){s + above, k};
    const bool up = v > 4 * s + 2 || (v == 4 * s + 2 && (s & 1));
    return (decimal){s + up, k};
}

ms_shortest ms_shortest_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    const int biased_exponent = (int)(bits >> 52 & 0x7FF);
    if (fraction == 0 && biased_exponent == 0) return (ms_shortest){.digits = "0", .n = 1, .exponent = 1};

    decimal d = schubfach(fraction, biased_exponent);
    while (d.digits % 10 == 0) d.digits /= 10, d.exponent++;
    ms_shortest out = {.n = 0};
    char reversed[20];
    for (; d.digits; d.digits /= 10) reversed[out.n++] = (char)('0' + d.digits % 10);
    for (int i = 0; i < out.n; i++) out.digits[i] = reversed[out.n - 1 - i];
    out.exponent = d.exponent + out.n;
    return out;
}
