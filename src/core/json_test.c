#include "json.h"

#include "json_scan.h"
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
/* clang-format off */
static const char *const broken_structure[] = {
    "", " ", "[", "]", "{", "}", "[1", "[1,", "[,]", "[,1]", "[1,]", "[1,,2]", "[1 2]", "[1:2]", "[\"\",]", "[1]]", "[1]x",
    "{]", "[}", "{\"a\"}", "{\"a\":}", "{\"a\" 1}", "{\"a\",1}", "{\"a\":1,}", "{\"a\":1,,\"b\":2}", "{,}", "{1:1}", "{a:1}",
    "{'a':1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}", "{\"a\"::1}", "{null:1}", "[\"a\" \"b\"]", "[1}", "{\"a\":[}",
};
static const char *const broken_numbers[] = {
    "00", "01", "-01", "-", "+1", "--1", "-a", "1.", ".5", "-.5", "1.e1", "1e", "1e+", "1E-", "1ee2", "0x10", "1_000",
    "1.5.5", "1e1.5", "1+2", "- 1", "NaN", "-NaN", "Infinity", "-Infinity", "inf", "nan", "012.5",
};
static const char *const broken_words[] = {
    "True", "TRUE", "nul", "nulll", "tru", "fals", "truefalse", "undefined", "None", "'a'",
};
static const char *const broken_strings[] = {
    "\"", "\"a", "\"\\\"", "\"\\", "\"\\x\"", "\"\\a\"", "\"\\'\"", "\"\\u\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\U0041\"",
    "\"\\uD800\"", "\"\\uDC00\"", "\"\\uD800\\n\"", "\"\\uD800\\u0041\"", "\"\\uD800\\uD800\"", "\"\\uDC00\\uD800\"",
    "\"\\uD800\\uDC0\"", "\"\n\"", "\"\t\"", "\"\x01\"", "\"\x1F\"", "\"\x80\"", "\"\xC0\x80\"", "\"\xC3\"",
    "\"\xED\xA0\x80\"", "\"\xFF\"", "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"", "\"\xF0\x80\x80\x80\"",
};
static const char *const broken_surroundings[] = {
    "\xEF\xBB\xBF[]", "[1]//c", "/* */1", "[1]#", "\xC2\xA0[]", "\f[]", "\v1", "[\xE9]", "<a>", "*", "{\"a\":1}\xC3",
    "[\"a\",\n4\n,1,", "\"a\"\"b\"", "1 2", "[] []", "{\"a\":tru}",
};
/* clang-format on */

static void check_refused(const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        CHECK_MSG(!accepted(ms_str_of(texts[i])), "accepted: %s", ms_str_shown(ms_str_of(texts[i])).text);
}

TEST(json_that_is_broken_is_refused) {
    check_refused(broken_structure, sizeof broken_structure / sizeof *broken_structure);
    check_refused(broken_numbers, sizeof broken_numbers / sizeof *broken_numbers);
    check_refused(broken_words, sizeof broken_words / sizeof *broken_words);
    check_refused(broken_strings, sizeof broken_strings / sizeof *broken_strings);
    check_refused(broken_surroundings, sizeof broken_surroundings / sizeof *broken_surroundings);
    CHECK(!accepted(MS_STR("[1\0]")));
    CHECK(!accepted(MS_STR("\"a\0b\"")));
    CHECK(!accepted(MS_STR("1\0")));
}

TEST(json_numbers_beyond_the_doubles_are_refused_where_they_are_read) {
    CHECK_EQ_TEXT(compact("[1, -1e400]"), "byte 4: expected a number of magnitude below 1.8e308, found '-1e400'");
    CHECK_EQ_TEXT(compact("[1.7976931348623157e308,1e-400]"), "[1.7976931348623157e+308,0.0]");
}

