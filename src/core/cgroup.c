#include "cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_GROUPS_TEXT = 1 << 14, MAX_LIMIT_TEXT = 128 };

/* The beginning of a small file, [capacity]; empty when it cannot be read. */
static ms_str read_file(const char *path, char *text, size_t capacity) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    for (ssize_t n = 1; fd >= 0 && n > 0 && used < capacity; used += n > 0 ? (size_t)n : 0)
        n = read(fd, text + used, capacity - used);
    if (fd >= 0) close(fd);
    return (ms_str){text, used};
}

/* The positive number that a limit file begins with, and into *second, when wanted, the one after it; UINT64_MAX for "max", no
 * file and no number. */
static uint64_t limit_in(const char *folder, const char *file, uint64_t *second) {
    char path[PATH_MAX], text[MAX_LIMIT_TEXT];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, file);
    if (n < 0 || (size_t)n >= sizeof path) return UINT64_MAX;
    ms_str rest = read_file(path, text, sizeof text);
    ms_str line = ms_str_cut(&rest, '\n');
    int64_t value;
    const ms_str first = ms_str_cut(&line, ' ');
    const bool known = ms_str_to_i64(first, &value) && value > 0;
    int64_t next;
    if (second) *second = line.text && ms_str_to_i64(line, &next) && next > 0 ? (uint64_t)next : UINT64_MAX;
    return known ? (uint64_t)value : UINT64_MAX;
}

/* One resource: the name of its controller, and how its limit is read in a group's folder. */
typedef struct resource {
    const char *controller;
    uint64_t (*limit)(const char *folder, bool version2);
} resource;

static uint64_t memory_limit(const char *folder, bool version2) {
    return limit_in(folder, version2 ? "memory.max" : "memory.limit_in_bytes", NULL);
}

/* So many microseconds in each period of so many. */
static uint64_t cpu_limit(const char *folder, bool version2) {
    uint64_t period, quota = limit_in(folder, version2 ? "cpu.max" : "cpu.cfs_quota_us", &period);
    if (!version2) period = limit_in(folder, "cpu.cfs_period_us", NULL);
    if (quota >= UINT64_MAX / 1000 || period == UINT64_MAX) return UINT64_MAX;
    const uint64_t share = quota * 1000 / period;
    return share > 0 ? share : 1;
}

/* The lowest limit in `group` and its parents. */
static uint64_t limit_of_group(const resource *r, const char *root, bool version2, ms_str group) {
    uint64_t lowest = UINT64_MAX;
    for (;;) {
        while (group.size > 0 && group.text[group.size - 1] == '/') group.size--;
        char folder[PATH_MAX];
        const int n = snprintf(folder, sizeof folder, "%s%s%s%.*s", root, version2 ? "" : "/", version2 ? "" : r->controller,
                               (int)group.size, group.text);
        if (n > 0 && (size_t)n < sizeof folder) {
            const uint64_t limit = r->limit(folder, version2);
            if (limit < lowest) lowest = limit;
        }
        if (group.size == 0) return lowest;
        while (group.size > 0 && group.text[group.size - 1] != '/') group.size--;
    }
}

static bool has_name(ms_str names, const char *name) {
    while (names.text)
        if (ms_str_is(ms_str_cut(&names, ','), name)) return true;
    return false;
}

static uint64_t lowest_limit(const resource *r, ms_str groups, const char *root) {
    uint64_t lowest = UINT64_MAX;
    for (ms_str rest = groups; rest.text;) {
        ms_str path = ms_str_cut(&rest, '\n');
        ms_str_cut(&path, ':');
        if (!path.text) continue;
        const ms_str controllers = ms_str_cut(&path, ':');
        if (!path.text || path.size > 2048) continue;
        const bool version2 = controllers.size == 0;
        if (!version2 && !has_name(controllers, r->controller)) continue;
        const uint64_t limit = limit_of_group(r, root, version2, path);
        if (limit < lowest) lowest = limit;
    }
    return lowest;
}

static const resource memory = {"memory", memory_limit}, cpu = {"cpu", cpu_limit};

uint64_t ms_cgroup_memory_in(ms_str groups, const char *root) { return lowest_limit(&memory, groups, root); }
uint64_t ms_cgroup_cpus_in(ms_str groups, const char *root) { return lowest_limit(&cpu, groups, root); }

static uint64_t own_limit(const resource *r) {
    char text[MAX_GROUPS_TEXT];
    return lowest_limit(r, read_file("/proc/self/cgroup", text, sizeof text), "/sys/fs/cgroup");
}

uint64_t ms_cgroup_memory(void) { return own_limit(&memory); }
uint64_t ms_cgroup_cpus(void) { return own_limit(&cpu); }
