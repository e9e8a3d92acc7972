#include "verify.h"

#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "make_model.h"
#include "test.h"

static const ms_verify_options plainly = {0}, with_values = {.values = true, .threads = 2}, with_hashes = {.hash = true};

static const char *in(ms_arena *arena, const char *folder, const char *name) {
    return ms_files_join(arena, ms_str_of(folder), ms_str_of(name)).text;
}

static const ms_note *found(const ms_verify *v, const char *code) { return find_note(&v->findings, code); }

/* find_note looks for warnings and worse; this one for any. */
static const ms_note *remark(const ms_verify *v, const char *code) {
    for (size_t i = 0; i < v->findings.n; i++)
        if (strcmp(v->findings.items[i].code, code) == 0) return &v->findings.items[i];
    return NULL;
}

static const ms_verify_file *file_called(const ms_verify *v, const char *name) {
    for (size_t i = 0; i < v->files.n; i++)
        if (ms_str_is(v->files.items[i].name, name)) return &v->files.items[i];
    return NULL;
}

/* A model of one file of these f32 tensors: values 0, 1, 2, ... */
static const char *put_tensors(ms_arena *arena, const char *folder, const char *name, ms_safetensors_tensor *tensors,
                               size_t n) {
    ms_buf file = {0};
    make_safetensors(&file, tensors, n);
    const char *const path = make_file(arena, folder, name, file.bytes, file.size);
    ms_buf_free(&file);
    return path;
}

static float *values_of(const ms_safetensors_tensor *t) { return (float *)(uintptr_t)t->bytes; }

TEST(verify_counts_nan_and_infinities_and_says_where_the_first_is) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const uint64_t shape[] = {8, 1024};
    ms_safetensors_tensor t[] = {make_f32(&arena, "a", 1, 2, shape), make_f32(&arena, "b", 1, 2, shape),
                                 make_f32(&arena, "c", 1, 2, shape)};
    values_of(&t[1])[5000] = NAN, values_of(&t[1])[5001] = -NAN, values_of(&t[1])[7000] = INFINITY;
    values_of(&t[2])[0] = -INFINITY;
    const char *const path = put_tensors(&arena, test_folder(), "x.safetensors", t, 3);
    CHECK_OK(ms_verify_run(&v, path, &plainly, &err), &err);
    CHECK(!found(&v, "values.nan")); /* only when asked for */
    ms_verify_free(&v);

    CHECK_OK(ms_verify_run(&v, path, &with_values, &err), &err);
    const ms_note *const nan = found(&v, "values.nan"), *const inf = found(&v, "values.inf");
    CHECK(nan && nan->severity == MS_NOTE_WARNING && ms_str_is(nan->tensor, "b"));
    CHECK_MSG(ms_str_starts_with(nan->message, MS_STR("2 NaN and 1 infinities among 8192 values, the first is number 5000")),
              "%s", nan->message.text);
    CHECK(inf && ms_str_is(inf->tensor, "c") && ms_notes_count(&v.findings, MS_NOTE_ERROR) == 0);
    float there;
    ms_buf bytes = {0};
    CHECK_OK(ms_files_read(&bytes, path, 1 << 20, &err), &err);
    memcpy(&there, bytes.bytes + nan->offset, sizeof there);
    CHECK(isnan(there)); /* the byte that is named is the one */
    ms_buf_free(&bytes);
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

/* A model of one layer whose experts lie in one tensor. */
static const char *put_stack(ms_arena *arena, const char *folder, uint64_t n_experts, const int *zero, size_t n_zero) {
    static const char config[] = "{\"architectures\": [\"Llama4ForCausalLM\"], \"model_type\": \"llama4_text\", "
                                 "\"num_local_experts\": 12, \"num_hidden_layers\": 1, \"hidden_size\": 32}";
    const uint64_t shape[] = {n_experts, 32, 64}, down[] = {n_experts, 32, 32}, router[] = {n_experts, 32};
    ms_safetensors_tensor t[] = {make_f32(arena, "model.layers.0.feed_forward.experts.gate_up_proj", 1, 3, shape),
                                 make_f32(arena, "model.layers.0.feed_forward.experts.down_proj", 1, 3, down),
                                 make_f32(arena, "model.layers.0.feed_forward.router.weight", 1, 2, router)};
    for (size_t i = 0; i < n_zero; i++) memset(values_of(&t[0]) + (size_t)zero[i] * 32 * 64, 0, 32 * 64 * sizeof(float));
    make_file(arena, folder, "config.json", config, sizeof config - 1);
    put_tensors(arena, folder, "model.safetensors", t, 3);
    return folder;
}

