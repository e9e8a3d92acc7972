#include "run_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "index_report.h"
#include "json.h"
#include "mem.h"
#include "test.h"

typedef struct bench {
    char folder[300];
    ms_run_config config;
    ms_notes notes;
    ms_run_plan plan;
    ms_err err;
} bench;

static void begin(bench *b) {
    *b = (bench){0};
    snprintf(b->folder, sizeof b->folder, "%s", test_folder());
}

static void put(const bench *b, const char *name, const char *content) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    char *const slash = strrchr(path, '/');
    *slash = 0;
    (void)!ms_files_make_folder(path, NULL);
    *slash = '/';
    (void)!ms_files_write(path, content, strlen(content), MS_FILES_NO_SYNC, NULL);
}

/* below: "" for the folder, else a file in it. */
static ms_status make(bench *b, const char *config, const char *below) {
    char path[600];
    ms_run_plan_free(&b->plan);
    ms_run_config_free(&b->config);
    ms_notes_free(&b->notes);
    snprintf(path, sizeof path, "%s%s%s", b->folder, below[0] ? "/" : "", below);
    const ms_status status = ms_run_config_parse(&b->config, config, strlen(config), "c.json", NULL, &b->err);
    return status == MS_OK ? ms_run_plan_make(&b->plan, &b->config, ms_str_of(path), &b->notes, &b->err) : status;
}

static void end(bench *b) {
    ms_run_plan_free(&b->plan);
    ms_run_config_free(&b->config);
    ms_notes_free(&b->notes);
}

/* "a, b" of the files, without the folder. */
static const char *files_of(const bench *b) {
    static char text[2000];
    int at = snprintf(text, sizeof text, "%s", "");
    for (size_t i = 0; i < b->plan.n_files; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%s", i ? ", " : "",
                       b->plan.files[i].path.text + strlen(b->folder) + 1);
    return text;
}

static const char *list_of(const ms_name_list *list) {
    static char text[2000];
    int at = snprintf(text, sizeof text, "%s", "");
    for (size_t i = 0; i < list->n; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%.*s", i ? ", " : "", (int)list->items[i].size,
                       list->items[i].text);
    return text;
}

typedef struct observed { /* tensors of 4 bytes as the files have them */
    ms_stored stored[8];
    ms_tensor tensors[8];
    ms_checkpoint ckpt;
} observed;

static ms_str name_of(const void *tensors, uint32_t number) { return ((const ms_tensor *)tensors)[number].stored->name; }

/* names: "" begins the next file. */
static const ms_checkpoint *observe(observed *out, const char *const *names, size_t n) {
    *out = (observed){.ckpt = {.tensors = out->tensors, .by_name = {.list = out->tensors, .name_of = name_of}}};
    uint32_t file = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t t = out->ckpt.n_tensors;
        bool is_new = false;
        if (names[i][0] == 0) {
            file++;
            continue;
        }
        out->stored[t] = (ms_stored){.name = ms_str_of(names[i]), .n_bytes = 4};
        out->tensors[t] = (ms_tensor){.stored = &out->stored[t], .file = file};
        const bool fine = ms_name_index_add(&out->ckpt.by_name, (uint32_t)t, 1, &is_new);
        out->tensors[t].shadowed = fine && !is_new;
        out->ckpt.n_tensors++;
    }
    return &out->ckpt;
}

static const char index_text[] = "{\"metadata\": {\"total_size\": 12}, \"weight_map\": {\"t1\": \"b.safetensors\", \"t2\": "
                                 "\"a.safetensors\", \"t3\": \"sub\\\\c.safetensors\", \"t4\": \"note.txt\"}}";

