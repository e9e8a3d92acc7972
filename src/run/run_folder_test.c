#include "run_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "json.h"
#include "run_path.h"
#include "test.h"

TEST(run_path_suffix_is_that_of_pathlib) {
    CHECK_EQ_STR(ms_path_suffix(MS_STR("a/b.safetensors")), ".safetensors");
    CHECK_EQ_STR(ms_path_suffix(MS_STR("a.b/c")), "");
    CHECK_EQ_STR(ms_path_suffix(MS_STR("a/.npz")), "");
    CHECK_EQ_STR(ms_path_suffix(MS_STR("a/b.")), "");
    CHECK_EQ_STR(ms_path_suffix(MS_STR("a/b.tar.gz")), ".gz");
    CHECK_EQ_STR(ms_path_suffix(MS_STR("")), "");
}

TEST(run_path_order_is_part_by_part) {
    CHECK(ms_path_compare(MS_STR("a/b"), MS_STR("a-b/c")) < 0);
    CHECK(ms_path_compare(MS_STR("a"), MS_STR("a/b")) < 0);
    CHECK(ms_path_compare(MS_STR("a/c"), MS_STR("a/b")) > 0);
    CHECK(ms_path_compare(MS_STR("a"), MS_STR("a")) == 0);
}

TEST(run_path_resolves_but_keeps_a_link_to_a_file) {
    const char *const folder = test_folder();
    char path[600], real[600];
    ms_arena arena = {0};
    ms_err err;
    ms_str out;
    snprintf(path, sizeof path, "%s/blobs", folder);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/blobs/abc", folder);
    FILE *const f = fopen(path, "w");
    CHECK(f);
    fclose(f);
    snprintf(real, sizeof real, "%s/m.npz", folder);
    CHECK(symlink("blobs/abc", real) == 0);
    snprintf(path, sizeof path, "%s/link", folder);
    CHECK(symlink("blobs", path) == 0);

    snprintf(path, sizeof path, "%s/link/.././m.npz", folder);
    CHECK_OK(ms_path_resolve(&out, &arena, path, &err), &err);
    CHECK_EQ_STR(ms_files_name_of(out), "m.npz");
    snprintf(path, sizeof path, "%s//link/", folder);
    CHECK_OK(ms_path_resolve(&out, &arena, path, &err), &err);
    CHECK_EQ_STR(ms_files_name_of(out), "blobs");
    CHECK_OK(ms_path_resolve(&out, &arena, "/nowhere/at/../all", &err), &err);
    CHECK_EQ_STR(out, "/nowhere/all");
    CHECK_OK(ms_path_resolve(&out, &arena, "/..", &err), &err);
    CHECK_EQ_STR(out, "/");
    CHECK_OK(ms_path_resolve(&out, &arena, "~", &err), &err);
    CHECK(out.size > 0 && out.text[0] == '/');
    ms_arena_free(&arena);
}

static const char *const tree[] = {"logs",          "data",         "tables",       "cache/sampled_indices",
                                   "plots/summary", "plots/global", "plots/block4", "plots/layer"};

TEST(run_folder_init_makes_the_tree_and_leaves_a_config_alone) {
    const ms_run_init_options options = {.root = test_folder(), .model_id = "org/m", .run_name = "r", .model_path = "x"};
    ms_arena arena = {0};
    ms_err err;
    ms_str run_dir;
    bool kept;
    CHECK_OK(ms_run_init(&run_dir, &kept, &options, &arena, &err), &err);
    CHECK(!kept && ms_str_ends_with(run_dir, MS_STR("/org/m/r")));
    for (size_t i = 0; i < sizeof tree / sizeof *tree; i++)
        CHECK(ms_files_is_folder(ms_files_join(&arena, run_dir, ms_str_of(tree[i])).text));
    const ms_run_manifest manifest = ms_run_manifest_read(run_dir, &arena);
    CHECK_EQ_STR(manifest.model_id, "org/m");
    CHECK_EQ_STR(manifest.run_name, "r");
    CHECK(manifest.has_created_at && manifest.created_at.size == 27);

    const char *const config = ms_files_join(&arena, run_dir, MS_STR("analysis_config.json")).text;
    CHECK_OK(ms_files_write(config, "{}", 2, MS_FILES_NO_SYNC, &err), &err);
    CHECK_OK(ms_run_init(&run_dir, &kept, &options, &arena, &err), &err);
    ms_buf text = {0};
    CHECK_OK(ms_files_read(&text, config, 100, &err), &err);
    CHECK(kept);
    CHECK_EQ_TEXT(text.bytes, "{}");
    ms_buf_free(&text);
    ms_arena_free(&arena);
}

TEST(run_folder_names_stay_below_the_root) {
    static const char *const bad[] = {"", "/a", "..", "a/../b", "a//b", "a/", "."};
    const char *const root = test_folder();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ms_arena arena = {0};
        ms_err err;
        ms_str run_dir;
        bool kept;
        const ms_run_init_options as_id = {.root = root, .model_id = bad[i], .run_name = "r"};
        CHECK_FAILS(ms_run_init(&run_dir, &kept, &as_id, &arena, &err), MS_ERR_USAGE, &err, "--model-id");
        const ms_run_init_options as_name = {.root = root, .model_id = "m", .run_name = bad[i]};
        CHECK_FAILS(ms_run_init(&run_dir, &kept, &as_name, &arena, &err), MS_ERR_USAGE, &err, "--run-name");
        ms_arena_free(&arena);
    }
}

TEST(run_folder_json_is_sorted_on_request) {
    ms_arena arena = {0};
    ms_err err;
    const ms_str folder = ms_arena_copy(&arena, ms_str_of(test_folder()));
    ms_buf json = {0}, text = {0};
    ms_buf_put_text(&json, "{\"b\": {\"d\": 1, \"c\": []}, \"a\": \"\\u00e9\"}");
    CHECK_OK(ms_run_write_json(folder, "x.json", &json, true, &err), &err);
    CHECK_OK(ms_files_read(&text, ms_files_join(&arena, folder, MS_STR("x.json")).text, 1000, &err), &err);
    CHECK_EQ_TEXT(text.bytes, "{\n  \"a\": \"\\u00e9\",\n  \"b\": {\n    \"c\": [],\n    \"d\": 1\n  }\n}\n");
    ms_run_remove(folder, "x.json");
    CHECK(!ms_files_exists(ms_files_join(&arena, folder, MS_STR("x.json")).text));
    ms_buf_free(&text);
    ms_arena_free(&arena);
}
