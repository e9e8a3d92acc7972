#include "help.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "str.h"
#include "term.h"
#include "width.h"

enum { MAX_COLUMNS = 100, MAX_LEFT = 30 };

/* ---- layout ---- */

static int width_of(const ms_help_look *look) { return look->columns < MAX_COLUMNS ? look->columns : MAX_COLUMNS; }

static void heading(ms_buf *out, const ms_help_look *look, const char *text) {
    ms_buf_printf(out, "%s%s%s\n", ms_term_style(look->color, MS_STYLE_BOLD), text, ms_term_style(look->color, MS_STYLE_PLAIN));
}

/* Words of text, broken between them at the right margin; `at` is the column where we stand; a line break and a final newline
 * included. Later lines begin at `indent`. */
static void wrap(ms_buf *out, const ms_help_look *look, ms_str text, int at, int indent) {
    const int right = width_of(look) - 1 > indent + 20 ? width_of(look) - 1 : indent + 20;
    bool first = true;
    while (text.size > 0) {
        const ms_str word = ms_str_cut(&text, ' ');
        if (word.size == 0) continue;
        const int width = (int)ms_width_of(word);
        if (!first && at + 1 + width > right) {
            ms_buf_printf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            ms_buf_put_char(out, ' ');
            at++;
        }
        ms_buf_put_str(out, word);
        at += width;
        first = false;
    }
    ms_buf_put_char(out, '\n');
}

/* Two columns: "  left      right ..."; a long left has a line of its own. */
static void row(ms_buf *out, const ms_help_look *look, ms_str left, int left_width, ms_str right) {
    const int width = (int)ms_width_of(left), indent = 2 + left_width + 2;
    ms_buf_printf(out, "  %.*s", (int)left.size, left.text);
    if (width > left_width) ms_buf_printf(out, "\n%*s", indent, "");
    else ms_buf_printf(out, "%*s", left_width - width + 2, "");
    wrap(out, look, right, indent, indent);
}

static void paragraphs(ms_buf *out, const ms_help_look *look, const char *text) {
    for (const char *p = text; *p;) {
        const char *const end = strstr(p, "\n\n");
        const size_t n = end ? (size_t)(end - p) : strlen(p);
        wrap(out, look, (ms_str){p, n}, 0, 0);
        p += n;
        while (*p == '\n') p++;
        if (*p) ms_buf_put_char(out, '\n');
    }
}

/* ---- the pieces ---- */

void ms_help_options_init(ms_help_options *o, const ms_command *command) {
    *o = (ms_help_options){.own = command->options};
    ms_command_common(command, o->common);
}

const ms_opt *ms_help_options_next(ms_help_options *o) {
    for (;;) {
        if (o->own && !o->own->name) o->own = NULL;
        const ms_opt *const opt = o->own ? o->own++ : &o->common[o->at];
        if (!opt->name) return NULL;
        if (!o->own) o->at++;
        if (!opt->hidden) return opt;
    }
}

void ms_help_usage(ms_buf *out, const ms_command *command) {
    ms_buf_printf(out, "moescope %s", command->name);
    for (const ms_opt *o = command->options; o && o->name; o++)
        if (o->required) ms_buf_printf(out, " --%s %s", o->name, ms_opt_value_name(o));
    ms_buf_put_text(out, " [OPTION...]");
    for (const ms_positional *p = command->positionals; p && p->name; p++)
        ms_buf_printf(out, p->min > 0 ? " %s%s" : " [%s%s]", p->name, p->max > 1 ? "..." : "");
}

static void fact(ms_buf *out, bool *any, const char *format, const char *text) {
    ms_buf_put_text(out, *any ? "; " : " (");
    ms_buf_printf(out, "%s%s", format, text);
    *any = true;
}

void ms_help_facts(ms_buf *out, const ms_opt *opt) {
    bool any = false;
    char text[96];
    if (opt->choices) {
        fact(out, &any, "", opt->choices[0]);
        for (size_t i = 1; opt->choices[i]; i++)
            ms_buf_printf(out, "%s%s", opt->choices[i + 1] ? ", " : " or ", opt->choices[i]);
    }
    if (opt->max > opt->min && !isinf(opt->max) && !isinf(opt->min)) {
        snprintf(text, sizeof text, "%.15g to %.15g", opt->min, opt->max);
        fact(out, &any, "", text);
    } else if (opt->max > opt->min && !isinf(opt->min) && opt->min != 0) {
        snprintf(text, sizeof text, "%.15g", opt->min);
        fact(out, &any, "at least ", text);
    }
    if (opt->unit) fact(out, &any, "in ", opt->unit);
    if (opt->fallback && opt->kind != MS_OPT_FLAG) fact(out, &any, "default ", opt->fallback);
    if (opt->repeatable) fact(out, &any, "", "may be repeated");
    if (opt->required) fact(out, &any, "", "required");
    if (any) ms_buf_put_char(out, ')');
}

