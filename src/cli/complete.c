#include "complete.h"

#include <stdio.h>
#include <string.h>

#include "help.h"
#include "str.h"

#define MODEL_SUFFIXES "safetensors gguf npz npy json bin pt pth"

static size_t first_word(const ms_command *command) { return strcspn(command->name, " "); }

/* The command is the first of its group (of one, when its name is one word): groups are listed once. */
static bool begins_group(const ms_command_set *set, const ms_command *command) {
    const size_t n = first_word(command);
    for (const ms_command *const *c = set->commands; *c != command; c++)
        if (!(*c)->hidden && first_word(*c) == n && strncmp((*c)->name, command->name, n) == 0) return false;
    return true;
}

static ms_complete kind_of_option(const ms_opt *o) {
    return o->complete == MS_COMPLETE_NONE && o->kind == MS_OPT_PATH ? MS_COMPLETE_FILE : o->complete;
}

static void put_words(ms_buf *out, const char *const *words) {
    for (size_t i = 0; words[i]; i++) ms_buf_printf(out, "%s%s", i ? " " : "", words[i]);
}

/* First words of all commands; or, with a group, the second words of its commands. */
static void put_command_words(ms_buf *out, const ms_command_set *set, const ms_command *group) {
    const char *blank = "";
    for (const ms_command *const *c = set->commands; *c; c++) {
        const size_t n = first_word(*c);
        if ((*c)->hidden) continue;
        if (group && (n != first_word(group) || strncmp((*c)->name, group->name, n) != 0)) continue;
        if (!group && !begins_group(set, *c)) continue;
        if (group) ms_buf_printf(out, "%s%s", blank, (*c)->name + n + 1);
        else ms_buf_printf(out, "%s%.*s", blank, (int)n, (*c)->name);
        blank = " ";
    }
}

static bool is_group(const ms_command *command) { return command->name[first_word(command)] == ' '; }

/* ---- bash ---- */

static const char bash_head[] =
    "# bash completion for moescope; made by 'moescope completion bash'\n"
    "_moescope_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
    "_moescope_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); }\n"
    "_moescope_folders() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); }\n"
    "_moescope_models() {\n"
    "    local name\n"
    "    _moescope_folders\n"
    "    while IFS= read -r name; do\n"
    "        case $name in\n"
    "        %s) [[ -d $name ]] || COMPREPLY+=(\"$name\") ;;\n"
    "        esac\n"
    "    done < <(compgen -f -- \"$cur\")\n"
    "}\n"
    "_moescope_tensors() { [[ -n $model ]] && _moescope_words \"$(moescope completion --tensors \"$model\" 2>/dev/null)\"; }\n"
    "\n";

static const char bash_body[] =
    "_moescope() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command first=1 model= n=0 i word\n"
    "    COMPREPLY=()\n"
    "    # '=' is a word of its own here: --name = value\n"
    "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "    if (( COMP_CWORD == 1 )); then _moescope_words '%s --help --version'; return; fi\n"
    "    command=${COMP_WORDS[1]}\n"
    "    case $command in\n"
    "%s"
    "    esac\n"
    "    case \"$command $prev\" in\n"
    "%s"
    "    esac\n"
    "    if [[ $cur == -* ]]; then\n"
    "        case $command in\n"
    "%s"
    "        esac\n"
    "        return\n"
    "    fi\n"
    "    # which argument is it? Options and their values do not count.\n"
    "    for (( i = first + 1; i < COMP_CWORD; i++ )); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        case \"$command $word\" in\n"
    "%s"
    "        *' '-?*) ;;\n"
    "        *) (( n++ )) || model=$word ;;\n"
    "        esac\n"
    "    done\n"
    "    case $command in\n"
    "%s"
    "    esac\n"
    "}\n"
    "complete -F _moescope moescope\n";

