#include "source.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "guard.h"
#include "mem.h"
#include "test.h"

enum { PAGE = 4096, N_PAGES = 8 };

/* A file of N_PAGES pages, each filled with its number + 1. */
static const char *paged_file(void) {
    static char path[400];
    snprintf(path, sizeof path, "%s/pages.bin", test_folder());
    FILE *const f = fopen(path, "wb");
    for (int page = 0; f && page < N_PAGES; page++)
        for (int i = 0; i < PAGE; i++) fputc(page + 1, f);
    if (f) fclose(f);
    return path;
}

TEST(mapped_files_hand_out_their_bytes_without_a_copy) {
    ms_err err;
    ms_source *source;
    CHECK_OK(ms_source_open_file(&source, paged_file(), &err), &err);
    CHECK_EQ_I64(source->size, PAGE * N_PAGES);
    ms_scratch scratch = {0};
    const void *bytes;
    CHECK_OK(ms_source_view(source, PAGE, 10, &scratch, &bytes, &err), &err);
    CHECK(bytes == (const char *)source->map + PAGE && scratch.bytes == NULL);
    CHECK_EQ_I64(*(const char *)bytes, 2);
    CHECK_OK(ms_source_view(source, source->size, 0, &scratch, &bytes, &err), &err);
    CHECK_FAILS(ms_source_view(source, source->size - 1, 2, &scratch, &bytes, &err), MS_ERR_DAMAGED, &err, "ends at 32768");
    CHECK_FAILS(ms_source_view(source, UINT64_MAX, 2, &scratch, &bytes, &err), MS_ERR_DAMAGED, &err, "pages.bin");
    ms_source_will_need(source, 100, 3 * PAGE);
    ms_source_drop(source, 100, 3 * PAGE);
    ms_source_will_need(source, UINT64_MAX, 1); /* outside: no effect */
    CHECK_OK(ms_source_view(source, 0, source->size, &scratch, &bytes, &err), &err);
    for (int page = 0; page < N_PAGES; page++) CHECK_EQ_I64(((const char *)bytes)[page * PAGE + 7], page + 1);
    ms_source_close(source);
    ms_source_close(NULL);
}

TEST(what_is_no_file_is_refused_with_its_reason) {
    ms_err err;
    ms_source *source;
    char path[400];
    const char *const folder = test_folder();
    CHECK_FAILS(ms_source_open_file(&source, folder, &err), MS_ERR_IO, &err, "is a folder");
    snprintf(path, sizeof path, "%s/absent\x1b[2J", folder);
    CHECK_FAILS(ms_source_open_file(&source, path, &err), MS_ERR_NOT_FOUND, &err,
                "absent\\x1B[2J: cannot open the file: No such");
    snprintf(path, sizeof path, "%s/pipe", folder);
    CHECK(mkfifo(path, 0600) == 0);
    CHECK_FAILS(ms_source_open_file(&source, path, &err), MS_ERR_IO, &err, "no regular file");
    snprintf(path, sizeof path, "%s/empty", folder);
    CHECK_OK(ms_files_write(path, "", 0, MS_FILES_NO_SYNC, &err), &err);
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK_EQ_I64(source->size, 0);
    CHECK(source->map != NULL);
    ms_source_close(source);
}

TEST(memory_is_a_source) {
    ms_err err;
    ms_source *source;
    CHECK_OK(ms_source_over_memory(&source, "abcdef", 6, "six letters", &err), &err);
    const void *bytes;
    ms_scratch scratch = {0};
    CHECK_OK(ms_source_view(source, 2, 4, &scratch, &bytes, &err), &err);
    CHECK(memcmp(bytes, "cdef", 4) == 0);
    CHECK_FAILS(ms_source_view(source, 3, 4, &scratch, &bytes, &err), MS_ERR_DAMAGED, &err, "six letters");
    ms_source_close(source);
}

TEST(sources_survive_every_failing_allocation) {
    ms_err err;
    ms_source *source;
    const char *const path = paged_file();
    for (int k = 1; k <= 2; k++) {
        ms_mem_fail_at(k);
        const ms_status mapped = ms_source_open_file(&source, path, &err);
        ms_mem_fail_at(k);
        const ms_status memory = ms_source_over_memory(&source, "a", 1, "a", &err);
        ms_mem_fail_at(0);
        CHECK_EQ_I64(mapped, MS_ERR_MEMORY);
        CHECK_EQ_I64(memory, MS_ERR_MEMORY);
    }
}

/* ---- guard ---- */

static int sum_of(const void *bytes, size_t n) {
    int sum = 0;
    for (size_t i = 0; i < n; i += PAGE / 2) sum += ((const volatile char *)bytes)[i];
    return sum;
}

