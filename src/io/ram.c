#include "ram.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"

/* The number in a limit file; "max", no file and no number are no limit. */
static uint64_t limit_in(const char *path) {
    ms_buf text = {0};
    uint64_t limit = UINT64_MAX;
    if (ms_files_read(&text, path, 4096, NULL) == MS_OK && text.size > 0) {
        ms_str line = ms_buf_str(&text);
        line = ms_str_cut(&line, '\n');
        int64_t value;
        if (ms_str_to_i64(line, &value) && value > 0) limit = (uint64_t)value;
    }
    ms_buf_free(&text);
    return limit;
}

/* The lowest limit in `group` and its parents. */
static uint64_t limit_of_group(const char *root, const char *controller, ms_str group, const char *file) {
    uint64_t lowest = UINT64_MAX;
    for (;;) {
        while (group.size > 0 && group.text[group.size - 1] == '/') group.size--;
        char path[4096];
        const int n = snprintf(path, sizeof path, "%s%s%.*s/%s", root, controller, (int)group.size, group.text, file);
        if (n > 0 && (size_t)n < sizeof path) {
            const uint64_t limit = limit_in(path);
            if (limit < lowest) lowest = limit;
        }
        if (group.size == 0) return lowest;
        while (group.size > 0 && group.text[group.size - 1] != '/') group.size--;
    }
}

/* Lines "ID:CONTROLLERS:PATH"; version 2 has ID 0 and no controllers. */
uint64_t ms_ram_group_limit(ms_str groups, const char *root) {
    uint64_t lowest = UINT64_MAX;
    for (ms_str rest = groups; rest.text;) {
        ms_str path = ms_str_cut(&rest, '\n');
        ms_str_cut(&path, ':');
        if (!path.text) continue;
        ms_str controllers = ms_str_cut(&path, ':');
        if (!path.text || path.size > 2048) continue;
        uint64_t limit = UINT64_MAX;
        if (controllers.size == 0) limit = limit_of_group(root, "", path, "memory.max");
        for (ms_str names = controllers; names.text;)
            if (ms_str_is(ms_str_cut(&names, ','), "memory"))
                limit = limit_of_group(root, "/memory", path, "memory.limit_in_bytes");
        if (limit < lowest) lowest = limit;
    }
    return lowest;
}

static uint64_t asked;

static void ask(void) {
    const long n_pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    asked = n_pages > 0 && page > 0 ? (uint64_t)n_pages * (uint64_t)page : UINT64_MAX;
    ms_buf groups = {0};
    if (ms_files_read(&groups, "/proc/self/cgroup", 1 << 20, NULL) == MS_OK) {
        const uint64_t limit = ms_ram_group_limit(ms_buf_str(&groups), "/sys/fs/cgroup");
        if (limit < asked) asked = limit;
    }
    ms_buf_free(&groups);
}

uint64_t ms_ram_limit(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask);
    return asked;
}