static void bash_action(ms_buf *out, ms_complete kind, const char *const *choices, const ms_command_set *set) {
    if (choices) {
        ms_buf_put_text(out, "_moescope_words '");
        put_words(out, choices);
        ms_buf_put_text(out, "'");
        return;
    }
    switch (kind) {
    case MS_COMPLETE_NONE: ms_buf_put_text(out, ":"); break;
    case MS_COMPLETE_FILE: ms_buf_put_text(out, "_moescope_files"); break;
    case MS_COMPLETE_FOLDER: ms_buf_put_text(out, "_moescope_folders"); break;
    case MS_COMPLETE_MODEL: ms_buf_put_text(out, "_moescope_models"); break;
    case MS_COMPLETE_TENSOR: ms_buf_put_text(out, "_moescope_tensors"); break;
    case MS_COMPLETE_COMMAND:
        ms_buf_put_text(out, "_moescope_words '");
        put_command_words(out, set, NULL);
        ms_buf_put_text(out, "'");
        break;
    }
}

/* The patterns of one option that takes a value: 'inspect --output'|'inspect -o' */
static void bash_option_pattern(ms_buf *out, const ms_command *command, const ms_opt *o) {
    ms_buf_printf(out, "'%s --%s'", command->name, o->name);
    if (o->letter) ms_buf_printf(out, "|'%s -%c'", command->name, o->letter);
}

static void bash_options(ms_buf *values, ms_buf *names, ms_buf *skips, const ms_command *command, const ms_command_set *set) {
    ms_help_options options;
    ms_help_options_init(&options, command);
    ms_buf_printf(names, "        '%s') _moescope_words '", command->name);
    for (const ms_opt *o; (o = ms_help_options_next(&options));) {
        ms_buf_printf(names, "--%s ", o->name);
        if (o->negatable) ms_buf_printf(names, "--no-%s ", o->name);
        if (o->letter) ms_buf_printf(names, "-%c ", o->letter);
        if (o->kind == MS_OPT_FLAG) continue;
        ms_buf_put_text(values, "    ");
        bash_option_pattern(values, command, o);
        ms_buf_put_text(values, ") ");
        bash_action(values, kind_of_option(o), o->choices, set);
        ms_buf_put_text(values, "; return ;;\n");
        ms_buf_put_text(skips, "        ");
        bash_option_pattern(skips, command, o);
        ms_buf_put_text(skips, ") [[ ${COMP_WORDS[i+1]} == = ]] && (( i++ )); (( i++ )) ;;\n");
    }
    ms_buf_put_text(names, "' ;;\n");
}

static void bash_arguments(ms_buf *out, const ms_command *command, const ms_command_set *set) {
    if (!command->positionals || !command->positionals->name) return;
    ms_buf_printf(out, "    '%s')\n        if ", command->name);
    int at = 0;
    for (const ms_positional *p = command->positionals; p->name; p++) {
        at = p->max >= MS_MANY ? MS_MANY : at + p->max;
        ms_buf_printf(out, "(( n < %d )); then ", at);
        bash_action(out, p->complete, p->choices, set);
        ms_buf_put_text(out, p[1].name ? "\n        elif " : "\n        fi ;;\n");
    }
}

/* The suffixes as patterns: "*.gguf", joined by `between`. */
static void put_suffixes(ms_buf *out, const char *head, const char *between) {
    ms_str rest = MS_STR(MODEL_SUFFIXES);
    for (bool first = true; rest.size > 0; first = false) {
        const ms_str suffix = ms_str_cut(&rest, ' ');
        ms_buf_printf(out, "%s%s%.*s", first ? "" : between, head, (int)suffix.size, suffix.text);
    }
}

void ms_complete_bash(ms_buf *out, const ms_command_set *set) {
    ms_buf firsts = {0}, groups = {0}, values = {0}, names = {0}, skips = {0}, arguments = {0}, suffixes = {0};
    ms_buf *const pieces[] = {&firsts, &groups, &values, &names, &skips, &arguments, &suffixes};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) ms_buf_put(pieces[i], "", 0);
    put_suffixes(&suffixes, "*.", "|");
    put_command_words(&firsts, set, NULL);
    for (const ms_command *const *c = set->commands; *c; c++) {
        if ((*c)->hidden) continue;
        if (is_group(*c) && begins_group(set, *c)) {
            ms_buf_printf(&groups, "    %.*s)\n        if (( COMP_CWORD == 2 )); then _moescope_words '", (int)first_word(*c),
                          (*c)->name);
            put_command_words(&groups, set, *c);
            ms_buf_put_text(&groups, "'; return; fi\n        command+=\" ${COMP_WORDS[2]}\" first=2 ;;\n");
        }
        bash_options(&values, &names, &skips, *c, set);
        bash_arguments(&arguments, *c, set);
    }
    bool failed = false;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) failed = failed || pieces[i]->failed || !pieces[i]->bytes;
    if (failed) {
        out->failed = true;
    } else {
        ms_buf_printf(out, bash_head, suffixes.bytes);
        ms_buf_printf(out, bash_body, firsts.bytes, groups.bytes, values.bytes, names.bytes, skips.bytes, arguments.bytes);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) ms_buf_free(pieces[i]);
}

