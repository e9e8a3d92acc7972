/* moescope doctor: what this build on this machine can do, and what to do where it cannot. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build_info.h"
#include "cgroup.h"
#include "cli.h"
#include "cpu.h"
#include "hub_env.h"
#include "json_put.h"
#include "lockdown.h"
#include "ram.h"

typedef enum verdict {
    OK,    /* as it should be */
    OFF,   /* not there; everything else works */
    FAULT, /* commands will fail */
} verdict;

typedef struct check {
    const char *section, *name;
    verdict found;
    char value[160];
    char advice[200]; /* "" when there is nothing to do */
} check;

typedef MS_VEC(check) checks;

/* Adds a check and returns it, for what is still to be filled in; NULL when memory is short. */
static check *add(checks *list, const char *section, const char *name, verdict found, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static check *add(checks *list, const char *section, const char *name, verdict found, const char *format, ...) {
    check c = {.section = section, .name = name, .found = found};
    va_list args;
    va_start(args, format);
    vsnprintf(c.value, sizeof c.value, format, args);
    va_end(args);
    return MS_VEC_PUSH(list, c) ? &list->items[list->n - 1] : NULL;
}

static void advise(check *c, const char *advice) {
    if (c) snprintf(c->advice, sizeof c->advice, "%s", advice);
}

/* ---- the machine ---- */

static void check_processor(checks *list) {
    static const char section[] = "Processor";
    char model[64];
    ms_cpu_model(model);
    add(list, section, "model", OK, "%s", model);
    const ms_isa isa = ms_cpu_isa(), best = ms_cpu_best_isa();
    if (isa < best) {
        check *const c = add(list, section, "kernels", OFF, "%s, though %s would run", ms_isa_name(isa), ms_isa_name(best));
        advise(c, "unset MOESCOPE_ISA for full speed");
    } else {
        check *const c = add(list, section, "kernels", isa == MS_ISA_SCALAR ? OFF : OK, "%s", ms_isa_name(isa));
        if (isa == MS_ISA_SCALAR) advise(c, "a processor with AVX2 is several times as fast");
    }
    const bool bf16 = ms_cpu_has_avx512_bf16(), amx = ms_cpu_has_amx_bf16();
    add(list, section, "bf16", bf16 || amx ? OK : OFF, "%s",
        amx    ? "AVX-512 BF16 and AMX"
        : bf16 ? "AVX-512 BF16"
               : "no instructions");
    const int n = ms_cpu_count();
    const long n_online = sysconf(_SC_NPROCESSORS_ONLN);
    const uint64_t quota = ms_cgroup_cpus();
    if (quota < (uint64_t)n_online * 1000)
        add(list, section, "threads", OK, "%d; the control group allows the time of %.4g of %ld processors", n,
            (double)quota / 1000, n_online);
    else if (n_online > n)
        add(list, section, "threads", OK, "%d; the machine has %ld, this process may use fewer", n, n_online);
    else add(list, section, "threads", OK, "%d", n);
}

static void check_memory(checks *list) {
    static const char section[] = "Memory";
    const uint64_t limit = ms_ram_limit();
    const uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const double gb = (double)limit / 1e9;
    if (limit < machine) add(list, section, "size", OK, "%.1f GB, a limit; the machine has %.1f GB", gb, (double)machine / 1e9);
    else add(list, section, "size", OK, "%.1f GB", gb);
    add(list, section, "pages", OK, "%ld bytes", sysconf(_SC_PAGESIZE));

    struct rlimit r;
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY) {
        check *const c = add(list, section, "address space", OFF, "limited to %.1f GB", (double)r.rlim_cur / 1e9);
        advise(c, "models are mapped: 'ulimit -v unlimited', or larger ones cannot be opened");
    } else {
        add(list, section, "address space", OK, "not limited");
    }
}

/* ---- files ---- */

