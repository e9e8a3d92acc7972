#include "summarize.h"

#include "mem.h"
#include "test.h"

/* Values from numpy.quantile(x, q), NumPy 2, printed by repr. */
TEST(quantiles_are_numpys_to_the_bit) {
    static const double x[] = {-1.7, 0.1, 0.2, 0.30000000000000004, 5.55, 1e9};
    static const struct {
        double q, want;
    } cases[] = {{0, -1.7},
                 {0.01, -1.6099999999999999},
                 {0.05, -1.25},
                 {0.1, -0.8},
                 {0.25, 0.125},
                 {0.5, 0.25},
                 {0.75, 4.2375},
                 {0.9, 500000002.775},
                 {0.95, 750000001.3875},
                 {0.99, 950000000.2775002},
                 {0.999, 995000000.0277501},
                 {1, 1000000000.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double got = ms_summarize_quantile(x, 6, cases[i].q);
        CHECK_MSG(got == cases[i].want, "q %g: got %.17g, want %.17g", cases[i].q, got, cases[i].want);
    }
    CHECK_NEAR(ms_summarize_quantile(x, 1, 0.99), -1.7, 0);
}

PROPERTY(quantiles_never_turn_back, 100) {
    double x[20];
    const size_t n = gen_below(g, 20) + 1;
    x[0] = gen_normal(g);
    for (size_t i = 1; i < n; i++) x[i] = x[i - 1] + fabs(gen_normal(g)) * 1e-3;
    double before = x[0];
    for (int i = 0; i <= 1000; i++) {
        const double here = ms_summarize_quantile(x, n, i / 1000.0);
        CHECK(here >= before && here <= x[n - 1]);
        before = here;
    }
    CHECK_NEAR(before, x[n - 1], 0);
}

static const ms_column_spec columns[] = {{"layer", MS_COLUMN_I64, "", "of the model"},
                                         {"proj", MS_COLUMN_STR, "", ""},
                                         {"rms", MS_COLUMN_F64, "dB", "root mean square"},
                                         {"rows", MS_COLUMN_I64, "", ""},
                                         {"shape", MS_COLUMN_I64_LIST, "", ""}};

static void put_row(ms_table *table, int layer, const char *proj, double rms, int rows) {
    if (layer >= 0) ms_table_i64(table, 0, layer);
    if (proj) ms_table_str(table, 1, ms_str_of(proj));
    if (rms != -1) ms_table_f64(table, 2, rms);
    ms_table_i64(table, 3, rows);
    (void)ms_table_end_row(table, NULL);
}

static ms_table *sample_table(void) {
    ms_table *table;
    if (ms_table_create(&table, columns, 5, NULL) != MS_OK) return NULL;
    put_row(table, 10, "up", 3, 1);
    put_row(table, 2, "up", 1, 2);
    put_row(table, -1, "up", 8, 3);
    put_row(table, 2, "gate", NAN, 4);
    put_row(table, 2, "up", 4, 5);
    put_row(table, 2, NULL, -1, 6);
    put_row(table, -1, "up", INFINITY, 7);
    put_row(table, 2, "up", -1, 8);
    return table;
}

TEST(summary_groups_in_key_order_with_nulls_last) {
    static const char *const keys[] = {"layer", "proj"}, *const metrics[] = {"rms", "rows"};
    static const ms_aggregate wanted[] = {MS_AGGREGATE_MEAN, MS_AGGREGATE_STD, MS_AGGREGATE_MAX};
    ms_table *const table = sample_table(), *summary;
    ms_err err;
    CHECK_OK(ms_summarize(&summary, table, keys, 2, metrics, 2, wanted, 3, &err), &err);
    CHECK_EQ_I64(ms_table_n_columns(summary), 8);
    CHECK_EQ_TEXT(ms_table_column(summary, 3)->name, "rms__std");
    CHECK_EQ_TEXT(ms_table_column(summary, 3)->unit, "dB");
    CHECK_EQ_I64(ms_table_n_rows(summary), 5); /* (2, gate) (2, up) (2, null) (10, up) (null, up) */
    CHECK_EQ_STR(ms_table_get_str(summary, 0, 1), "gate");
    CHECK(ms_table_is_null(summary, 0, 2) && ms_table_is_null(summary, 0, 4)); /* only NaN in it */
    CHECK_NEAR(ms_table_get_f64(summary, 1, 2), 2.5, 0);
    CHECK_NEAR(ms_table_get_f64(summary, 1, 3), sqrt(4.5), 0);
    CHECK_NEAR(ms_table_get_f64(summary, 1, 5), 5, 0); /* rows 2, 5, 8 */
    CHECK(ms_table_get_i64(summary, 2, 0) == 2 && ms_table_is_null(summary, 2, 1));
    CHECK(ms_table_get_i64(summary, 3, 0) == 10 && ms_table_is_null(summary, 3, 3)); /* one value: no deviation */
    CHECK_NEAR(ms_table_get_f64(summary, 3, 2), 3, 0);
    CHECK(ms_table_is_null(summary, 4, 0));
    CHECK(isinf(ms_table_get_f64(summary, 4, 2)));
    ms_table_destroy(summary);
    ms_table_destroy(table);
}

TEST(summary_medians_know_infinities) {
    static const char *const keys[] = {"proj"}, *const metrics[] = {"rms"};
    static const ms_aggregate wanted[] = {MS_AGGREGATE_MEDIAN, MS_AGGREGATE_P90};
    static const double odd[] = {-3, 4, INFINITY}, even[] = {4, INFINITY};
    ms_table *table, *summary;
    ms_err err;
    CHECK_OK(ms_table_create(&table, columns, 5, &err), &err);
    for (int i = 0; i < 3; i++) put_row(table, 0, "odd", odd[i], 0);
    for (int i = 0; i < 2; i++) put_row(table, 0, "even", even[i], 0);
    CHECK_OK(ms_summarize(&summary, table, keys, 1, metrics, 1, wanted, 2, &err), &err);
    CHECK(isinf(ms_table_get_f64(summary, 0, 1)));
    CHECK_NEAR(ms_table_get_f64(summary, 1, 1), 4, 0);
    ms_table_destroy(summary);
    ms_table_destroy(table);
}

TEST(summary_of_nothing_has_its_columns) {
    static const char *const keys[] = {"proj"}, *const metrics[] = {"rms"};
    static const ms_aggregate wanted[] = {MS_AGGREGATE_P01};
    ms_table *table, *summary;
    CHECK(ms_table_create(&table, columns, 5, NULL) == MS_OK);
    CHECK(ms_summarize(&summary, table, keys, 1, metrics, 1, wanted, 1, NULL) == MS_OK);
    CHECK_EQ_I64(ms_table_n_columns(summary), 2);
    CHECK_EQ_I64(ms_table_n_rows(summary), 0);
    ms_table_destroy(summary);
    ms_table_destroy(table);
}

TEST(summary_refuses_what_it_cannot_do) {
    static const char *const good[] = {"layer"}, *const text[] = {"proj"}, *const absent[] = {"nope"},
                             *const list[] = {"shape"};
    static const ms_aggregate wanted[] = {MS_AGGREGATE_MIN};
    ms_table *const table = sample_table(), *summary;
    ms_err err;
    CHECK_FAILS(ms_summarize(&summary, table, absent, 1, good, 1, wanted, 1, &err), MS_ERR_USAGE, &err, "no column 'nope'");
    CHECK_FAILS(ms_summarize(&summary, table, good, 1, text, 1, wanted, 1, &err), MS_ERR_USAGE, &err,
                "column 'proj' holds text");
    CHECK_FAILS(ms_summarize(&summary, table, list, 1, good, 1, wanted, 1, &err), MS_ERR_USAGE, &err,
                "column 'shape' holds lists");
    CHECK(!summary);
    ms_table_destroy(table);
}

TEST(summary_survives_every_failing_allocation) {
    static const char *const keys[] = {"proj"}, *const metrics[] = {"rms"};
    static const ms_aggregate wanted[] = {MS_AGGREGATE_MEDIAN};
    ms_table *const table = sample_table();
    for (int64_t k = 1;; k++) {
        ms_table *summary;
        ms_mem_fail_at(k);
        const ms_status status = ms_summarize(&summary, table, keys, 1, metrics, 1, wanted, 1, NULL);
        const bool reached = ms_mem_count() >= k;
        ms_mem_fail_at(0);
        ms_table_destroy(summary);
        CHECK(status == (reached ? MS_ERR_MEMORY : MS_OK));
        if (!reached) break;
    }
    ms_table_destroy(table);
}