TEST(json_messages_name_the_byte_what_was_found_and_what_was_expected) {
    CHECK_EQ_TEXT(compact(""), "byte 0: expected a value, found the end of the text");
    CHECK_EQ_TEXT(compact("{\"a\":1,}"), "byte 6: a comma before '}'; nothing follows it");
    CHECK_EQ_TEXT(compact("{\"a\" \"b\"}"), "byte 5: expected ':', found '\"b\"'");
    CHECK_EQ_TEXT(compact("[1 \"two\"]"), "byte 3: expected ',' or ']', found '\"two\"'");
    CHECK_EQ_TEXT(compact("{x:1}"), "byte 1: expected a key in quotes or '}', found 'x'");
    CHECK_EQ_TEXT(compact("[NaN]"), "byte 1: expected a value, found 'NaN'");
    CHECK_EQ_TEXT(compact("[nil]"), "byte 1: expected null, found 'nil'");
    CHECK_EQ_TEXT(compact("[01]"), "byte 1: expected no leading zero, found '0' in the number '01'");
    CHECK_EQ_TEXT(compact("[1.e5]"), "byte 3: expected a digit after the '.', found 'e' in the number '1.e5'");
    CHECK_EQ_TEXT(compact("[-"), "byte 2: expected a digit, found the end of the text");
    CHECK_EQ_TEXT(compact("[\"ab"), "byte 1: the string that begins here has no closing quote");
    CHECK_EQ_TEXT(compact("[\"a\nb\"]"), "byte 3: control character '\\x0A' in a string; it must be escaped");
    CHECK_EQ_TEXT(compact("[\"a\xFFz\"]"), "byte 3: '\\xFF' is not UTF-8; JSON text must be");
    CHECK_EQ_TEXT(compact("[\"\\ud800x\"]"), "byte 2: expected a surrogate pair, not half of one, found '\\ud800x'");
    CHECK_EQ_TEXT(compact("{} x"), "byte 3: expected the end of the text, found 'x'");
    CHECK_EQ_TEXT(compact("\xEF\xBB\xBF{}"),
                  "byte 0: expected a value, found a byte order mark: save the file as UTF-8 without one");
    CHECK_EQ_TEXT(compact("[\x1B[31m]"), "byte 1: expected a value, found '\\x1B'");
}

TEST(json_readers_name_the_kind_they_want) {
    static const char text[] = "{\"a\": 12}";
    ms_err err = {0};
    ms_arena arena = {0};
    ms_json json = ms_json_over(text, sizeof text - 1, &arena);
    ms_str key;
    bool more, yes;
    uint64_t u;
    CHECK_FAILS(ms_json_expect(&json, MS_JSON_ARRAY, &err), MS_ERR_DAMAGED, &err, "byte 0: expected an array, found '{'");
    CHECK_OK(ms_json_expect(&json, MS_JSON_OBJECT, &err), &err);
    CHECK_OK(ms_json_next_key(&json, &key, &more, &err), &err);
    CHECK_FAILS(ms_json_string(&json, &key, &err), MS_ERR_DAMAGED, &err, "byte 6: expected a string, found '12'");
    CHECK_FAILS(ms_json_bool(&json, &yes, &err), MS_ERR_DAMAGED, &err, "byte 6: expected true or false, found '12'");
    CHECK_FAILS(ms_json_null(&json, &err), MS_ERR_DAMAGED, &err, "byte 6: expected null, found '12'");
    CHECK_OK(ms_json_u64(&json, &u, &err), &err); /* a refusal does not move the reader */
    CHECK_EQ_I64(u, 12);
}

static ms_str nested(ms_buf *b, int depth, bool objects) {
    ms_buf_clear(b);
    for (int i = 0; i < depth; i++) ms_buf_put_text(b, objects ? "{\"a\":" : "[");
    if (objects) ms_buf_put_text(b, "0");
    for (int i = 0; i < depth; i++) ms_buf_put_text(b, objects ? "}" : "]");
    return ms_buf_str(b);
}

