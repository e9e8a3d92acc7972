#include "opt.h"

#include "test.h"

static const char *const formats[] = {"text", "json", "csv", NULL};
static const ms_opt own[] = {
    {.name = "tensors", .letter = 't', .help = "list"},
    {.name = "output", .letter = 'o', .kind = MS_OPT_PATH, .value = "FILE", .help = "write"},
    {.name = "sample", .letter = 'n', .kind = MS_OPT_INT, .min = 1, .max = 1000, .fallback = "64", .unit = "rows"},
    {.name = "index", .negatable = true, .fallback = "yes"},
    {.name = "memory", .kind = MS_OPT_SIZE, .max = 1e12},
    {.name = "ratio", .kind = MS_OPT_REAL, .min = 0, .max = INFINITY},
    {.name = "any", .kind = MS_OPT_INT},
    {.name = "pattern", .kind = MS_OPT_TEXT, .repeatable = true},
    {0},
};
static const ms_opt common[] = {
    {.name = "format", .kind = MS_OPT_CHOICE, .choices = formats, .fallback = "text"},
    {.name = "quiet", .letter = 'q'},
    {.name = "help", .letter = 'h', .excuses = true},
    {0},
};
static const ms_opt needed[] = {{.name = "root", .kind = MS_OPT_PATH, .value = "DIR", .required = true, .help = "where"}, {0}};
static const ms_positional one_or_two[] = {
    {.name = "MODEL", .help = "a file", .min = 1, .max = 1}, {.name = "TENSOR", .max = 1}, {0}};

/* Words separated by blanks; args is made anew. */
static ms_status parse(ms_args *args, const char *line, ms_err *err) {
    static char text[256];
    static char *argv[32];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = text; *at && argc < 31;) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at) *at++ = 0;
    }
    argv[argc] = NULL;
    *args = (ms_args){.tables = {own, common}, .positionals = one_or_two};
    return ms_args_parse(args, argc, argv, err);
}

TEST(opt_reads_every_spelling_of_gnu) {
    static const char *const lines[] = {"m --output=x --tensors -q", "--output x m -tq",   "-ox m -qt", "-tqo x m", "-tqox m",
                                        "-t -q -o x -- m",           "-qt m --output=x --"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ms_args args;
        ms_err err = {0};
        CHECK_OK(parse(&args, lines[i], &err), &err);
        CHECK_EQ_TEXT(ms_args_text(&args, "output"), "x");
        CHECK(ms_args_flag(&args, "tensors") && ms_args_flag(&args, "quiet"));
        CHECK_EQ_I64(ms_args_n_arguments(&args), 1);
        CHECK_EQ_TEXT(ms_args_argument(&args, 0), "m");
        ms_args_free(&args);
    }
}

TEST(opt_takes_what_follows_two_dashes_and_a_lone_dash_as_arguments) {
    ms_args args;
    ms_err err = {0};
    CHECK_OK(parse(&args, "- -- --tensors", &err), &err);
    CHECK_EQ_TEXT(ms_args_argument(&args, 0), "-");
    CHECK_EQ_TEXT(ms_args_argument(&args, 1), "--tensors");
    CHECK(ms_args_argument(&args, 2) == NULL);
    CHECK(!ms_args_flag(&args, "tensors"));
    ms_args_free(&args);
}

TEST(opt_gives_defaults_where_nothing_was_typed) {
    ms_args args;
    ms_err err = {0};
    CHECK_OK(parse(&args, "m", &err), &err);
    CHECK_EQ_I64(ms_args_int(&args, "sample"), 64);
    CHECK(!ms_args_given(&args, "sample"));
    CHECK_EQ_TEXT(ms_args_text(&args, "format"), "text");
    CHECK_EQ_I64(ms_args_choice(&args, "format"), 0);
    CHECK(ms_args_flag(&args, "index"));
    CHECK(ms_args_text(&args, "output") == NULL);
    CHECK(isnan(ms_args_real(&args, "ratio")));
    CHECK_EQ_I64(ms_args_count(&args, "pattern"), 0);
    ms_args_free(&args);
}

TEST(opt_last_one_wins_and_repeatable_ones_all_count) {
    ms_args args;
    ms_err err = {0};
    CHECK_OK(parse(&args, "m --sample 2 --sample=3 --no-index --index --no-index --pattern a --pattern=b --format csv", &err),
             &err);
    CHECK_EQ_I64(ms_args_int(&args, "sample"), 3);
    CHECK(!ms_args_flag(&args, "index"));
    CHECK_EQ_I64(ms_args_count(&args, "pattern"), 2);
    CHECK_EQ_TEXT(ms_args_text_at(&args, "pattern", 0), "a");
    CHECK_EQ_TEXT(ms_args_text_at(&args, "pattern", 1), "b");
    CHECK(ms_args_text_at(&args, "pattern", 2) == NULL);
    CHECK_EQ_I64(ms_args_choice(&args, "format"), 2);
    ms_args_free(&args);
}

TEST(opt_reads_sizes_in_decimal_and_binary_units) {
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } cases[] = {{"0", 0},
                 {"4096", 4096},
                 {"64k", 64000},
                 {"1.5G", 1500000000},
                 {"512MiB", 512 << 20},
                 {"1Ki", 1024},
                 {"2TB", -1 /* too large */},
                 {"1.5", -1},
                 {"-1", -1},
                 {"1X", -1},
                 {"G", -1},
                 {"", -1},
                 {"0x10", -1},
                 {"1e3", 1000}};
    const ms_opt *const tables[MS_OPT_TABLES] = {own, common};
    const ms_opt *const opt = ms_opt_find(tables, "memory");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ms_arg_value value;
        ms_err err = {0};
        const ms_status status = ms_opt_read_value(opt, cases[i].text, &value, &err);
        CHECK_MSG((status == MS_OK) == (cases[i].bytes >= 0), "'%s': %s", cases[i].text, err.text);
        if (status == MS_OK) CHECK_EQ_I64(value.integer, cases[i].bytes);
    }
}