TEST(run_plan_walks_all_folders_in_order_of_paths) {
    bench b;
    begin(&b);
    put(&b, "b/x.safetensors", "");
    put(&b, "b-2/y.npz", "");
    put(&b, "a.npz", "");
    put(&b, "README.md", "");
    put(&b, "c.SAFETENSORS", "");
    put(&b, "b/deep/z.safetensors", "");
    char link[600];
    snprintf(link, sizeof link, "%s/loop", b.folder);
    CHECK(symlink(".", link) == 0);
    CHECK_OK(make(&b, "{\"scan\": {\"use_safetensors_index_json\": false}}", ""), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "a.npz, b/deep/z.safetensors, b/x.safetensors, b-2/y.npz");
    CHECK(b.plan.status == MS_INDEX_DISABLED && !b.plan.searched && !b.plan.used);
    CHECK_OK(make(&b, "{\"scan\": {\"extensions\": [\".npz\"], \"max_files\": 1}}", ""), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "a.npz");
    CHECK_EQ_TEXT(list_of(&b.plan.skipped), "b-2/y.npz");
    CHECK(b.plan.status == MS_INDEX_NOT_FOUND && b.plan.searched);
    end(&b);
}

TEST(run_plan_takes_a_single_file_with_an_accepted_suffix) {
    bench b;
    begin(&b);
    put(&b, "a.npz", "");
    put(&b, "b.txt", "");
    CHECK_OK(make(&b, "{}", "a.npz"), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "a.npz");
    CHECK(b.plan.model_is_file);
    CHECK_EQ_STR(b.plan.folder, b.folder);
    CHECK_OK(make(&b, "{}", "b.txt"), &b.err);
    CHECK_EQ_I64(b.plan.n_files, 0);
    end(&b);
}

TEST(run_plan_follows_an_index) {
    bench b;
    begin(&b);
    put(&b, "model.safetensors.index.json", index_text);
    put(&b, "a.other.safetensors.index.json", "broken");
    put(&b, "b.safetensors", "");
    put(&b, "sub/c.safetensors", "");
    put(&b, "stray.safetensors", "");
    CHECK_OK(make(&b, "{}", ""), &b.err);
    CHECK(b.plan.status == MS_INDEX_ACTIVE && b.plan.found && b.plan.parsed && b.plan.used);
    CHECK_EQ_TEXT(files_of(&b), "b.safetensors, sub/c.safetensors");
    CHECK_EQ_TEXT(list_of(&b.plan.expected), "a.safetensors, b.safetensors, sub/c.safetensors");
    CHECK_EQ_TEXT(list_of(&b.plan.missing), "a.safetensors");
    CHECK_EQ_TEXT(list_of(&b.plan.extra_on_disk), "stray.safetensors");
    CHECK_FAILS(make(&b, "{\"scan\": {\"strict_index\": true}}", ""), MS_ERR_NOT_FOUND, &b.err,
                "[index] missing shard(s) referenced by index: a.safetensors");
    CHECK_OK(make(&b, "{\"scan\": {\"max_files\": 1}}", ""), &b.err);
    CHECK_EQ_TEXT(list_of(&b.plan.skipped), "sub/c.safetensors");
    CHECK_EQ_TEXT(list_of(&b.plan.missing), "a.safetensors");
    end(&b);
}

TEST(run_plan_keeps_to_a_file_and_only_records_the_index) {
    bench b;
    begin(&b);
    put(&b, "model.safetensors.index.json", index_text);
    put(&b, "b.safetensors", "");
    CHECK_OK(make(&b, "{\"scan\": {\"strict_index\": true}}", "b.safetensors"), &b.err);
    CHECK(b.plan.status == MS_INDEX_ACTIVE && b.plan.parsed && !b.plan.used && b.plan.missing.n == 0);
    CHECK_EQ_TEXT(files_of(&b), "b.safetensors");
    end(&b);
}

