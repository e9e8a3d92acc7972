#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"
#include "test.h"

static const char *in(ms_arena *arena, const char *folder, const char *name) {
    return ms_files_join(arena, ms_str_of(folder), ms_str_of(name)).text;
}

static void put(ms_arena *arena, const char *folder, const char *name, const char *text) {
    const char *const path = in(arena, folder, name);
    ms_err err = {0};
    CHECK_OK(ms_files_make_folder(ms_arena_copy(arena, ms_files_folder_of(ms_str_of(path))).text, &err), &err);
    CHECK_OK(ms_files_write(path, text, strlen(text), MS_FILES_NO_SYNC, &err), &err);
}

static int errno_of_opening(const char *path) {
    errno = 0;
    const int fd = ms_door_open(path);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : errno;
}

static void make_model(ms_arena *a, const char *folder) {
    ms_door_forget(); /* what a test left that failed */
    put(a, folder, "m/config.json", "{}");
    put(a, folder, "m/notes.txt", "hello");
    put(a, folder, "m/sub/b.safetensors", "bb");
    put(a, folder, "m/sub/readme.txt", "r");
    put(a, folder, "m/.hidden/c.gguf", "c");
    put(a, folder, "m/.cache/huggingface/download/config.json.metadata", "meta");
    put(a, folder, "m/.git/lfs/objects/ab/cd/abcd", "object");
    put(a, folder, "m/.git/config", "secret");
    put(a, folder, "outside.txt", "outside");
    CHECK(symlink("../outside.txt", in(a, folder, "m/link.json")) == 0);
    CHECK(symlink("nowhere", in(a, folder, "m/broken")) == 0);
}

TEST(behind_a_closed_door_is_what_was_taken) {
    ms_arena a = {0};
    ms_err err = {0};
    ms_door_taken taken;
    const char *const folder = test_folder(), *const m = in(&a, folder, "m");
    make_model(&a, folder);
    CHECK_OK(ms_door_take(&taken, m, &err), &err);
    CHECK_EQ_I64(taken.n_files, 6); /* config, notes, link, b, metadata, object */
    ms_door_close();

    CHECK_EQ_I64(errno_of_opening(in(&a, m, "config.json")), 0);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "./sub//b.safetensors")), 0);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "notes.txt")), 0);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "link.json")), 0);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, ".cache/huggingface/download/config.json.metadata")), 0);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, ".git/lfs/objects/ab/cd/abcd")), 0);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "sub/readme.txt")), EACCES);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, ".hidden/c.gguf")), EACCES);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, ".git/config")), EACCES);
    CHECK_EQ_I64(errno_of_opening(in(&a, folder, "outside.txt")), EACCES);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "gone.json")), ENOENT);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "broken")), ENOENT);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "config.json/x")), ENOTDIR);
    CHECK_EQ_I64(errno_of_opening(in(&a, m, "sub")), EISDIR);
    CHECK_EQ_I64(errno_of_opening("/etc/passwd"), EACCES);
    CHECK(ms_files_is_folder(m) && ms_files_is_folder(in(&a, m, "sub")) && !ms_files_is_folder(in(&a, m, "notes.txt")));
    CHECK(ms_files_exists(in(&a, m, "config.json")) && !ms_files_exists(in(&a, m, "gone.json")));

    ms_files_list list;
    CHECK_OK(ms_files_list_folder(&list, m, &err), &err);
    CHECK_EQ_I64(list.n, 8); /* .cache .git .hidden broken config.json link.json notes.txt sub: */
    ms_files_list_free(&list);
    ms_door_forget();
    ms_arena_free(&a);
}

TEST(links_are_told_apart_behind_a_closed_door) {
    ms_arena a = {0};
    ms_err err = {0};
    ms_door_taken taken;
    const char *const folder = test_folder(), *const m = in(&a, folder, "m");
    make_model(&a, folder);
    const ms_str open_link = ms_door_real(&a, in(&a, m, "link.json")),
                 open_plain = ms_door_real(&a, in(&a, m, "sub/b.safetensors"));
    CHECK_OK(ms_door_take(&taken, m, &err), &err);
    ms_door_close();
    CHECK_EQ_STR(ms_door_real(&a, in(&a, m, "link.json")), open_link.text);
    CHECK_EQ_STR(ms_door_real(&a, in(&a, m, "sub/b.safetensors")), open_plain.text);
    CHECK(!ms_door_real(&a, in(&a, m, "gone")).text);
    ms_door_forget();
    ms_arena_free(&a);
}

TEST(a_named_file_is_taken_with_its_folder) {
    ms_arena a = {0};
    ms_err err = {0};
    ms_buf text = {0};
    ms_door_taken taken;
    const char *const folder = test_folder();
    make_model(&a, folder);
    const char *const path = in(&a, folder, "m/../m/notes.txt"); /* its folder is m/../m, whatever a link would make of it */
    CHECK_OK(ms_door_take(&taken, path, &err), &err);
    ms_door_close();
    CHECK_OK(ms_files_read(&text, path, 100, &err), &err);
    CHECK_OK(ms_files_read(&text, path, 100, &err), &err); /* from the begin again */
    CHECK_EQ_STR(ms_buf_str(&text), "hellohello");
    CHECK_EQ_I64(errno_of_opening(in(&a, folder, "m/../m/config.json")), 0);
    ms_buf_free(&text);
    ms_door_forget();
    ms_arena_free(&a);
}

TEST(what_does_not_exist_is_taken_without_complaint) {
    ms_err err = {0};
    ms_door_taken taken;
    CHECK_OK(ms_door_take(&taken, "no/such/model", &err), &err);
    CHECK_EQ_I64(taken.n_files, 0);
    ms_door_close();
    CHECK(!ms_files_exists("no/such/model"));
    ms_door_forget();
}

/* A file that is cut while it is read is noticed from behind the door, too. */
TEST(a_file_that_shrinks_is_noticed_behind_a_closed_door) {
    ms_arena a = {0};
    ms_err err = {0};
    ms_source *source;
    ms_door_taken taken;
    const char *const folder = test_folder(), *const path = in(&a, folder, "x.bin");
    put(&a, folder, "x.bin", "0123456789");
    CHECK_OK(ms_door_take(&taken, folder, &err), &err);
    ms_door_close();
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK_OK(ms_source_unchanged(source, &err), &err);
    CHECK(truncate(path, 3) == 0);
    CHECK_EQ_I64(ms_source_unchanged(source, &err), MS_ERR_IO);
    ms_source_close(source);
    ms_door_forget();
    ms_arena_free(&a);
}
