#include "opt.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"
#include "suggest.h"

/* ---- looking up ---- */

const ms_opt *ms_opt_find(const ms_opt *const tables[static MS_OPT_TABLES], const char *name) {
    for (int t = 0; t < MS_OPT_TABLES; t++)
        for (const ms_opt *o = tables[t]; o && o->name; o++)
            if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

static const ms_opt *find_letter(const ms_args *args, char letter) {
    for (int t = 0; t < MS_OPT_TABLES; t++)
        for (const ms_opt *o = args->tables[t]; o && o->name; o++)
            if (o->letter && o->letter == letter) return o;
    return NULL;
}

const char *ms_opt_value_name(const ms_opt *opt) {
    if (opt->value) return opt->value;
    switch (opt->kind) {
    case MS_OPT_FLAG: return "";
    case MS_OPT_INT: return "N";
    case MS_OPT_SIZE: return "BYTES";
    case MS_OPT_REAL: return "X";
    case MS_OPT_TEXT: return "TEXT";
    case MS_OPT_PATH: return "PATH";
    case MS_OPT_CHOICE: return "WORD";
    }
    return "";
}

/* ---- values ---- */

/* "--threads", for messages, with what the user typed. */
static ms_status bad_value(const ms_opt *opt, const char *text, const char *expected, ms_err *err) {
    return ms_err_set(err, MS_ERR_USAGE, "option '--%s': '%s' is not %s", opt->name, ms_str_shown(ms_str_of(text)).text,
                      expected);
}

static ms_status check_range(const ms_opt *opt, const char *text, double value, ms_err *err) {
    if (opt->min == 0 && opt->max == 0) return MS_OK;
    if (value >= opt->min && value <= opt->max) return MS_OK;
    const ms_shown shown = ms_str_shown(ms_str_of(text));
    const char *const unit = opt->unit ? opt->unit : "", *const blank = opt->unit ? " " : "";
    if (isinf(opt->max))
        return ms_err_set(err, MS_ERR_USAGE, "option '--%s': %s is too small: at least %.15g%s%s", opt->name, shown.text,
                          opt->min, blank, unit);
    if (isinf(opt->min))
        return ms_err_set(err, MS_ERR_USAGE, "option '--%s': %s is too large: at most %.15g%s%s", opt->name, shown.text,
                          opt->max, blank, unit);
    return ms_err_set(err, MS_ERR_USAGE, "option '--%s': %s is out of range: from %.15g to %.15g%s%s", opt->name, shown.text,
                      opt->min, opt->max, blank, unit);
}

static ms_status read_int(const ms_opt *opt, const char *text, ms_arg_value *out, ms_err *err) {
    if (!ms_str_to_i64(ms_str_of(text), &out->integer)) return bad_value(opt, text, "a whole number", err);
    out->real = (double)out->integer;
    return check_range(opt, text, out->real, err);
}

/* Digits, point, exponent; strtod alone would also take blanks, hexadecimal, inf and nan. */
static bool read_decimal(const char *text, const char **end, double *out) {
    const char *p = text + (*text == '-' || *text == '+');
    if (!(*p >= '0' && *p <= '9') && !(*p == '.' && p[1] >= '0' && p[1] <= '9')) return false;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) return false;
    char *stop;
    *out = strtod(text, &stop);
    *end = stop;
    return isfinite(*out);
}

static ms_status read_real(const ms_opt *opt, const char *text, ms_arg_value *out, ms_err *err) {
    const char *end;
    if (!read_decimal(text, &end, &out->real) || *end) return bad_value(opt, text, "a number", err);
    return check_range(opt, text, out->real, err);
}