TEST(verify_names_experts_of_a_stack_that_are_nothing_but_zeros) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const int two[] = {3, 11}, all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    CHECK_OK(ms_verify_run(&v, put_stack(&arena, test_folder(), 12, two, 2), &with_values, &err), &err);
    const ms_note *note = found(&v, "values.zero_expert");
    CHECK(note && ms_str_ends_with(note->tensor, MS_STR("gate_up_proj")));
    CHECK_MSG(ms_str_starts_with(note->message, MS_STR("2 of 12 experts are nothing but zeros: 3, 11;")), "%s",
              note->message.text);
    CHECK(!remark(&v, "values.zero"));
    ms_verify_free(&v);

    CHECK_OK(ms_verify_run(&v, put_stack(&arena, test_folder(), 12, all, 9), &with_values, &err), &err);
    note = found(&v, "values.zero_expert");
    CHECK(note && ms_str_contains(note->message, MS_STR("zeros: 0, 1, 2, 3, 4, 5, 6, 7, ...;")));
    ms_verify_free(&v);

    CHECK_OK(ms_verify_run(&v, put_stack(&arena, test_folder(), 12, all, 12), &with_values, &err), &err);
    CHECK(!found(&v, "values.zero_expert") && remark(&v, "values.zero")); /* the tensor as a whole is said */
    ms_verify_free(&v);

    CHECK_OK(ms_verify_run(&v, put_stack(&arena, test_folder(), 12, all, 0), &with_values, &err), &err);
    CHECK(!found(&v, "values.zero_expert") && ms_notes_count(&v.findings, MS_NOTE_WARNING) == 0);
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

/* gate_up [2, 32, 64] with gates three times as large as ups, as halves or in turn; whose family takes halves. */
static const char *put_gate_up(ms_arena *arena, const char *folder, bool in_turn, float ratio) {
    ms_gen gen = {5};
    const uint64_t up[] = {2, 32, 64}, down[] = {2, 64, 16};
    ms_safetensors_tensor t[] = {make_f32(arena, "model.layers.0.mlp.experts.gate_up_proj", 1, 3, up),
                                 make_f32(arena, "model.layers.0.mlp.experts.down_proj", 1, 3, down)};
    for (size_t i = 0; i < 2 * 32 * 64; i++) {
        const size_t row = i / 64 % 32;
        const bool is_gate = in_turn ? row % 2 == 0 : row < 16;
        values_of(&t[0])[i] = (is_gate ? ratio : 1.0f) * ((float)gen_below(&gen, 2001) - 1000);
    }
    return put_tensors(arena, folder, "model.safetensors", t, 2);
}

TEST(verify_sees_gates_and_ups_where_they_should_not_be) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    CHECK_OK(ms_verify_run(&v, put_gate_up(&arena, test_folder(), true, 3), &with_values, &err), &err);
    const ms_note *const note = found(&v, "experts.order");
    CHECK(note && ms_str_ends_with(note->tensor, MS_STR("gate_up_proj")));
    CHECK(ms_str_starts_with(note->message, MS_STR("taken for gate and up one after the other, but")));
    ms_verify_free(&v);
    CHECK_OK(ms_verify_run(&v, put_gate_up(&arena, test_folder(), false, 3), &with_values, &err), &err);
    CHECK(!found(&v, "experts.order"));
    ms_verify_free(&v);
    CHECK_OK(ms_verify_run(&v, put_gate_up(&arena, test_folder(), true, 1), &with_values, &err), &err);
    CHECK(!found(&v, "experts.order")); /* alike: nothing tells */
    ms_verify_free(&v);
    CHECK_OK(ms_verify_run(&v, put_gate_up(&arena, test_folder(), true, 3), &plainly, &err), &err);
    CHECK(!found(&v, "experts.order")); /* only when asked for */
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

/* Whatever the number of threads, the findings are the same and in the same order. */
PROPERTY(verify_of_values_does_not_depend_on_threads, 10) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_safetensors_tensor t[4];
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        const uint64_t shape[] = {1 + gen_below(g, 40), 1 + gen_below(g, 3000)};
        t[i] = make_f32(&arena, names[i], 1, 2, shape);
        for (size_t k = gen_below(g, 4); k > 0; k--) values_of(&t[i])[gen_below(g, shape[0] * shape[1])] = NAN;
    }
    const char *const path = put_tensors(&arena, test_folder(), "x.safetensors", t, 4);
    ms_verify one, many;
    CHECK_OK(ms_verify_run(&one, path, &(ms_verify_options){.values = true, .threads = 1}, &err), &err);
    CHECK_OK(ms_verify_run(&many, path, &(ms_verify_options){.values = true, .threads = 4}, &err), &err);
    CHECK_EQ_I64(one.findings.n, many.findings.n);
    for (size_t i = 0; i < one.findings.n; i++)
        CHECK(ms_str_equal(one.findings.items[i].message, many.findings.items[i].message) &&
              one.findings.items[i].offset == many.findings.items[i].offset);
    ms_verify_free(&one);
    ms_verify_free(&many);
    ms_arena_free(&arena);
}

