#include "hub_cache.h"

#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "test.h"
#include "torture.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define ETAG "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

typedef struct cache {
    ms_arena arena;
    char root[300];
    ms_str folder; /* of the repository a/b */
    ms_str commit, path;
    ms_hub_cached_list list;
} cache;

static void begin(cache *c) {
    *c = (cache){0};
    snprintf(c->root, sizeof c->root, "%s", test_folder());
    const ms_hub_address address = {.kind = MS_HUB_MODEL, .repo = MS_STR("a/b")};
    c->folder = ms_hub_cache_folder(&c->arena, ms_str_of(c->root), &address);
}

static void put(cache *c, const char *path, const char *text) {
    ms_err err = {0};
    const ms_str whole = ms_files_join(&c->arena, c->folder, ms_str_of(path));
    const ms_str parent = ms_arena_copy(&c->arena, ms_files_folder_of(whole));
    CHECK_OK(ms_files_make_folder(parent.text, &err), &err);
    CHECK_OK(ms_files_write(whole.text, text, strlen(text), MS_FILES_NO_SYNC, &err), &err);
}

static void end(cache *c) {
    MS_VEC_FREE(&c->list);
    ms_arena_free(&c->arena);
}

TEST(hub_cache_finds_what_was_linked) {
    cache c;
    ms_err err = {0};
    begin(&c);
    CHECK(ms_str_ends_with(c.folder, MS_STR("/models--a--b")));
    put(&c, "blobs/" ETAG, "text");
    CHECK_OK(ms_hub_cache_link(&c.arena, c.folder, MS_STR(COMMIT), MS_STR("x/y/z.json"), MS_STR(ETAG), true, &err), &err);
    CHECK_OK(ms_hub_cache_link(&c.arena, c.folder, MS_STR(COMMIT), MS_STR("a.json"), MS_STR(ETAG), true, &err), &err);
    CHECK_OK(ms_hub_cache_set_commit(&c.arena, c.folder, MS_STR("refs/pr/1"), MS_STR(COMMIT), &err), &err);

    CHECK_OK(ms_hub_cache_commit(&c.commit, &c.arena, c.folder, MS_STR("refs/pr/1"), &err), &err);
    CHECK_EQ_STR(c.commit, COMMIT);
    CHECK_OK(ms_hub_cache_commit(&c.commit, &c.arena, c.folder, MS_STR("main"), &err), &err);
    CHECK_EQ_STR(c.commit, "");
    CHECK_OK(ms_hub_cache_list(&c.list, &c.arena, c.folder, MS_STR(COMMIT), &err), &err);
    CHECK_EQ_I64(c.list.n, 2);
    CHECK_EQ_STR(c.list.items[0].path, "a.json");
    CHECK_EQ_STR(c.list.items[1].path, "x/y/z.json");
    CHECK_EQ_I64(c.list.items[1].n_bytes, 4);
    CHECK_OK(ms_hub_cache_file(&c.path, &c.arena, c.folder, MS_STR(COMMIT), MS_STR("x/y/z.json"), &err), &err);
    CHECK(ms_files_is_regular(c.path.text));
    end(&c);
}

TEST(hub_cache_follows_no_link_out_of_its_repository) {
    cache c;
    ms_err err = {0};
    begin(&c);
    put(&c, "snapshots/" COMMIT "/good", "text");
    put(&c, "../models--other/blobs/secret", "text");
    const ms_str snapshot = ms_files_join(&c.arena, c.folder, MS_STR("snapshots/" COMMIT));
    static const char *const ways[][2] = {{"bad", "../../../models--other/blobs/secret"},
                                          {"passwords", "/etc/passwd"},
                                          {"broken", "../../blobs/none"},
                                          {"loop", "loop"},
                                          {"up", ".."}};
    for (size_t i = 0; i < 5; i++)
        CHECK(symlink(ways[i][1], ms_files_join(&c.arena, snapshot, ms_str_of(ways[i][0])).text) == 0);
    CHECK_OK(ms_hub_cache_list(&c.list, &c.arena, c.folder, MS_STR(COMMIT), &err), &err);
    CHECK_EQ_I64(c.list.n, 1);
    for (size_t i = 0; i < 5; i++) {
        CHECK_OK(ms_hub_cache_file(&c.path, &c.arena, c.folder, MS_STR(COMMIT), ms_str_of(ways[i][0]), &err), &err);
        CHECK_EQ_STR(c.path, "");
    }
    CHECK_OK(ms_hub_cache_file(&c.path, &c.arena, c.folder, MS_STR(COMMIT), MS_STR("../" COMMIT "/good"), &err), &err);
    CHECK_EQ_STR(c.path, "");
    CHECK_FAILS(ms_hub_cache_blob(&c.path, &c.arena, c.folder, MS_STR("../x"), &err), MS_ERR_NETWORK, &err, "hex digits");
    put(&c, "refs/main", "not a commit");
    CHECK_OK(ms_hub_cache_commit(&c.commit, &c.arena, c.folder, MS_STR("main"), &err), &err);
    CHECK_EQ_STR(c.commit, "");
    end(&c);
}

TEST(hub_cache_follows_links_to_what_repositories_share) {
    cache c;
    ms_err err = {0};
    begin(&c);
    put(&c, "blobs/other", "");
    put(&c, "../blobs/ab/hash", "text");
    put(&c, "../blobsy/hash", "text");
    const ms_str blob = ms_files_join(&c.arena, c.folder, MS_STR("blobs/" ETAG));
    CHECK(symlink("../../blobs/ab/hash", blob.text) == 0);
    CHECK_OK(ms_hub_cache_link(&c.arena, c.folder, MS_STR(COMMIT), MS_STR("m.gguf"), MS_STR(ETAG), true, &err), &err);
    CHECK_OK(ms_hub_cache_file(&c.path, &c.arena, c.folder, MS_STR(COMMIT), MS_STR("m.gguf"), &err), &err);
    CHECK(ms_files_is_regular(c.path.text));
    const ms_str beside = ms_files_join(&c.arena, c.folder, MS_STR("snapshots/" COMMIT "/beside"));
    CHECK(symlink("../../../blobsy/hash", beside.text) == 0);
    CHECK_OK(ms_hub_cache_file(&c.path, &c.arena, c.folder, MS_STR(COMMIT), MS_STR("beside"), &err), &err);
    CHECK_EQ_STR(c.path, "");
    end(&c);
}

static ms_status everything(void *context, ms_err *err) {
    cache *const c = context;
    ms_arena arena = {0};
    ms_str commit, path;
    ms_hub_cached_list list = {0};
    ms_status status = ms_hub_cache_link(&arena, c->folder, MS_STR(COMMIT), MS_STR("x/y"), MS_STR(ETAG), true, err);
    if (status == MS_OK) status = ms_hub_cache_set_commit(&arena, c->folder, MS_STR("main"), MS_STR(COMMIT), err);
    if (status == MS_OK) status = ms_hub_cache_commit(&commit, &arena, c->folder, MS_STR("main"), err);
    if (status == MS_OK) status = ms_hub_cache_list(&list, &arena, c->folder, commit, err);
    if (status == MS_OK) status = ms_hub_cache_file(&path, &arena, c->folder, commit, MS_STR("x/y"), err);
    MS_VEC_FREE(&list);
    ms_arena_free(&arena);
    return status;
}

TEST(hub_cache_survives_every_failing_allocation_and_reading) {
    cache c;
    begin(&c);
    put(&c, "blobs/" ETAG, "text");
    CHECK_SURVIVES_MEMORY(everything, &c);
    CHECK_SURVIVES_READS(everything, &c);
    end(&c);
}
