/*
 * opt: one table of options per command; from it come parsing, help, man page, completion (help.h, manpage.h, complete.h).
 *
 *     static const ms_opt options[] = {
 *         {.name = "tensors", .letter = 't', .help = "list every tensor"},
 *         {.name = "output", .letter = 'o', .kind = MS_OPT_PATH, .value = "FILE", .help = "write to FILE; - is standard
 * output"},
 *         {.name = "sample", .kind = MS_OPT_INT, .value = "N", .min = 1, .max = 1e9, .fallback = "65536", .unit = "weights"},
 *         {0},
 *     };
 *     ...
 *     if (ms_args_flag(args, "tensors")) ...
 *     const char *path = ms_args_text(args, "output");                     // NULL when neither given nor defaulted
 *
 * Spelling as GNU: --name value, --name=value, -ovalue, -o value, flags in clusters (-tq), options and arguments in any order,
 * -- ends the options, - alone is an argument. Abbreviations are refused. The last of several wins, unless `repeatable`.
 * Values are checked in full while parsing: accessors cannot fail. Texts are borrowed from argv and the tables.
 */
#ifndef MS_OPT_H
#define MS_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "vec.h"

typedef enum ms_opt_kind {
    MS_OPT_FLAG, /* takes no value */
    MS_OPT_INT,  /* a decimal integer */
    MS_OPT_SIZE, /* bytes: 4096, 64k, 2M, 1.5G (decimal), 512KiB, 4GiB (binary) */
    MS_OPT_REAL, /* a finite decimal number */
    MS_OPT_TEXT,
    MS_OPT_PATH,
    MS_OPT_CHOICE, /* one of `choices`, spelled exactly */
} ms_opt_kind;

typedef enum ms_complete { /* what a shell offers for a value */
                           MS_COMPLETE_NONE,
                           MS_COMPLETE_FILE,
                           MS_COMPLETE_FOLDER,
                           MS_COMPLETE_MODEL,   /* folders, and files that models come in */
                           MS_COMPLETE_TENSOR,  /* names from the model that stands before it */
                           MS_COMPLETE_COMMAND, /* our own commands */
} ms_complete;

typedef struct ms_opt {
    const char *name; /* "output"; the table ends with NULL here */
    char letter;      /* 'o', or 0 */
    ms_opt_kind kind;
    const char *value;          /* how the value is called in help: "FILE"; NULL: by kind */
    const char *help;           /* lower case, no full stop */
    const char *fallback;       /* the default as one would type it; NULL: none */
    const char *const *choices; /* MS_OPT_CHOICE: ends with NULL */
    double min, max;            /* numbers: inclusive; both 0: any. INFINITY is fine */
    const char *unit;           /* "bytes", "tokens": shown in help */
    const char *group;          /* heading in --help; NULL: "Options" */
    ms_complete complete;       /* a path completes as a file, a choice from its choices, without saying so here */
    bool repeatable;            /* every one counts: ms_args_count, ms_args_text_at */
    bool negatable;             /* a flag that --no-NAME takes back */
    bool required;
    bool excuses; /* with it nothing else is required: --help */
    bool hidden;  /* works, but help, man page and completion do not show it */
} ms_opt;

typedef struct ms_positional {
    const char *name; /* "MODEL"; the table ends with NULL here */
    const char *help;
    int min, max; /* how many: 1, 1 for exactly one; 0, 1 optional; max MS_MANY only in the last row */
    const char *const *choices;
    ms_complete complete;
} ms_positional;

enum { MS_MANY = 1 << 20 };

typedef struct ms_example {
    const char *line; /* without the program's name: "inspect model.gguf --json" */
    const char *what; /* lower case, no full stop */
} ms_example;

typedef struct ms_arg_value {
    const ms_opt *opt; /* NULL: an argument that is no option */
    const char *text;  /* as typed; NULL for flags */
    bool flag;         /* false after --no-NAME */
    bool by_letter;    /* typed as -o */
    int64_t integer;   /* INT, SIZE */
    double real;       /* REAL, and INT, SIZE as a number */
} ms_arg_value;

enum { MS_OPT_TABLES = 2 };

typedef struct ms_args {
    const ms_opt *tables[MS_OPT_TABLES]; /* the command's own options, then those it shares with others; may be NULL */
    const ms_positional *positionals;    /* may be NULL */
    MS_VEC(ms_arg_value) options;        /* in the order they were typed */
    MS_VEC(ms_arg_value) arguments;      /* likewise */
} ms_args;

/* args: zeroed but for the tables. argv: [argc], what follows the command; must outlive args. MS_ERR_USAGE says what to type
 * instead. Free args in any case. */
ms_status ms_args_parse(ms_args *args, int argc, char *const *argv, ms_err *err);
void ms_args_free(ms_args *args);

/* Options by long name; a name that is in no table is an error of ours (assert). */
bool ms_args_given(const ms_args *args, const char *name);       /* typed by the user */
bool ms_args_flag(const ms_args *args, const char *name);        /* false when not given, unless the fallback is "yes" */
int64_t ms_args_int(const ms_args *args, const char *name);      /* INT, SIZE; 0 without fallback */
double ms_args_real(const ms_args *args, const char *name);      /* NaN without fallback */
const char *ms_args_text(const ms_args *args, const char *name); /* TEXT, PATH, CHOICE; NULL without fallback */
int ms_args_choice(const ms_args *args, const char *name);       /* index in choices; -1 without fallback */
bool ms_args_by_letter(const ms_args *args, const char *name);   /* the last one was typed as -o, not --output */

/* Repeatable options: what was typed, i < ms_args_count. */
size_t ms_args_count(const ms_args *args, const char *name);
const char *ms_args_text_at(const ms_args *args, const char *name, size_t i);

/* Arguments that are no options, in order; NULL when there are fewer. */
size_t ms_args_n_arguments(const ms_args *args);
const char *ms_args_argument(const ms_args *args, size_t i);

/* ---- for help, man page and completion ---- */

const ms_opt *ms_opt_find(const ms_opt *const tables[static MS_OPT_TABLES], const char *name);
/* "FILE", "N", "BYTES", ...; "" for flags. */
const char *ms_opt_value_name(const ms_opt *opt);
/* One value in full, as parsing does it; MS_ERR_USAGE names the option. */
ms_status ms_opt_read_value(const ms_opt *opt, const char *text, ms_arg_value *out, ms_err *err);

#endif