TEST(verify_of_several_models_in_a_folder_verifies_each) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const char *const folder = test_folder();
    const uint64_t shape[] = {2};
    ms_safetensors_tensor a = make_f32(&arena, "a", 1, 1, shape);
    put_tensors(&arena, folder, "one-00001-of-00001.safetensors", &a, 1);
    put_tensors(&arena, folder, "two-00001-of-00002.safetensors", &a, 1);
    CHECK_OK(ms_verify_run(&v, folder, &plainly, &err), &err);
    CHECK(remark(&v, "model.several") && ms_notes_count(&v.findings, MS_NOTE_ERROR) == 0);
    CHECK_EQ_I64(v.files.n, 2);
    ms_verify_free(&v);
    make_file(&arena, folder, "model.safetensors.index.json", "version https://git-lfs.github.com/spec/v1\n", 43);
    CHECK_OK(ms_verify_run(&v, folder, &plainly, &err), &err);
    CHECK(found(&v, "model.unreadable")); /* an index says that they are one */
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

TEST(verify_fails_only_when_there_is_nothing_to_look_at) {
    ms_err err = {0};
    ms_verify v;
    CHECK_FAILS(ms_verify_run(&v, "no/such/model", &plainly, &err), MS_ERR_NOT_FOUND, &err, "no/such/model");
    ms_verify_free(&v);
    CHECK_FAILS(ms_verify_run(&v, test_folder(), &plainly, &err), MS_ERR_NOT_FOUND, &err, "no model in this folder");
    ms_verify_free(&v);
}

/* ---- hashes ---- */

/* sha256 and git's id of "hello\n" */
static const char hello[] = "hello\n", sha256_of_hello[] = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
                  id_of_hello[] = "ce013625030ba8dba906f756967f9e9ca394464a";

static const char *put_model(ms_arena *arena, const char *folder) {
    const uint64_t shape[] = {2};
    ms_safetensors_tensor a = make_f32(arena, "a", 1, 1, shape);
    put_tensors(arena, folder, "model.safetensors", &a, 1);
    make_file(arena, folder, "notes.txt", hello, sizeof hello - 1);
    return folder;
}

static void put_text(ms_arena *arena, const char *folder, const char *name, const char *text) {
    make_file(arena, folder, name, text, strlen(text));
}

