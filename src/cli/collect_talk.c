#include "collect_talk.h"

static void say(void *context, const char *line) {
    ms_cli *const cli = context;
    ms_progress_hide(&cli->progress);
    ms_cli_say(cli, "%s\n", line);
}

static void begin(void *context, uint64_t n_bytes) {
    ms_cli *const cli = context;
    ms_progress_begin(&cli->progress, "collect", n_bytes);
}

static void advance(void *context, uint64_t n_bytes) {
    ms_cli *const cli = context;
    ms_progress_add(&cli->progress, n_bytes);
}

static void end(void *context) {
    ms_cli *const cli = context;
    ms_progress_end(&cli->progress);
}

ms_collect_talk ms_collect_talk_to(ms_cli *cli) {
    return (ms_collect_talk){.context = cli, .say = say, .begin = begin, .advance = advance, .end = end};
}