TEST(run_plan_of_a_broken_index_walks_with_a_warning_or_fails_when_strict) {
    static const char *const broken[] = {
        "", "  ", "[]", "{}", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}", "{\"weight_map\""};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        bench b;
        begin(&b);
        put(&b, "x.safetensors.index.json", broken[i]);
        put(&b, "b.safetensors", "");
        CHECK_OK(make(&b, "{}", ""), &b.err);
        CHECK(b.plan.status == MS_INDEX_ERROR && b.plan.found && !b.plan.parsed && b.plan.index_path.size > 0 &&
              b.plan.index_error.size > 0);
        CHECK_EQ_TEXT(files_of(&b), "b.safetensors");
        CHECK(b.notes.n == 1 && ms_str_starts_with(b.notes.items[0].message, MS_STR("[index] failed to parse index ")));
        CHECK_FAILS(make(&b, "{\"scan\": {\"strict_index\": true}}", ""), MS_ERR_DAMAGED, &b.err,
                    "strict_index requires an active index (status: error)");
        end(&b);
    }
}

TEST(run_plan_strict_index_needs_an_index_and_its_use) {
    bench b;
    begin(&b);
    put(&b, "b.safetensors", "");
    CHECK_FAILS(make(&b, "{\"scan\": {\"strict_index\": true}}", ""), MS_ERR_NOT_FOUND, &b.err,
                "strict_index requires an active index (status: not_found)");
    CHECK_FAILS(make(&b, "{\"scan\": {\"strict_index\": true, \"use_safetensors_index_json\": false}}", ""), MS_ERR_USAGE,
                &b.err, "strict_index requires use_safetensors_index_json=true");
    end(&b);
}

TEST(run_plan_shards_that_leave_the_folder_are_missing) {
    bench b;
    begin(&b);
    put(&b, "out.safetensors", "");
    put(&b, "m/model.safetensors.index.json",
        "{\"weight_map\": {\"a\": \"../out.safetensors\", \"b\": \"/etc/x.safetensors\", \"c\": \"./in.safetensors\", \"d\": "
        "\"Model.safetensors\"}}");
    put(&b, "m/in.safetensors", "");
    put(&b, "m/model.safetensors", "");
    char folder[400];
    snprintf(folder, sizeof folder, "%s/m", b.folder);
    memcpy(b.folder, folder, 300);
    CHECK_OK(make(&b, "{}", ""), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "in.safetensors");
    CHECK_EQ_TEXT(list_of(&b.plan.missing), "../out.safetensors, /etc/x.safetensors, Model.safetensors");
    CHECK_EQ_TEXT(list_of(&b.plan.extra_on_disk), "model.safetensors");
    CHECK(b.notes.n == 3);
    CHECK_EQ_STR(b.notes.items[0].message,
                 "[index] shard '../out.safetensors' lies outside the model folder: not read, counted as missing");
    CHECK_EQ_STR(b.notes.items[2].message,
                 "[index] shard 'Model.safetensors' is missing, but 'model.safetensors' is there: the "
                 "names differ in upper and lower case only");
    end(&b);
}