/* "-o, --output FILE", "    --[no-]index" */
static void put_spelling(ms_buf *out, const ms_opt *o) {
    if (o->letter) ms_buf_printf(out, "-%c, ", o->letter);
    else ms_buf_put_text(out, "    ");
    ms_buf_printf(out, "--%s%s", o->negatable ? "[no-]" : "", o->name);
    if (o->kind != MS_OPT_FLAG) ms_buf_printf(out, " %s", ms_opt_value_name(o));
}

static int widest_spelling(ms_buf *out, const ms_command *command) {
    ms_help_options options;
    ms_help_options_init(&options, command);
    ms_buf text = {0};
    int widest = 0;
    for (const ms_opt *o; (o = ms_help_options_next(&options));) {
        ms_buf_clear(&text);
        put_spelling(&text, o);
        if (text.failed) out->failed = true;
        const int width = (int)ms_width_of(ms_buf_str(&text));
        if (width > widest && width <= MAX_LEFT) widest = width;
    }
    ms_buf_free(&text);
    return widest;
}

static void put_options(ms_buf *out, const ms_command *command, const ms_help_look *look, bool in_full) {
    const int left = widest_spelling(out, command);
    ms_buf spelling = {0}, help = {0};
    ms_help_options options;
    ms_help_options_init(&options, command);
    const char *group = NULL;
    for (const ms_opt *o; (o = ms_help_options_next(&options));) {
        const char *const own_group = o->group ? o->group : "Options";
        if (!group || (in_full && strcmp(group, own_group) != 0)) {
            ms_buf_put_char(out, '\n');
            heading(out, look, in_full ? own_group : "Options");
        }
        group = own_group;
        ms_buf_clear(&spelling), ms_buf_clear(&help);
        put_spelling(&spelling, o);
        ms_buf_put_text(&help, o->help ? o->help : "");
        if (in_full) ms_help_facts(&help, o);
        if (spelling.failed || help.failed) out->failed = true;
        row(out, look, ms_buf_str(&spelling), left, ms_buf_str(&help));
    }
    ms_buf_free(&spelling), ms_buf_free(&help);
}

static void put_positionals(ms_buf *out, const ms_command *command, const ms_help_look *look) {
    if (!command->positionals || !command->positionals->name) return;
    int left = 0;
    for (const ms_positional *p = command->positionals; p->name; p++)
        if ((int)strlen(p->name) > left) left = (int)strlen(p->name);
    ms_buf_put_char(out, '\n');
    heading(out, look, "Arguments");
    for (const ms_positional *p = command->positionals; p->name; p++)
        row(out, look, ms_str_of(p->name), left, ms_str_of(p->help ? p->help : ""));
}

static void put_usage(ms_buf *out, const ms_command *command) {
    ms_buf_put_text(out, "Usage: ");
    ms_help_usage(out, command);
    ms_buf_put_char(out, '\n');
}

static void put_title(ms_buf *out, const ms_command *command, const ms_help_look *look) {
    ms_buf_printf(out, "%smoescope %s%s: ", ms_term_style(look->color, MS_STYLE_BOLD), command->name,
                  ms_term_style(look->color, MS_STYLE_PLAIN));
    wrap(out, look, ms_str_of(command->summary), (int)(strlen("moescope ") + strlen(command->name) + strlen(": ")), 4);
    ms_buf_put_char(out, '\n');
}

/* ---- the texts ---- */

void ms_help_short(ms_buf *out, const ms_command *command, const ms_help_look *look) {
    put_title(out, command, look);
    put_usage(out, command);
    put_positionals(out, command, look);
    put_options(out, command, look, false);
}

void ms_help_long(ms_buf *out, const ms_command *command, const ms_help_look *look) {
    put_title(out, command, look);
    if (command->examples && command->examples->line) {
        heading(out, look, "Examples");
        for (const ms_example *e = command->examples; e->line; e++)
            ms_buf_printf(out, "  moescope %s\n      %s\n", e->line, e->what);
        ms_buf_put_char(out, '\n');
    }
    put_usage(out, command);
    if (command->description) {
        ms_buf_put_char(out, '\n');
        paragraphs(out, look, command->description);
    }
    put_positionals(out, command, look);
    put_options(out, command, look, true);
}