TEST(json_depth_is_limited) {
    ms_buf b = {0};
    for (int objects = 0; objects < 2; objects++) {
        CHECK(accepted(nested(&b, MS_JSON_MAX_DEPTH, objects)));
        CHECK(!accepted(nested(&b, MS_JSON_MAX_DEPTH + 1, objects)));
        CHECK(strstr(again(ms_buf_str(&b), false, 0), "nested deeper than 128 levels"));
        CHECK_EQ_STR(nested(&b, MS_JSON_MAX_DEPTH, objects), again(ms_buf_str(&b), true, -1));
    }
    ms_buf_clear(&b);
    for (int i = 0; i < 1000000; i++) ms_buf_put_char(&b, '[');
    CHECK(!accepted(ms_buf_str(&b)));
    ms_buf_free(&b);
}

/* The kind that peek sees and what each reader makes of a number: "kind u64 i64 f64", "-" where it refuses. */
static const char *number(const char *text) {
    static char shown[200];
    ms_arena arena = {0};
    ms_json json = ms_json_over(text, strlen(text), &arena), u_json = json, i_json = json, f_json = json;
    ms_json_kind kind = MS_JSON_NULL;
    uint64_t u = 0;
    int64_t i = 0;
    double f = 0;
    char u_text[32] = "-", i_text[32] = "-", f_text[40] = "-";
    if (ms_json_peek(&json, &kind, NULL) != MS_OK) return "refused";
    if (ms_json_u64(&u_json, &u, NULL) == MS_OK) snprintf(u_text, sizeof u_text, "%llu", (unsigned long long)u);
    if (ms_json_i64(&i_json, &i, NULL) == MS_OK) snprintf(i_text, sizeof i_text, "%lld", (long long)i);
    if (ms_json_f64(&f_json, &f, NULL) == MS_OK) snprintf(f_text, sizeof f_text, "%.17g", f);
    snprintf(shown, sizeof shown, "%s %s %s %s",
             kind == MS_JSON_INT    ? "int"
             : kind == MS_JSON_UINT ? "uint"
                                    : "real",
             u_text, i_text, f_text);
    return shown;
}

TEST(json_numbers_at_the_edges) {
    CHECK_EQ_TEXT(number("0"), "int 0 0 0");
    CHECK_EQ_TEXT(number("-1"), "int - -1 -1");
    CHECK_EQ_TEXT(number("-0"), "real - - -0");
    CHECK_EQ_TEXT(number("1.0"), "real - - 1");
    CHECK_EQ_TEXT(number("1e3"), "real - - 1000");
    CHECK_EQ_TEXT(number("01"), "refused");
    CHECK_EQ_TEXT(number("9223372036854775807"), "int 9223372036854775807 9223372036854775807 9.2233720368547758e+18");
    CHECK_EQ_TEXT(number("9223372036854775808"), "uint 9223372036854775808 - 9.2233720368547758e+18");
    CHECK_EQ_TEXT(number("18446744073709551615"), "uint 18446744073709551615 - 1.8446744073709552e+19");
    CHECK_EQ_TEXT(number("18446744073709551616"), "real - - 1.8446744073709552e+19");
    CHECK_EQ_TEXT(number("-9223372036854775808"), "int - -9223372036854775808 -9.2233720368547758e+18");
    CHECK_EQ_TEXT(number("-9223372036854775809"), "real - - -9.2233720368547758e+18");
    CHECK_EQ_TEXT(number("9007199254740993"), "int 9007199254740993 9007199254740993 9007199254740992");
    CHECK_EQ_TEXT(number("9007199254740993.00000000000000000000000000000001"), "real - - 9007199254740994");
    CHECK_EQ_TEXT(number("2.2250738585072011e-308"), "real - - 2.2250738585072009e-308");
    CHECK_EQ_TEXT(number("1e999999999999999999999"), "real - - -");
    CHECK_EQ_TEXT(number("0e999999999999999999999"), "real - - 0");
    CHECK_EQ_TEXT(number("1e-999999999999999999999"), "real - - 0");
}

