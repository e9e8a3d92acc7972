/* Any bytes as CSV: what is read is written and read again the same, and every other view of it can be made. */
#include <string.h>

#include "buf.h"
#include "fuzz.h"
#include "table_impl.h"
#include "terminal.h"

static ms_table *read_csv(ms_str text) {
    ms_table *table;
    ms_err err;
    const ms_status status = ms_table_from_csv(&table, text, "fuzz.csv", NULL, 0, &err);
    FUZZ_CHECK((status == MS_OK) == (table != NULL));
    FUZZ_CHECK(status == MS_OK || err.text[0]);
    return table;
}

static void check_round_trip(const ms_table *table) {
    ms_buf once = {0}, twice = {0};
    FUZZ_CHECK(ms_table_to_csv(table, &once, NULL) == MS_OK);
    ms_table *const again = read_csv(ms_buf_str(&once));
    FUZZ_CHECK(again && ms_table_n_rows(again) == ms_table_n_rows(table));
    FUZZ_CHECK(ms_table_n_columns(again) == ms_table_n_columns(table));
    for (size_t c = 0; c < ms_table_n_columns(table); c++) {
        FUZZ_CHECK(ms_table_column(again, c)->type == ms_table_column(table, c)->type);
        FUZZ_CHECK(strcmp(ms_table_column(again, c)->name, ms_table_column(table, c)->name) == 0);
    }
    FUZZ_CHECK(ms_table_to_csv(again, &twice, NULL) == MS_OK);
    FUZZ_CHECK(ms_str_equal(ms_buf_str(&once), ms_buf_str(&twice)));
    ms_table_destroy(again);
    ms_buf_free(&once);
    ms_buf_free(&twice);
}

static void check_views(const ms_table *table) {
    ms_buf out = {0};
    FUZZ_CHECK(ms_terminal_table(table, &(ms_terminal_options){.width = 60}, &out, NULL) == MS_OK);
    FUZZ_CHECK(ms_terminal_markdown(table, &out, NULL) == MS_OK);
    FUZZ_CHECK(!out.bytes || !memchr(out.bytes, '\x1b', out.size)); /* no escape of the file reaches a terminal */
    FUZZ_CHECK(ms_str_is_utf8(ms_buf_str(&out), NULL));
    ms_buf_clear(&out);
    FUZZ_CHECK(ms_table_to_json(table, &out, NULL) == MS_OK);
    ms_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_table *const table = read_csv((ms_str){(const char *)data, size});
    if (!table) return 0;
    check_round_trip(table);
    check_views(table);
    ms_table_destroy(table);
    return 0;
}
