#include <sys/stat.h>
#include <unistd.h>

#include "file_set.h"
#include "files.h"
#include "make_model.h"
#include "test.h"

/* Writes a tiny safetensors file called `name` with one tensor a line. */
static void put_model(ms_arena *arena, const char *folder, const char *name, const char *const *lines) {
    const ms_str file = make_model_file(arena, lines);
    make_file(arena, folder, name, file.text, file.size);
}
#define PUT(arena, folder, name, ...) put_model((arena), (folder), (name), (const char *const[]){__VA_ARGS__, NULL})

static void put_text(ms_arena *arena, const char *folder, const char *name, const char *text) {
    make_file(arena, folder, name, text, strlen(text));
}

typedef struct ms_try { /* a checkpoint opened, or why not */
    ms_checkpoint *ckpt;
    ms_err err;
    ms_status status;
} ms_try;

static ms_try open_in(ms_arena *arena, const char *folder, const char *name, bool lenient) {
    ms_try t = {0};
    const char *const path = name[0] ? ms_files_join(arena, ms_str_of(folder), ms_str_of(name)).text : folder;
    t.status = ms_checkpoint_open(&t.ckpt, path, &(ms_open_options){.lenient = lenient}, &t.err);
    return t;
}

TEST(file_set_takes_the_single_file_and_says_so_when_an_index_disagrees) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "model.safetensors", "a F32 2");
    PUT(&arena, folder, "model-00001-of-00001.safetensors", "b F32 2");
    put_text(&arena, folder, "model.safetensors.index.json", "{\"weight_map\": {\"b\": \"model-00001-of-00001.safetensors\"}}");
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    CHECK(ms_checkpoint_find(t.ckpt, MS_STR("a")) && !ms_checkpoint_find(t.ckpt, MS_STR("b")));
    CHECK(find_note(&t.ckpt->notes, "files.single_and_index"));
    ms_checkpoint_close(t.ckpt);
    t = open_in(&arena, folder, "model.safetensors.index.json", false); /* what the note advises */
    CHECK_OK(t.status, &t.err);
    CHECK(ms_checkpoint_find(t.ckpt, MS_STR("b")) && !ms_checkpoint_find(t.ckpt, MS_STR("a")));
    ms_checkpoint_close(t.ckpt);
    ms_arena_free(&arena);
}

TEST(file_set_believes_an_index_that_names_the_single_file) { /* MLX writes such */
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "model.safetensors", "a F32 2");
    put_text(&arena, folder, "model.safetensors.index.json", "{\"weight_map\": {\"a\": \"model.safetensors\"}}");
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    CHECK(t.ckpt->index && ms_notes_count(&t.ckpt->notes, MS_NOTE_WARNING) == 0);
    ms_checkpoint_close(t.ckpt);
    ms_arena_free(&arena);
}

TEST(file_set_leaves_twins_adapters_and_subfolders_alone) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "model-00001-of-00002.safetensors", "a F32 2");
    PUT(&arena, folder, "model-00002-of-00002.safetensors", "b F32 2");
    PUT(&arena, folder, "consolidated.safetensors", "a F32 2", "b F32 2");
    PUT(&arena, folder, "adapter_model.safetensors", "c F32 2");
    PUT(&arena, folder, "original/model.safetensors", "d F32 2");
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    CHECK_EQ_I64(t.ckpt->n_files, 2);
    CHECK_EQ_I64(ms_notes_count(&t.ckpt->notes, MS_NOTE_WARNING), 0);
    ms_checkpoint_close(t.ckpt);
    t = open_in(&arena, folder, "consolidated.safetensors", false);
    CHECK_OK(t.status, &t.err);
    CHECK_EQ_I64(t.ckpt->n_files, 1);
    ms_checkpoint_close(t.ckpt);
    ms_arena_free(&arena);
}

TEST(file_set_completes_a_shard_without_an_index) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "x-1-of-3.safetensors", "a F32 2");
    PUT(&arena, folder, "x-3-of-3.safetensors", "c F32 2");
    PUT(&arena, folder, "y-1-of-3.safetensors", "z F32 2");
    ms_try t = open_in(&arena, folder, "x-3-of-3.safetensors", false);
    CHECK_OK(t.status, &t.err);
    CHECK_EQ_I64(t.ckpt->n_files, 2);
    CHECK(find_note(&t.ckpt->notes, "files.missing_part"));
    ms_checkpoint_close(t.ckpt);
    t = open_in(&arena, folder, "", false); /* two sets in one folder: which one? */
    CHECK(t.status == MS_ERR_UNSUPPORTED && strstr(t.err.text, "different sets"));
    ms_arena_free(&arena);
}

