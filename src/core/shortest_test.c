#include "shortest.h"

#include <stdlib.h>

#include "test.h"

/* Reads back, and the nearest decimal of one digit less does not. */
static void check_shortest(double value) {
    const ms_shortest s = ms_shortest_of(value);
    char text[64], shorter[64];
    snprintf(text, sizeof text, "0.%se%d", s.digits, s.exponent);
    CHECK_MSG(strtod(text, NULL) == value, "%.17g: '%s' does not read back", value, text);
    CHECK(s.n >= 1 && s.n <= 17 && (int)strlen(s.digits) == s.n && s.digits[0] != '0' && s.digits[s.n - 1] != '0');
    if (s.n == 1) return;
    snprintf(shorter, sizeof shorter, "%.*e", s.n - 2, value);
    CHECK_MSG(strtod(shorter, NULL) != value, "%.17g: '%s', but '%s' is shorter", value, text, shorter);
    snprintf(shorter, sizeof shorter, "%.*e", s.n - 1, value);
    if (strtod(shorter, NULL) != value) return; /* the nearest of that length may lie beyond a power of two's near bound */
    CHECK_MSG(s.digits[0] == shorter[0] && strncmp(s.digits + 1, shorter + 2, (size_t)s.n - 1) == 0,
              "%.17g: '%s' is not the nearest, '%s'", value, text, shorter);
}

TEST(shortest_decimals_of_powers) {
    for (int e = -1074; e <= 1023; e++) {
        check_shortest(ldexp(1, e));
        check_shortest(nextafter(ldexp(1, e), INFINITY));
        if (e > -1074) check_shortest(nextafter(ldexp(1, e), 0));
    }
    for (int e = -323; e <= 308; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        const ms_shortest s = ms_shortest_of(strtod(text, NULL));
        CHECK_MSG(s.n == 1 && s.digits[0] == '1' && s.exponent == e + 1, "%s: %s", text, s.digits);
    }
}

TEST(shortest_decimals_at_the_ends) {
    CHECK_EQ_TEXT(ms_shortest_of(5e-324).digits, "5");
    CHECK_EQ_I64(ms_shortest_of(5e-324).exponent, -323);
    CHECK_EQ_TEXT(ms_shortest_of(1.7976931348623157e308).digits, "17976931348623157");
    CHECK_EQ_TEXT(ms_shortest_of(0).digits, "0");
    CHECK_EQ_TEXT(ms_shortest_of(0x1p-44).digits,
                  "5684341886080802"); /* not the nearest of 16 digits: that is another double */
    CHECK_EQ_TEXT(ms_shortest_of(9007199254740992).digits, "9007199254740992");
}

PROPERTY(shortest_decimals_of_any_bits, 20000) {
    const uint64_t bits = gen_u64(g) & INT64_MAX;
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value) && value > 0) check_shortest(value);
    check_shortest(exp(20 * gen_unit(g) - 10));
    check_shortest((double)(float)exp(20 * gen_unit(g) - 10));
    check_shortest((double)(gen_below(g, 100000) + 1) / 1000);
}
