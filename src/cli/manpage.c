/*
 * mdoc as mandoc and groff read it. Running text stands on lines of its own and never as an argument of a macro, where words
 * such as "No" or "Ar" would be macros; arguments are single words behind \&, which stops that too.
 */
#include "manpage.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "help.h"
#include "str.h"

/* ---- text ---- */

static void put_escaped(ms_buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\') ms_buf_put_text(out, "\\e");
        else if (text[i] == '-' && i + 1 < n && text[i + 1] == '-') ms_buf_put_text(out, "\\-");
        else if (text[i] == '-' && i > 0 && text[i - 1] == '-') ms_buf_put_text(out, "\\-");
        else ms_buf_put_char(out, text[i]);
    }
}

/* Sentences on a line each, as mdoc wants it; an empty line in the text begins a paragraph. Ends with a newline. */
static void put_text(ms_buf *out, const char *text) {
    bool line_begin = true;
    for (const char *p = text; *p; p++) {
        if (line_begin && (*p == '.' || *p == '\'')) ms_buf_put_text(out, "\\&");
        line_begin = false;
        const bool sentence_ends = (*p == '.' || *p == '?') && p[1] == ' ' && (isupper((unsigned char)p[2]) || p[2] == '-');
        if (p[0] == '\n' && p[1] == '\n') {
            ms_buf_put_text(out, "\n.Pp\n");
            while (p[1] == '\n') p++;
            line_begin = true;
        } else if (sentence_ends) {
            ms_buf_printf(out, "%c\n", *p++);
            line_begin = true;
        } else if (*p == '-' && (p[1] == '-' || (p > text && p[-1] == '-'))) ms_buf_put_text(out, "\\-");
        else put_escaped(out, p, 1);
    }
    ms_buf_put_char(out, '\n');
}

/* What the tables say in lower case and without a full stop, as a sentence. */
static void put_sentence(ms_buf *out, const char *text, const char *facts) {
    ms_buf line = {0};
    ms_buf_printf(&line, "%s%s.", text, facts);
    if (line.failed) {
        out->failed = true;
    } else {
        line.bytes[0] = (char)toupper((unsigned char)line.bytes[0]);
        put_text(out, line.bytes);
    }
    ms_buf_free(&line);
}

/* One word as the argument of a macro. */
static void put_word(ms_buf *out, const char *word) {
    ms_buf_put_text(out, " \\&");
    for (const char *p = word; *p; p++) {
        if (*p == ' ') ms_buf_put_text(out, "\\ ");
        else if (*p == '-') ms_buf_put_text(out, "\\-");
        else put_escaped(out, p, 1);
    }
}

void ms_manpage_name(char out[static 64], const ms_command *command) {
    snprintf(out, 64, "moescope%s%s.1", command ? "-" : "", command ? command->name : "");
    for (char *p = out; *p; p++)
        if (*p == ' ') *p = '-';
}

/* ---- pieces ---- */

static void put_head(ms_buf *out, const ms_command *command, const char *summary) {
    char name[64], title[64];
    ms_manpage_name(name, command);
    name[strlen(name) - 2] = 0; /* without ".1" */
    snprintf(title, sizeof title, "%s", name);
    for (char *p = title; *p; p++) *p = (char)toupper((unsigned char)*p);
    ms_buf_printf(out, ".Dd %s\n.Dt %s 1\n.Os moescope %s\n.Sh NAME\n.Nm %s\n.Nd ", MS_RELEASE_DATE, title, MS_VERSION, name);
    put_escaped(out, summary, strlen(summary));
    ms_buf_put_text(out, "\n.Sh SYNOPSIS\n");
}

static void put_synopsis(ms_buf *out, const ms_command *command) {
    ms_buf_printf(out, ".Nm moescope %s\n", command->name);
    for (const ms_opt *o = command->options; o && o->name; o++) {
        if (!o->required) continue;
        ms_buf_put_text(out, ".Fl");
        char spelling[64];
        snprintf(spelling, sizeof spelling, "-%s", o->name);
        put_word(out, spelling);
        ms_buf_put_text(out, " Ar");
        put_word(out, ms_opt_value_name(o));
        ms_buf_put_char(out, '\n');
    }
    ms_buf_put_text(out, ".Op Ar option ...\n");
    for (const ms_positional *p = command->positionals; p && p->name; p++) {
        ms_buf_put_text(out, p->min > 0 ? ".Ar" : ".Op Ar");
        put_word(out, p->name);
        ms_buf_put_text(out, p->max > 1 ? " ...\n" : "\n");
    }
}

static void put_option(ms_buf *out, const ms_opt *o) {
    char spelling[64];
    ms_buf_put_text(out, ".It");
    if (o->letter) {
        const char letter[2] = {o->letter, 0};
        ms_buf_put_text(out, " Fl");
        put_word(out, letter);
        ms_buf_put_text(out, " ,");
    }
    snprintf(spelling, sizeof spelling, "-%s%s", o->negatable ? "[no-]" : "", o->name);
    ms_buf_put_text(out, " Fl");
    put_word(out, spelling);
    if (o->kind != MS_OPT_FLAG) {
        ms_buf_put_text(out, " Ar");
        put_word(out, ms_opt_value_name(o));
    }
    ms_buf_put_char(out, '\n');
    ms_buf facts = {0};
    ms_help_facts(&facts, o);
    if (facts.failed) out->failed = true;
    put_sentence(out, o->help ? o->help : o->name, facts.bytes ? facts.bytes : "");
    ms_buf_free(&facts);
}

