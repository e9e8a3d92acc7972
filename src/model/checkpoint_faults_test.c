/* Every reader, from the path to the last matrix: each allocation and each reading fails once, and each file is cut once. */
#include <stdlib.h>
#include <unistd.h>

#include "bank.h"
#include "checkpoint.h"
#include "guard.h"
#include "inflate.h"
#include "make_file.h"
#include "torture.h"

#define CORPUS MS_SOURCE_DIR "/tests/fuzz/corpus/"

/* Sound seeds of the fuzz targets, one of each layout. */
static const struct {
    const char *name, *from;
} singles[] = {{"model.safetensors", CORPUS "safetensors/sound_metadata"},
               {"unsorted.safetensors", CORPUS "safetensors/sound_unsorted"},
               {"model.gguf", CORPUS "gguf/tensors"},
               {"values.gguf", CORPUS "gguf/values"},
               {"stored.npz", CORPUS "npz/stored"},
#if MS_HAVE_ZLIB
               {"packed.npz", CORPUS "npz/packed"},
#endif
               {"zip64.npz", CORPUS "npz/zip64"},
               {"f4.npy", CORPUS "npy/f4"},
               {"fortran.npy", CORPUS "npy/f4_fortran"},
               {"state.pt", CORPUS "torch/state_dict"},
               {"script.pt", CORPUS "torch/script"},
               {"system.pt", CORPUS "torch/system"},
               {"legacy.pth", CORPUS "torch/legacy"},
               {"old.pth.tar", CORPUS "torch/tar"}};
enum { N_SINGLES = sizeof singles / sizeof singles[0] };

/* Without zlib the stored archive stands for the packed one. */
static const char *seed_of(size_t i) {
    const bool is_packed = strcmp(singles[i].name, "packed.npz") == 0;
    return is_packed && !ms_inflate_available() ? CORPUS "npz/stored" : singles[i].from;
}

/* A copy of a seed in a folder of its own, without a config. */
static const char *copy_of(ms_arena *arena, size_t i) {
    ms_buf bytes = {0};
    const bool ok = test_read_file(&bytes, seed_of(i));
    const ms_str folder = ms_arena_printf(arena, "%s/%zu", test_folder(), i);
    const char *const path = ok ? make_file(arena, folder.text, singles[i].name, bytes.bytes, bytes.size) : NULL;
    ms_buf_free(&bytes);
    return path;
}

/* A model in two shards with index and config; the folder. */
static const char *make_model(ms_arena *arena) {
    static const char index[] =
        "{\"metadata\": {\"total_size\": 96}, \"weight_map\": {\"model.layers.0.mlp.experts.0.up_proj.weight\": "
        "\"a.safetensors\", \"model.layers.0.mlp.gate.weight\": \"b.safetensors\"}}";
    static const char config[] = "{\"architectures\": [\"M\"], \"model_type\": \"m\", \"num_experts\": 1, \"hidden_size\": 4}";
    const uint64_t matrix[] = {3, 4};
    const ms_safetensors_tensor expert = make_f32(arena, "model.layers.0.mlp.experts.0.up_proj.weight", 0, 2, matrix);
    const ms_safetensors_tensor router = make_f32(arena, "model.layers.0.mlp.gate.weight", 5, 2, matrix);
    ms_buf a = {0}, b = {0};
    make_safetensors(&a, &expert, 1);
    make_safetensors(&b, &router, 1);
    const char *const folder = ms_arena_printf(arena, "%s/model", test_folder()).text;
    make_file(arena, folder, "a.safetensors", a.bytes, a.size);
    make_file(arena, folder, "b.safetensors", b.bytes, b.size);
    make_file(arena, folder, "config.json", config, sizeof config - 1);
    make_file(arena, folder, "model.safetensors.index.json", index, sizeof index - 1);
    ms_buf_free(&a), ms_buf_free(&b);
    return folder;
}

typedef struct visit {
    const char *path;
    uint64_t sum; /* of what was read */
} visit;

