#include "json.h"

#include "test.h"
#include "torture.h"

/* Parses and writes again without blanks; an error gives its message. Valid until the next call. */
static const char *again(ms_str text, bool sort_keys, int indent) {
    static ms_buf b;
    static ms_err err;
    ms_arena arena = {0};
    const ms_json_value *value = NULL;
    ms_buf_clear(&b);
    ms_err_set(&err, MS_OK, "no message");
    if (ms_json_parse(&value, text.text, text.size, &arena, &err) == MS_OK) {
        ms_json_out out = {.buf = &b, .indent = indent};
        ms_json_out_value(&out, value, sort_keys);
    }
    ms_arena_free(&arena);
    return value && !b.failed ? b.bytes : err.text;
}

static const char *compact(const char *text) { return again(ms_str_of(text), false, -1); }

static bool accepted(ms_str text) {
    ms_arena arena = {0};
    const ms_json_value *value = NULL;
    const bool parsed = ms_json_parse(&value, text.text, text.size, &arena, NULL) == MS_OK;
    ms_json json = ms_json_over(text.text, text.size, &arena);
    const bool skipped = ms_json_skip(&json, NULL) == MS_OK && ms_json_end(&json, NULL) == MS_OK;
    ms_arena_free(&arena);
    if (parsed != skipped) ms_test_fail(__FILE__, __LINE__, "parse and skip differ on '%s'", ms_str_shown(text).text);
    return parsed;
}

TEST(json_of_every_kind_is_read_and_written) {
    CHECK_EQ_TEXT(compact(" [ null , true, false ] "), "[null,true,false]");
    CHECK_EQ_TEXT(compact("{\"a\":{\"b\":[]},\"c\":{}}"), "{\"a\":{\"b\":[]},\"c\":{}}");
    CHECK_EQ_TEXT(compact("\"\""), "\"\"");
    CHECK_EQ_TEXT(compact("[0,-1,1.5,1e3,-0,18446744073709551615]"), "[0,-1,1.5,1000.0,-0.0,18446744073709551615]");
    CHECK_EQ_TEXT(compact("[[[[1]]],2]"), "[[[[1]]],2]");
}

TEST(json_pull_reader_reads_a_header) {
    static const char text[] = "{\"__metadata__\":{\"format\":\"pt\"},\n"
                               " \"w\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]}}   ";
    ms_arena arena = {0};
    ms_err err = {0};
    ms_json json = ms_json_over(text, sizeof text - 1, &arena);
    ms_str key, dtype = MS_STR_NONE;
    bool more;
    uint64_t offsets[2], n_shape = 0;
    CHECK_OK(ms_json_expect(&json, MS_JSON_OBJECT, &err), &err);
    CHECK_OK(ms_json_next_key(&json, &key, &more, &err), &err);
    CHECK_EQ_STR(key, "__metadata__");
    CHECK_OK(ms_json_skip(&json, &err), &err);
    CHECK_OK(ms_json_next_key(&json, &key, &more, &err), &err);
    CHECK_EQ_STR(key, "w");
    CHECK(key.text > text && key.text < text + sizeof text); /* borrowed, not copied */
    CHECK_OK(ms_json_expect(&json, MS_JSON_OBJECT, &err), &err);
    for (;;) {
        CHECK_OK(ms_json_next_key(&json, &key, &more, &err), &err);
        if (!more) break;
        if (ms_str_is(key, "dtype")) {
            CHECK_OK(ms_json_string(&json, &dtype, &err), &err);
            continue;
        }
        const bool is_shape = ms_str_is(key, "shape");
        CHECK_OK(ms_json_expect(&json, MS_JSON_ARRAY, &err), &err);
        for (size_t i = 0;; i++) {
            CHECK_OK(ms_json_next_item(&json, &more, &err), &err);
            if (!more) break;
            CHECK(i < 2);
            CHECK_OK(ms_json_u64(&json, &offsets[i], &err), &err);
            n_shape += is_shape;
        }
    }
    CHECK_EQ_STR(dtype, "BF16");
    CHECK(n_shape == 2 && offsets[0] == 0 && offsets[1] == 12);
    CHECK_OK(ms_json_next_key(&json, &key, &more, &err), &err);
    CHECK(!more);
    CHECK_OK(ms_json_end(&json, &err), &err);
    CHECK_EQ_I64(arena.n_bytes, 0);
}