static void put_arguments_and_options(ms_buf *out, const ms_command *command) {
    if (command->positionals && command->positionals->name) {
        ms_buf_put_text(out, ".Pp\nThe arguments are:\n.Bl -tag -width Ds\n");
        for (const ms_positional *p = command->positionals; p->name; p++) {
            ms_buf_put_text(out, ".It Ar");
            put_word(out, p->name);
            ms_buf_put_char(out, '\n');
            put_sentence(out, p->help ? p->help : p->name, "");
        }
        ms_buf_put_text(out, ".El\n");
    }
    ms_buf_put_text(out, ".Pp\nThe options are:\n.Bl -tag -width Ds\n");
    ms_help_options options;
    ms_help_options_init(&options, command);
    for (const ms_opt *o; (o = ms_help_options_next(&options));) put_option(out, o);
    ms_buf_put_text(out, ".El\n");
}

static void put_examples(ms_buf *out, const ms_command *command) {
    for (const ms_example *e = command->examples; e && e->line; e++) {
        ms_buf_put_text(out, ".Pp\n");
        char what[256];
        snprintf(what, sizeof what, "%s:", e->what);
        what[0] = (char)toupper((unsigned char)what[0]);
        put_text(out, what);
        ms_buf_put_text(out, ".Dl $ moescope");
        for (ms_str line = ms_str_of(e->line); line.size > 0;) {
            char word[256];
            const ms_str part = ms_str_cut(&line, ' ');
            snprintf(word, sizeof word, "%.*s", (int)part.size, part.text);
            put_word(out, word);
        }
        ms_buf_put_char(out, '\n');
    }
}

static void put_exit_status(ms_buf *out) {
    ms_buf_put_text(out, ".Sh EXIT STATUS\n.Bl -tag -width 130 -compact\n");
    for (const ms_exit_code *c = ms_exit_codes; c->meaning; c++) {
        ms_buf_printf(out, ".It %d\n", c->code);
        put_text(out, c->meaning);
    }
    ms_buf_put_text(out, ".El\n");
}

static void put_environment(ms_buf *out) {
    ms_buf_put_text(out, ".Sh ENVIRONMENT\n.Bl -tag -width CLICOLOR_FORCE\n");
    for (const ms_variable *v = ms_variables; v->name; v++) {
        ms_buf_printf(out, ".It Ev %s\n", v->name);
        put_text(out, v->meaning);
    }
    ms_buf_put_text(out, ".El\n");
}

/* ---- pages ---- */

static void command_page(ms_buf *out, const ms_command *command) {
    put_head(out, command, command->summary);
    put_synopsis(out, command);
    ms_buf_put_text(out, ".Sh DESCRIPTION\n");
    if (command->description) put_text(out, command->description);
    else put_sentence(out, command->summary, "");
    put_arguments_and_options(out, command);
    put_exit_status(out);
    if (command->examples && command->examples->line) {
        ms_buf_put_text(out, ".Sh EXAMPLES\n");
        /* a section does not begin with a paragraph break */
        ms_buf text = {0};
        put_examples(&text, command);
        if (text.failed) out->failed = true;
        else ms_buf_put_text(out, text.bytes + strlen(".Pp\n"));
        ms_buf_free(&text);
    }
    ms_buf_put_text(out, ".Sh SEE ALSO\n.Xr moescope 1\n");
}

/* The pages of the commands, sorted by name. */
static void put_references(ms_buf *out, const ms_command_set *set) {
    const char *last = "";
    for (;;) {
        const ms_command *next = NULL;
        for (const ms_command *const *c = set->commands; *c; c++) {
            const bool later = !(*c)->hidden && strcmp((*c)->name, last) > 0;
            if (later && (!next || strcmp((*c)->name, next->name) < 0)) next = *c;
        }
        if (!next) break;
        char name[64];
        ms_manpage_name(name, next);
        ms_buf_printf(out, "%s.Xr %.*s 1", *last ? " ,\n" : "", (int)strlen(name) - 2, name);
        last = next->name;
    }
    ms_buf_put_char(out, '\n');
}

static void program_page(ms_buf *out, const ms_command_set *set) {
    put_head(out, NULL, set->summary);
    ms_buf_put_text(out, ".Nm\n.Ar command\n.Op Ar option ...\n.Op Ar argument ...\n.Sh DESCRIPTION\n");
    put_text(out, set->description);
    const char *section = "";
    for (const ms_command *const *c = set->commands; *c; c++) {
        if ((*c)->hidden) continue;
        if (strcmp(section, (*c)->section) != 0) {
            ms_buf_printf(out, "%s.Ss %s\n.Bl -tag -width completion\n", *section ? ".El\n" : "", (*c)->section);
            section = (*c)->section;
        }
        ms_buf_put_text(out, ".It Ic");
        put_word(out, (*c)->name);
        ms_buf_put_char(out, '\n');
        put_sentence(out, (*c)->summary, "");
    }
    if (*section) ms_buf_put_text(out, ".El\n");
    put_environment(out);
    put_exit_status(out);
    ms_buf_put_text(out, ".Sh SEE ALSO\n");
    put_references(out, set);
}

void ms_manpage(ms_buf *out, const ms_command_set *set, const ms_command *command) {
    if (command) command_page(out, command);
    else program_page(out, set);
}
