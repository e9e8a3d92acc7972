#include "progress.h"

#include "term.h"
#include "test.h"

static void line(char out[256], int columns, bool unicode, uint64_t total, uint64_t done, double rate, double left) {
    ms_progress p;
    ms_progress_init(&p, false, unicode, false, columns);
    snprintf(p.label, sizeof p.label, "collect");
    p.total = total;
    ms_progress_format(out, 256, &p, done, rate, left);
}

TEST(progress_says_share_amount_rate_and_time) {
    char text[256];
    line(text, 100, false, 3490000000, 1640000000, 2.1e9, 0.9);
    CHECK_EQ_TEXT(text, "collect  ##################----------------------   46 %   1.64 of 3.49 GB   2.10 GB/s   0:01 left");
    line(text, 100, false, 0, 1640000000, 2.1e9, -1);
    CHECK_EQ_TEXT(text, "collect  1.64 GB   2.10 GB/s");
    line(text, 100, false, 999499, 0, 0, 3661);
    CHECK_EQ_TEXT(text, "collect  ----------------------------------------    0 %   0.00 of 999 kB   0.00 B/s   1:01:01 left");
}

TEST(progress_counts_units_as_they_are_read) {
    char text[256];
    line(text, 40, false, 12345678, 12345678, 99950000, 0);
    CHECK_EQ_TEXT(text, "collect  100 %   12.3 of 12.3 MB   100 ");
    line(text, 200, false, 1000, 500, 1, 500);
    CHECK(strstr(text, "0.50 of 1.00 kB   1.00 B/s   8:20 left"));
}

PROPERTY(progress_fits_the_line, 500) {
    char text[256];
    const uint64_t total = gen_u64(g) >> gen_below(g, 64), done = total ? gen_u64(g) % total : gen_u64(g) >> 8;
    const int columns = 20 + (int)gen_below(g, 160);
    line(text, columns, gen_below(g, 2), total, done, gen_unit(g) * 1e11, gen_unit(g) * 1e6 - 1e5);
    CHECK_MSG(ms_term_width(ms_str_of(text)) < columns, "%d columns: '%s'", columns, text);
    CHECK(ms_str_is_utf8(ms_str_of(text), NULL));
}

TEST(term_width_counts_cells_not_bytes) {
    CHECK_EQ_I64(ms_term_width(MS_STR("abc")), 3);
    CHECK_EQ_I64(ms_term_width(MS_STR("\u00e9")), 1);
    CHECK_EQ_I64(ms_term_width(MS_STR("e\u0301")), 1);
    CHECK_EQ_I64(ms_term_width(MS_STR("\u4e13\u5bb6")), 4);
    CHECK_EQ_I64(ms_term_width(MS_STR("\u2501\u2588")), 2);
    CHECK_EQ_I64(ms_term_width(MS_STR("\U0001f600")), 2);
    CHECK_EQ_I64(ms_term_width(MS_STR("\xf0\x9f")), 1); /* cut short: no read beyond the end */
}