/* Half way between two doubles, decided by the last of 900 digits. */
TEST(json_reals_are_rounded_by_all_of_their_digits) {
    char text[1000] = "9007199254740993.";
    size_t n = strlen(text);
    memset(text + n, '0', 900);
    CHECK_EQ_TEXT(number(text), "real - - 9007199254740992"); /* a tie goes to the even one */
    text[n + 899] = '1';
    CHECK_EQ_TEXT(number(text), "real - - 9007199254740994");
}

PROPERTY(json_reals_read_back, 300) {
    const uint64_t bits = gen_u64(g);
    double value, read;
    memcpy(&value, &bits, 8);
    if (!isfinite(value)) return;
    char text[400];
    snprintf(text, sizeof text, "%.*g", 17 + (int)gen_below(g, 300), value);
    ms_json json = ms_json_over(text, strlen(text), NULL);
    CHECK(ms_json_f64(&json, &read, NULL) == MS_OK && ms_json_end(&json, NULL) == MS_OK);
    CHECK_MSG(memcmp(&read, &value, 8) == 0, "%s: got %.17g, want %.17g", text, read, value);
}

TEST(json_strings_are_borrowed_unless_they_have_escapes) {
    static const char text[] = "[\"plain\",\"caf\\u00E9\\ud83c\\uDF89\\n\\u0000.\"]";
    ms_arena arena = {0};
    ms_json json = ms_json_over(text, sizeof text - 1, &arena);
    ms_str plain, escaped;
    bool more;
    CHECK(ms_json_expect(&json, MS_JSON_ARRAY, NULL) == MS_OK && ms_json_next_item(&json, &more, NULL) == MS_OK);
    CHECK(ms_json_string(&json, &plain, NULL) == MS_OK && ms_json_next_item(&json, &more, NULL) == MS_OK);
    CHECK(plain.text == text + 2 && arena.n_bytes == 0);
    CHECK(ms_json_string(&json, &escaped, NULL) == MS_OK);
    CHECK(ms_str_equal(escaped, MS_STR("caf\xC3\xA9\xF0\x9F\x8E\x89\n\0.")));
    ms_arena_free(&arena);
}

TEST(json_keys_may_repeat_and_the_last_one_counts) {
    static const char text[] = "{\"a\":1,\"b\":{\"c\":[0]},\"a\":2,\"b\":{\"c\":\"x\"}}";
    ms_arena arena = {0};
    const ms_json_value *v;
    CHECK(ms_json_parse(&v, text, sizeof text - 1, &arena, NULL) == MS_OK);
    CHECK_EQ_I64(v->object.n, 4);
    CHECK_EQ_I64(ms_json_as_i64(ms_json_get(v, "a"), 0), 2);
    CHECK_EQ_STR(ms_json_as_str(ms_json_path(v, "b.c"), MS_STR_NONE), "x");
    CHECK_EQ_I64(ms_json_path(v, "b.c")->at, 36);
    CHECK(!ms_json_path(v, "b.c.d") && !ms_json_path(v, "x.y") && !ms_json_get(NULL, "a") &&
          !ms_json_get(ms_json_get(v, "a"), "a"));
    ms_arena_free(&arena);
}