static ms_status read_size(const ms_opt *opt, const char *text, ms_arg_value *out, ms_err *err) {
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1},         {"B", 1},       {"k", 1e3},      {"K", 1e3},      {"kB", 1e3},
                 {"KB", 1e3},     {"M", 1e6},     {"MB", 1e6},     {"G", 1e9},      {"GB", 1e9},
                 {"T", 1e12},     {"TB", 1e12},   {"Ki", 0x1p10},  {"KiB", 0x1p10}, {"Mi", 0x1p20},
                 {"MiB", 0x1p20}, {"Gi", 0x1p30}, {"GiB", 0x1p30}, {"Ti", 0x1p40},  {"TiB", 0x1p40}};
    const char *const expected = "a number of bytes, such as 4096, 64k, 1.5G or 512MiB";
    const char *suffix;
    double number;
    if (*text == '-' || *text == '+' || !read_decimal(text, &suffix, &number)) return bad_value(opt, text, expected, err);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(suffix, units[i].suffix) != 0) continue;
        out->real = number * units[i].factor;
        if (out->real > 0x1p62 || out->real != floor(out->real)) return bad_value(opt, text, expected, err);
        out->integer = (int64_t)out->real;
        return check_range(opt, text, out->real, err);
    }
    return bad_value(opt, text, expected, err);
}

