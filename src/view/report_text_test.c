#include "report_text.h"

#include "report_json.h"
#include "test.h"

static const char *text_of(ms_buf *b, void (*put)(ms_buf *, double), double value) {
    ms_buf_clear(b);
    put(b, value);
    return b->bytes;
}

TEST(numbers_in_pages_have_four_digits) {
    ms_buf b = {0};
    CHECK_EQ_TEXT(text_of(&b, ms_html_number, 0.0730912), "0.07309");
    CHECK_EQ_TEXT(text_of(&b, ms_html_number, -2.5), "\xE2\x88\x92"
                                                     "2.500");
    CHECK_EQ_TEXT(text_of(&b, ms_html_number, 0), "0");
    CHECK_EQ_TEXT(text_of(&b, ms_html_number, NAN), "none");
    CHECK_EQ_TEXT(text_of(&b, ms_html_number, 1.5e-9), "1.500e\xE2\x88\x92"
                                                       "09");
    CHECK_EQ_TEXT(text_of(&b, ms_html_percent, 0.0805), "8.05\xE2\x80\xAF%");
    CHECK_EQ_TEXT(text_of(&b, ms_html_short_count, 3489664), "3.49\xE2\x80\xAFM");
    CHECK_EQ_TEXT(text_of(&b, ms_html_bytes, 999), "999\xE2\x80\xAF"
                                                   "B");
    ms_buf_clear(&b);
    ms_html_count(&b, 3489664);
    CHECK_EQ_TEXT(b.bytes, "3\xE2\x80\xAF"
                           "489\xE2\x80\xAF"
                           "664");
    ms_buf_free(&b);
}

TEST(text_from_files_cannot_become_markup) {
    ms_buf b = {0};
    ms_html_text(&b, MS_STR("<script>alert(\"x\")</script>&\x1b[31m"));
    CHECK(!strchr(b.bytes, '<') && !strchr(b.bytes, '\x1b') && strstr(b.bytes, "&lt;script&gt;alert(&quot;x&quot;)"));
    ms_buf_clear(&b);
    char name[700];
    for (size_t i = 0; i < sizeof name; i += 2) memcpy(name + i, "\xC3\xA9", 2);
    ms_html_text(&b, (ms_str){name, sizeof name});
    CHECK(b.size == sizeof name && memcmp(b.bytes, name, sizeof name) == 0); /* long text stays whole */
    ms_buf_free(&b);
}

TEST(the_pages_data_cannot_end_its_script_element) {
    ms_report_data d = {0};
    ms_str proj = MS_STR("</script><b>");
    int64_t zero = 0;
    size_t index = 0;
    d.n = 1, d.layer = d.expert = d.rows = d.cols = &zero, d.proj = &index, d.projs = &proj, d.n_projs = 1;
    ms_buf b = {0};
    ms_report_put_json(&d, &b);
    CHECK(!strchr(b.bytes, '<'));
    CHECK(strstr(b.bytes, "\\u003c/script>"));
    ms_buf_free(&b);
}
