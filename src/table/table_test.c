#include "table.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"
#include "mem.h"
#include "table_impl.h"
#include "test.h"

static const ms_column_spec all_types[] = {
    {"i", MS_COLUMN_I64, "", "integers"},        {"f", MS_COLUMN_F64, "dB", "numbers"},
    {"b", MS_COLUMN_BOOL, "", "booleans"},       {"s", MS_COLUMN_STR, "", "text, any text"},
    {"shape", MS_COLUMN_I64_LIST, "", "shapes"},
};
enum { N_TYPES = sizeof all_types / sizeof *all_types };

/* Two rows with every type, one of nulls. */
static ms_table *small_table(void) {
    ms_err err;
    ms_table *table;
    if (ms_table_create(&table, all_types, N_TYPES, &err) != MS_OK) return NULL;
    ms_table_i64(table, 0, -7);
    ms_table_f64(table, 1, 0.1);
    ms_table_bool(table, 2, true);
    ms_table_str(table, 3, MS_STR("a \"b\", c\nd"));
    ms_table_list(table, 4, (const int64_t[]){2, 3}, 2);
    (void)ms_table_end_row(table, &err);
    (void)ms_table_end_row(table, &err);
    ms_table_i64(table, 0, INT64_MIN);
    ms_table_f64(table, 1, NAN);
    ms_table_bool(table, 2, false);
    ms_table_str(table, 3, MS_STR("\xC3\xA9t\xC3\xA9"));
    ms_table_list(table, 4, NULL, 0);
    (void)ms_table_end_row(table, &err);
    return table;
}

TEST(table_a_cell_that_is_not_set_is_null) {
    ms_table *const table = small_table();
    CHECK_EQ_I64(ms_table_n_rows(table), 3);
    for (size_t c = 0; c < N_TYPES; c++) CHECK(ms_table_is_null(table, 1, c) && !ms_table_is_null(table, 0, c));
    CHECK_EQ_I64(ms_table_get_i64(table, 1, 0), 0);
    CHECK(isnan(ms_table_get_f64(table, 1, 1)));
    CHECK(!ms_table_get_bool(table, 1, 2));
    CHECK_EQ_STR(ms_table_get_str(table, 1, 3), "");
    CHECK_NEAR(ms_table_get_f64(table, 0, 0), -7, 0);
    CHECK_EQ_I64(ms_table_find(table, "shape"), 4);
    CHECK_EQ_I64(ms_table_find(table, "sha"), -1);
    ms_table_destroy(table);
}

