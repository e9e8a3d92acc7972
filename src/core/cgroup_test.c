#include "cgroup.h"

#include <stdio.h>
#include <sys/stat.h>

#include "test.h"

/* root/group/file with that text; groups are at most two folders deep. */
static void put_limit(const char *root, const char *group, const char *file, const char *text) {
    char path[700];
    const char *const slash = strchr(group, '/');
    snprintf(path, sizeof path, "%s/%.*s", root, slash ? (int)(slash - group) : (int)strlen(group), group);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s", root, group);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", root, group, file);
    FILE *const out = fopen(path, "w");
    CHECK(out != NULL);
    if (!out) return;
    fputs(text, out);
    fclose(out);
}

TEST(cgroup_memory_is_the_lowest_limit_of_all_groups) {
    const char *const root = test_folder();
    put_limit(root, "user/job", "memory.max", "max\n");
    put_limit(root, "user", "memory.max", "5000\n");
    put_limit(root, "memory/x", "memory.limit_in_bytes", "7000\n");
    put_limit(root, "memory", "memory.limit_in_bytes", "9223372036854771712\n");
    CHECK_EQ_I64(ms_cgroup_memory_in(MS_STR("0::/user/job\n"), root), 5000);
    CHECK_EQ_I64(ms_cgroup_memory_in(MS_STR("4:memory:/x/gone\n0::/\n"), root), 7000);
    CHECK_EQ_I64(ms_cgroup_memory_in(MS_STR("4:cpu,memory:/x\n0::/user/job\n"), root), 5000);
    CHECK(ms_cgroup_memory_in(MS_STR("2:cpu:/x\n\nrubbish\n1:a"), root) == UINT64_MAX);
}

TEST(cgroup_cpus_are_quota_by_period) {
    const char *const root = test_folder();
    put_limit(root, "pod", "cpu.max", "250000 100000\n");
    put_limit(root, "pod/job", "cpu.max", "max 100000\n");
    put_limit(root, "tiny", "cpu.max", "1 1000000\n");
    put_limit(root, "odd", "cpu.max", "100000\n");
    put_limit(root, "cpu/y", "cpu.cfs_quota_us", "50000\n");
    put_limit(root, "cpu/y", "cpu.cfs_period_us", "100000\n");
    put_limit(root, "cpu", "cpu.cfs_quota_us", "-1\n");
    put_limit(root, "cpu", "cpu.cfs_period_us", "100000\n");
    CHECK_EQ_I64(ms_cgroup_cpus_in(MS_STR("0::/pod/job\n"), root), 2500);
    CHECK_EQ_I64(ms_cgroup_cpus_in(MS_STR("0::/tiny\n"), root), 1);
    CHECK_EQ_I64(ms_cgroup_cpus_in(MS_STR("3:cpuset:/pod\n2:cpu,cpuacct:/y\n"), root), 500);
    CHECK(ms_cgroup_cpus_in(MS_STR("0::/odd\n"), root) == UINT64_MAX);
    CHECK(ms_cgroup_cpus_in(MS_STR("2:cpu:/\n"), root) == UINT64_MAX);
}
