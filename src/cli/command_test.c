/* A set of commands of our own, with groups, which the program's set may not have: finding, help, man page, completion. */
#include "command.h"

#include <sys/wait.h>
#include <unistd.h>

#include "complete.h"
#include "help.h"
#include "manpage.h"
#include "test.h"

static const char *const kinds[] = {"rows", "columns", NULL};
static const ms_opt options[] = {
    {.name = "kind",
     .letter = 'k',
     .kind = MS_OPT_CHOICE,
     .choices = kinds,
     .help = "it's [a: kind] of \\ thing",
     .fallback = "rows"},
    {.name = "into",
     .kind = MS_OPT_PATH,
     .required = true,
     .help = "where to",
     .complete = MS_COMPLETE_FOLDER,
     .group = "Output"},
    {.name = "cache", .negatable = true, .help = "keep it"},
    {.name = "only", .kind = MS_OPT_TEXT, .repeatable = true, .help = "only these", .complete = MS_COMPLETE_TENSOR},
    {.name = "secret", .hidden = true, .help = "not to be seen"},
    {0},
};
static const ms_positional positionals[] = {
    {.name = "MODEL", .help = "a model", .min = 1, .max = 1, .complete = MS_COMPLETE_MODEL},
    {.name = "OTHER", .help = "more", .max = MS_MANY, .complete = MS_COMPLETE_FILE},
    {0}};
static const ms_example examples[] = {{"gates index model --into x", "an index. 'quoted' .dot"}, {0}};
static const ms_command inspect = {.name = "inspect", .section = "Look", .summary = "what's in it"};
static const ms_command gates_index = {.name = "gates index",
                                       .section = "Gates",
                                       .summary = "make an index",
                                       .options = options,
                                       .positionals = positionals,
                                       .examples = examples,
                                       .takes = MS_TAKES_FORMAT | MS_TAKES_THREADS,
                                       .description =
                                           "First sentence. Second sentence with --option.\n\n.dot at the beginning."};
static const ms_command gates_diff = {.name = "gates diff", .section = "Gates", .summary = "compare two"};
static const ms_command hidden = {.name = "hidden", .section = "Look", .summary = "not shown", .hidden = true};
static const ms_command *const list[] = {&inspect, &gates_index, &gates_diff, &hidden, NULL};
static const ms_command_set set = {.commands = list, .summary = "a test", .description = "It tests."};

static const ms_command *find(const char *first, const char *second, int *n_words, ms_err *err) {
    char a[64], b[64], *argv[] = {a, b, NULL};
    snprintf(a, sizeof a, "%s", first);
    snprintf(b, sizeof b, "%s", second ? second : "");
    return ms_command_find(&set, second ? 2 : 1, argv, n_words, err);
}

TEST(command_is_found_by_one_word_or_two) {
    int n = 0;
    ms_err err = {0};
    CHECK(find("inspect", "model", &n, &err) == &inspect);
    CHECK_EQ_I64(n, 1);
    CHECK(find("gates", "diff", &n, &err) == &gates_diff);
    CHECK_EQ_I64(n, 2);
    CHECK(find("hidden", NULL, &n, &err) == &hidden);
    CHECK(find("gates index", NULL, &n, &err) == NULL);
}

TEST(command_unknown_gets_the_nearest_of_its_level) {
    int n = 0;
    ms_err err = {0};
    CHECK(!find("gtaes", "index", &n, &err) && strstr(err.text, "did you mean 'gates'?"));
    CHECK(!find("gates", "idnex", &n, &err) && strstr(err.text, "did you mean 'gates index'?"));
    CHECK(!find("gates", "frobnicate", &n, &err) && strstr(err.text, "unknown command 'gates frobnicate'"));
    CHECK(!find("gates", NULL, &n, &err) && strstr(err.text, "needs a second word"));
    CHECK(!find("hiden", NULL, &n, &err) && !strstr(err.text, "hidden"));
    CHECK_EQ_I64(err.status, MS_ERR_USAGE);
}

static void write_text(const char *path, const ms_buf *text) {
    FILE *const file = fopen(path, "w");
    CHECK(file);
    fwrite(text->bytes, 1, text->size, file);
    fclose(file);
}

