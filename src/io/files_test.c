#include "files.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "test.h"

static ms_str in(ms_arena *arena, const char *folder, const char *name) {
    return ms_files_join(arena, ms_str_of(folder), ms_str_of(name));
}

TEST(paths_are_taken_apart_and_put_together) {
    ms_arena a = {0};
    CHECK_EQ_STR(in(&a, "x", "y"), "x/y");
    CHECK_EQ_STR(in(&a, "x/", "y"), "x/y");
    CHECK_EQ_STR(in(&a, "", "y"), "y");
    CHECK_EQ_STR(in(&a, "x", "/y"), "/y");
    CHECK_EQ_STR(ms_files_folder_of(MS_STR("a/b/c")), "a/b");
    CHECK_EQ_STR(ms_files_folder_of(MS_STR("c")), ".");
    CHECK_EQ_STR(ms_files_folder_of(MS_STR("/c")), "/");
    CHECK_EQ_STR(ms_files_folder_of(MS_STR("a//c")), "a");
    CHECK_EQ_STR(ms_files_name_of(MS_STR("a/b/c")), "c");
    CHECK_EQ_STR(ms_files_name_of(MS_STR("a/")), "");
    ms_arena_free(&a);
}

typedef struct path_case {
    const char *path, *base, *want;
} path_case;

TEST(relative_and_normal_paths_are_those_of_python) {
    static const path_case relative[] = {{"/a/b/c", "/a/b", "c"},           {"/a/b", "/a/b", "."}, {"/a/b", "/a/b/c", ".."},
                                         {"/a/x/y", "/a/b/c", "../../x/y"}, {"a/b", ".", "a/b"},   {"/a/./b//c", "/a", "b/c"}};
    static const path_case normal[] = {{"a//b/./c/..", "", "a/b"}, {"../../a", "", "../../a"},
                                       {"/../a", "", "/a"},        {"", "", "."},
                                       {"a/..", "", "."},          {"/", "", "/"}};
    ms_arena a = {0};
    for (size_t i = 0; i < sizeof relative / sizeof *relative; i++)
        CHECK_EQ_STR(ms_files_relative(&a, ms_str_of(relative[i].path), ms_str_of(relative[i].base)), relative[i].want);
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++)
        CHECK_EQ_STR(ms_files_normal(&a, ms_str_of(normal[i].path)), normal[i].want);
    ms_arena_free(&a);
}

TEST(absolute_paths_keep_a_link_in_their_last_part) {
    ms_arena a = {0};
    ms_err err;
    ms_str folder, got;
    CHECK_OK(ms_files_absolute(&folder, &a, test_folder(), &err), &err);
    const char *const blobs = in(&a, folder.text, "blobs").text, *const snapshot = in(&a, folder.text, "snapshot").text;
    CHECK_OK(ms_files_make_folder(blobs, &err), &err);
    CHECK_OK(ms_files_make_folder(in(&a, folder.text, "real/deep").text, &err), &err);
    CHECK(symlink("real/deep", snapshot) == 0);
    CHECK_OK(ms_files_write(in(&a, blobs, "sha").text, "x", 1, MS_FILES_NO_SYNC, &err), &err);
    CHECK(symlink("../../blobs/sha", in(&a, snapshot, "model.safetensors").text) == 0);

    CHECK_OK(ms_files_absolute(&got, &a, in(&a, snapshot, "model.safetensors").text, &err), &err);
    CHECK_EQ_STR(got, in(&a, folder.text, "real/deep/model.safetensors").text);
    CHECK_OK(ms_files_absolute(&got, &a, in(&a, snapshot, "../").text, &err), &err);
    CHECK_EQ_STR(got, in(&a, folder.text, "real").text);
    CHECK_OK(ms_files_absolute(&got, &a, "/", &err), &err);
    CHECK_EQ_STR(got, "/");
    CHECK_FAILS(ms_files_absolute(&got, &a, "/no/such/folder/file", &err), MS_ERR_NOT_FOUND, &err, "No such file");
    ms_arena_free(&a);
}