TEST(json_values_convert_when_exact) {
    static const char text[] =
        "[1, 2.0, 2.5, 9007199254740993, 18446744073709551615, 1e30, \"3\", true, null, 9223372036854775808.0]";
    ms_arena arena = {0};
    const ms_json_value *v;
    CHECK(ms_json_parse(&v, text, sizeof text - 1, &arena, NULL) == MS_OK);
    const ms_json_value *const x = v->array.items;
    CHECK_EQ_I64(ms_json_as_i64(&x[0], -7), 1);
    CHECK_EQ_I64(ms_json_as_i64(&x[1], -7), 2);
    for (int i = 2; i < 10; i++) CHECK_MSG(i == 3 || ms_json_as_i64(&x[i], -7) == -7, "item %d", i);
    CHECK_NEAR(ms_json_as_f64(&x[0], -7), 1, 0);
    CHECK_NEAR(ms_json_as_f64(&x[2], -7), 2.5, 0);
    CHECK_NEAR(ms_json_as_f64(&x[3], -7), -7, 0);
    CHECK_NEAR(ms_json_as_f64(&x[4], -7), -7, 0);
    CHECK_NEAR(ms_json_as_f64(&x[6], -7), -7, 0);
    CHECK(ms_json_as_bool(&x[7], false) && ms_json_as_bool(&x[8], true) && !ms_json_as_bool(NULL, false));
    CHECK_EQ_STR(ms_json_as_str(&x[6], MS_STR("no")), "3");
    CHECK_EQ_STR(ms_json_as_str(&x[8], MS_STR("no")), "no");
    ms_arena_free(&arena);
}

/* ---- writer ---- */

