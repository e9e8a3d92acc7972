#include "quant_file.h"

#include "files.h"

enum { MOST_BYTES = 4 << 20 };

static const struct {
    const char *name, *method; /* where the file does not name the method */
    const char *inner;         /* the object that counts; NULL: all of it */
} quant_files[] = {{"hf_quant_config.json", "modelopt", "quantization"},
                   {"quantize_config.json", "gptq", NULL},
                   {"quant_config.json", "awq", NULL}};
enum { N_QUANT_FILES = sizeof quant_files / sizeof quant_files[0] };

static ms_status parse(ms_checkpoint *ckpt, ms_str path, const ms_json_value **root, ms_err *err) {
    ms_buf text = {0};
    ms_err why = {0};
    ms_status status = ms_files_read(&text, path.text, MOST_BYTES, &why);
    const ms_str kept = status == MS_OK ? ms_arena_copy(&ckpt->arena, ms_buf_str(&text)) : MS_STR_NONE;
    if (status == MS_OK && !kept.text) status = MS_ERR_MEMORY;
    if (status == MS_OK) status = ms_json_parse(root, kept.text, kept.size, &ckpt->arena, &why);
    ms_buf_free(&text);
    if (status == MS_ERR_MEMORY) return ms_err_memory(err, "a quantisation config");
    if (status == MS_OK && (*root)->kind == MS_JSON_OBJECT) return MS_OK;
    *root = NULL;
    ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, "config.invalid", path, MS_STR(""), MS_NOTE_NO_OFFSET, "%s",
                 status == MS_OK ? "the file holds no JSON object" : why.text);
    return MS_OK;
}

ms_status ms_quant_file_read(ms_checkpoint *ckpt, ms_err *err) {
    for (size_t i = 0; i < N_QUANT_FILES && !ckpt->model.quantization && ckpt->folder.text; i++) {
        const ms_str path = ms_files_join(&ckpt->arena, ckpt->folder, ms_str_of(quant_files[i].name));
        const ms_json_value *root = NULL;
        if (!path.text) return ms_err_memory(err, "a path");
        if (!ms_files_is_regular(path.text)) continue;
        MS_TRY(parse(ckpt, path, &root, err));
        const ms_json_value *const found = quant_files[i].inner ? ms_json_get(root, quant_files[i].inner) : root;
        if (!found || found->kind != MS_JSON_OBJECT) continue;
        ckpt->model.quantization = found;
        const char *const usual = ms_json_get(found, "w_bit") ? "awq" : quant_files[i].method;
        ckpt->model.quant_method = ms_json_as_str(ms_json_get(found, "quant_method"), ms_str_of(usual));
    }
    return MS_OK;
}