TEST(index_report_sorts_out_what_is_where) {
    bench b;
    begin(&b);
    put(&b, "model.safetensors.index.json",
        "{\"metadata\": {\"total_size\": 100}, \"weight_map\": {\"fine\": \"a.safetensors\", \"gone\": \"a.safetensors\", "
        "\"moved\": \"a.safetensors\", \"twice\": \"b.safetensors\", \"cut\": \"c.safetensors\"}}");
    put(&b, "a.safetensors", "");
    put(&b, "b.safetensors", "");
    put(&b, "c.safetensors", "");
    CHECK_OK(make(&b, "{\"scan\": {\"max_files\": 2}}", ""), &b.err);
    static const char *const seen[] = {"twice", "fine", "", "moved", "new", "twice"};
    observed all;
    ms_index_report check;
    CHECK_OK(ms_index_report_make(&check, &b.plan, observe(&all, seen, 6), &b.err), &b.err);
    CHECK_EQ_STR(ms_index_report_shard_of(&check, &b.plan, 2), "a.safetensors");
    CHECK(!ms_index_report_shard_of(&check, &b.plan, 3).text);
    CHECK_EQ_STR(ms_index_report_shard_of(&check, &b.plan, 4), "b.safetensors");
    CHECK_EQ_TEXT(list_of(&check.scanned), "a.safetensors, b.safetensors");
    CHECK_EQ_TEXT(list_of(&check.missing_tensors), "gone");
    CHECK_EQ_TEXT(list_of(&check.extra_tensors), "new");
    CHECK_EQ_TEXT(list_of(&check.duplicates), "twice");
    CHECK(check.n_misplaced == 1 && !check.total_size_differs && check.stored_bytes == 20);
    CHECK_EQ_STR(check.misplaced[0].name, "moved");
    CHECK_EQ_STR(check.misplaced[0].found_in, "b.safetensors");
    ms_index_report_warn(&check, &b.plan, &b.notes);
    CHECK_EQ_I64(b.notes.n, 4);
    CHECK_EQ_STR(b.notes.items[0].message, "[index] missing tensors: gone");
    CHECK_EQ_STR(b.notes.items[1].message, "[index] extra tensors: new");
    CHECK_EQ_STR(b.notes.items[2].message, "[index] tensors in more than one shard: twice");

    ms_buf text = {0};
    ms_arena arena = {0};
    const ms_json_value *root;
    ms_index_report_json(&check, &b.plan, &text);
    CHECK_OK(ms_json_parse(&root, text.bytes, text.size, &arena, &b.err), &b.err);
    CHECK_EQ_STR(root->object.members[0].key, "expected_shards");
    CHECK_EQ_STR(root->object.members[7].key, "index_metadata");
    CHECK_EQ_I64(ms_json_get(root, "skipped_by_max_files")->array.n, 1);
    ms_arena_free(&arena);
    ms_buf_free(&text);
    ms_index_report_free(&check);
    ms_name_index_free(&all.ckpt.by_name);
    end(&b);
}

TEST(index_report_takes_the_last_of_repeated_entries) {
    bench b;
    begin(&b);
    put(&b, "model.safetensors.index.json",
        "{\"weight_map\": {\"gone\": \"a.safetensors\", \"cut\": \"a.safetensors\", \"moved\": \"a.safetensors\", \"fine\": "
        "\"b.safetensors\", \"fine\": \"a.safetensors\", \"moved\": \"b.safetensors\", \"gone\": \"a.safetensors\", \"cut\": "
        "\"c.safetensors\"}}");
    put(&b, "a.safetensors", "");
    put(&b, "b.safetensors", "");
    put(&b, "c.safetensors", "");
    CHECK_OK(make(&b, "{\"scan\": {\"max_files\": 2}}", ""), &b.err);
    static const char *const seen[] = {"fine", "moved"};
    observed all;
    ms_index_report check;
    CHECK_OK(ms_index_report_make(&check, &b.plan, observe(&all, seen, 2), &b.err), &b.err);
    ms_index_forget_entries(&b.plan.index);
    CHECK_EQ_TEXT(list_of(&check.missing_tensors), "gone");
    CHECK(check.n_misplaced == 1 && check.extra_tensors.n == 0);
    CHECK_EQ_STR(check.misplaced[0].name, "moved");
    CHECK_EQ_STR(check.misplaced[0].index_shard, "b.safetensors");
    ms_index_report_free(&check);
    ms_name_index_free(&all.ckpt.by_name);
    end(&b);
}

TEST(index_report_caps_long_lists_on_the_line) {
    bench b;
    begin(&b);
    ms_buf text = {0};
    ms_buf_put_text(&text, "{\"weight_map\": {");
    for (int i = 0; i < 50; i++) ms_buf_printf(&text, "%s\"t%02d\": \"a.safetensors\"", i ? ", " : "", i);
    ms_buf_put_text(&text, "}}");
    put(&b, "model.safetensors.index.json", text.bytes);
    put(&b, "a.safetensors", "");
    CHECK_OK(make(&b, "{}", ""), &b.err);
    ms_index_report check;
    CHECK_OK(ms_index_report_make(&check, &b.plan, NULL, &b.err), &b.err);
    ms_index_report_warn(&check, &b.plan, &b.notes);
    CHECK(b.notes.n == 1 && check.missing_tensors.n == 50);
    CHECK(ms_str_ends_with(b.notes.items[0].message, MS_STR("t19 and 30 more, all of them in logs/index_report.json")));
    ms_index_report_free(&check);
    ms_buf_free(&text);
    end(&b);
}