TEST(file_set_asks_which_of_several_whole_models) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    static const char *const names[] = {"a-Q4_K_M.gguf", "a-Q8_0.gguf", "mmproj-a.gguf"};
    for (size_t i = 0; i < 3; i++) put_text(&arena, folder, names[i], "GGUF");
    ms_try t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_UNSUPPORTED && strstr(t.err.text, "2 *.gguf files") && strstr(t.err.text, "give the path"));
    put_text(&arena, folder, "b-00001-of-00002.gguf", "GGUF"); /* a split set among them changes nothing */
    t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_UNSUPPORTED && strstr(t.err.text, "give the path"));
    ms_arena_free(&arena);
}

TEST(file_set_follows_links_but_keeps_their_names) { /* as in the cache of the hub */
    ms_arena arena = {0};
    const char *const folder = test_folder();
    char link[600];
    PUT(&arena, folder, "blobs/0123abcd", "a F32 2");
    PUT(&arena, folder, "blobs/4567ef00", "b F32 2");
    put_text(&arena, folder, "snapshot/model.safetensors.index.json",
             "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\", \"b\": \"model-00002-of-00002.safetensors\"}}");
    snprintf(link, sizeof link, "%s/snapshot/model-00001-of-00002.safetensors", folder);
    CHECK(symlink("../blobs/0123abcd", link) == 0);
    snprintf(link, sizeof link, "%s/snapshot/model-00002-of-00002.safetensors", folder);
    CHECK(symlink("../blobs/4567ef00", link) == 0);
    static const char *const paths[] = {"snapshot", "snapshot/model-00002-of-00002.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        ms_try t = open_in(&arena, folder, paths[i], false);
        CHECK_OK(t.status, &t.err);
        CHECK_EQ_I64(t.ckpt->n_tensors, 2);
        CHECK_EQ_I64(ms_notes_count(&t.ckpt->notes, MS_NOTE_INFO), 0);
        ms_checkpoint_close(t.ckpt);
    }
    ms_arena_free(&arena);
}

TEST(file_set_says_what_an_unusable_folder_holds) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    ms_try t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_NOT_FOUND && strstr(t.err.text, "nothing") && strstr(t.err.text, "*.safetensors"));
    put_text(&arena, folder, "README.md", "hello");
    PUT(&arena, folder, "original/model.safetensors", "d F32 2");
    t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_NOT_FOUND && strstr(t.err.text, "README.md, original/") && strstr(t.err.text, "inside it"));
    t = open_in(&arena, folder, "nowhere", false);
    CHECK(t.status == MS_ERR_NOT_FOUND && strstr(t.err.text, "nowhere"));
    ms_arena_free(&arena);
}

/* ---- the three-way check ---- */

TEST(index_check_names_each_class_of_difference) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "one.safetensors", "here F32 2", "moved F32 2", "unlisted F32 2", "twice F32 2");
    PUT(&arena, folder, "two.safetensors", "twice F32 3");
    PUT(&arena, folder, "stray.safetensors", "x F32 2");
    PUT(&arena, folder, "CASE.safetensors", "y F32 2");
    put_text(
        &arena, folder, "model.safetensors.index.json",
        "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"here\": \"one.safetensors\", \"moved\": \"two.safetensors\","
        " \"lost\": \"two.safetensors\", \"twice\": \"two.safetensors\", \"gone\": \"three.safetensors\","
        " \"out\": \"../one.safetensors\", \"y\": \"case.safetensors\"}}");
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    static const struct {
        const char *code, *about;
    } wanted[] = {
        {"index.shard_outside", "../one.safetensors"}, {"index.missing_shard", "case.safetensors"},
        {"index.case_mismatch", "CASE.safetensors"},   {"index.file_unlisted", "CASE.safetensors"},
        {"index.tensor_missing", "two.safetensors"},   {"index.tensor_elsewhere", "one.safetensors"},
        {"index.tensor_unlisted", "one.safetensors"},  {"index.duplicate_tensor", "two.safetensors"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const ms_note *const note = find_note(&t.ckpt->notes, wanted[i].code);
        CHECK_MSG(note, "no note %s", wanted[i].code);
        CHECK_MSG(ms_str_contains(note->message, ms_str_of(wanted[i].about)), "%s: %s", wanted[i].code, note->message.text);
    }
    /* Of two tensors with one name the index's counts. */
    CHECK_EQ_I64(ms_checkpoint_find(t.ckpt, MS_STR("twice"))->stored->shape[0], 3);
    size_t n_shadowed = 0;
    for (size_t i = 0; i < t.ckpt->n_tensors; i++) n_shadowed += t.ckpt->tensors[i].shadowed;
    CHECK_EQ_I64(n_shadowed, 1);
    ms_checkpoint_close(t.ckpt);
    ms_arena_free(&arena);
}

