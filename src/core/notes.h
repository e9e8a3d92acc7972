/*
 * notes: what was found on the way and is no failure: warnings of a run, findings of a check, in order of emission.
 *
 *     ms_notes notes = {0};
 *     ms_notes_add(&notes, MS_NOTE_WARNING, "index.missing_shard", file, tensor, offset, "shard '%s' does not exist", ...);
 *     for (size_t i = 0; i < notes.n; i++) show(notes.items[i].message);
 *     ms_notes_free(&notes);
 *
 * When memory is short a note is lost and `lost` counts it. One thread at a time.
 */
#ifndef MS_NOTES_H
#define MS_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "str.h"

typedef enum ms_severity { MS_NOTE_INFO, MS_NOTE_WARNING, MS_NOTE_ERROR } ms_severity;

enum { MS_NOTE_NO_OFFSET = -1 };

typedef struct ms_note {
    ms_severity severity;
    const char *code; /* a literal: "safetensors.gap"; stable, for scripts */
    ms_str file;      /* owned by the notes; "" when it concerns none */
    ms_str tensor;    /* "" likewise */
    int64_t offset;   /* byte in the file, or MS_NOTE_NO_OFFSET */
    ms_str message;
} ms_note;

typedef struct ms_notes {
    ms_note *items; /* owned */
    size_t n, capacity;
    size_t lost;
    size_t omitted; /* beyond MS_NOTES_MOST */
    ms_arena arena;
} ms_notes;

/* A hostile file can break a rule a million times: what comes after so many is only counted, and the last note says so. */
enum { MS_NOTES_MOST = 100000 };

MS_PRINTF(7, 8)
void ms_notes_add(ms_notes *notes, ms_severity severity, const char *code, ms_str file, ms_str tensor, int64_t offset,
                  const char *format, ...);
/* How many have that severity or a higher one. */
size_t ms_notes_count(const ms_notes *notes, ms_severity at_least);
/* Takes out all of that code; true when there were some. */
bool ms_notes_drop(ms_notes *notes, const char *code);
const char *ms_severity_name(ms_severity severity); /* "info", "warning", "error" */
void ms_notes_free(ms_notes *notes);

#endif
