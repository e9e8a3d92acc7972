#include "str.h"

#include "arena.h"
#include "buf.h"
#include "map.h"
#include "pool.h"
#include "test.h"
#include "vec.h"

TEST(shown_text_never_holds_raw_controls) {
    CHECK_EQ_TEXT(ms_str_shown(MS_STR("a\x1b[31mb\nc")).text, "a\\x1B[31mb\\nc");
    CHECK_EQ_TEXT(ms_str_shown(MS_STR("a\xE2\x80\xAE"
                                      "b"))
                      .text,
                  "a\\u{202E}b"); /* right-to-left override */
    CHECK_EQ_TEXT(ms_str_shown(MS_STR("\xFFz")).text, "\\xFFz");
    CHECK_EQ_TEXT(ms_str_shown(MS_STR("caf\xC3\xA9")).text, "caf\xC3\xA9");
}

TEST(long_text_is_cut_when_shown) {
    char name[1000];
    memset(name, 'x', sizeof name);
    const ms_shown shown = ms_str_shown((ms_str){name, sizeof name});
    CHECK(strlen(shown.text) < 256);
    CHECK(ms_str_ends_with(ms_str_of(shown.text), MS_STR("...")));
}

TEST(natural_order_counts_layers) {
    CHECK(ms_str_compare_natural(MS_STR("layers.2.w"), MS_STR("layers.10.w")) < 0);
    CHECK(ms_str_compare_natural(MS_STR("layers.02"), MS_STR("layers.2")) != 0);
    CHECK(ms_str_compare_natural(MS_STR("a"), MS_STR("a")) == 0);
}

TEST(integers_from_text_are_checked) {
    int64_t v;
    CHECK(ms_str_to_i64(MS_STR("-9223372036854775808"), &v) && v == INT64_MIN);
    CHECK(!ms_str_to_i64(MS_STR("9223372036854775808"), &v));
    CHECK(!ms_str_to_i64(MS_STR("12a"), &v));
    CHECK(!ms_str_to_i64(MS_STR(""), &v));
}

TEST(utf8_refuses_surrogates_and_overlong_forms) {
    size_t bad;
    CHECK(ms_str_is_utf8(MS_STR("plain, \xC3\xA9, \xF0\x9F\x8E\x89"), NULL));
    CHECK(!ms_str_is_utf8(MS_STR("12345678\xED\xA0\x80"), &bad) && bad == 8);
    CHECK(!ms_str_is_utf8(MS_STR("\xC0\x80"), NULL));
    CHECK(!ms_str_is_utf8(MS_STR("\xF4\x90\x80\x80"), NULL));
    CHECK(!ms_str_is_utf8(MS_STR("\xE2\x82"), NULL));
}

static const char *repr(double v) {
    static ms_buf b;
    ms_buf_clear(&b);
    ms_buf_put_f64(&b, v);
    return b.bytes;
}

TEST(doubles_are_written_as_python_does) {
    CHECK_EQ_TEXT(repr(0.1), "0.1");
    CHECK_EQ_TEXT(repr(3), "3.0");
    CHECK_EQ_TEXT(repr(1e16), "1e+16");
    CHECK_EQ_TEXT(repr(1e15), "1000000000000000.0");
    CHECK_EQ_TEXT(repr(1e-7), "1e-07");
    CHECK_EQ_TEXT(repr(0.0001), "0.0001");
    CHECK_EQ_TEXT(repr(1.0 / 3), "0.3333333333333333");
    CHECK_EQ_TEXT(repr(-2.5e-300), "-2.5e-300");
    CHECK_EQ_TEXT(repr(123456.789), "123456.789");
    CHECK_EQ_TEXT(repr(-0.0), "-0.0");
}

TEST(a_map_finds_what_was_added_and_keeps_the_first) {
    ms_map map = {0};
    ms_arena arena = {0};
    for (size_t i = 0; i < 5000; i++) CHECK(ms_map_add(&map, ms_arena_printf(&arena, "name.%zu", i), i, NULL, NULL));
    bool is_new = true;
    size_t *slot;
    CHECK(ms_map_add(&map, MS_STR("name.17"), 99, &slot, &is_new));
    CHECK(!is_new && *slot == 17);
    CHECK(*ms_map_find(&map, MS_STR("name.4999")) == 4999);
    CHECK(ms_map_find(&map, MS_STR("name.5000")) == NULL);
    ms_map_free(&map);
    ms_arena_free(&arena);
}

static ms_status square(void *context, size_t item, int worker, ms_err *err) {
    (void)worker;
    MS_FAIL_IF(item == 700 || item == 900, MS_ERR_IO, err, "item %zu", item);
    ((size_t *)context)[item] = item * item;
    return MS_OK;
}

TEST(a_pool_runs_every_item_and_reports_a_failure) {
    ms_err err = {0};
    ms_pool *pool;
    size_t out[1000] = {0};
    CHECK_OK(ms_pool_create(&pool, 4, &err), &err);
    for (int round = 0; round < 20; round++) {
        memset(out, 0, sizeof out);
        CHECK_OK(ms_pool_run(pool, 700, square, out, NULL, &err), &err);
        for (size_t i = 0; i < 700; i++) CHECK(out[i] == i * i);
        CHECK_FAILS(ms_pool_run(pool, 701, square, out, NULL, &err), MS_ERR_IO, &err, "item 700");
    }
    ms_pool_destroy(pool);
}
