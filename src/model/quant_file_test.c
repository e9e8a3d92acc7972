#include "quant_file.h"

#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "make_model.h"
#include "test.h"

static void put(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, "wb");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* What a folder with these files says: method, and an integer of the quantisation. */
static void check_folder(const char *name, const char *text, const char *method, const char *key, int64_t value) {
    char folder[] = "/tmp/moescope-quant-file-XXXXXX", path[256];
    ms_checkpoint ckpt = {.model = {.quant_method = MS_STR("")}};
    ms_err err = {0};
    CHECK(mkdtemp(folder) != NULL);
    put(folder, name, text);
    ckpt.folder = ms_str_of(folder);
    CHECK_OK(ms_quant_file_read(&ckpt, &err), &err);
    CHECK_MSG(ms_str_is(ckpt.model.quant_method, method), "%s: method '%.*s', want '%s'", name,
              (int)ckpt.model.quant_method.size, ckpt.model.quant_method.text, method);
    CHECK_EQ_I64(ms_json_as_i64(ms_json_get(ckpt.model.quantization, key), -1), value);
    CHECK((find_note(&ckpt.notes, "config.invalid") != NULL) == (method[0] == 0));
    ms_notes_free(&ckpt.notes);
    ms_arena_free(&ckpt.arena);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(remove(path) == 0 && rmdir(folder) == 0);
}

TEST(quant_file_says_what_the_config_does_not) {
    check_folder("quantize_config.json", "{\"bits\": 4, \"group_size\": 32}", "gptq", "bits", 4);
    check_folder("quantize_config.json", "{\"w_bit\": 4}", "awq", "w_bit", 4);
    check_folder("quant_config.json", "{\"w_bit\": 4, \"q_group_size\": 64}", "awq", "q_group_size", 64);
    check_folder("hf_quant_config.json", "{\"quantization\": {\"quant_algo\": \"NVFP4\", \"group_size\": 16}}", "modelopt",
                 "group_size", 16);
    check_folder("quant_config.json", "[1]", "", "bits", -1);
    check_folder("quantize_config.json", "{\"bits\": ", "", "bits", -1);
}