/* ---- zsh ---- */

/* Inside '...' of _arguments: quotes end and begin again, brackets and colons are escaped. */
static void zsh_text(ms_buf *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\'') ms_buf_put_text(out, "'\\''");
        else if (strchr("[]:\\", *text)) ms_buf_printf(out, "\\%c", *text);
        else ms_buf_put_char(out, *text);
    }
}

static void zsh_action(ms_buf *out, ms_complete kind, const char *const *choices, const ms_command_set *set) {
    if (choices) {
        ms_buf_put_text(out, "(");
        put_words(out, choices);
        ms_buf_put_text(out, ")");
        return;
    }
    switch (kind) {
    case MS_COMPLETE_NONE: ms_buf_put_text(out, " "); break;
    case MS_COMPLETE_FILE: ms_buf_put_text(out, "_files"); break;
    case MS_COMPLETE_FOLDER: ms_buf_put_text(out, "_files -/"); break;
    case MS_COMPLETE_MODEL: ms_buf_put_text(out, "_moescope_models"); break;
    case MS_COMPLETE_TENSOR: ms_buf_put_text(out, "_moescope_tensors"); break;
    case MS_COMPLETE_COMMAND:
        ms_buf_put_text(out, "(");
        put_command_words(out, set, NULL);
        ms_buf_put_text(out, ")");
        break;
    }
}

static void zsh_option(ms_buf *out, const ms_opt *o, const ms_command_set *set) {
    const char *const attached = o->kind == MS_OPT_FLAG ? "" : "=";
    ms_buf_put_text(out, "        ");
    if (o->repeatable) ms_buf_put_text(out, "'*'");
    else if (o->letter) ms_buf_printf(out, "'(-%c --%s)'", o->letter, o->name);
    if (o->letter) ms_buf_printf(out, "{-%c%s,--%s%s}'[", o->letter, *attached ? "+" : "", o->name, attached);
    else ms_buf_printf(out, "'--%s%s[", o->name, attached);
    zsh_text(out, o->help ? o->help : "");
    ms_buf_put_text(out, "]");
    if (o->kind != MS_OPT_FLAG) {
        ms_buf_put_text(out, ":");
        zsh_text(out, ms_opt_value_name(o));
        ms_buf_put_text(out, ":");
        zsh_action(out, kind_of_option(o), o->choices, set);
    }
    ms_buf_put_text(out, "' \\\n");
    if (!o->negatable) return;
    ms_buf_printf(out, "        '--no-%s[not\\: ", o->name);
    zsh_text(out, o->help ? o->help : "");
    ms_buf_put_text(out, "]' \\\n");
}

static void zsh_command(ms_buf *out, const ms_command *command, const ms_command_set *set) {
    ms_buf_printf(out, "    '%s')\n        _arguments -s -S -A '-*' \\\n", command->name);
    ms_help_options options;
    ms_help_options_init(&options, command);
    for (const ms_opt *o; (o = ms_help_options_next(&options));) zsh_option(out, o, set);
    for (const ms_positional *p = command->positionals; p && p->name; p++) {
        for (int i = 0; i < (p->max >= MS_MANY ? 1 : p->max); i++) {
            ms_buf_put_text(out, p->max >= MS_MANY ? "        '*:" : i < p->min ? "        ':" : "        '::");
            zsh_text(out, p->name);
            ms_buf_put_text(out, ":");
            zsh_action(out, p->complete, p->choices, set);
            ms_buf_put_text(out, "' \\\n");
        }
    }
    ms_buf_put_text(out, "        && return 0 ;;\n");
}