TEST(json_is_written_as_python_writes_it) {
    static const struct {
        const char *file;
        int indent;
        bool sort_keys;
    } cases[] = {{"indent2", 2, false}, {"sorted", 2, true}, {"compact", -1, false}, {"line", 0, false}};
    ms_buf input = {0}, want = {0};
    CHECK(test_read_file(&input, MS_SOURCE_DIR "/tests/golden/json_input.json"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/tests/golden/json_%s.json", MS_SOURCE_DIR, cases[i].file);
        CHECK(test_read_file(&want, path));
        const char *const got = again(ms_buf_str(&input), cases[i].sort_keys, cases[i].indent);
        size_t at = 0;
        while (at < want.size && got[at] == want.bytes[at]) at++;
        CHECK_MSG(strcmp(got, want.bytes) == 0, "json_%s.json, byte %zu: got '%.40s', want '%.40s'", cases[i].file, at,
                  got + at, want.bytes + at);
    }
    ms_buf_free(&input), ms_buf_free(&want);
}

TEST(json_writer_nests_and_says_null) {
    ms_buf b = {0};
    ms_json_out out = {.buf = &b, .indent = 2};
    ms_json_out_begin_object(&out);
    ms_json_out_key(&out, "experts"), ms_json_out_i64(&out, 16);
    ms_json_out_key(&out, "nan"), ms_json_out_f64(&out, NAN);
    ms_json_out_key(&out, "inf"), ms_json_out_f64(&out, -INFINITY);
    ms_json_out_key(&out, "bytes"), ms_json_out_str(&out, MS_STR("a\xFF\xC3z"));
    ms_json_out_key(&out, "none"), ms_json_out_text(&out, NULL);
    ms_json_out_key(&out, "list"), ms_json_out_begin_array(&out);
    ms_json_out_begin_array(&out), ms_json_out_end(&out);
    ms_json_out_u64(&out, UINT64_MAX), ms_json_out_bool(&out, true);
    ms_json_out_end(&out), ms_json_out_end(&out);
    CHECK_EQ_TEXT(b.bytes, "{\n  \"experts\": 16,\n  \"nan\": null,\n  \"inf\": null,\n  \"bytes\": \"a\\ufffd\\ufffdz\",\n"
                           "  \"none\": null,\n  \"list\": [\n    [],\n    18446744073709551615,\n    true\n  ]\n}");
    ms_buf_free(&b);
}

TEST(json_writer_refuses_more_depth_than_it_can_close) {
    ms_buf b = {0};
    ms_json_out out = {.buf = &b};
    for (int i = 0; i < MS_JSON_OUT_MAX_DEPTH; i++) ms_json_out_begin_array(&out);
    CHECK(!b.failed);
    ms_json_out_begin_array(&out);
    CHECK(b.failed);
    ms_buf_free(&b);
}

/* Random text of all kinds of characters. */
static size_t gen_text(ms_gen *g, char *text, size_t n_max) {
    static const char *const pieces[] = {"a",
                                         "bcdefghijklmnop",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\x01",
                                         "\x7F",
                                         " ",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\xF0\x9F\x8E\x89",
                                         "\xEF\xBF\xBF",
                                         "/",
                                         "\x1F",
                                         "model.layers.0.mlp"};
    size_t n = 0;
    for (size_t k = gen_below(g, 30); k > 0; k--) {
        const char *const piece = pieces[gen_below(g, sizeof pieces / sizeof *pieces)];
        if (n + strlen(piece) > n_max) break;
        memcpy(text + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

PROPERTY(json_strings_survive_writing_and_reading, 500) {
    char text[300];
    const ms_str s = {text, gen_text(g, text, sizeof text)};
    ms_buf b = {0};
    ms_arena arena = {0};
    ms_json_out out = {.buf = &b};
    ms_json_out_str(&out, s);
    ms_json json = ms_json_over(b.bytes, b.size, &arena);
    ms_str read;
    CHECK(ms_json_string(&json, &read, NULL) == MS_OK && ms_json_end(&json, NULL) == MS_OK);
    CHECK_MSG(ms_str_equal(read, s), "%s", b.bytes);
    ms_arena_free(&arena), ms_buf_free(&b);
}

PROPERTY(json_scans_agree, 300) {
    char text[300];
    const size_t n = gen_text(g, text, sizeof text);
    for (size_t at = 0; at <= n; at++) {
        const size_t want = ms_json_scan_bytes(text, at, n);
        CHECK_EQ_I64(ms_json_scan(text, at, n), want);
        CHECK_EQ_I64(ms_json_scan_words(text, at, n), want);
    }
    for (int c = 0; c < 256; c++) { /* each byte at each place of a word */
        memset(text, 'x', 32);
        const size_t at = gen_below(g, 24);
        text[at] = (char)c, text[at + 1] = (char)gen_below(g, 256);
        CHECK_EQ_I64(ms_json_scan(text, 0, 32), ms_json_scan_bytes(text, 0, 32));
        CHECK_EQ_I64(ms_json_scan_words(text, 0, 32), ms_json_scan_bytes(text, 0, 32));
    }
}

/* ---- memory ---- */

static ms_status rewrite(void *context, ms_err *err) {
    ms_arena arena = {0};
    ms_buf b = {0};
    const ms_str text = ms_str_of(context);
    const ms_json_value *value;
    ms_status status = ms_json_parse(&value, text.text, text.size, &arena, err);
    if (status == MS_OK) {
        ms_json_out out = {.buf = &b, .indent = 2};
        ms_json_out_value(&out, value, true);
        if (b.failed) status = ms_err_memory(err, "the text");
    }
    ms_buf_free(&b), ms_arena_free(&arena);
    return status;
}

TEST(json_survives_failing_allocations) {
    static char text[] =
        "{\"b\":[1,2,[],{},\"x\\u00e9\",[[[3,4,5,6,7,8,9,10,11,12]]]],\"a\":{\"d\":1,\"c\":{\"f\":0,\"e\":0}}}";
    CHECK_SURVIVES_MEMORY(rewrite, text);
}

TEST(json_keeps_to_the_budget_of_its_arena) {
    ms_buf b = {0};
    for (int i = 0; i < 10000; i++) ms_buf_put_text(&b, i ? ",0" : "[0");
    ms_buf_put_text(&b, "]");
    ms_arena arena = {.budget = 100000};
    ms_err err = {0};
    const ms_json_value *value;
    CHECK_FAILS(ms_json_parse(&value, b.bytes, b.size, &arena, &err), MS_ERR_MEMORY, &err, "out of memory");
    ms_arena_free(&arena), ms_buf_free(&b);
}