TEST(folders_are_listed_in_byte_order) {
    ms_arena a = {0};
    ms_err err;
    const char *const folder = in(&a, test_folder(), "").text;
    for (const char **name = (const char *[]){"b", "B", "a10", "a2", NULL}; *name; name++)
        CHECK_OK(ms_files_write(in(&a, folder, *name).text, "xyz", 3, MS_FILES_NO_SYNC, &err), &err);
    CHECK_OK(ms_files_make_folder(in(&a, folder, "c/d/e").text, &err), &err);
    CHECK_OK(ms_files_make_folder(in(&a, folder, "c/d/e/").text, &err), &err);
    CHECK(symlink("nowhere", in(&a, folder, "broken").text) == 0);

    ms_files_list list;
    CHECK_OK(ms_files_list_folder(&list, folder, &err), &err);
    static const char *const want[] = {"B", "a10", "a2", "b", "broken", "c"};
    CHECK_EQ_I64(list.n, 6);
    for (size_t i = 0; i < 6; i++) CHECK_EQ_STR(list.items[i].name, want[i]);
    CHECK(list.items[0].is_regular && list.items[0].n_bytes == 3);
    CHECK(!list.items[4].is_regular && !list.items[4].is_folder);
    CHECK(list.items[5].is_folder);
    ms_files_list_free(&list);

    CHECK_FAILS(ms_files_list_folder(&list, in(&a, folder, "b").text, &err), MS_ERR_NOT_FOUND, &err, "Not a directory");
    CHECK_FAILS(ms_files_make_folder(in(&a, folder, "b/x").text, &err), MS_ERR_IO, &err, "cannot make the folder");
    CHECK(ms_files_is_folder(in(&a, folder, "c").text) && !ms_files_is_folder(in(&a, folder, "b").text));
    CHECK(ms_files_is_regular(in(&a, folder, "b").text) && !ms_files_exists(in(&a, folder, "broken").text));
    CHECK_OK(ms_files_remove(in(&a, folder, "b").text, &err), &err);
    CHECK_OK(ms_files_remove(in(&a, folder, "b").text, &err), &err);
    CHECK_FAILS(ms_files_remove(in(&a, folder, "c").text, &err), MS_ERR_IO, &err, "not empty");
    ms_arena_free(&a);
}

TEST(files_appear_whole_or_not_at_all) {
    ms_arena a = {0};
    ms_err err;
    const ms_str folder = ms_arena_copy(&a, ms_str_of(test_folder()));
    const char *const path = in(&a, folder.text, "out.bin").text;
    CHECK_OK(ms_files_write(path, "old", 3, MS_FILES_SYNC, &err), &err);

    static char big[700000];
    memset(big, 'n', sizeof big);
    ms_files_writer w;
    CHECK_OK(ms_files_writer_open(&w, path, &err), &err);
    CHECK_OK(ms_files_writer_put(&w, "new", 3, &err), &err);
    CHECK_OK(ms_files_writer_put(&w, big, sizeof big, &err), &err);
    CHECK_OK(ms_files_writer_put(&w, big, 200000, &err), &err);
    ms_buf got = {0};
    CHECK_OK(ms_files_read(&got, path, 1000, &err), &err);
    CHECK_EQ_STR(ms_buf_str(&got), "old"); /* not yet */
    ms_files_writer_abort(&w);
    ms_files_writer_abort(&w);
    ms_files_list list;
    CHECK_OK(ms_files_list_folder(&list, folder.text, &err), &err);
    CHECK_EQ_I64(list.n, 1); /* no temporary file is left */
    ms_files_list_free(&list);

    CHECK_OK(ms_files_writer_open(&w, path, &err), &err);
    for (int i = 0; i < 7; i++) CHECK_OK(ms_files_writer_put(&w, big, 100000, &err), &err);
    CHECK_OK(ms_files_writer_put(&w, "end", 3, &err), &err);
    CHECK_EQ_I64(w.n_bytes, 700003);
    CHECK_OK(ms_files_writer_commit(&w, MS_FILES_SYNC, &err), &err);
    ms_buf_clear(&got);
    CHECK_OK(ms_files_read(&got, path, 1 << 20, &err), &err);
    CHECK_EQ_I64(got.size, 700003);
    CHECK(memcmp(got.bytes, big, 700000) == 0 && memcmp(got.bytes + 700000, "end", 3) == 0);
    CHECK_FAILS(ms_files_read(&got, path, 700002, &err), MS_ERR_UNSUPPORTED, &err, "longer than 700002");
    ms_buf_free(&got);

    CHECK_FAILS(ms_files_writer_open(&w, in(&a, folder.text, "no/file").text, &err), MS_ERR_NOT_FOUND, &err, "cannot write");
    CHECK_FAILS(ms_files_writer_open(&w, "", &err), MS_ERR_USAGE, &err, "names no file");
    struct stat info;
    const mode_t mask = umask(022);
    umask(mask);
    CHECK(stat(path, &info) == 0);
    CHECK_EQ_I64(info.st_mode & 0777, 0666 & ~mask);
    ms_arena_free(&a);
}