void ms_help_overview(ms_buf *out, const ms_command_set *set, const ms_help_look *look) {
    ms_buf_printf(out, "%smoescope%s %s: %s\n\n", ms_term_style(look->color, MS_STYLE_BOLD),
                  ms_term_style(look->color, MS_STYLE_PLAIN), MS_VERSION, set->summary);
    ms_buf_put_text(out, "Usage: moescope COMMAND [OPTION...] [ARGUMENT...]\n");
    int left = 0;
    for (const ms_command *const *c = set->commands; *c; c++)
        if (!(*c)->hidden && (int)strlen((*c)->name) > left) left = (int)strlen((*c)->name);
    const char *section = "";
    for (const ms_command *const *c = set->commands; *c; c++) {
        if ((*c)->hidden) continue;
        if (strcmp(section, (*c)->section) != 0) {
            section = (*c)->section;
            ms_buf_put_char(out, '\n');
            heading(out, look, section);
        }
        row(out, look, ms_str_of((*c)->name), left, ms_str_of((*c)->summary));
    }
    ms_buf_put_text(out, "\n'moescope COMMAND --help' explains a command, with examples; -h in short.\n");
}

/* ---- JSON ---- */

static void text_member(ms_json_out *out, const char *key, const char *text) {
    ms_json_out_key(out, key);
    ms_json_out_text(out, text);
}

static void words_member(ms_json_out *out, const char *key, const char *const *words) {
    if (!words) return;
    ms_json_out_key(out, key);
    ms_json_out_begin_array(out);
    for (; *words; words++) ms_json_out_text(out, *words);
    ms_json_out_end(out);
}

static void json_option(ms_json_out *out, const ms_opt *o) {
    static const char *const kinds[] = {"flag", "int", "size", "real", "text", "path", "choice"};
    ms_json_out_begin_object(out);
    text_member(out, "name", o->name);
    const char letter[2] = {o->letter, 0};
    text_member(out, "letter", o->letter ? letter : NULL);
    text_member(out, "kind", kinds[o->kind]);
    text_member(out, "value", o->kind == MS_OPT_FLAG ? NULL : ms_opt_value_name(o));
    text_member(out, "help", o->help);
    text_member(out, "group", o->group ? o->group : "Options");
    text_member(out, "default", o->fallback);
    text_member(out, "unit", o->unit);
    words_member(out, "choices", o->choices);
    if (o->min != 0 || o->max != 0) {
        ms_json_out_key(out, "min");
        ms_json_out_f64(out, o->min);
        ms_json_out_key(out, "max");
        ms_json_out_f64(out, o->max);
    }
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"repeatable", o->repeatable}, {"negatable", o->negatable}, {"required", o->required}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        ms_json_out_key(out, flags[i].key);
        ms_json_out_bool(out, flags[i].value);
    }
    ms_json_out_end(out);
}

static void json_arguments(ms_json_out *out, const ms_command *command) {
    ms_json_out_key(out, "arguments");
    ms_json_out_begin_array(out);
    for (const ms_positional *p = command->positionals; p && p->name; p++) {
        ms_json_out_begin_object(out);
        text_member(out, "name", p->name);
        text_member(out, "help", p->help);
        ms_json_out_key(out, "min");
        ms_json_out_i64(out, p->min);
        ms_json_out_key(out, "max");
        if (p->max == MS_MANY) ms_json_out_null(out);
        else ms_json_out_i64(out, p->max);
        words_member(out, "choices", p->choices);
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
}

static void json_command(ms_json_out *out, const ms_command *command) {
    ms_json_out_begin_object(out);
    text_member(out, "name", command->name);
    text_member(out, "section", command->section);
    text_member(out, "summary", command->summary);
    text_member(out, "description", command->description);
    ms_json_out_key(out, "examples");
    ms_json_out_begin_array(out);
    for (const ms_example *e = command->examples; e && e->line; e++) {
        ms_json_out_begin_object(out);
        text_member(out, "line", e->line);
        text_member(out, "what", e->what);
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
    json_arguments(out, command);
    ms_json_out_key(out, "options");
    ms_json_out_begin_array(out);
    ms_help_options options;
    ms_help_options_init(&options, command);
    for (const ms_opt *o; (o = ms_help_options_next(&options));) json_option(out, o);
    ms_json_out_end(out);
    ms_json_out_end(out);
}

void ms_help_json(ms_buf *buf, const ms_command_set *set, const ms_command *command) {
    ms_json_out out = {.buf = buf, .indent = 2};
    ms_json_out_begin_object(&out);
    text_member(&out, "schema", "moescope.help");
    ms_json_out_key(&out, "version");
    ms_json_out_i64(&out, 1);
    text_member(&out, "program", "moescope");
    text_member(&out, "release", MS_VERSION);
    ms_json_out_key(&out, "commands");
    ms_json_out_begin_array(&out);
    for (const ms_command *const *c = set->commands; *c; c++)
        if (command ? *c == command : !(*c)->hidden) json_command(&out, *c);
    ms_json_out_end(&out);
    ms_json_out_end(&out);
    ms_buf_put_char(buf, '\n');
}
