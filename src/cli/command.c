#include "command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "str.h"
#include "suggest.h"

const ms_exit_code ms_exit_codes[] = {
    {0, "Done."},
    {1, "Done, and something was found: a difference, a finding, a threshold passed."},
    {2, "The command line or a configuration is wrong."},
    {3, "Input is damaged: it breaks the rules of its own format."},
    {4, "Input is valid, but not supported."},
    {5, "A file or folder is missing."},
    {6, "Reading or writing failed."},
    {7, "Memory ran out."},
    {8, "The network failed."},
    {9, "Some of the work is done and written, the rest is not."},
    {130, "Interrupted."},
    {0},
};

const ms_variable ms_variables[] = {
    {"NO_COLOR", "When set and not empty: no colour, unless --color=always."},
    {"CLICOLOR_FORCE", "When set and neither empty nor 0: colour, whether on a terminal or not."},
    {"TERM", "No colour when it is dumb or not set."},
    {"COLUMNS", "The width for which text is laid out, instead of the terminal's own."},
    {"LC_ALL, LC_CTYPE, LANG", "Block characters are used when the encoding is UTF-8."},
    {"HF_TOKEN, HF_TOKEN_PATH, HF_HOME", "The token for private and gated models of the Hub, or where it is kept."},
    {"HF_HUB_CACHE, XDG_CACHE_HOME", "Where the cache of the Hub lies, as huggingface_hub has it."},
    {"HF_ENDPOINT", "Another Hub than https://huggingface.co."},
    {"HF_HUB_OFFLINE", "When 1: the local cache only, no network."},
    {"MOESCOPE_ISA", "Which kernels to use: scalar, avx2 or avx512, as far as the processor has them."},
    {0},
};

/* Letters in the first word of a command's name. */
static size_t group_size(const ms_command *command) { return strcspn(command->name, " "); }

static bool is_group(const ms_command_set *set, const char *word) {
    for (const ms_command *const *c = set->commands; *c; c++) {
        const size_t n = group_size(*c);
        if ((*c)->name[n] && strlen(word) == n && strncmp((*c)->name, word, n) == 0) return true;
    }
    return false;
}

/* Message: the word is not known; in a group (else group is "") the nearest of its second words is offered. */
static ms_status unknown(const ms_command_set *set, const char *group, const char *word, ms_err *err) {
    enum { MAX_NAMES = 64 };
    char firsts[MAX_NAMES][32];
    const char *names[MAX_NAMES];
    size_t n = 0;
    for (const ms_command *const *c = set->commands; *c && n < MAX_NAMES; c++) {
        if ((*c)->hidden) continue;
        const size_t cut = group_size(*c);
        if (!*group) snprintf(firsts[n], sizeof firsts[n], "%.*s", (int)cut, (*c)->name);
        else if ((*c)->name[cut] && strncmp((*c)->name, group, cut) == 0)
            snprintf(firsts[n], sizeof firsts[n], "%s", (*c)->name + cut + 1);
        else continue;
        names[n] = firsts[n];
        n++;
    }
    const char *const near = ms_suggest(word, names, n), *const blank = *group ? " " : "";
    if (!near)
        return ms_err_set(err, MS_ERR_USAGE, "unknown command '%s%s%s'; 'moescope help' lists all", group, blank,
                          ms_str_shown(ms_str_of(word)).text);
    return ms_err_set(err, MS_ERR_USAGE, "unknown command '%s%s%s'; did you mean '%s%s%s'?", group, blank,
                      ms_str_shown(ms_str_of(word)).text, group, blank, near);
}

static const ms_command *find_exact(const ms_command_set *set, const char *name) {
    for (const ms_command *const *c = set->commands; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    return NULL;
}

const ms_command *ms_command_find(const ms_command_set *set, int argc, char *const *argv, int *n_words, ms_err *err) {
    if (argc < 1) return NULL;
    if (is_group(set, argv[0])) {
        if (argc < 2) {
            ms_err_set(err, MS_ERR_USAGE, "'%s' needs a second word; 'moescope help %s' lists them", argv[0], argv[0]);
            return NULL;
        }
        char name[64];
        *n_words = 2;
        const int n = snprintf(name, sizeof name, "%s %s", argv[0], argv[1]);
        const ms_command *const found = n < (int)sizeof name ? find_exact(set, name) : NULL;
        if (!found) unknown(set, argv[0], argv[1], err);
        return found;
    }
    *n_words = 1;
    const ms_command *const found = strchr(argv[0], ' ') ? NULL : find_exact(set, argv[0]);
    if (!found) unknown(set, "", argv[0], err);
    return found;
}

enum { TAKES_MODEL = 1 << 16 };

static bool takes_model(const ms_command *command) {
    for (const ms_positional *p = command->positionals; p && p->name; p++)
        if (p->complete == MS_COMPLETE_MODEL) return true;
    return false;
}

void ms_command_common(const ms_command *command, ms_opt out[static MS_COMMON_MAX]) {
    static const char *const formats[] = {"text", "json", "csv", NULL};
    static const char *const colors[] = {"auto", "always", "never", NULL};
    static const struct {
        unsigned when; /* MS_TAKES_..., 0: always */
        ms_opt opt;
    } rows[] = {
        {MS_TAKES_JSON | MS_TAKES_FORMAT, {.name = "json", .help = "write JSON"}},
        {MS_TAKES_FORMAT, {.name = "csv", .help = "write CSV"}},
        {MS_TAKES_FORMAT,
         {.name = "format", .kind = MS_OPT_CHOICE, .choices = formats, .fallback = "text", .help = "write in this format"}},
        {MS_TAKES_THREADS,
         {.name = "threads",
          .letter = 'j',
          .kind = MS_OPT_INT,
          .min = 1,
          .max = 1024,
          .help = "work on N threads instead of one per processor; results do not depend on it"}},
        {MS_TAKES_JAIL, {.name = "jail", .help = "read the files in a locked process that can do nothing else (Linux)"}},
        {TAKES_MODEL, {.name = "download", .help = "keep a model of the Hub in its local cache, and read it from there"}},
        {0, {.name = "quiet", .letter = 'q', .help = "say nothing but errors on standard error"}},
        {0,
         {.name = "color",
          .kind = MS_OPT_CHOICE,
          .value = "WHEN",
          .choices = colors,
          .fallback = "auto",
          .help = "when to use colour"}},
        {0, {.name = "help", .letter = 'h', .excuses = true, .help = "this help: -h in short, --help in full"}},
        {0, {.name = "help-json", .excuses = true, .hidden = true, .help = "the same as JSON"}},
    };
    const unsigned takes = command->takes | (takes_model(command) ? TAKES_MODEL : 0);
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].when && !(rows[i].when & takes)) continue;
        out[n] = rows[i].opt;
        out[n++].group = "Common options";
    }
    out[n] = (ms_opt){0};
}