TEST(a_full_disk_is_reported) {
    ms_err err;
    ms_files_writer w;
    if (!ms_files_exists("/dev/full")) return;
    char path[400];
    snprintf(path, sizeof path, "%s/full", test_folder());
    CHECK_OK(ms_files_writer_open(&w, path, &err), &err);
    close(w.fd);
    FILE *const full = fopen("/dev/full", "w");
    CHECK(full != NULL);
    w.fd = dup(fileno(full));
    fclose(full);
    CHECK_OK(ms_files_writer_put(&w, "x", 1, &err), &err);
    CHECK_FAILS(ms_files_writer_commit(&w, MS_FILES_NO_SYNC, &err), MS_ERR_IO, &err, "No space left");
    ms_files_writer_abort(&w);
    CHECK(!ms_files_exists(path));
}

/* Each allocation of a writing and listing round fails once. */
TEST(files_survive_every_failing_allocation) {
    ms_arena a = {0};
    ms_err err;
    const ms_str folder = ms_arena_copy(&a, ms_str_of(test_folder()));
    const char *const path = in(&a, folder.text, "f").text;
    bool went_well = false;
    for (int k = 1; !went_well && k < 50; k++) {
        ms_arena arena = {0};
        ms_files_list list = {0};
        ms_buf text = {0};
        ms_str absolute = MS_STR_NONE;
        ms_mem_fail_at(k);
        ms_status status = ms_files_write(path, "abc", 3, MS_FILES_SYNC, &err);
        if (status == MS_OK) status = ms_files_read(&text, path, 10, &err);
        if (status == MS_OK) status = ms_files_list_folder(&list, folder.text, &err);
        if (status == MS_OK) status = ms_files_absolute(&absolute, &arena, path, &err);
        if (status == MS_OK) status = ms_files_make_folder(folder.text, &err);
        if (status == MS_OK && !ms_files_relative(&arena, absolute, folder).text) status = MS_ERR_MEMORY;
        ms_mem_fail_at(0);
        went_well = status == MS_OK;
        ms_buf_free(&text);
        ms_files_list_free(&list);
        ms_arena_free(&arena);
        CHECK(went_well || status == MS_ERR_MEMORY);
    }
    CHECK(went_well);
    ms_arena_free(&a);
}

/* A rename over /dev/null would be remembered by the whole machine. */
TEST(files_writer_refuses_devices_pipes_and_folders) {
    ms_err err;
    char pipe[600];
    snprintf(pipe, sizeof pipe, "%s/pipe", test_folder());
    CHECK(mkfifo(pipe, 0600) == 0);
    CHECK_FAILS(ms_files_write(pipe, "x", 1, MS_FILES_NO_SYNC, &err), MS_ERR_USAGE, &err, "not a regular file");
    CHECK_FAILS(ms_files_write("/dev/full", "x", 1, MS_FILES_NO_SYNC, &err), MS_ERR_USAGE, &err, "not a regular file");
    CHECK_FAILS(ms_files_write(test_folder(), "x", 1, MS_FILES_NO_SYNC, &err), MS_ERR_IO, &err, "directory");
}