/* 'name:what it does' for _describe; commands of a group by their second word. */
static void zsh_describe(ms_buf *out, const ms_command_set *set, const ms_command *group, const char *indent) {
    ms_buf_printf(out, "%scommands=(\n", indent);
    for (const ms_command *const *c = set->commands; *c; c++) {
        const size_t n = first_word(*c);
        if ((*c)->hidden || (!group && !begins_group(set, *c))) continue;
        if (group && (n != first_word(group) || strncmp((*c)->name, group->name, n) != 0)) continue;
        ms_buf_printf(out, "%s    '", indent);
        if (group) ms_buf_put_text(out, (*c)->name + n + 1);
        else ms_buf_put(out, (*c)->name, n);
        ms_buf_put_text(out, ":");
        zsh_text(out, !group && is_group(*c) ? (*c)->section : (*c)->summary);
        ms_buf_put_text(out, "'\n");
    }
    ms_buf_printf(out, "%s)\n%s_describe -t commands command commands\n%sreturn\n", indent, indent, indent);
}

void ms_complete_zsh(ms_buf *out, const ms_command_set *set) {
    ms_buf_put_text(out, "#compdef moescope\n# zsh completion for moescope; made by 'moescope completion zsh'\n"
                         "_moescope_models() { _files -g '*.(");
    put_suffixes(out, "", "|");
    ms_buf_put_text(out,
                    ")(-.)' || _files -/ }\n"
                    "_moescope_tensors() {\n"
                    "    local -a tensors\n"
                    "    tensors=(${(f)\"$(_call_program tensors moescope completion --tensors ${(Q)line[1]} 2>/dev/null)\"})\n"
                    "    compadd -a tensors\n"
                    "}\n"
                    "_moescope() {\n"
                    "    local curcontext=$curcontext command=${words[2]}\n"
                    "    local -a commands line\n"
                    "    if (( CURRENT == 2 )); then\n");
    zsh_describe(out, set, NULL, "        ");
    ms_buf_put_text(out, "    fi\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (const ms_command *const *c = set->commands; *c; c++) {
        if ((*c)->hidden || !is_group(*c) || !begins_group(set, *c)) continue;
        ms_buf_printf(out, "    %.*s)\n        if (( CURRENT == 2 )); then\n", (int)first_word(*c), (*c)->name);
        zsh_describe(out, set, *c, "            ");
        ms_buf_put_text(out,
                        "        fi\n        command+=\" ${words[2]}\"\n        shift words\n        (( CURRENT-- )) ;;\n");
    }
    ms_buf_put_text(out, "    esac\n    case $command in\n");
    for (const ms_command *const *c = set->commands; *c; c++)
        if (!(*c)->hidden) zsh_command(out, *c, set);
    ms_buf_put_text(
        out, "    esac\n}\nif [[ $funcstack[1] == _moescope ]]; then _moescope \"$@\"; else compdef _moescope moescope; fi\n");
}

/* ---- fish ---- */

static void fish_text(ms_buf *out, const char *text) {
    ms_buf_put_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') ms_buf_put_char(out, '\\');
        ms_buf_put_char(out, *text);
    }
    ms_buf_put_char(out, '\'');
}

/* Arguments of `complete` that say what comes: -F for files, -a for words. */
static void fish_action(ms_buf *out, ms_complete kind, const char *const *choices, const ms_command_set *set) {
    if (choices) {
        ms_buf_put_text(out, " -f -a '");
        put_words(out, choices);
        ms_buf_put_text(out, "'");
        return;
    }
    switch (kind) {
    case MS_COMPLETE_NONE: ms_buf_put_text(out, " -f"); break;
    case MS_COMPLETE_FILE:
    case MS_COMPLETE_MODEL: ms_buf_put_text(out, " -F"); break;
    case MS_COMPLETE_FOLDER: ms_buf_put_text(out, " -f -a '(__fish_complete_directories (commandline -ct))'"); break;
    case MS_COMPLETE_TENSOR: ms_buf_put_text(out, " -f -a '(__moescope_tensors)'"); break;
    case MS_COMPLETE_COMMAND:
        ms_buf_put_text(out, " -f -a '");
        put_command_words(out, set, NULL);
        ms_buf_put_text(out, "'");
        break;
    }
}