TEST(hashes_are_compared_with_what_a_list_says) {
    if (!ms_sha256_available()) return;
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const char *const folder = put_model(&arena, test_folder());
    put_text(&arena, folder, "SHA256SUMS",
             "# a remark\n5891B5B522D5DF086D0FF0B110FBD9D21BB4FC7163AF34D08286A2E846F6BE03  ./notes.txt\r\n"
             "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 *model.safetensors\n");
    CHECK_OK(ms_verify_run(&v, folder, &with_hashes, &err), &err);
    const ms_verify_file *const notes = file_called(&v, "notes.txt");
    CHECK(notes && notes->expected_by);
    CHECK_EQ_TEXT(notes->sha256, sha256_of_hello);
    CHECK_EQ_TEXT(notes->expected, sha256_of_hello);
    CHECK_EQ_TEXT(notes->expected_by, "SHA256SUMS");
    CHECK_EQ_I64(ms_notes_count(&v.findings, MS_NOTE_ERROR), 1);
    CHECK(ms_str_ends_with(found(&v, "hash.mismatch")->file, MS_STR("model.safetensors")));
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

TEST(blobs_of_the_cache_are_named_by_their_hash_or_git_id) {
    if (!ms_sha256_available()) return;
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const char *const base = test_folder(), *const folder = in(&arena, base, "snapshots/abc");
    CHECK_OK(ms_files_make_folder(folder, &err), &err);
    put_model(&arena, folder);
    const struct {
        const char *blob, *name, *text;
    } files[] = {{sha256_of_hello, "large.txt", hello},
                 {id_of_hello, "small.txt", hello},
                 {"ce013625030ba8dba906f756967f9e9ca394464b", "changed.txt", hello}};
    for (size_t i = 0; i < 3; i++) {
        put_text(&arena, base, ms_arena_printf(&arena, "blobs/%s", files[i].blob).text, files[i].text);
        CHECK(symlink(ms_arena_printf(&arena, "../../blobs/%s", files[i].blob).text, in(&arena, folder, files[i].name)) == 0);
    }
    CHECK_OK(ms_verify_run(&v, folder, &with_hashes, &err), &err);
    CHECK_EQ_TEXT(file_called(&v, "large.txt")->expected, sha256_of_hello);
    CHECK_EQ_TEXT(file_called(&v, "small.txt")->git_id, id_of_hello);
    CHECK_EQ_TEXT(file_called(&v, "small.txt")->expected, id_of_hello);
    CHECK_EQ_TEXT(file_called(&v, "small.txt")->expected_by, "hub cache");
    CHECK(!file_called(&v, "notes.txt")->expected_by && !file_called(&v, "notes.txt")->git_id[0]);
    CHECK_EQ_I64(ms_notes_count(&v.findings, MS_NOTE_ERROR), 1);
    CHECK(ms_str_ends_with(found(&v, "hash.mismatch")->file, MS_STR("changed.txt")));
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

TEST(what_a_download_noted_is_a_witness) {
    if (!ms_sha256_available()) return;
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const char *const folder = put_model(&arena, test_folder());
    put_text(&arena, folder, ".cache/huggingface/download/notes.txt.metadata",
             "0123456789abcdef0123456789abcdef01234567\nce013625030ba8dba906f756967f9e9ca394464a\n1700000000.0\n");
    CHECK_OK(ms_verify_run(&v, folder, &with_hashes, &err), &err);
    CHECK_EQ_TEXT(file_called(&v, "notes.txt")->expected_by, "download metadata");
    CHECK_EQ_TEXT(file_called(&v, "notes.txt")->git_id, id_of_hello);
    CHECK_EQ_I64(ms_notes_count(&v.findings, MS_NOTE_WARNING), 0);
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

static const char pointer[] = "version https://git-lfs.github.com/spec/v1\n"
                              "oid sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nsize 6\n";

TEST(objects_of_git_lfs_are_witnesses_and_looked_at_behind_pointers) {
    if (!ms_sha256_available()) return;
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const char *const folder = put_model(&arena, test_folder());
    static const char object[] = ".git/lfs/objects/58/91/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    put_text(&arena, folder, "weights.dat", pointer);
    CHECK_OK(ms_verify_run(&v, folder, &with_hashes, &err), &err);
    CHECK(found(&v, "folder.lfs_pointer") && !remark(&v, "hash.lfs_object")); /* the object is not here */
    CHECK(!file_called(&v, "notes.txt")->expected_by);
    ms_verify_free(&v);

    put_text(&arena, folder, object, hello);
    CHECK_OK(ms_verify_run(&v, folder, &with_hashes, &err), &err);
    CHECK(remark(&v, "hash.lfs_object") && ms_str_ends_with(remark(&v, "hash.lfs_object")->file, MS_STR("weights.dat")));
    CHECK_EQ_TEXT(file_called(&v, "notes.txt")->expected_by, "Git LFS");
    CHECK_EQ_I64(ms_notes_count(&v.findings, MS_NOTE_ERROR), 0);
    ms_verify_free(&v);

    put_text(&arena, folder, object, "hellO\n");
    CHECK_OK(ms_verify_run(&v, folder, &with_hashes, &err), &err);
    CHECK(found(&v, "hash.mismatch") && ms_str_contains(found(&v, "hash.mismatch")->file, MS_STR(".git/lfs/objects")));
    ms_verify_free(&v);
    ms_arena_free(&arena);
}

TEST(blobs_of_ollama_are_named_by_their_hash) {
    if (!ms_sha256_available()) return;
    ms_arena arena = {0};
    ms_err err = {0};
    ms_verify v;
    const char *const folder = test_folder();
    char name[128];
    snprintf(name, sizeof name, "sha256-%s", sha256_of_hello);
    const uint64_t shape[] = {2};
    ms_safetensors_tensor a = make_f32(&arena, "a", 1, 1, shape);
    const char *const path = put_tensors(&arena, folder, name, &a, 1);
    CHECK_OK(ms_verify_run(&v, path, &with_hashes, &err), &err);
    CHECK_EQ_TEXT(v.files.items[0].expected_by, "Ollama");
    CHECK(found(&v, "hash.mismatch"));
    ms_verify_free(&v);
    ms_arena_free(&arena);
}