/* Two shards with the same names in opposite orders: each pair is found without a search. */
TEST(index_check_of_many_duplicates_is_quick) {
    enum { N = 30000 };
    ms_arena arena = {0};
    const char *const folder = test_folder(), **const lines = ms_arena_alloc_array(&arena, N + 1, sizeof *lines);
    ms_buf json = {0};
    for (int shard = 0; shard < 2; shard++) {
        for (int i = 0; i < N; i++) lines[i] = ms_arena_printf(&arena, "t%05d F32 0", i).text;
        lines[N] = NULL;
        put_model(&arena, folder, shard ? "b.safetensors" : "a.safetensors", lines);
    }
    ms_buf_put_text(&json, "{\"weight_map\": {\"t00000\": \"a.safetensors\"");
    for (int i = N - 1; i > 0; i--) ms_buf_printf(&json, ", \"t%05d\": \"b.safetensors\"", i);
    ms_buf_put_text(&json, "}}");
    put_text(&arena, folder, "model.safetensors.index.json", json.bytes);
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    CHECK_EQ_I64(ms_checkpoint_find(t.ckpt, MS_STR("t00007"))->file, 1);
    CHECK_EQ_I64(ms_checkpoint_find(t.ckpt, MS_STR("t00000"))->file, 0);
    ms_checkpoint_close(t.ckpt);
    ms_buf_free(&json);
    ms_arena_free(&arena);
}

TEST(index_check_takes_total_size_for_bytes_of_tensors_or_of_files) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "one.safetensors", "a F32 10");
    uint64_t n_file = 0;
    ms_err err = {0};
    CHECK_OK(ms_files_size(&n_file, ms_files_join(&arena, ms_str_of(folder), MS_STR("one.safetensors")).text, &err), &err);
    const uint64_t stated[] = {40, n_file, 41};
    for (size_t i = 0; i < 3; i++) {
        const ms_str json =
            ms_arena_printf(&arena, "{\"metadata\": {\"total_size\": %llu}, \"weight_map\": {\"a\": \"one.safetensors\"}}",
                            (unsigned long long)stated[i]);
        put_text(&arena, folder, "model.safetensors.index.json", json.text);
        ms_try t = open_in(&arena, folder, "", false);
        CHECK_OK(t.status, &t.err);
        CHECK((find_note(&t.ckpt->notes, "index.total_size") != NULL) == (i == 2));
        ms_checkpoint_close(t.ckpt);
    }
    ms_arena_free(&arena);
}

TEST(index_check_counts_what_it_does_not_name) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    ms_buf json = {0};
    PUT(&arena, folder, "one.safetensors", "a F32 2");
    ms_buf_put_text(&json, "{\"weight_map\": {\"a\": \"one.safetensors\"");
    for (int i = 0; i < 1000; i++)
        ms_buf_printf(&json, ", \"t%d\": \"one.safetensors\", \"s%d\": \"shard-%d.safetensors\"", i, i, i);
    ms_buf_put_text(&json, "}}");
    put_text(&arena, folder, "model.safetensors.index.json", json.bytes);
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    CHECK(t.ckpt->notes.n < 30);
    ms_checkpoint_close(t.ckpt);
    ms_buf_free(&json);
    ms_arena_free(&arena);
}

TEST(index_without_any_shard_is_an_error) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    put_text(&arena, folder, "model.safetensors.index.json", "{\"weight_map\": {\"a\": \"gone.safetensors\"}}");
    ms_try t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_NOT_FOUND && strstr(t.err.text, "gone.safetensors"));
    put_text(&arena, folder, "model.safetensors.index.json", "{\"weight_map\": 3}");
    t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_DAMAGED && strstr(t.err.text, "model.safetensors.index.json"));
    put_text(&arena, folder, "model.safetensors.index.json", "");
    t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_DAMAGED);
    ms_arena_free(&arena);
}

TEST(checkpoint_with_a_truncated_shard_fails_unless_lenient) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    PUT(&arena, folder, "one.safetensors", "a F32 2");
    const ms_str whole = make_model_file(&arena, (const char *const[]){"b F32 1000", NULL});
    make_file(&arena, folder, "two.safetensors", whole.text, 60); /* the header goes on beyond the end */
    ms_try t = open_in(&arena, folder, "", false);
    CHECK(t.status == MS_ERR_DAMAGED && strstr(t.err.text, "two.safetensors"));
    t = open_in(&arena, folder, "", true);
    CHECK_OK(t.status, &t.err);
    CHECK(ms_checkpoint_find(t.ckpt, MS_STR("a")) && ms_notes_count(&t.ckpt->notes, MS_NOTE_ERROR) > 0);
    ms_checkpoint_close(t.ckpt);
    ms_arena_free(&arena);
}