TEST(opt_refuses_what_is_no_number_or_out_of_range) {
    static const struct {
        const char *line, *message;
    } cases[] = {{"m --sample 0", "0 is out of range: from 1 to 1000 rows"},
                 {"m --sample 1001", "out of range"},
                 {"m --sample=", "'' is not a whole number"},
                 {"m --sample 3x", "'3x' is not a whole number"},
                 {"m --sample 1.0", "not a whole number"},
                 {"m --any 9223372036854775808", "not a whole number"},
                 {"m --ratio nan", "'nan' is not a number"},
                 {"m --ratio inf", "not a number"},
                 {"m --ratio 1e999", "not a number"},
                 {"m --ratio 0x1p3", "not a number"},
                 {"m --ratio 1,5", "not a number"},
                 {"m --ratio -0.5", "-0.5 is too small: at least 0"},
                 {"m --format xml", "not one of text, json or csv"},
                 {"m --format jsn", "did you mean 'json'?"},
                 {"m --format JSON", "not one of"},
                 {"m --output=", "the path is empty"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ms_args args;
        ms_err err = {0};
        CHECK_FAILS(parse(&args, cases[i].line, &err), MS_ERR_USAGE, &err, cases[i].message);
        ms_args_free(&args);
    }
}

TEST(opt_refuses_words_it_does_not_know_and_says_the_nearest) {
    static const struct {
        const char *line, *message;
    } cases[] = {{"m --tenors", "did you mean '--tensors'?"},
                 {"m --tensor", "unknown option '--tensor'"},
                 {"m --no-tensors", "unknown option '--no-tensors'"},
                 {"m --tensors=yes", "takes no value"},
                 {"m --no-index=yes", "takes no value"},
                 {"m -x", "unknown option '-x'"},
                 {"m -tx", "unknown option '-x'"},
                 {"m -t=1", "unknown option '-='"},
                 {"m --", NULL},
                 {"m --=", "unknown option '--'"},
                 {"m -o", "needs a value: --output FILE"},
                 {"m --sample --tensors", "the option '--tensors' follows"},
                 {"a b c", "unexpected argument 'c'"},
                 {"-q", "MODEL is missing: a file"},
                 {"m --aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "unknown option"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ms_args args;
        ms_err err = {0};
        if (cases[i].message) CHECK_FAILS(parse(&args, cases[i].line, &err), MS_ERR_USAGE, &err, cases[i].message);
        else CHECK_OK(parse(&args, cases[i].line, &err), &err);
        ms_args_free(&args);
    }
}

TEST(opt_help_excuses_what_is_missing) {
    char word[] = "--help", *help[] = {word, NULL}, *empty[] = {NULL};
    ms_args args = {.tables = {needed, common}, .positionals = one_or_two};
    ms_err err = {0};
    CHECK_OK(ms_args_parse(&args, 1, help, &err), &err);
    CHECK(ms_args_given(&args, "help") && !ms_args_by_letter(&args, "help"));
    ms_args_free(&args);
    args = (ms_args){.tables = {needed, common}, .positionals = one_or_two};
    CHECK_FAILS(ms_args_parse(&args, 0, empty, &err), MS_ERR_USAGE, &err, "option '--root DIR' is required: where");
    ms_args_free(&args);
}

/* Whatever is typed, in whatever order: an answer, and what was accepted reads back without a fault. */
PROPERTY(opt_survives_any_words, 400) {
    static const char *const pieces[] = {"-",     "--", "t", "o",        "=",    "output", "sample", "no-",
                                         "index", "7",  "",  "\xc3\xa9", "\x1b", "format", "csv",    "pattern"};
    char words[6][64], *argv[7];
    const int argc = (int)gen_below(g, 7);
    for (int i = 0; i < argc; i++) {
        words[i % 6][0] = 0;
        for (size_t k = gen_below(g, 5); k > 0; k--)
            strncat(words[i % 6], pieces[gen_below(g, sizeof pieces / sizeof pieces[0])], 63 - strlen(words[i % 6]));
        argv[i] = words[i % 6];
    }
    ms_args args = {.tables = {own, common}, .positionals = one_or_two};
    ms_err err = {0};
    const ms_status status = ms_args_parse(&args, argc, argv, &err);
    CHECK(status == MS_OK || status == MS_ERR_USAGE);
    CHECK((status == MS_OK) == (err.text[0] == 0));
    if (status == MS_OK) {
        const int64_t sample = ms_args_int(&args, "sample");
        CHECK(sample >= 1 && sample <= 1000);
        CHECK(ms_args_choice(&args, "format") >= 0);
    }
    ms_args_free(&args);
}

TEST(opt_says_so_when_memory_is_short) {
    for (int64_t k = 1; k <= 3; k++) {
        ms_args args;
        ms_err err = {0};
        ms_mem_fail_at(k);
        const ms_status status = parse(&args, "m -t", &err);
        ms_mem_fail_at(0);
        CHECK(status == MS_OK || status == MS_ERR_MEMORY);
        CHECK(k > 2 || status == MS_ERR_MEMORY);
        ms_args_free(&args);
    }
}
