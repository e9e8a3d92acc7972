#include "human.h"

#include <stdlib.h>

#include "test.h"

TEST(human_bytes_have_four_digits) {
    CHECK_EQ_TEXT(ms_human_bytes(0).text, "0 B");
    CHECK_EQ_TEXT(ms_human_bytes(999).text, "999 B");
    CHECK_EQ_TEXT(ms_human_bytes(1000).text, "1.000 kB");
    CHECK_EQ_TEXT(ms_human_bytes(7012640).text, "7.013 MB");
    CHECK_EQ_TEXT(ms_human_bytes(9999600).text, "10.00 MB");
    CHECK_EQ_TEXT(ms_human_bytes(99996000).text, "100.0 MB");
    CHECK_EQ_TEXT(ms_human_bytes(999940).text, "999.9 kB");
    CHECK_EQ_TEXT(ms_human_bytes(999960).text, "1.000 MB");
    CHECK_EQ_TEXT(ms_human_bytes(142000000000).text, "142.0 GB");
    CHECK_EQ_TEXT(ms_human_bytes(UINT64_MAX).text, "18.45 EB");
    CHECK_EQ_TEXT(ms_human_rate(3.2144e9).text, "3.214 GB/s");
    CHECK_EQ_TEXT(ms_human_rate(NAN).text, "? B/s");
}

TEST(human_counts) {
    CHECK_EQ_TEXT(ms_human_count(0).text, "0");
    CHECK_EQ_TEXT(ms_human_count(4096).text, "4096");
    CHECK_EQ_TEXT(ms_human_count(14316).text, "14\xE2\x80\xAF"
                                              "316");
    CHECK_EQ_TEXT(ms_human_count(UINT64_MAX).text, "18\xE2\x80\xAF"
                                                   "446\xE2\x80\xAF"
                                                   "744\xE2\x80\xAF"
                                                   "073\xE2\x80\xAF"
                                                   "709\xE2\x80\xAF"
                                                   "551\xE2\x80\xAF"
                                                   "615");
    CHECK_EQ_TEXT(ms_human_short_count(999).text, "999");
    CHECK_EQ_TEXT(ms_human_short_count(4096).text, "4.10 k");
    CHECK_EQ_TEXT(ms_human_short_count(3490000).text, "3.49 M");
    CHECK_EQ_TEXT(ms_human_short_count(999600).text, "1.00 M");
    CHECK_EQ_TEXT(ms_human_short_count(30532122624).text, "30.5 B");
    CHECK_EQ_TEXT(ms_human_short_count(UINT64_MAX).text, "18.4 E");
}

TEST(human_numbers_have_four_digits) {
    CHECK_EQ_TEXT(ms_human_number(0.0636).text, "0.06360");
    CHECK_EQ_TEXT(ms_human_number(12.3456).text, "12.35");
    CHECK_EQ_TEXT(ms_human_number(-999.96).text, "-1000");
    CHECK_EQ_TEXT(ms_human_number(16).text, "16");
    CHECK_EQ_TEXT(ms_human_number(-0.0).text, "0");
    CHECK_EQ_TEXT(ms_human_number(12345.6).text, "12346");
    CHECK_EQ_TEXT(ms_human_number(0.0001).text, "0.0001000");
    CHECK_EQ_TEXT(ms_human_number(0.00009999).text, "9.999e-05");
    CHECK_EQ_TEXT(ms_human_number(1.5e6).text, "1.500e+06");
    CHECK_EQ_TEXT(ms_human_number(NAN).text, "nan");
    CHECK_EQ_TEXT(ms_human_number(-INFINITY).text, "-inf");
    CHECK_EQ_TEXT(ms_human_percent(0.0805).text, "8.05 %");
    CHECK_EQ_TEXT(ms_human_percent(1).text, "100.00 %");
    CHECK_EQ_TEXT(ms_human_percent(-0.0).text, "0.00 %");
    CHECK_EQ_TEXT(ms_human_percent(1e300).text, "1.000e+302 %");
}

TEST(human_durations) {
    CHECK_EQ_TEXT(ms_human_duration(0).text, "0 s");
    CHECK_EQ_TEXT(ms_human_duration(0.0000123).text, "12.3 us");
    CHECK_EQ_TEXT(ms_human_duration(0.0123).text, "12.3 ms");
    CHECK_EQ_TEXT(ms_human_duration(0.9996).text, "1.00 s");
    CHECK_EQ_TEXT(ms_human_duration(4.214).text, "4.21 s");
    CHECK_EQ_TEXT(ms_human_duration(59.94).text, "59.9 s");
    CHECK_EQ_TEXT(ms_human_duration(59.96).text, "1 min 00 s");
    CHECK_EQ_TEXT(ms_human_duration(125.2).text, "2 min 05 s");
    CHECK_EQ_TEXT(ms_human_duration(3599.7).text, "1 h 00 min");
    CHECK_EQ_TEXT(ms_human_duration(10930).text, "3 h 02 min");
    CHECK_EQ_TEXT(ms_human_duration(86399).text, "1 d 00 h");
    CHECK_EQ_TEXT(ms_human_duration(457200).text, "5 d 07 h");
    CHECK_EQ_TEXT(ms_human_duration(1e300).text, "1.16e+295 d");
    CHECK_EQ_TEXT(ms_human_duration(NAN).text, "?");
}

/* No text overflows, and a number of four digits is within half a unit of the fourth. */
PROPERTY(human_numbers_are_near, 3000) {
    const uint64_t bits = gen_u64(g);
    double value;
    memcpy(&value, &bits, sizeof value);
    const double values[] = {value, exp(40 * gen_unit(g) - 20), (double)(bits >> gen_below(g, 64))};
    for (int i = 0; i < 3; i++) {
        CHECK(strlen(ms_human_number(values[i]).text) < 16);
        CHECK(strlen(ms_human_duration(values[i]).text) < 20 && strlen(ms_human_percent(values[i]).text) < 20);
        CHECK(strlen(ms_human_rate(values[i]).text) < 48);
        if (!isfinite(values[i]) || fabs(values[i]) < 1e-300) continue;
        CHECK_NEAR(strtod(ms_human_number(values[i]).text, NULL), values[i], 0.5001e-3 * fabs(values[i]));
    }
    const uint64_t n = bits >> gen_below(g, 64);
    char *unit;
    const double shown = strtod(ms_human_bytes(n).text, &unit);
    CHECK_MSG(shown < 1000, "%s", ms_human_bytes(n).text);
    CHECK(ms_str_is_utf8(ms_str_of(ms_human_count(n).text), NULL));
}