/* NULL when a file in the folder can be made 5 GB long and a page beyond 4 GB of it mapped; else what failed. */
static const char *try_large_file(const char *folder) {
    static const off_t size = 5000000000, at = 4294967296; /* at: a multiple of every page size */
    char path[1024];
    snprintf(path, sizeof path, "%s/moescope-doctor-XXXXXX", folder);
    const int fd = mkstemp(path);
    if (fd < 0) return "cannot make a file there";
    unlink(path);
    const char *fault = NULL;
    char letter = 'x';
    if (pwrite(fd, &letter, 1, at) != 1) fault = "no files beyond 4 GB there";
    else if (ftruncate(fd, size) != 0) fault = "no files beyond 4 GB there";
    void *const map = fault ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, at);
    if (!fault && map == MAP_FAILED) fault = "files there cannot be mapped";
    else if (!fault && *(const volatile char *)map != 'x') fault = "a mapped file shows other bytes than were written";
    if (map != MAP_FAILED) munmap(map, 4096);
    close(fd);
    return fault;
}

/* bad: how bad it is when nothing can be written there. */
static void check_folder(checks *list, const char *name, const char *folder, verdict bad, const char *advice) {
    static const char section[] = "Files";
    const ms_shown shown = ms_str_shown(ms_str_of(folder));
    const char *const fault = try_large_file(folder);
    struct statvfs fs;
    const bool known = statvfs(folder, &fs) == 0;
    const double free_gb = known ? (double)fs.f_bavail * (double)fs.f_frsize / 1e9 : 0;
    if (fault) {
        advise(add(list, section, name, bad, "%.80s: %s", shown.text, fault), advice);
        return;
    }
    check *const c = add(list, section, name, OK, "%.80s: mapped and large files work, %.1f GB free", shown.text, free_gb);
    if (known && free_gb < 0.1) advise(c, "hardly any space is left there");
}

static void check_files(checks *list) {
    const char *const temporary = getenv("TMPDIR");
    check_folder(list, "temporary", temporary && *temporary ? temporary : "/tmp", FAULT,
                 "set TMPDIR to a folder that can be written to");
    check_folder(list, "this folder", ".", OFF, "write results elsewhere, with -o");
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return;
    check *const c = add(list, "Files", "open at once", r.rlim_cur < 512 ? OFF : OK, "%llu", (unsigned long long)r.rlim_cur);
    if (r.rlim_cur < 512) advise(c, "models have up to some hundred shards: 'ulimit -n 4096'");
}

static void check_jail(checks *list) {
    const char *const why_not = ms_lockdown_why_not();
    check *const c = add(list, "Files", "jail", why_not ? OFF : OK, "%s", why_not ? why_not : "seccomp: --jail works");
    if (why_not) advise(c, "read files from strangers in a container or a virtual machine");
}

/* ---- the Hub ---- */

static const char *get_variable(const char *name) { return getenv(name); }

/* What the environment says; nothing is asked. */
static void check_hub(checks *list) {
    static const char section[] = "Hub";
    ms_arena arena = {0};
    ms_hub_env env;
    ms_err why = {0};
    if (ms_hub_env_read(&env, &arena, get_variable, &why) != MS_OK) {
        advise(add(list, section, "environment", OFF, "models of the Hub cannot be read"), why.text);
    } else {
        add(list, section, "endpoint", OK, "%s", ms_str_shown(env.endpoint).text);
        add(list, section, "cache", OK, "%s", env.cache.size ? ms_str_shown(env.cache).text : "none");
        check *const token = add(list, section, "token", env.token.size ? OK : OFF, "%s%s", env.token.size ? "of " : "none",
                                 ms_str_shown(env.token_from).text);
        if (env.token.size == 0) advise(token, "private and gated models need one: set HF_TOKEN");
        add(list, section, "network", env.offline ? OFF : OK, "%s",
            env.offline ? "not asked, as HF_HUB_OFFLINE says" : "asked for models of the Hub only");
    }
    ms_arena_free(&arena);
}

/* ---- talking ---- */

static void check_terminal(checks *list, const ms_cli *cli) {
    static const char section[] = "Terminal";
    const char *const term = getenv("TERM");
    const ms_shown shown = ms_str_shown(ms_str_of(term ? term : "not set"));
    add(list, section, "output", OK, "%s, %d columns, TERM %.60s", cli->to_terminal ? "a terminal" : "a file or pipe",
        cli->columns, shown.text);
    add(list, section, "colour", cli->color ? OK : OFF, "%s",
        cli->color         ? "yes"
        : cli->to_terminal ? "no: NO_COLOR, --color or TERM says so"
                           : "no, as this is no terminal");
    check *const c = add(list, section, "letters", cli->unicode ? OK : OFF, "%s", cli->unicode ? "UTF-8" : "ASCII only");
    if (!cli->unicode) advise(c, "set LC_ALL=C.UTF-8 (or another UTF-8 locale) for block characters");
}