/* The classes of RFC 8259: what must be read. */
TEST(json_that_is_valid_is_accepted) {
    static const char *const texts[] = {
        "[]",
        "[ ]",
        "\n[\r\n\t]\n",
        "{}",
        "{\"\":0}",
        "{\"a\":\"b\",\"a\":\"b\"}",
        "{\"a\":[]}",
        "[null]",
        "[1\n]",
        "[[],[[]]]",
        "0",
        "-0",
        "-1",
        "123",
        "1E22",
        "1e+2",
        "1E-2",
        "0e1",
        "0e+1",
        "0E1",
        "20e1",
        "123e45",
        "1.5",
        "-123.456e-78",
        "true",
        "\"\"",
        "\" \"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0060\\u012a\\u12AB\"",
        "\"\\uD801\\udc37\"",
        "\"\\u0000\"",
        "\"\\u005C\"",
        "\"\\uFFFF\"",
        "\"\\uDBFF\\uDFFF\"",
        "\"\x7F\"",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8E\x89\"",
        "\"\xE2\x80\xA8\"",
        "\"\xEF\xBF\xBF\"",
        "\"\xF4\x8F\xBF\xBF\"",
        "[1,2,3,4.0,\"five\"]",
        "   \"a\"   ",
        "[123456789012345678901234567890]",
        "1e-400",
        "[-9223372036854775809]",
        "\"a/b\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) CHECK_MSG(accepted(ms_str_of(texts[i])), "%s", texts[i]);
}

/* ... and what must not. */
TEST(json_that_is_broken_is_refused) {
    static const char *const texts[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[,]",
        "[,1]",
        "[1,]",
        "[1,,2]",
        "[1 2]",
        "[1:2]",
        "[\"\",]",
        "[1]]",
        "[1]x",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{\"a\":1,}",
        "{\"a\":1,,\"b\":2}",
        "{,}",
        "{1:1}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}}",
        "{\"a\"::1}",
        "{null:1}",
        "[\"a\" \"b\"]",
        "[1}",
        "{\"a\":[}",
        "00",
        "01",
        "-01",
        "-",
        "+1",
        "--1",
        "-a",
        "1.",
        ".5",
        "-.5",
        "1.e1",
        "1e",
        "1e+",
        "1E-",
        "1ee2",
        "0x10",
        "1_000",
        "1.5.5",
        "1e1.5",
        "1+2",
        "- 1",
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "nan",

        "012.5",
        "True",
        "TRUE",
        "nul",
        "nulll",
        "tru",
        "fals",
        "truefalse",
        "undefined",
        "None",
        "'a'",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\",
        "\"\\x\"",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\U0041\"",
        "\"\\uD800\"",
        "\"\\uDC00\"",
        "\"\\uD800\\n\"",
        "\"\\uD800\\u0041\"",
        "\"\\uD800\\uD800\"",
        "\"\\uDC00\\uD800\"",
        "\"\\uD800\\uDC0\"",
        "\"\n\"",
        "\"\t\"",
        "\"\x01\"",
        "\"\x1F\"",
        "\"\x80\"",
        "\"\xC0\x80\"",
        "\"\xC3\"",
        "\"\xED\xA0\x80\"",
        "\"\xFF\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xE2\x82\"",
        "\"\xF0\x80\x80\x80\"",
        "\xEF\xBB\xBF[]",
        "[1]//c",
        "/* */1",
        "[1]#",
        "\xC2\xA0[]",
        "\f[]",
        "\v1",
        "[\xE9]",
        "<a>",
        "*",
        "{\"a\":1}\xC3",
        "[\"a\",\n4\n,1,",
        "\"a\"\"b\"",
        "1 2",
        "[] []",
        "{\"a\":tru}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_MSG(!accepted(ms_str_of(texts[i])), "accepted: %s", ms_str_shown(ms_str_of(texts[i])).text);
    CHECK(!accepted(MS_STR("[1\0]")));
    CHECK(!accepted(MS_STR("\"a\0b\"")));
    CHECK(!accepted(MS_STR("1\0")));
}

TEST(json_numbers_beyond_the_doubles_are_refused_where_they_are_read) {
    CHECK_EQ_TEXT(compact("[1, -1e400]"), "byte 4: expected a number of magnitude below 1.8e308, found '-1e400'");
    CHECK_EQ_TEXT(compact("[1.7976931348623157e308,1e-400]"), "[1.7976931348623157e+308,0.0]");
}