/* Every byte of every tensor is looked at. */
static ms_status touch(const ms_checkpoint *ckpt, uint64_t *sum, ms_err *err) {
    ms_scratch scratch = {0};
    ms_status status = MS_OK;
    for (size_t i = 0; i < ckpt->n_tensors && status == MS_OK; i++) {
        const ms_stored *const t = ckpt->tensors[i].stored;
        const void *bytes;
        ms_guard guard = ms_guard_begin();
        status = ms_source_view(t->source, t->offset, (size_t)t->n_bytes, &scratch, &bytes, err);
        for (uint64_t k = 0; status == MS_OK && k < t->n_bytes; k++) *sum = *sum * 31 + ((const uint8_t *)bytes)[k];
        status = ms_guard_end(&guard, status, err);
    }
    ms_scratch_free(&scratch);
    return status;
}

/* A config that cannot be read is a note, not an error: it must say so. */
static bool says_config_is_lost(const ms_checkpoint *ckpt) {
    for (size_t i = 0; i < ckpt->notes.n; i++)
        if (strcmp(ckpt->notes.items[i].code, "config.unreadable") == 0) return true;
    return false;
}

static ms_status open_and_touch(void *context, ms_err *err) {
    visit *const v = context;
    ms_checkpoint *ckpt;
    ms_banks banks = {0};
    v->sum = 0;
    MS_TRY(ms_checkpoint_open(&ckpt, v->path, NULL, err));
    ms_status status = ms_banks_from_family(&banks, ckpt, err);
    if (status == MS_OK) status = touch(ckpt, &v->sum, err);
    if (status == MS_OK && says_config_is_lost(ckpt))
        status = ms_err_set(err, MS_ERR_IO, "the config is lost, and a note says so");
    if (status == MS_OK && ckpt->notes.lost) status = ms_err_memory(err, "notes");
    ms_banks_free(&banks);
    ms_checkpoint_close(ckpt);
    return status;
}

TEST(every_reader_survives_failing_allocations) {
    ms_arena arena = {0};
    for (size_t i = 0; i < N_SINGLES; i++) {
        visit v = {.path = copy_of(&arena, i)};
        CHECK(v.path);
        CHECK_SURVIVES_MEMORY(open_and_touch, &v);
    }
    CHECK_SURVIVES_MEMORY(open_and_touch, &(visit){.path = make_model(&arena)});
    ms_arena_free(&arena);
}

TEST(every_reader_survives_failing_reads) {
    ms_arena arena = {0};
    for (size_t i = 0; i < N_SINGLES; i++) {
        visit v = {.path = copy_of(&arena, i)};
        CHECK(v.path);
        CHECK_SURVIVES_READS(open_and_touch, &v);
    }
    CHECK_SURVIVES_READS(open_and_touch, &(visit){.path = make_model(&arena)});
    ms_arena_free(&arena);
}

static void cut(void *context) {
    if (truncate(context, 0) != 0) exit(2);
}

/* Pages that are gone raise SIGBUS, whichever reader was at them. What is a success all the same has read the right bytes. */
TEST(every_reader_survives_files_that_shrink_under_it) {
    ms_arena arena = {0};
    for (size_t i = 0; i < N_SINGLES; i++) {
        ms_err err = {0};
        visit v = {.path = copy_of(&arena, i)};
        CHECK_OK(open_and_touch(&v, &err), &err);
        const uint64_t right = v.sum;
        bool reached = true;
        for (int k = 1; reached; k++) {
            err.text[0] = 0;
            v.path = copy_of(&arena, i);
            ms_fault_do(k, cut, (void *)(uintptr_t)v.path);
            const ms_status status = open_and_touch(&v, &err);
            reached = ms_fault_count() >= k;
            ms_fault_at(0);
            CHECK_MSG(status == MS_OK ? v.sum == right : reached && err.text[0], "%s, cut before reading %d: %s '%s'",
                      singles[i].name, k, ms_status_name(status), err.text);
        }
    }
    ms_arena_free(&arena);
}