/* The tool finds no fault in the text; true also when there is no such tool here. */
static bool tool_accepts(const char *check, const char *tool, const ms_buf *text) {
    char path[512], line[1200];
    snprintf(path, sizeof path, "%s/text", test_folder());
    write_text(path, text);
    snprintf(line, sizeof line, "if command -v %s >/dev/null; then %s %s; fi", tool, check, path);
    const pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

TEST(command_completion_scripts_are_valid_with_groups_and_odd_letters) {
    static const struct {
        void (*write)(ms_buf *out, const ms_command_set *set);
        const char *shell, *check;
    } shells[] = {
        {ms_complete_bash, "bash", "bash -n"}, {ms_complete_zsh, "zsh", "zsh -n"}, {ms_complete_fish, "fish", "fish -n"}};
    for (size_t i = 0; i < 3; i++) {
        ms_buf text = {0};
        shells[i].write(&text, &set);
        CHECK(!text.failed);
        CHECK_MSG(tool_accepts(shells[i].check, shells[i].shell, &text), "%s", shells[i].shell);
        CHECK(strstr(text.bytes, "index") && strstr(text.bytes, "no-cache"));
        CHECK(!strstr(text.bytes, "secret") && !strstr(text.bytes, "hidden"));
        ms_buf_free(&text);
    }
}

TEST(command_completion_in_bash_knows_groups_and_places) {
    static const char *const tries[] = {"try moescope ''",
                                        "inspect gates --help --version",
                                        "try moescope gates ''",
                                        "index diff",
                                        "try moescope gates index --ki",
                                        "--kind",
                                        "try moescope gates index --kind = ''",
                                        "rows columns",
                                        "try moescope gates index -k rows m --no",
                                        "--no-cache",
                                        "try moescope gates diff x",
                                        ""};
    ms_buf script = {0};
    ms_complete_bash(&script, &set);
    ms_buf_put_text(&script,
                    "try() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _moescope; test \"${COMPREPLY[*]}\" = \"$want\" ||"
                    " { echo \"$*: ${COMPREPLY[*]}\"; exit 1; }; }\n");
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i += 2)
        ms_buf_printf(&script, "want='%s' %s\n", tries[i + 1], tries[i]);
    CHECK(tool_accepts("bash", "bash", &script));
    ms_buf_free(&script);
}

TEST(command_man_pages_have_no_faults) {
    for (const ms_command *const *c = list;; c++) {
        ms_buf page = {0};
        ms_manpage(&page, &set, *c);
        CHECK(!page.failed);
        CHECK_MSG(tool_accepts("mandoc -T lint -W warning", "mandoc", &page), "%s", *c ? (*c)->name : "moescope");
        CHECK(!strstr(page.bytes, "secret"));
        ms_buf_free(&page);
        if (!*c) break;
    }
    char name[64];
    ms_manpage_name(name, &gates_index);
    CHECK_EQ_TEXT(name, "moescope-gates-index.1");
    ms_manpage_name(name, NULL);
    CHECK_EQ_TEXT(name, "moescope.1");
}

TEST(command_help_shows_defaults_choices_and_groups) {
    ms_buf text = {0};
    ms_help_long(&text, &gates_index, &(ms_help_look){.columns = 200});
    CHECK(strstr(text.bytes, "Usage: moescope gates index --into PATH [OPTION...] MODEL [OTHER...]\n"));
    CHECK(strstr(text.bytes, "-k, --kind WORD"));
    CHECK(strstr(text.bytes, "(rows or columns; default rows)"));
    CHECK(strstr(text.bytes, "\nOutput\n"));
    CHECK(strstr(text.bytes, "--[no-]cache"));
    CHECK(strstr(text.bytes, "(may be repeated)"));
    CHECK(strstr(text.bytes, "-j, --threads N"));
    CHECK(!strstr(text.bytes, "secret"));
    CHECK(!strstr(text.bytes, "\x1b"));
    ms_buf_free(&text);
    ms_help_overview(&text, &set, &(ms_help_look){.columns = 80, .color = true});
    CHECK(strstr(text.bytes, "gates diff   compare two\n"));
    CHECK(strstr(text.bytes, "\x1b[1mGates\x1b[0m\n"));
    CHECK(!strstr(text.bytes, "hidden"));
    ms_buf_free(&text);
}

/* Every text, with each allocation failing in turn: the buffer says that it failed, or the text is whole. */
TEST(command_texts_survive_short_memory) {
    for (int kind = 0; kind < 6; kind++) {
        size_t whole = 0;
        for (int64_t k = 0; k < 400; k++) {
            ms_buf text = {0};
            ms_mem_fail_at(k);
            if (kind == 0) ms_complete_bash(&text, &set);
            if (kind == 1) ms_complete_zsh(&text, &set);
            if (kind == 2) ms_complete_fish(&text, &set);
            if (kind == 3) ms_manpage(&text, &set, &gates_index);
            if (kind == 4) ms_help_long(&text, &gates_index, &(ms_help_look){.columns = 80});
            if (kind == 5) ms_help_json(&text, &set, NULL);
            const int64_t n_allocations = ms_mem_count();
            ms_mem_fail_at(0);
            const size_t size = text.size;
            const bool failed = text.failed;
            ms_buf_free(&text);
            if (k == 0) whole = size;
            CHECK_MSG(failed || size == whole, "kind %d, allocation %d: %zu of %zu bytes", kind, (int)k, size, whole);
            if (k > 0 && n_allocations < k) break;
        }
    }
}