/* "a, b or c" */
static void list_words(char *out, size_t size, const char *const *words) {
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; words[i] && used < size; i++) {
        const char *const between = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        const int n = snprintf(out + used, size - used, "%s%s", between, words[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Index of text in words (ends with NULL), or a message: "WHAT: 'x' is none of a, b or c; did you mean 'a'?". */
static ms_status read_choice(const char *what, const char *const *words, const char *text, int *index, ms_err *err) {
    size_t n = 0;
    for (; words[n]; n++)
        if (strcmp(words[n], text) == 0) {
            *index = (int)n;
            return MS_OK;
        }
    char list[512];
    list_words(list, sizeof list, words);
    const char *const near = ms_suggest(text, words, n);
    return ms_err_set(err, MS_ERR_USAGE, "%s: '%s' is not %s%s%s%s%s", what, ms_str_shown(ms_str_of(text)).text,
                      n > 1 ? "one of " : "", list, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

ms_status ms_opt_read_value(const ms_opt *opt, const char *text, ms_arg_value *out, ms_err *err) {
    *out = (ms_arg_value){.opt = opt, .text = text, .real = NAN};
    switch (opt->kind) {
    case MS_OPT_FLAG: out->flag = strcmp(text, "yes") == 0; return MS_OK;
    case MS_OPT_INT: return read_int(opt, text, out, err);
    case MS_OPT_SIZE: return read_size(opt, text, out, err);
    case MS_OPT_REAL: return read_real(opt, text, out, err);
    case MS_OPT_TEXT: return MS_OK;
    case MS_OPT_PATH: MS_FAIL_IF(!*text, MS_ERR_USAGE, err, "option '--%s': the path is empty", opt->name); return MS_OK;
    case MS_OPT_CHOICE: {
        char what[80];
        int index = 0;
        snprintf(what, sizeof what, "option '--%s'", opt->name);
        MS_TRY(read_choice(what, opt->choices, text, &index, err));
        out->integer = index;
        return MS_OK;
    }
    }
    return MS_OK;
}

/* ---- parsing ---- */

typedef struct parser {
    ms_args *args;
    int argc;
    char *const *argv;
    int at; /* the next word */
    ms_err *err;
} parser;

static ms_status add_option(parser *p, ms_arg_value value) {
    return MS_VEC_PUSH(&p->args->options, value) ? MS_OK : ms_err_memory(p->err, "the command line");
}

static ms_status unknown_option(parser *p, const char *name, size_t n) {
    const ms_args *const args = p->args;
    char typed[64] = {0};
    memcpy(typed, name, n < sizeof typed ? n : sizeof typed - 1);
    MS_VEC(const char *) names = {0};
    for (int t = 0; t < MS_OPT_TABLES; t++)
        for (const ms_opt *o = args->tables[t]; o && o->name; o++)
            if (!o->hidden && !MS_VEC_PUSH(&names, o->name)) break;
    const char *const near = ms_suggest(typed, names.items, names.n);
    const ms_status status =
        ms_err_set(p->err, MS_ERR_USAGE, "unknown option '--%s'%s%s%s", ms_str_shown((ms_str){name, n}).text,
                   near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
    MS_VEC_FREE(&names);
    return status;
}

/* The value of opt: what is attached, or the next word. An option of ours is not taken for a value: then one was forgotten. */
static ms_status option_with_value(parser *p, const ms_opt *opt, const char *attached) {
    const char *text = attached;
    if (!text) {
        MS_FAIL_IF(p->at >= p->argc, MS_ERR_USAGE, p->err, "option '--%s' needs a value: --%s %s", opt->name, opt->name,
                   ms_opt_value_name(opt));
        text = p->argv[p->at++];
        const bool is_option = strncmp(text, "--", 2) == 0 && ms_opt_find(p->args->tables, text + 2);
        MS_FAIL_IF(is_option, MS_ERR_USAGE, p->err,
                   "option '--%s' needs a value, but the option '%s' follows (if that is the value, write --%s=%s)", opt->name,
                   text, opt->name, text);
    }
    ms_arg_value value;
    MS_TRY(ms_opt_read_value(opt, text, &value, p->err));
    return add_option(p, value);
}

static ms_status long_option(parser *p, const char *word) {
    const char *const name = word + 2, *const equals = strchr(name, '=');
    const size_t n = equals ? (size_t)(equals - name) : strlen(name);
    char copy[64] = {0};
    if (n >= sizeof copy) return unknown_option(p, name, n);
    memcpy(copy, name, n);

    const ms_opt *opt = ms_opt_find(p->args->tables, copy);
    bool yes = true;
    if (!opt && strncmp(copy, "no-", 3) == 0) {
        opt = ms_opt_find(p->args->tables, copy + 3);
        if (opt && !opt->negatable) opt = NULL;
        yes = false;
    }
    if (!opt) return unknown_option(p, name, n);
    if (opt->kind != MS_OPT_FLAG) return option_with_value(p, opt, equals ? equals + 1 : NULL);
    MS_FAIL_IF(equals, MS_ERR_USAGE, p->err, "option '--%s' takes no value", copy);
    return add_option(p, (ms_arg_value){.opt = opt, .flag = yes, .real = NAN});
}

/* -q, -qt, -oFILE, -qo FILE */
static ms_status short_options(parser *p, const char *word) {
    for (const char *letter = word + 1; *letter; letter++) {
        const ms_opt *const opt = find_letter(p->args, *letter);
        const size_t n_char = (*letter & 0x80) ? strlen(letter) : 1; /* a letter outside ASCII: shown whole */
        MS_FAIL_IF(!opt, MS_ERR_USAGE, p->err, "unknown option '-%s'", ms_str_shown((ms_str){letter, n_char}).text);
        if (opt->kind != MS_OPT_FLAG) return option_with_value(p, opt, letter[1] ? letter + 1 : NULL);
        MS_TRY(add_option(p, (ms_arg_value){.opt = opt, .flag = true, .by_letter = true, .real = NAN}));
    }
    return MS_OK;
}

static ms_status add_argument(parser *p, const char *text) {
    const ms_arg_value value = {.text = text, .real = NAN};
    return MS_VEC_PUSH(&p->args->arguments, value) ? MS_OK : ms_err_memory(p->err, "the command line");
}

static ms_status check_arguments(const ms_args *args, ms_err *err) {
    size_t at = 0;
    for (const ms_positional *s = args->positionals; s && s->name; s++) {
        const size_t left = args->arguments.n - at;
        MS_FAIL_IF(left < (size_t)s->min, MS_ERR_USAGE, err, "%s is missing%s%s", s->name, s->help ? ": " : "",
                   s->help ? s->help : "");
        const size_t n = left < (size_t)s->max ? left : (size_t)s->max;
        for (size_t i = at; i < at + n; i++)
            MS_FAIL_IF(!args->arguments.items[i].text[0], MS_ERR_USAGE, err, "%s is empty%s%s", s->name, s->help ? ": " : "",
                       s->help ? s->help : "");
        for (size_t i = at; s->choices && i < at + n; i++) {
            int index;
            MS_TRY(read_choice(s->name, s->choices, args->arguments.items[i].text, &index, err));
        }
        at += n;
    }
    MS_FAIL_IF(at < args->arguments.n, MS_ERR_USAGE, err, "unexpected argument '%s'",
               ms_str_shown(ms_str_of(args->arguments.items[at].text)).text);
    return MS_OK;
}

static ms_status check_required(const ms_args *args, ms_err *err) {
    for (int t = 0; t < MS_OPT_TABLES; t++)
        for (const ms_opt *o = args->tables[t]; o && o->name; o++)
            MS_FAIL_IF(o->required && !ms_args_given(args, o->name), MS_ERR_USAGE, err, "option '--%s %s' is required: %s",
                       o->name, ms_opt_value_name(o), o->help);
    return MS_OK;
}

ms_status ms_args_parse(ms_args *args, int argc, char *const *argv, ms_err *err) {
    parser p = {.args = args, .argc = argc, .argv = argv, .err = err};
    bool options_end = false;
    while (p.at < argc) {
        const char *const word = argv[p.at++];
        if (options_end || word[0] != '-' || !word[1]) MS_TRY(add_argument(&p, word));
        else if (strcmp(word, "--") == 0) options_end = true;
        else if (word[1] == '-') MS_TRY(long_option(&p, word));
        else MS_TRY(short_options(&p, word));
    }
    for (size_t i = 0; i < args->options.n; i++)
        if (args->options.items[i].opt->excuses) return MS_OK;
    MS_TRY(check_required(args, err));
    return check_arguments(args, err);
}

void ms_args_free(ms_args *args) {
    MS_VEC_FREE(&args->options);
    MS_VEC_FREE(&args->arguments);
}

/* ---- reading off ---- */

/* The last value typed, or else the fallback. False when there is neither. */
static bool value_of(const ms_args *args, const char *name, ms_arg_value *out) {
    const ms_opt *const opt = ms_opt_find(args->tables, name);
    assert(opt);
    for (size_t i = args->options.n; i-- > 0;)
        if (args->options.items[i].opt == opt) {
            *out = args->options.items[i];
            return true;
        }
    return opt && opt->fallback && ms_opt_read_value(opt, opt->fallback, out, NULL) == MS_OK;
}

bool ms_args_given(const ms_args *args, const char *name) { return ms_args_count(args, name) > 0; }

bool ms_args_flag(const ms_args *args, const char *name) {
    ms_arg_value value;
    return value_of(args, name, &value) && value.flag;
}

int64_t ms_args_int(const ms_args *args, const char *name) {
    ms_arg_value value;
    return value_of(args, name, &value) ? value.integer : 0;
}

double ms_args_real(const ms_args *args, const char *name) {
    ms_arg_value value;
    return value_of(args, name, &value) ? value.real : (double)NAN;
}

const char *ms_args_text(const ms_args *args, const char *name) {
    ms_arg_value value;
    return value_of(args, name, &value) ? value.text : NULL;
}

int ms_args_choice(const ms_args *args, const char *name) {
    ms_arg_value value;
    return value_of(args, name, &value) ? (int)value.integer : -1;
}

bool ms_args_by_letter(const ms_args *args, const char *name) {
    ms_arg_value value;
    return value_of(args, name, &value) && value.by_letter;
}

size_t ms_args_count(const ms_args *args, const char *name) {
    const ms_opt *const opt = ms_opt_find(args->tables, name);
    assert(opt);
    size_t n = 0;
    for (size_t i = 0; i < args->options.n; i++) n += args->options.items[i].opt == opt;
    return n;
}

const char *ms_args_text_at(const ms_args *args, const char *name, size_t i) {
    const ms_opt *const opt = ms_opt_find(args->tables, name);
    for (size_t k = 0; k < args->options.n; k++)
        if (args->options.items[k].opt == opt && i-- == 0) return args->options.items[k].text;
    return NULL;
}

size_t ms_args_n_arguments(const ms_args *args) { return args->arguments.n; }

const char *ms_args_argument(const ms_args *args, size_t i) {
    return i < args->arguments.n ? args->arguments.items[i].text : NULL;
}