TEST(checkpoint_lives_with_a_broken_config) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    static const char *const texts[] = {"", "{", "[1]", "\"text\"", "{\"num_experts\": [[]]}"};
    static const char *const codes[] = {"config.empty", "config.invalid", "config.invalid", "config.invalid", "config.type"};
    PUT(&arena, folder, "model.safetensors", "model.layers.0.mlp.experts.0.up_proj.weight F32 2x2");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_text(&arena, folder, "config.json", texts[i]);
        ms_try t = open_in(&arena, folder, "", false);
        CHECK_OK(t.status, &t.err);
        CHECK_MSG(find_note(&t.ckpt->notes, codes[i]), "config '%s': no note %s", texts[i], codes[i]);
        CHECK(!t.ckpt->model.experts.known);
        ms_checkpoint_close(t.ckpt);
    }
    ms_arena_free(&arena);
}

TEST(checkpoint_of_given_files_takes_no_others) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_checkpoint *ckpt;
    const char *const folder = test_folder();
    PUT(&arena, folder, "sub/b.safetensors", "b F32 2");
    PUT(&arena, folder, "a.safetensors", "a F32 2");
    put_text(&arena, folder, "config.json", "{\"num_experts\": 5}");
    const char *const paths[] = {ms_files_join(&arena, ms_str_of(folder), MS_STR("sub/b.safetensors")).text};
    CHECK_OK(ms_checkpoint_open_files(&ckpt, paths, 1, folder, NULL, &err), &err);
    CHECK_EQ_I64(ckpt->n_tensors, 1);
    CHECK_EQ_STR(ckpt->files[0].name, "sub/b.safetensors");
    CHECK_EQ_I64(ms_config_at(&ckpt->model.experts, 0, -1), 5);
    ms_checkpoint_close(ckpt);
    CHECK_OK(ms_checkpoint_open_files(&ckpt, paths, 1, NULL, NULL, &err), &err);
    CHECK(ckpt->config == NULL);
    ms_checkpoint_close(ckpt);
    ms_arena_free(&arena);
}

TEST(checkpoint_opens_many_files_in_parallel_and_keeps_their_order) {
    ms_arena arena = {0};
    const char *const folder = test_folder();
    for (int i = 0; i < 40; i++) {
        char file[64], line[64];
        snprintf(file, sizeof file, "model-%05d-of-00040.safetensors", i + 1);
        snprintf(line, sizeof line, "t%d F32 2", i);
        PUT(&arena, folder, file, line);
    }
    ms_try t = open_in(&arena, folder, "", false);
    CHECK_OK(t.status, &t.err);
    CHECK_EQ_I64(t.ckpt->n_tensors, 40);
    for (size_t i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%zu", i);
        CHECK_EQ_STR(t.ckpt->tensors[i].stored->name, name);
        CHECK_EQ_I64(t.ckpt->tensors[i].file, i);
    }
    ms_checkpoint_close(t.ckpt);
    ms_arena_free(&arena);
}

TEST(the_index_of_pytorch_counts_where_no_other_weights_are) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_notes notes = {0};
    const char *const folder = test_folder();
    put_text(&arena, folder, "pytorch_model-00001-of-00002.bin", "x");
    put_text(&arena, folder, "training_args.bin", "x");
    put_text(&arena, folder, "optimizer.pt", "x");
    put_text(&arena, folder, "pytorch_model.bin.index.json", "{\"weight_map\": {\"a\": \"pytorch_model-00001-of-00002.bin\"}}");
    static const char *const steps[] = {NULL, "pytorch_model.bin", "model.gguf", "model.safetensors"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ms_file_set set;
        if (steps[i]) put_text(&arena, folder, steps[i], "x");
        CHECK_OK(ms_file_set_find(&set, folder, &arena, &notes, &err), &err);
        if (steps[i]) CHECK(set.files.n == 1 && ms_str_is(set.files.items[0].name, steps[i]));
        else CHECK(ms_str_ends_with(set.index_path, MS_STR("/pytorch_model.bin.index.json")));
        ms_file_set_free(&set);
    }
    ms_file_set set;
    const ms_str shard = ms_files_join(&arena, ms_str_of(folder), MS_STR("pytorch_model-00001-of-00002.bin"));
    CHECK_OK(ms_file_set_find(&set, shard.text, &arena, &notes, &err), &err);
    CHECK(ms_str_ends_with(set.index_path, MS_STR("/pytorch_model.bin.index.json")));
    ms_file_set_free(&set);
    ms_notes_free(&notes);
    ms_arena_free(&arena);
}