TEST(a_file_that_shrinks_is_an_error_that_names_it) {
    ms_err err;
    ms_source *source;
    const char *const path = paged_file();
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    ms_scratch scratch = {0};
    const void *bytes;

    ms_guard guard = ms_guard_begin();
    CHECK_OK(ms_source_view(source, 0, source->size, &scratch, &bytes, &err), &err);
    int sum = sum_of(bytes, source->size);
    CHECK_OK(ms_guard_end(&guard, MS_OK, &err), &err);
    CHECK_EQ_I64(sum, 2 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8));

    guard = ms_guard_begin();
    ms_guard inner = ms_guard_begin();
    CHECK(truncate(path, 3 * PAGE) == 0);
    sum = sum_of(bytes, source->size);
    CHECK_EQ_I64(sum, 2 * (1 + 2 + 3)); /* the rest reads as zeros */
    CHECK_FAILS(ms_guard_end(&inner, MS_ERR_DAMAGED, &err), MS_ERR_IO, &err, "cut from 32768 to 12288 bytes");
    CHECK_FAILS(ms_guard_end(&guard, MS_OK, &err), MS_ERR_IO, &err, "pages.bin");

    guard = ms_guard_begin(); /* from now on the file is refused at the door */
    CHECK_FAILS(ms_guard_end(&guard, ms_source_view(source, 0, 1, &scratch, &bytes, &err), &err), MS_ERR_IO, &err, "pages.bin");
    ms_source_close(source);

    guard = ms_guard_begin(); /* and others are not affected */
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK_OK(ms_source_view(source, 0, source->size, &scratch, &bytes, &err), &err);
    CHECK_EQ_I64(sum_of(bytes, source->size), 2 * (1 + 2 + 3));
    CHECK_OK(ms_guard_end(&guard, MS_OK, &err), &err);
    ms_source_close(source);
}

TEST(a_file_that_is_written_to_has_changed_one_that_is_replaced_has_not) {
    ms_err err;
    ms_source *source;
    const char *const path = paged_file();
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK_OK(ms_source_unchanged(source, &err), &err);
    CHECK_OK(ms_files_write(path, "another", 7, MS_FILES_NO_SYNC, &err), &err); /* renamed over it */
    CHECK_OK(ms_source_unchanged(source, &err), &err);
    CHECK_EQ_I64(((const char *)source->map)[PAGE], 2);
    ms_source_close(source);

    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK(truncate(path, 8) == 0);
    CHECK_FAILS(ms_source_unchanged(source, &err), MS_ERR_IO, &err, "7 bytes then, 8 now");
    ms_source_close(source);
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK(utimensat(AT_FDCWD, path, (const struct timespec[2]){{1, 0}, {1, 0}}, 0) == 0);
    CHECK_FAILS(ms_source_unchanged(source, &err), MS_ERR_IO, &err, "written to while it was being read");
    ms_source_close(source);
    CHECK_OK(ms_source_over_memory(&source, "x", 1, "x", &err), &err);
    CHECK_OK(ms_source_unchanged(source, &err), &err);
    ms_source_close(source);
}

typedef struct shrinking {
    ms_source *source;
    atomic_int n_started;
    pthread_barrier_t barrier;
    const char *path;
} shrinking;

static void *read_while_it_shrinks(void *argument) {
    shrinking *const s = argument;
    const bool is_first = atomic_fetch_add(&s->n_started, 1) == 0;
    ms_guard guard = ms_guard_begin();
    pthread_barrier_wait(&s->barrier);
    if (is_first && truncate(s->path, 0) != 0) return NULL;
    pthread_barrier_wait(&s->barrier);
    const void *bytes;
    ms_status status = ms_source_view(s->source, 0, s->source->size, NULL, &bytes, NULL);
    if (status == MS_OK) sum_of(bytes, s->source->size);
    status = ms_guard_end(&guard, status, NULL);
    return status == MS_ERR_IO ? s : NULL;
}

TEST(all_threads_that_read_a_shrinking_file_learn_of_it) {
    ms_err err;
    shrinking s = {.path = paged_file()};
    CHECK_OK(ms_source_open_file(&s.source, s.path, &err), &err);
    pthread_barrier_init(&s.barrier, NULL, 4);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, read_while_it_shrinks, &s) == 0);
    int n_told = 0;
    for (int i = 0; i < 4; i++) {
        void *told;
        pthread_join(threads[i], &told);
        n_told += told != NULL;
    }
    pthread_barrier_destroy(&s.barrier);
    ms_source_close(s.source);
    CHECK_EQ_I64(n_told, 4);
}

/* Outside a guard nothing is hidden: the process ends by the signal (or by a sanitizer's report of it). */
TEST(unguarded_reading_of_missing_pages_still_dies) {
    ms_err err;
    ms_source *source;
    const char *const path = paged_file();
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, 1), dup2(null, 2);
        if (truncate(path, 0) == 0) sum_of(source->map, source->size);
        _exit(0);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    ms_source_close(source);
    CHECK(!WIFEXITED(result) || WEXITSTATUS(result) != 0);
}

TEST(many_files_can_be_watched) {
    enum { N = 300 };
    static ms_guard_map *maps[N];
    static char pages[N];
    for (int i = 0; i < N; i++) {
        maps[i] = ms_guard_watch(pages + i, 1, "x");
        CHECK(maps[i] != NULL);
        for (int j = 0; j < i; j++) CHECK(maps[j] != maps[i]);
    }
    for (int i = 0; i < N; i++) ms_guard_forget(maps[i]);
}
