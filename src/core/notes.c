#include "notes.h"

#include <stdarg.h>

#include "buf.h"
#include "vec.h"

static void keep(ms_notes *notes, ms_severity severity, const char *code, ms_str file, ms_str tensor, int64_t offset,
                 ms_str message) {
    const ms_note note = {.severity = severity,
                          .code = code,
                          .offset = offset,
                          .file = ms_arena_copy(&notes->arena, file),
                          .tensor = ms_arena_copy(&notes->arena, tensor),
                          .message = ms_arena_copy(&notes->arena, message)};
    if (!note.file.text || !note.tensor.text || !note.message.text || !MS_VEC_PUSH(notes, note)) notes->lost++;
}

void ms_notes_add(ms_notes *notes, ms_severity severity, const char *code, ms_str file, ms_str tensor, int64_t offset,
                  const char *format, ...) {
    if (notes->n >= MS_NOTES_MOST - 1) {
        if (notes->n == MS_NOTES_MOST - 1)
            keep(notes, severity, "notes.more", file, MS_STR(""), MS_NOTE_NO_OFFSET,
                 MS_STR("there are more of these, left out here"));
        notes->omitted++;
        return;
    }
    ms_buf text = {0};
    va_list args;
    va_start(args, format);
    ms_buf_vprintf(&text, format, args);
    va_end(args);
    if (text.failed) notes->lost++;
    else keep(notes, severity, code, file, tensor, offset, ms_buf_str(&text));
    ms_buf_free(&text);
}

size_t ms_notes_count(const ms_notes *notes, ms_severity at_least) {
    size_t n = 0;
    for (size_t i = 0; i < notes->n; i++) n += notes->items[i].severity >= at_least;
    return n;
}

bool ms_notes_drop(ms_notes *notes, const char *code) {
    const size_t before = notes->n;
    notes->n = 0;
    for (size_t i = 0; i < before; i++)
        if (strcmp(notes->items[i].code, code) != 0) notes->items[notes->n++] = notes->items[i];
    return notes->n < before;
}

const char *ms_severity_name(ms_severity severity) {
    return severity == MS_NOTE_ERROR ? "error" : severity == MS_NOTE_WARNING ? "warning" : "info";
}

void ms_notes_free(ms_notes *notes) {
    MS_VEC_FREE(notes);
    ms_arena_free(&notes->arena);
}
