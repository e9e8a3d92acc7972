#include "jail.h"

#include <signal.h>

#include "test.h"

static void clean_in_parts(ms_buf *out, ms_str text, size_t step) {
    ms_jail_filter filter = {0};
    for (size_t i = 0; i < text.size; i += step)
        ms_jail_clean(&filter, out, text.text + i, text.size - i < step ? text.size - i : step);
}

TEST(of_what_comes_out_of_the_jail_only_text_and_colours_reach_a_terminal) {
    static const struct {
        const char *text, *want;
    } cases[] = {{"plain text\n\twith a tab\r\n", "plain text\n\twith a tab\r\n"},
                 {"\x1b[1mbold\x1b[0;38;5;12m\x1b[K", "\x1b[1mbold\x1b[0;38;5;12m\x1b[K"},
                 {"\x1b]0;title\x07", "?]0;title?"},
                 {"\x1b[2J\x1b[6n", "?J?n"},
                 {"\x1b\x1b[1m", "?\x1b[1m"},
                 {"\x1bPq\x1b\\", "?Pq?\\"},
                 {"a\x08\x7f", "a??"},
                 {"\xc3\xa4\xc2\xb5\xe6\xbc\xa2", "\xc3\xa4\xc2\xb5\xe6\xbc\xa2"}, /* umlaut, micro, Chinese */
                 {"\xc2\x9b"
                  "31m",
                  "?31m"}, /* U+009B begins a sequence as ESC [ does */
                 {"\x1b[11111111111111111111111111111111111111m", "?11111111m"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step < 8; step += 3) {
            ms_buf out = {0};
            clean_in_parts(&out, ms_str_of(cases[i].text), step);
            CHECK_EQ_STR(ms_buf_str(&out), cases[i].want);
            ms_buf_free(&out);
        }
}

/* As the kernel packs them: the code in the second byte, a signal in the lowest seven bits. */
TEST(the_end_of_an_inmate_becomes_an_exit_code) {
    static const struct {
        int wait_status;
        ms_status want;
        const char *part;
    } cases[] = {{SIGSYS, MS_ERR_DAMAGED, "attack"},      {SIGSEGV, MS_ERR_DAMAGED, "crashed"},
                 {SIGABRT, MS_ERR_DAMAGED, "crashed"},    {SIGBUS, MS_ERR_DAMAGED, "crashed"},
                 {SIGXCPU, MS_ERR_MEMORY, "processor"},   {SIGKILL, MS_ERR_MEMORY, "killed"},
                 {SIGPIPE, MS_ERR_INTERRUPTED, "interr"}, {SIGINT, MS_ERR_INTERRUPTED, "interr"}};
    int code;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ_I64(ms_jail_verdict(&code, i << 8, NULL), MS_OK);
        CHECK_EQ_I64(code, i);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_err err = {0};
        CHECK_EQ_I64(ms_jail_verdict(&code, cases[i].wait_status, &err), cases[i].want);
        CHECK(strstr(err.text, cases[i].part));
    }
}
