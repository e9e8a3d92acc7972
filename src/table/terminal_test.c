#include "terminal.h"

#include "test.h"

TEST(terminal_numbers_have_four_digits) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "0"},
                 {1, "1.000"},
                 {0.012344, "0.01234"},
                 {9.9996, "10.00"},
                 {-1234.6, "-1235"},
                 {123456, "123456"},
                 {1234567, "1234567"},
                 {12345678, "1.235e+07"},
                 {1.23456e-5, "1.235e-05"},
                 {NAN, "nan"},
                 {-INFINITY, "-inf"},
                 {0.00099996, "0.001000"},
                 {1e300, "1.000e+300"},
                 {99.996, "100.0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        ms_terminal_number(cases[i].value, text);
        CHECK_EQ_TEXT(text, cases[i].text);
    }
}

TEST(terminal_width_counts_cells) {
    CHECK_EQ_I64(ms_terminal_width(MS_STR("abc")), 3);
    CHECK_EQ_I64(ms_terminal_width(MS_STR("\xC3\xA9")), 1);
    CHECK_EQ_I64(ms_terminal_width(MS_STR("e\xCC\x81")), 1);        /* e and a combining accent */
    CHECK_EQ_I64(ms_terminal_width(MS_STR("\xE4\xB8\xAD")), 2);     /* a Chinese character */
    CHECK_EQ_I64(ms_terminal_width(MS_STR("\xF0\x9F\x94\xAC")), 2); /* a microscope */
}

static ms_table *sample_table(void) {
    static const ms_column_spec columns[] = {{"layer", MS_COLUMN_I64, "", ""},
                                             {"tensor", MS_COLUMN_STR, "", ""},
                                             {"size", MS_COLUMN_F64, "MiB", ""},
                                             {"routed", MS_COLUMN_BOOL, "", ""},
                                             {"shape", MS_COLUMN_I64_LIST, "", ""}};
    ms_table *table;
    if (ms_table_create(&table, columns, 5, NULL) != MS_OK) return NULL;
    ms_table_i64(table, 0, 3);
    ms_table_str(table, 1, MS_STR("model.layers.3.mlp.experts.0.gate_proj"));
    ms_table_f64(table, 2, 1.5);
    ms_table_bool(table, 3, true);
    ms_table_list(table, 4, (const int64_t[]){64, 128}, 2);
    (void)ms_table_end_row(table, NULL);
    ms_table_i64(table, 0, 12);
    ms_table_str(table, 1, MS_STR("a|b\x1b"));
    (void)ms_table_end_row(table, NULL);
    return table;
}

TEST(terminal_table_is_aligned) {
    ms_table *const table = sample_table();
    ms_buf out = {0};
    CHECK(ms_terminal_table(table, &(ms_terminal_options){0}, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes, "layer  tensor                                  size (MiB)  routed  shape\n"
                             "-----  --------------------------------------  ----------  ------  ---------\n"
                             "    3  model.layers.3.mlp.experts.0.gate_proj       1.500  yes     (64, 128)\n"
                             "   12  a|b\\x1B                                          -  -       -\n");
    ms_buf_free(&out);
    ms_table_destroy(table);
}

TEST(terminal_table_fits_its_window) {
    ms_table *const table = sample_table();
    for (size_t width = 10; width < 90; width++) {
        ms_buf out = {0};
        CHECK(ms_terminal_table(table, &(ms_terminal_options){.width = width}, &out, NULL) == MS_OK);
        ms_str rest = ms_buf_str(&out);
        while (rest.size) {
            const ms_str line = ms_str_cut(&rest, '\n');
            CHECK(ms_terminal_width(line) <= width || ms_str_starts_with(line, MS_STR("(no room for: ")));
        }
        ms_buf_free(&out);
    }
    ms_buf out = {0};
    CHECK(ms_terminal_table(table, &(ms_terminal_options){.width = 40, .max_rows = 1, .colour = true}, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes, "\x1b[1mlayer  tensor        size (MiB)  routed\x1b[0m\n"
                             "-----  ------------  ----------  ------\n"
                             "    3  mode..._proj       1.500  yes\n"
                             "(1 more row)\n"
                             "(no room for: shape)\n");
    ms_buf_free(&out);
    ms_table_destroy(table);
}

TEST(terminal_markdown_escapes_its_marks) {
    ms_table *const table = sample_table();
    ms_buf out = {0};
    CHECK(ms_terminal_markdown(table, &out, NULL) == MS_OK);
    CHECK_EQ_TEXT(out.bytes, "| layer | tensor | size (MiB) | routed | shape |\n"
                             "|---:|:---|---:|:---|:---|\n"
                             "| 3 | model.layers.3.mlp.experts.0.gate\\_proj | 1.500 | yes | (64, 128) |\n"
                             "| 12 | a\\|b\\\\x1B | - | - | - |\n");
    ms_buf_free(&out);
    ms_table_destroy(table);
}