static const char fish_head[] =
    "# fish completion for moescope; made by 'moescope completion fish'\n"
    "function __moescope_at # the words typed so far begin with these, and with an argument more there are none of -n N before "
    "it\n"
    "    set -l words (commandline -opc)\n"
    "    set -e words[1]\n"
    "    test (count $words) -ge (count $argv); or return 1\n"
    "    test (count $argv) -eq 0; or test \"$words[1..\"(count $argv)\"]\" = \"$argv\"\n"
    "end\n"
    "function __moescope_bare # exactly these words\n"
    "    set -l words (commandline -opc)\n"
    "    set -e words[1]\n"
    "    test \"$words\" = \"$argv\"\n"
    "end\n"
    "function __moescope_arguments # those after the command (argv: how many words it has) that are no options\n"
    "    set -l words (commandline -opc)\n"
    "    for word in $words[(math $argv[1] + 2)..-1]\n"
    "        string match -q -- '-*' $word; or echo -- $word\n"
    "    end\n"
    "end\n"
    "function __moescope_nth # words of the command, smallest and largest number of arguments before this one\n"
    "    set -l n (count (__moescope_arguments $argv[1]))\n"
    "    test $n -ge $argv[2]; and test $n -lt $argv[3]\n"
    "end\n"
    "function __moescope_tensors\n"
    "    set -l arguments (__moescope_arguments 1)\n"
    "    moescope completion --tensors $arguments[1] 2>/dev/null\n"
    "end\n"
    "complete -c moescope -f\n";

static void fish_command(ms_buf *out, const ms_command *command, const ms_command_set *set) {
    ms_help_options options;
    ms_help_options_init(&options, command);
    for (const ms_opt *o; (o = ms_help_options_next(&options));) {
        ms_buf_printf(out, "complete -c moescope -n '__moescope_at %s' -l %s", command->name, o->name);
        if (o->letter) ms_buf_printf(out, " -s %c", o->letter);
        if (o->kind != MS_OPT_FLAG) {
            ms_buf_put_text(out, " -r");
            fish_action(out, kind_of_option(o), o->choices, set);
        }
        ms_buf_put_text(out, " -d ");
        fish_text(out, o->help ? o->help : "");
        ms_buf_put_char(out, '\n');
        if (o->negatable) ms_buf_printf(out, "complete -c moescope -n '__moescope_at %s' -l no-%s\n", command->name, o->name);
    }
    int at = 0;
    for (const ms_positional *p = command->positionals; p && p->name; p++) {
        const int end = p->max >= MS_MANY ? MS_MANY : at + p->max, n_words = is_group(command) ? 2 : 1;
        ms_buf_printf(out, "complete -c moescope -n '__moescope_at %s; and __moescope_nth %d %d %d'", command->name, n_words,
                      at, end);
        fish_action(out, p->complete, p->choices, set);
        ms_buf_put_char(out, '\n');
        at = end;
    }
}

void ms_complete_fish(ms_buf *out, const ms_command_set *set) {
    ms_buf_put_text(out, fish_head);
    for (const ms_command *const *c = set->commands; *c; c++) {
        if ((*c)->hidden) continue;
        const size_t n = first_word(*c);
        if (begins_group(set, *c)) {
            ms_buf_printf(out, "complete -c moescope -n __moescope_bare -a %.*s -d ", (int)n, (*c)->name);
            fish_text(out, is_group(*c) ? (*c)->section : (*c)->summary);
            ms_buf_put_char(out, '\n');
        }
        if (is_group(*c)) {
            ms_buf_printf(out, "complete -c moescope -n '__moescope_bare %.*s' -a %s -d ", (int)n, (*c)->name,
                          (*c)->name + n + 1);
            fish_text(out, (*c)->summary);
            ms_buf_put_char(out, '\n');
        }
        fish_command(out, *c, set);
    }
}