TEST(run_plan_survives_every_failing_allocation) {
    bench b;
    begin(&b);
    put(&b, "model.safetensors.index.json", index_text);
    put(&b, "b.safetensors", "");
    put(&b, "stray.safetensors", "");
    CHECK_OK(make(&b, "{}", ""), &b.err);
    static const char *const seen[] = {"t1", "t9"};
    observed all;
    observe(&all, seen, 2);
    ms_notes notes = {0};
    for (int64_t k = 1, n = 1; k <= n; k++) {
        ms_run_plan plan;
        ms_index_report check = {0};
        ms_mem_fail_at(k == 1 ? 0 : k - 1);
        ms_status status = ms_run_plan_make(&plan, &b.config, ms_str_of(b.folder), &notes, &b.err);
        if (status == MS_OK) status = ms_index_report_make(&check, &plan, &all.ckpt, &b.err);
        if (k == 1) n = ms_mem_count() + 1;
        ms_mem_fail_at(0);
        CHECK_EQ_I64(status, k == 1 ? MS_OK : MS_ERR_MEMORY);
        ms_index_report_free(&check);
        ms_run_plan_free(&plan);
    }
    ms_name_index_free(&all.ckpt.by_name);
    ms_notes_free(&notes);
    end(&b);
}

TEST(with_families_a_walk_takes_other_formats_where_no_suffix_is_accepted) {
    const char *const folder = test_folder();
    char path[400];
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    ms_err err = {0};
    CHECK_OK(ms_files_write(path, "GGUF", 4, MS_FILES_NO_SYNC, &err), &err);
    for (int families = 0; families < 2; families++) {
        ms_run_config config;
        ms_run_plan plan;
        ms_notes notes = {0};
        const char *const text = families ? "{\"parsing\": {\"families\": true}}" : "{}";
        CHECK_OK(ms_run_config_parse(&config, text, strlen(text), "c.json", NULL, &err), &err);
        CHECK_OK(ms_run_plan_make(&plan, &config, ms_str_of(folder), &notes, &err), &err);
        CHECK_EQ_I64(plan.n_files, families);
        ms_run_plan_free(&plan);
        ms_run_config_free(&config);
        ms_notes_free(&notes);
    }
}

TEST(with_families_a_part_of_a_split_gguf_set_stands_for_the_set) {
    static const char families[] = "{\"parsing\": {\"families\": true}}";
    bench b;
    begin(&b);
    put(&b, "m-00001-of-00003.gguf", "GGUF");
    put(&b, "m-00003-of-00003.gguf", "GGUF");
    put(&b, "tokens.npz", "PK");
    CHECK_OK(make(&b, families, "m-00003-of-00003.gguf"), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "m-00001-of-00003.gguf, m-00003-of-00003.gguf");
    CHECK(b.notes.n == 1 && strcmp(b.notes.items[0].code, "files.missing_part") == 0);
    CHECK_OK(make(&b, families, ""), &b.err); /* a model before arrays beside it */
    CHECK_EQ_TEXT(files_of(&b), "m-00001-of-00003.gguf, m-00003-of-00003.gguf");
    CHECK_OK(make(&b, "{}", ""), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "tokens.npz");
    end(&b);
}

TEST(with_families_a_folder_of_several_models_is_refused_unless_it_holds_usual_files) {
    static const char families[] = "{\"parsing\": {\"families\": true}}";
    bench b;
    begin(&b);
    put(&b, "a.gguf", "GGUF");
    put(&b, "b.gguf", "GGUF");
    CHECK_FAILS(make(&b, families, ""), MS_ERR_UNSUPPORTED, &b.err, "each a model of its own");
    put(&b, "c.safetensors", "");
    CHECK_OK(make(&b, families, ""), &b.err);
    CHECK_EQ_TEXT(files_of(&b), "c.safetensors");
    end(&b);
}
