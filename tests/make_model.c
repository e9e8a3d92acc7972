#include "make_model.h"

#include <stdlib.h>

static ms_safetensors_tensor tensor_of(ms_arena *arena, ms_str line) {
    size_t at = line.size;
    for (int blanks = 0; at > 0 && blanks < 2;) blanks += line.text[--at] == ' '; /* names may hold blanks */
    ms_str rest = ms_str_sub(line, at + 1, line.size);
    ms_safetensors_tensor t = {.name = ms_str_sub(line, 0, at), .dtype = ms_dtype_by_name(ms_str_cut(&rest, ' '))};
    uint64_t *const shape = ms_arena_alloc_array(arena, 8, sizeof *shape), n_bytes = 0;
    while (rest.text && !ms_str_is(rest, "-")) {
        int64_t n = 0;
        if (!ms_str_to_i64(ms_str_cut(&rest, 'x'), &n) || t.rank == 8) abort();
        shape[t.rank++] = (uint64_t)n;
    }
    t.shape = shape;
    if (!ms_safetensors_size(&t, &n_bytes)) abort();
    t.bytes = ms_arena_zalloc(arena, (size_t)n_bytes + 1);
    return t;
}

ms_str make_model_file(ms_arena *arena, const char *const *lines) {
    ms_buf bytes = {0};
    size_t n = 0;
    while (lines[n]) n++;
    ms_safetensors_tensor *const tensors = ms_arena_alloc_array(arena, n, sizeof *tensors);
    for (size_t i = 0; i < n; i++) tensors[i] = tensor_of(arena, ms_str_of(lines[i]));
    make_safetensors(&bytes, tensors, n);
    const ms_str copy = ms_arena_copy(arena, ms_buf_str(&bytes));
    ms_buf_free(&bytes);
    return copy;
}

ms_status try_make_model(ms_checkpoint **out, ms_str file, const char *config, ms_err *err) {
    ms_source *source;
    ms_reader *reader;
    ms_notes notes = {0};
    MS_TRY(ms_source_over_memory(&source, file.text, file.size, "model.safetensors", err));
    const ms_status status = ms_reader_open(&reader, source, &(ms_read_options){0}, &notes, err);
    ms_notes_free(&notes);
    if (status != MS_OK) return status;
    return ms_checkpoint_over(out, &reader, 1, ms_str_of(config), NULL, err);
}

ms_checkpoint *make_model(ms_arena *arena, const char *config, const char *const *lines) {
    ms_checkpoint *ckpt;
    ms_err err = {0};
    if (try_make_model(&ckpt, make_model_file(arena, lines), config, &err) == MS_OK) return ckpt;
    fprintf(stderr, "make_model: %s\n", err.text);
    exit(2);
}

const ms_note *find_note(const ms_notes *notes, const char *code) {
    for (size_t i = 0; i < notes->n; i++)
        if (notes->items[i].severity >= MS_NOTE_WARNING && strcmp(notes->items[i].code, code) == 0) return &notes->items[i];
    return NULL;
}