TEST(table_broken_utf8_is_mended) {
    ms_table *table;
    CHECK(ms_table_create(&table, &all_types[3], 1, NULL) == MS_OK);
    ms_table_str(table, 0, (ms_str){"a\xFF\xC3z", 4});
    CHECK(ms_table_end_row(table, NULL) == MS_OK);
    CHECK_EQ_STR(ms_table_get_str(table, 0, 0), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
    ms_table_destroy(table);
}

TEST(table_numbers_can_be_made_whole_where_they_stand) {
    static const ms_column_spec column = {"n", MS_COLUMN_F64, "", ""};
    static const double values[] = {3, -2.5, NAN, INFINITY, 9.1e15, -0.0};
    ms_table *table;
    ms_err err = {0};
    CHECK_OK(ms_table_create(&table, &column, 1, &err), &err);
    for (size_t i = 0; i < 7; i++) {
        if (i < 6) ms_table_f64(table, 0, values[i]);
        CHECK_OK(ms_table_end_row(table, &err), &err);
    }
    ms_table_make_whole(table, 0);
    CHECK(ms_table_column(table, 0)->type == MS_COLUMN_I64);
    CHECK(ms_table_get_i64(table, 0, 0) == 3 && ms_table_get_i64(table, 1, 0) == -2);
    for (size_t i = 2; i < 7; i++) CHECK(ms_table_is_null(table, i, 0) == (i != 5));
    CHECK_EQ_I64(ms_table_get_i64(table, 5, 0), 0);
    ms_table_destroy(table);
}

TEST(csv_is_as_pandas_writes_it) {
    ms_table *const table = small_table();
    ms_buf out = {0};
    CHECK(ms_table_to_csv(table, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes, "i,f,b,s,shape\n"
                             "-7,0.1,True,\"a \"\"b\"\", c\nd\",\"(2, 3)\"\n"
                             ",,,,\n"
                             "-9223372036854775808,,False,\xC3\xA9t\xC3\xA9,()\n");
    ms_buf_free(&out);
    ms_table_destroy(table);
}

TEST(csv_of_one_column_quotes_what_would_be_an_empty_line) {
    ms_table *table;
    ms_buf out = {0};
    CHECK(ms_table_create(&table, &all_types[4], 1, NULL) == MS_OK);
    CHECK(ms_table_end_row(table, NULL) == MS_OK);
    ms_table_list(table, 0, (const int64_t[]){5}, 1);
    CHECK(ms_table_end_row(table, NULL) == MS_OK);
    CHECK(ms_table_to_csv(table, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes, "shape\n\"\"\n\"(5,)\"\n");
    ms_table *again;
    CHECK(ms_table_from_csv(&again, ms_buf_str(&out), "t.csv", NULL, 0, NULL) == MS_OK);
    CHECK_EQ_I64(ms_table_n_rows(again), 2);
    CHECK(ms_table_is_null(again, 0, 0));
    ms_table_destroy(again);
    ms_table_destroy(table);
    ms_buf_free(&out);
}

TEST(csv_keeps_a_byte_order_mark_that_belongs_to_a_name) {
    ms_table *table, *again;
    ms_buf out = {0};
    CHECK(ms_table_from_csv(&table, MS_STR("\"\xEF\xBB\xBFx\",y\n1,2\n"), "t.csv", NULL, 0, NULL) == MS_OK);
    CHECK(ms_table_to_csv(table, &out, NULL) == MS_OK);
    CHECK_EQ_STR(ms_buf_str(&out), "\"\xEF\xBB\xBFx\",y\n1,2\n");
    CHECK(ms_table_from_csv(&again, ms_buf_str(&out), "t.csv", NULL, 0, NULL) == MS_OK);
    CHECK(strcmp(ms_table_column(again, 0)->name, "\xEF\xBB\xBFx") == 0);
    ms_table_destroy(table);
    ms_table_destroy(again);
    ms_buf_free(&out);
}

TEST(csv_without_columns_is_a_lone_newline) {
    ms_table *table;
    ms_buf out = {0};
    CHECK(ms_table_create(&table, NULL, 0, NULL) == MS_OK);
    CHECK(ms_table_to_csv(table, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes, "\n");
    ms_table_destroy(table);
    CHECK(ms_table_from_csv(&table, ms_buf_str(&out), "t.csv", NULL, 0, NULL) == MS_OK);
    CHECK_EQ_I64(ms_table_n_columns(table), 0);
    CHECK_EQ_I64(ms_table_n_rows(table), 0);
    ms_table_destroy(table);
    ms_buf_free(&out);
}

TEST(json_is_an_array_of_objects) {
    ms_table *const table = small_table();
    ms_buf out = {0};
    CHECK(ms_table_to_json(table, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes,
                  "[\n"
                  "{\"i\": -7, \"f\": 0.1, \"b\": true, \"s\": \"a \\\"b\\\", c\\nd\", \"shape\": [2, 3]},\n"
                  "{\"i\": null, \"f\": null, \"b\": null, \"s\": null, \"shape\": null},\n"
                  "{\"i\": -9223372036854775808, \"f\": null, \"b\": false, \"s\": \"\\u00e9t\\u00e9\", \"shape\": []}\n"
                  "]\n");
    ms_buf_free(&out);
    ms_table_destroy(table);
}

/* ---- reading CSV ---- */

static ms_table *from_text(const char *text, const ms_column_spec *columns, size_t n, ms_err *err) {
    ms_table *table;
    return ms_table_from_csv(&table, ms_str_of(text), "t.csv", columns, n, err) == MS_OK ? table : NULL;
}

TEST(csv_types_are_found) {
    ms_err err;
    ms_table *const table = from_text("i,f,b,s,l,empty,zip\r\n"
                                      "1,2,True,x,\"(2,)\",,007\r\n"
                                      "\r\n"
                                      "-3,1e-07,False,1,(),,1\r\n"
                                      ",nan,,,,,\r\n",
                                      NULL, 0, &err);
    CHECK_MSG(table, "%s", err.text);
    static const ms_column_type want[] = {MS_COLUMN_I64,      MS_COLUMN_F64, MS_COLUMN_BOOL, MS_COLUMN_STR,
                                          MS_COLUMN_I64_LIST, MS_COLUMN_F64, MS_COLUMN_STR};
    for (size_t c = 0; c < 7; c++) CHECK_EQ_I64(ms_table_column(table, c)->type, want[c]);
    CHECK_EQ_I64(ms_table_n_rows(table), 3);
    CHECK_NEAR(ms_table_get_f64(table, 1, 1), 1e-7, 0);
    CHECK(!ms_table_is_null(table, 2, 1) && ms_table_is_null(table, 2, 0));
    CHECK_EQ_STR(ms_table_get_str(table, 0, 6), "007");
    ms_table_destroy(table);
}

TEST(csv_given_types_win) {
    static const ms_column_spec given[] = {
        {"a", MS_COLUMN_I64, "", ""}, {"b", MS_COLUMN_STR, "", ""}, {"absent", MS_COLUMN_STR, "", ""}};
    ms_err err;
    ms_table *const table = from_text("a,b\n1.0,2\n,\"\"\n", given, 3, &err);
    CHECK_MSG(table, "%s", err.text);
    CHECK_EQ_I64(ms_table_get_i64(table, 0, 0), 1);
    CHECK_EQ_STR(ms_table_get_str(table, 0, 1), "2");
    CHECK(ms_table_is_null(table, 1, 0) && ms_table_is_null(table, 1, 1));
    ms_table_destroy(table);
    ms_table *none;
    CHECK_FAILS(ms_table_from_csv(&none, MS_STR("a\n1.5\n"), "t.csv", given, 3, &err), MS_ERR_DAMAGED, &err,
                "t.csv: line 2: column 'a': '1.5', but the column holds integers");
    CHECK(!none);
}

TEST(csv_damage_is_named_with_its_place) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "t.csv: line 1: empty"},
        {"\xEF\xBB\xBF", "line 1: empty"},
        {"a,b\n1\n", "line 2 (byte 4): 1 fields, the header has 2"},
        {"a,b\n1,2,3\n", "line 2 (byte 4): 3 fields, the header has 2"},
        {"a,b\n1,2\n\"x\n\n", "byte 8: a quoted field without its closing quote"},
        {"a\n\"x\"y\n", "line 2: byte 5: text behind a closing quote"},
        {"a,a\n", "column 'a' appears twice"},
        {"a,\"\xFF\"\n", "column 2: '\\xFF' is no name"},
        {"\n1\n", "1 fields, the header has 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_err err;
        ms_table *table;
        CHECK_FAILS(ms_table_from_csv(&table, ms_str_of(cases[i].text), "t.csv", NULL, 0, &err), MS_ERR_DAMAGED, &err,
                    cases[i].message);
    }
}

TEST(csv_a_comma_at_the_very_end_is_an_empty_field) {
    ms_err err;
    ms_table *const table = from_text("a,b\n1,", NULL, 0, &err);
    CHECK_MSG(table, "%s", err.text);
    CHECK_EQ_I64(ms_table_n_rows(table), 1);
    CHECK(ms_table_is_null(table, 0, 1));
    ms_table_destroy(table);
}

/* ---- round trips ---- */

static ms_table *random_table(ms_gen *g, size_t n_most) {
    static const char *const words[] = {"",        "gate", "up",  "a,b", "\"", "line\nbreak", "\r", "\xF0\x9F\x94\xAC",
                                        " blank ", "1",    "nan", "()"};
    ms_table *table;
    if (ms_table_create(&table, all_types, N_TYPES, NULL) != MS_OK) return NULL;
    const size_t n = gen_below(g, n_most), nulls = gen_below(g, 4);
    for (size_t row = 0; row < n; row++) {
        const size_t word = gen_below(g, sizeof words / sizeof *words);
        int64_t shape[4];
        for (size_t i = 0; i < 4; i++) shape[i] = (int64_t)(gen_u64(g) >> gen_below(g, 64));
        if (gen_below(g, 4) >= nulls) ms_table_i64(table, 0, (int64_t)(gen_u64(g) >> gen_below(g, 64)));
        if (gen_below(g, 4) >= nulls)
            ms_table_f64(table, 1, gen_below(g, 9) ? gen_normal(g) * pow(10, gen_normal(g) * 20) : NAN);
        if (gen_below(g, 4) >= nulls) ms_table_bool(table, 2, gen_below(g, 2));
        if (gen_below(g, 4) >= nulls) ms_table_str(table, 3, ms_str_of(words[word]));
        if (gen_below(g, 4) >= nulls) ms_table_list(table, 4, shape, gen_below(g, 5));
        if (ms_table_end_row(table, NULL) != MS_OK) break;
    }
    return table;
}

/* Cell by cell; csv: NaN and "" have become null. */
static void check_equal(const ms_table *got, const ms_table *want, bool csv) {
    CHECK_EQ_I64(ms_table_n_rows(got), ms_table_n_rows(want));
    CHECK_EQ_I64(ms_table_n_columns(got), ms_table_n_columns(want));
    for (size_t row = 0; row < ms_table_n_rows(want); row++) {
        const bool lost[N_TYPES] = {[1] = csv && isnan(ms_table_get_f64(want, row, 1)),
                                    [3] = csv && ms_table_get_str(want, row, 3).size == 0};
        for (size_t c = 0; c < N_TYPES; c++)
            CHECK(ms_table_is_null(got, row, c) == (ms_table_is_null(want, row, c) || lost[c]));
        CHECK_EQ_I64(ms_table_get_i64(got, row, 0), ms_table_get_i64(want, row, 0));
        CHECK_NEAR(ms_table_get_f64(got, row, 1), ms_table_get_f64(want, row, 1), 0);
        CHECK(ms_table_get_bool(got, row, 2) == ms_table_get_bool(want, row, 2));
        CHECK(ms_str_equal(ms_table_get_str(got, row, 3), ms_table_get_str(want, row, 3)));
        const int64_t *got_items, *want_items;
        const size_t n = ms_table_get_list(got, row, 4, &got_items);
        CHECK_EQ_I64(n, ms_table_get_list(want, row, 4, &want_items));
        CHECK(n == 0 || memcmp(got_items, want_items, n * sizeof *got_items) == 0);
    }
}

PROPERTY(csv_reads_back_what_was_written, 200) {
    ms_err err;
    ms_table *const table = random_table(g, 50);
    ms_buf out = {0};
    CHECK(ms_table_to_csv(table, &out, NULL) == MS_OK);
    ms_table *again;
    CHECK_OK(ms_table_from_csv(&again, ms_buf_str(&out), "t.csv", all_types, N_TYPES, &err), &err);
    check_equal(again, table, true);
    ms_table_destroy(again);
    ms_table_destroy(table);
    ms_buf_free(&out);
}

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

TEST(table_is_written_in_one_format_and_its_twin_goes) {
    char stem[512];
    snprintf(stem, sizeof stem, "%s/x.y", test_folder());
    ms_table *const table = small_table();
    ms_table_written written;
    ms_err err;
    CHECK_OK(ms_table_write(table, stem, MS_TABLE_CSV, "", &written, &err), &err);
    char csv[600];
    snprintf(csv, sizeof csv, "%s.csv", stem);
    CHECK_EQ_TEXT(written.path, csv);
    CHECK_EQ_TEXT(written.error, "");
    CHECK(!written.fallback && written.format == MS_TABLE_CSV && written.n_rows == 3 && exists(csv));
    CHECK_OK(ms_table_write(table, stem, MS_TABLE_PARQUET, "no such", &written, &err), &err);
    CHECK(written.fallback && written.format == MS_TABLE_CSV && exists(csv));
    CHECK(strlen(written.error) > 0);
    ms_table *again;
    CHECK_OK(ms_table_read(&again, csv, all_types, N_TYPES, &err), &err);
    check_equal(again, table, true);
    ms_table_destroy(again);
    CHECK_FAILS(ms_table_write(table, "/no/such/folder/x", MS_TABLE_PARQUET, "zstd", &written, &err), MS_ERR_NOT_FOUND, &err,
                "/no/such/folder/x.csv");
    CHECK_FAILS(ms_table_read(&again, "/no/such/file.csv", NULL, 0, &err), MS_ERR_NOT_FOUND, &err, "/no/such/file.csv");
    CHECK_FAILS(ms_table_read(&again, "/dev/null", NULL, 0, &err), MS_ERR_IO, &err, "not a regular file");
    ms_table_destroy(table);
}

/* n rows, written k at a time: the same file as from a table that holds them all. */
static void check_portions(ms_table_format format, const char *codec, size_t n, size_t k) {
    char stem[512], other[520], path[600], other_path[600];
    snprintf(stem, sizeof stem, "%s/portions", test_folder());
    snprintf(other, sizeof other, "%s/whole", test_folder());
    ms_table *whole, *part, *a, *b;
    ms_table_sink *sink;
    ms_table_written written;
    ms_err err;
    CHECK_OK(ms_table_create(&whole, all_types, N_TYPES, &err), &err);
    CHECK_OK(ms_table_create(&part, all_types, N_TYPES, &err), &err);
    CHECK_OK(ms_table_sink_open(&sink, part, stem, format, codec, &written, &err), &err);
    for (size_t i = 0; i < n; i++) {
        ms_table *const both[] = {whole, part};
        for (int t = 0; t < 2; t++) {
            if (i % 3) ms_table_i64(both[t], 0, (int64_t)i);
            if (i % 5) ms_table_str(both[t], 3, i % 2 ? MS_STR("odd") : MS_STR("even"));
            if (i % 7) ms_table_list(both[t], 4, (const int64_t[]){(int64_t)i, 1}, i % 3);
            CHECK_OK(ms_table_end_row(both[t], &err), &err);
        }
        if (i % k == k - 1) CHECK_OK(ms_table_sink_flush(sink, &err), &err);
        if (i % k == k - 1) CHECK_EQ_I64(ms_table_n_rows(part), 0);
    }
    CHECK_OK(ms_table_sink_close(sink, &err), &err);
    CHECK_EQ_I64(written.n_rows, n);
    snprintf(path, sizeof path, "%s", written.path);
    CHECK_OK(ms_table_write(whole, other, format, codec, &written, &err), &err);
    snprintf(other_path, sizeof other_path, "%s", written.path);
    CHECK_OK(ms_table_read(&a, path, all_types, N_TYPES, &err), &err);
    CHECK_OK(ms_table_read(&b, other_path, all_types, N_TYPES, &err), &err);
    check_equal(a, b, false);
    ms_table *const all[] = {whole, part, a, b};
    for (int i = 0; i < 4; i++) ms_table_destroy(all[i]);
}

TEST(table_written_by_portions_is_the_same_table) {
    const ms_table_format formats[] = {MS_TABLE_CSV, MS_TABLE_PARQUET};
    for (int f = 0; f < 2; f++) {
        check_portions(formats[f], "zstd", 0, 10);
        check_portions(formats[f], "zstd", 10, 10);
        check_portions(formats[f], "none", 2100, 1024);
    }
    check_portions(MS_TABLE_PARQUET, "no such", 100, 7); /* CSV */
}

TEST(table_sink_that_is_given_up_leaves_nothing) {
    char stem[512], csv[600];
    snprintf(stem, sizeof stem, "%s/x", test_folder());
    snprintf(csv, sizeof csv, "%s.csv", stem);
    for (int64_t k = 0;; k++) { /* 0: all goes well until it is given up */
        ms_table *const table = small_table();
        ms_table_sink *sink;
        ms_table_written written;
        ms_mem_fail_at(k);
        ms_status status = ms_table_sink_open(&sink, table, stem, MS_TABLE_CSV, "", &written, NULL);
        if (status == MS_OK) status = ms_table_sink_flush(sink, NULL);
        const bool reached = ms_mem_count() >= k;
        ms_mem_fail_at(0);
        CHECK(status == MS_OK || status == MS_ERR_MEMORY);
        if (sink) ms_table_sink_abort(sink);
        CHECK(!exists(csv));
        ms_table_destroy(table);
        if (!reached) break;
    }
    ms_files_list list;
    CHECK_OK(ms_files_list_folder(&list, test_folder(), NULL), (&(ms_err){0}));
    CHECK_EQ_I64(list.n, 0);
    ms_files_list_free(&list);
}

/* A full disk, played by a limit on the size of files: every writer says so, and leaves the old file alone. */
TEST(table_that_does_not_fit_the_disk_is_an_error_and_changes_nothing) {
    static const ms_column_spec noise = {"x", MS_COLUMN_F64, "", ""};
    const char *const folder = test_folder();
    char stem[512], csv[600], parquet[600];
    snprintf(stem, sizeof stem, "%s/x", folder);
    snprintf(csv, sizeof csv, "%s.csv", stem);
    snprintf(parquet, sizeof parquet, "%s.parquet", stem);
    ms_table *table, *old;
    ms_err err;
    CHECK_OK(ms_table_create(&table, &noise, 1, &err), &err);
    ms_gen gen = {1};
    for (int i = 0; i < 20000; i++) {
        ms_table_f64(table, 0, gen_normal(&gen));
        CHECK_OK(ms_table_end_row(table, &err), &err);
    }
    ms_table_written written;
    old = small_table();
    CHECK_OK(ms_table_write(old, stem, MS_TABLE_CSV, "", &written, &err), &err);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){16384, before.rlim_max});
    const ms_status as_csv = ms_table_write(table, stem, MS_TABLE_CSV, "", &written, &err);
    const ms_status as_parquet = ms_table_write(table, stem, MS_TABLE_PARQUET, "zstd", &written, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    CHECK(as_csv == MS_ERR_IO && as_parquet == MS_ERR_IO && written.fallback);
    CHECK(strstr(err.text, "x.csv: cannot write"));
#ifdef MS_HAVE_PARQUET
    CHECK(strstr(written.error, "x.parquet: cannot write: File too large"));
#endif
    CHECK(!exists(parquet));
    ms_table *again;
    CHECK_OK(ms_table_read(&again, csv, all_types, N_TYPES, &err), &err);
    check_equal(again, old, true);
    ms_table_destroy(again);
    ms_table_destroy(old);
    ms_table_destroy(table);
}

/* Each allocation fails once; nothing may leak, and no wrong table may come back. */
TEST(csv_survives_every_failing_allocation) {
    static const char text[] = "a,\"b\"\"c\",l\n1,\"x\"\"y\",\"(1, 2)\"\n2,z,()\n";
    for (int64_t k = 1;; k++) {
        ms_err err;
        ms_table *table;
        ms_mem_fail_at(k);
        const ms_status status = ms_table_from_csv(&table, ms_str_of(text), "t.csv", NULL, 0, &err);
        const bool reached = ms_mem_count() >= k;
        ms_mem_fail_at(0);
        if (!reached) {
            CHECK(status == MS_OK && ms_table_n_rows(table) == 2);
            ms_table_destroy(table);
            break;
        }
        CHECK(status == MS_ERR_MEMORY && !table);
    }
}

TEST(table_survives_every_failing_allocation) {
    for (int64_t k = 1;; k++) {
        ms_table *table;
        ms_mem_fail_at(k);
        ms_status status = ms_table_create(&table, all_types, N_TYPES, NULL);
        size_t n_good = 0;
        for (size_t row = 0; row < 40 && status == MS_OK; row++) {
            for (size_t c = 0; c < 2; c++)
                c == 0 ? ms_table_i64(table, 0, (int64_t)row) : ms_table_str(table, 3, MS_STR("text"));
            n_good += ms_table_end_row(table, NULL) == MS_OK;
        }
        const bool reached = ms_mem_count() >= k;
        ms_mem_fail_at(0);
        if (status == MS_OK) CHECK_EQ_I64(ms_table_n_rows(table), n_good);
        if (status == MS_OK) CHECK(n_good == (reached ? 39 : 40));
        ms_table_destroy(table);
        if (!reached) break;
    }
}

#ifdef MS_HAVE_PARQUET

static const char *const codecs[] = {"zstd", "snappy", "gzip", "lz4", "none", "", "ZSTD"};

PROPERTY(parquet_reads_back_what_was_written, 60) {
    ms_err err;
    ms_table *const table = random_table(g, gen_below(g, 10) == 0 ? 5000 : 60);
    char path[512];
    snprintf(path, sizeof path, "%s/t.parquet", test_folder());
    const char *const codec = codecs[gen_below(g, sizeof codecs / sizeof *codecs)];
    CHECK_OK(ms_table_write_parquet(table, path, codec, &err), &err);
    ms_table *again;
    CHECK_OK(ms_table_read(&again, path, NULL, 0, &err), &err);
    check_equal(again, table, false);
    for (size_t c = 0; c < N_TYPES; c++) CHECK_EQ_I64(ms_table_column(again, c)->type, all_types[c].type);
    ms_table_destroy(again);
    ms_table_destroy(table);
}

TEST(parquet_of_many_row_groups_reads_back) {
    static const ms_column_spec columns[] = {
        {"i", MS_COLUMN_I64, "", ""}, {"s", MS_COLUMN_STR, "", ""}, {"l", MS_COLUMN_I64_LIST, "", ""}};
    enum { N = 150001 };
    ms_err err;
    ms_table *table, *again;
    char path[512], text[64];
    snprintf(path, sizeof path, "%s/t.parquet", test_folder());
    CHECK_OK(ms_table_create(&table, columns, 3, &err), &err);
    for (int64_t row = 0; row < N; row++) {
        const int n = snprintf(text, sizeof text, "model.layers.%d.mlp", (int)row);
        if (row % 7) ms_table_i64(table, 0, row);
        if (row % 5) ms_table_str(table, 1, (ms_str){text, (size_t)n});
        if (row % 3) ms_table_list(table, 2, (const int64_t[]){row, -row, 1}, (size_t)(row % 4));
        CHECK_OK(ms_table_end_row(table, &err), &err);
    }
    CHECK_OK(ms_table_write_parquet(table, path, "zstd", &err), &err);
    CHECK_OK(ms_table_read(&again, path, NULL, 0, &err), &err);
    CHECK_EQ_I64(ms_table_n_rows(again), N);
    bool equal = true;
    for (size_t row = 0; row < N && equal; row++) {
        const int64_t *a, *b;
        for (size_t c = 0; c < 3; c++) equal = equal && ms_table_is_null(again, row, c) == ms_table_is_null(table, row, c);
        equal = equal && ms_table_get_i64(again, row, 0) == ms_table_get_i64(table, row, 0);
        equal = equal && ms_str_equal(ms_table_get_str(again, row, 1), ms_table_get_str(table, row, 1));
        const size_t n = ms_table_get_list(again, row, 2, &a);
        equal = equal && n == ms_table_get_list(table, row, 2, &b) && (n == 0 || memcmp(a, b, n * sizeof *a) == 0);
    }
    CHECK(equal);
    ms_table_destroy(again);
    ms_table_destroy(table);
}

static bool is_b_or_d(const char *name) { return strcmp(name, "b") == 0 || strcmp(name, "d") == 0; }

TEST(parquet_leaves_out_columns_that_are_not_wanted) {
    static const ms_column_spec columns[] = {{"a", MS_COLUMN_I64, "", ""},
                                             {"b", MS_COLUMN_STR, "", ""},
                                             {"c", MS_COLUMN_I64_LIST, "", ""},
                                             {"d", MS_COLUMN_F64, "", ""}};
    ms_table *table, *some;
    ms_err err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/some.parquet", test_folder());
    CHECK_OK(ms_table_create(&table, columns, 4, &err), &err);
    ms_table_i64(table, 0, 1), ms_table_str(table, 1, MS_STR("x")), ms_table_list(table, 2, (int64_t[]){1, 2}, 2);
    ms_table_f64(table, 3, 0.5);
    CHECK_OK(ms_table_end_row(table, &err), &err);
    CHECK_OK(ms_table_write_parquet(table, path, "zstd", &err), &err);
    CHECK_OK(ms_table_read_some(&some, path, NULL, 0, is_b_or_d, &err), &err);
    CHECK_EQ_I64(ms_table_n_columns(some), 2);
    CHECK_EQ_I64(ms_table_n_rows(some), 1);
    CHECK_EQ_STR(ms_table_get_str(some, 0, 0), "x");
    CHECK_NEAR(ms_table_get_f64(some, 0, 1), 0.5, 0);
    ms_table_destroy(some), ms_table_destroy(table);
}

TEST(parquet_numbers_take_the_type_that_is_asked_for) {
    static const ms_column_spec columns[] = {{"x", MS_COLUMN_F64, "", ""}, {"y", MS_COLUMN_I64, "", ""}};
    static const ms_column_spec wanted[] = {{"x", MS_COLUMN_I64, "", ""}, {"y", MS_COLUMN_F64, "", ""}};
    static const ms_column_spec wrong[] = {{"x", MS_COLUMN_STR, "", ""}};
    ms_err err;
    ms_table *table, *again;
    char path[512];
    snprintf(path, sizeof path, "%s/t.parquet", test_folder());
    CHECK_OK(ms_table_create(&table, columns, 2, &err), &err);
    for (int i = 0; i < 3; i++) {
        ms_table_f64(table, 0, i == 1 ? (double)NAN : i);
        ms_table_i64(table, 1, i);
        CHECK_OK(ms_table_end_row(table, &err), &err);
    }
    CHECK_OK(ms_table_write_parquet(table, path, NULL, &err), &err);
    CHECK_OK(ms_table_read(&again, path, wanted, 2, &err), &err);
    CHECK_EQ_I64(ms_table_get_i64(again, 2, 0), 2);
    CHECK(ms_table_is_null(again, 1, 0));
    CHECK_NEAR(ms_table_get_f64(again, 2, 1), 2, 0);
    ms_table_destroy(table);
    CHECK_FAILS(ms_table_read(&table, path, wrong, 1, &err), MS_ERR_DAMAGED, &err, "column 'x' holds numbers, expected text");
    ms_table_destroy(again);
}

/* Cut or changed anywhere, a file is refused or read; it never breaks the program. */
PROPERTY(parquet_damage_is_survived, 300) {
    ms_err err;
    ms_table *const table = random_table(g, 40);
    char path[512];
    snprintf(path, sizeof path, "%s/t.parquet", test_folder());
    CHECK_OK(ms_table_write_parquet(table, path, codecs[gen_below(g, 6)], &err), &err);
    ms_table_destroy(table);
    FILE *const file = fopen(path, "r+b");
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file);
    if (gen_below(g, 4) == 0) {
        CHECK(ftruncate(fileno(file), (off_t)gen_below(g, size)) == 0);
    } else {
        for (size_t i = 0; i <= gen_below(g, 4); i++) {
            fseek(file, (long)gen_below(g, size), SEEK_SET);
            fputc((int)gen_below(g, 256), file);
        }
    }
    fclose(file);
    ms_table *again;
    (void)ms_table_read(&again, path, NULL, 0, &err);
    ms_table_destroy(again);
}

#else

TEST(parquet_that_is_not_built_in_falls_back_to_csv) {
    char stem[512];
    snprintf(stem, sizeof stem, "%s/x", test_folder());
    ms_table *const table = small_table();
    ms_table_written written;
    ms_err err;
    CHECK_OK(ms_table_write(table, stem, MS_TABLE_PARQUET, "zstd", &written, &err), &err);
    CHECK(written.fallback && written.format == MS_TABLE_CSV && strstr(written.error, "built without Parquet support"));
    ms_table_destroy(table);
}

#endif
