#include "width.h"

#include "test.h"

TEST(width_of_text_in_columns) {
    CHECK_EQ_I64(ms_width_of(MS_STR("experts.15")), 10);
    CHECK_EQ_I64(ms_width_of(MS_STR("")), 0);
    CHECK_EQ_I64(ms_width_of(MS_STR("caf\xC3\xA9")), 4);
    CHECK_EQ_I64(ms_width_of(MS_STR("cafe\xCC\x81")), 4);             /* a combining accent */
    CHECK_EQ_I64(ms_width_of(MS_STR("\xE4\xB8\x93\xE5\xAE\xB6")), 4); /* two Chinese characters */
    CHECK_EQ_I64(ms_width_of(MS_STR("\xF0\x9F\x8E\x89")), 2);         /* an emoji */
    CHECK_EQ_I64(ms_width_of(MS_STR("14\xE2\x80\xAF"
                                    "316")),
                 6);
    CHECK_EQ_I64(ms_width_of(MS_STR("\xE2\x96\x88\xE2\x96\x8F")), 2); /* block characters of bars */
    CHECK_EQ_I64(ms_width_of(MS_STR("a\xFF\xE2\x82")), 4);
    CHECK_EQ_I64(ms_width_of_code(0x10FFFF), 1);
    CHECK_EQ_I64(ms_width_of_code(0xE0100), 0);
}

TEST(width_cuts_between_characters) {
    CHECK_EQ_STR(ms_width_cut(MS_STR("experts"), 3), "exp");
    CHECK_EQ_STR(ms_width_cut(MS_STR("experts"), 7), "experts");
    CHECK_EQ_STR(ms_width_cut(MS_STR("\xE4\xB8\x93\xE5\xAE\xB6"), 3), "\xE4\xB8\x93");
    CHECK_EQ_STR(ms_width_cut(MS_STR("e\xCC\x81x"), 1), "e\xCC\x81");
    CHECK_EQ_STR(ms_width_cut(MS_STR("x"), 0), "");
    CHECK_EQ_STR(ms_width_cut(MS_STR(""), 5), "");
}