static void check_features(checks *list) {
    static const struct {
        const char *name, *state, *detail;
    } features[] = {MS_BUILD_FEATURES{NULL, NULL, NULL}};
    for (size_t i = 0; features[i].name; i++) {
        const bool on = strcmp(features[i].state, "on") == 0;
        check *const c = add(list, "Optional parts", features[i].name, on ? OK : OFF, "%s", features[i].detail);
        if (!on) advise(c, "run tools/deps and build again");
    }
}

/* ---- the answer ---- */

static const char *const verdict_names[] = {"ok", "off", "fault"};

static void put_text(ms_cli *cli, const checks *list) {
    const char *section = "";
    ms_cli_out(cli, "moescope %s, %s, %s\n", MS_VERSION, MS_BUILD_TYPE, MS_BUILD_COMPILER);
    for (size_t i = 0; i < list->n; i++) {
        const check *const c = &list->items[i];
        if (strcmp(section, c->section) != 0) {
            ms_cli_out(cli, "\n%s%s%s\n", ms_cli_style(cli, MS_STYLE_BOLD), c->section, ms_cli_style(cli, MS_STYLE_PLAIN));
            section = c->section;
        }
        const ms_style style = c->found == FAULT ? MS_STYLE_ALERT : c->found == OFF ? MS_STYLE_DIM : MS_STYLE_PLAIN;
        ms_cli_out(cli, "  %s%-5s%s  %-14s %s\n", ms_cli_style(cli, style), verdict_names[c->found],
                   ms_cli_style(cli, MS_STYLE_PLAIN), c->name, c->value);
        if (c->advice[0]) ms_cli_out(cli, "%24s%s\n", "", c->advice);
    }
}

static ms_status put_json(ms_cli *cli, const checks *list, ms_err *err) {
    ms_buf text = {0};
    ms_json_out out = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&out, "doctor", 1);
    ms_json_put_text(&out, "release", MS_VERSION);
    ms_json_out_key(&out, "checks");
    ms_json_out_begin_array(&out);
    for (size_t i = 0; i < list->n; i++) {
        const check *const c = &list->items[i];
        ms_json_out_begin_object(&out);
        ms_json_put_text(&out, "section", c->section);
        ms_json_put_text(&out, "name", c->name);
        ms_json_put_text(&out, "state", verdict_names[c->found]);
        ms_json_put_text(&out, "value", c->value);
        ms_json_put_text(&out, "advice", c->advice[0] ? c->advice : NULL);
        ms_json_out_end(&out);
    }
    ms_json_out_end(&out);
    return ms_cli_end_json(cli, &out, err);
}

static ms_status run(ms_cli *cli, ms_err *err) {
    checks list = {0};
    check_processor(&list);
    check_memory(&list);
    check_files(&list);
    check_jail(&list);
    check_hub(&list);
    check_terminal(&list, cli);
    check_features(&list);

    size_t n_faults = 0;
    for (size_t i = 0; i < list.n; i++) n_faults += list.items[i].found == FAULT;
    ms_status status = MS_OK;
    if (cli->format == MS_FORMAT_JSON) status = put_json(cli, &list, err);
    else put_text(cli, &list);
    MS_VEC_FREE(&list);
    if (status == MS_OK && n_faults > 0)
        return ms_err_set(err, MS_ERR_FINDING, "%zu %s: see the lines that begin with 'fault'", n_faults,
                          n_faults == 1 ? "fault" : "faults");
    return status;
}

static const ms_example examples[] = {
    {"doctor", "a list: ok, off (works without), fault (will fail)"},
    {"doctor --json", "the same for scripts"},
    {0},
};

const ms_command ms_cmd_doctor = {
    .name = "doctor",
    .section = "Help",
    .summary = "what this build on this machine can do",
    .description = "Each line says ok, off or fault. Off: something is not there, and all else works without. Fault: commands "
                   "will fail; the exit code is then 1. A line below says what to do.\n\nIn the temporary folder and in this "
                   "one a file is made for a moment, to see whether large files can be written and mapped.",
    .examples = examples,
    .takes = MS_TAKES_JSON,
    .run = run,
};
