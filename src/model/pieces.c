#include "pieces.h"

#include "checked.h"
#include "joined.h"
#include "map.h"

enum { MOST_PIECES = 64 };

/* ---- names ---- */

static bool digits_at(ms_str s, size_t at, size_t *end) {
    *end = at;
    while (*end < s.size && s.text[*end] >= '0' && s.text[*end] <= '9') ++*end;
    return *end > at;
}

bool ms_pieces_is_name(ms_str file, ms_str *stem) {
    static const ms_str marks[] = {{"-TP-", 4}, {"consolidated.", 13}};
    for (size_t m = 0; m < sizeof marks / sizeof marks[0]; m++) {
        size_t end;
        const size_t at = ms_str_find(file, marks[m], 0);
        if (at == SIZE_MAX || !digits_at(file, at + marks[m].size, &end) || end == file.size || file.text[end] != '.') continue;
        *stem = ms_str_sub(file, 0, at + marks[m].size);
        return true;
    }
    return false;
}

/* ---- which way ---- */

typedef enum cut { UNKNOWN_CUT, ROWS, COLUMNS, IN_ALL } cut;

static bool ends_with_module(ms_str name, const char *module) {
    char text[64];
    const size_t n = strlen(module);
    memcpy(text, ".", 1), memcpy(text + 1, module, n), memcpy(text + 1 + n, ".weight", 8);
    return ms_str_ends_with(name, ms_str_of(text)) || ms_str_is(name, text + 1);
}

static cut cut_of(ms_str name, const ms_stored *piece) {
    static const char *const rows[] = {"w1", "w3", "wq", "wk", "wv", "output"}, *const columns[] = {"w2", "wo"};
    if (piece->rank < 2) return IN_ALL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (ends_with_module(name, rows[i])) return ROWS;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        if (ends_with_module(name, columns[i])) return COLUMNS;
    return UNKNOWN_CUT;
}

/* ---- joining ---- */

typedef struct pieces { /* those of one tensor, in the order of their files */
    size_t items[MOST_PIECES];
    size_t n;
} pieces;

static bool can_be_joined(const ms_checkpoint *ckpt, const pieces *p, cut how) {
    const ms_stored *const first = ckpt->tensors[p->items[0]].stored;
    const unsigned bits = ms_dtype_info_of(first->dtype)->bits;
    if (first->rank != 2 || bits == 0 || bits % 8 || (how != ROWS && how != COLUMNS)) return false;
    for (size_t i = 0; i < p->n; i++) {
        const ms_stored *const s = ckpt->tensors[p->items[i]].stored;
        if (s->rank != 2 || s->dtype != first->dtype || s->column_major || s->affine || s->n_bytes == 0 ||
            s->shape[how == ROWS] != first->shape[how == ROWS])
            return false;
    }
    return true;
}

static ms_status join(ms_checkpoint *ckpt, const pieces *p, cut how, ms_err *err) {
    ms_joined_piece parts[MOST_PIECES];
    const ms_stored *const first = ckpt->tensors[p->items[0]].stored;
    const int axis = how == ROWS ? 0 : 1;
    uint64_t *const shape = ms_arena_alloc_array(&ckpt->arena, 2, sizeof *shape);
    ms_stored *const joined = ms_arena_alloc(&ckpt->arena, sizeof *joined);
    if (!shape || !joined || !MS_VEC_RESERVE(&ckpt->joined, 1)) return ms_err_memory(err, "a joined tensor");
    *joined = *first;
    memcpy(shape, first->shape, 2 * sizeof *shape);
    shape[axis] = joined->n_bytes = 0;
    for (size_t i = 0; i < p->n; i++) {
        const ms_stored *const s = ckpt->tensors[p->items[i]].stored;
        parts[i] = (ms_joined_piece){s->source, s->offset, how == ROWS ? s->n_bytes : s->n_bytes / s->shape[0]};
        shape[axis] += s->shape[axis];
        joined->n_bytes += s->n_bytes; /* all of them lie in files: no overflow */
    }
    joined->shape = shape;
    joined->offset = 0;
    MS_TRY(ms_source_over_joined(&joined->source, parts, p->n, how == ROWS ? 1 : first->shape[0], first->source->path, err));
    ckpt->joined.items[ckpt->joined.n++] = joined->source;
    ckpt->tensors[p->items[0]].stored = joined;
    return MS_OK;
}

/* ---- all tensors ---- */

typedef struct joiner {
    ms_checkpoint *ckpt;
    ms_map first; /* name -> index of its first piece */
    size_t *next; /* [n_tensors] the next piece of the same name, SIZE_MAX: none */
    size_t *last; /* [n_tensors] of a first piece: the last one so far */
    size_t n_unknown;
    ms_str unknown; /* one of them */
    size_t n_joined;
} joiner;

static bool in_piece_file(const ms_checkpoint *ckpt, size_t t) {
    ms_str stem;
    return ms_pieces_is_name(ckpt->files[ckpt->tensors[t].file].name, &stem);
}

static bool chain(joiner *j) {
    ms_checkpoint *const ckpt = j->ckpt;
    for (size_t t = 0; t < ckpt->n_tensors; t++) {
        size_t *slot;
        bool is_new;
        j->next[t] = SIZE_MAX, j->last[t] = t;
        if (!in_piece_file(ckpt, t)) continue;
        if (!ms_map_add(&j->first, ckpt->tensors[t].stored->name, t, &slot, &is_new)) return false;
        if (is_new) continue;
        j->next[j->last[*slot]] = t;
        j->last[*slot] = t;
        ckpt->tensors[t].shadowed = true; /* for the time of joining: it goes */
    }
    return true;
}

static ms_status join_one(joiner *j, size_t first, ms_err *err) {
    ms_checkpoint *const ckpt = j->ckpt;
    pieces p = {0};
    size_t t = first;
    for (; t != SIZE_MAX && p.n < MOST_PIECES; t = j->next[t]) p.items[p.n++] = t;
    const ms_str name = ckpt->tensors[first].stored->name;
    const cut how = cut_of(name, ckpt->tensors[first].stored);
    if (how == IN_ALL) return MS_OK;
    if (t == SIZE_MAX && can_be_joined(ckpt, &p, how)) {
        j->n_joined++;
        return join(ckpt, &p, how, err);
    }
    if (j->n_unknown++ == 0) j->unknown = name;
    return MS_OK;
}

/* Pieces that are not the first leave the list. */
static void drop_rest(ms_checkpoint *ckpt) {
    size_t n = 0;
    for (size_t f = 0; f < ckpt->n_files; f++) {
        const size_t from = ckpt->files[f].first_tensor, to = from + ckpt->files[f].n_tensors;
        ckpt->files[f].first_tensor = n;
        for (size_t t = from; t < to; t++)
            if (!ckpt->tensors[t].shadowed) ckpt->tensors[n++] = ckpt->tensors[t];
        ckpt->files[f].n_tensors = n - ckpt->files[f].first_tensor;
    }
    ckpt->n_tensors = n;
}

static void say(const joiner *j) {
    ms_notes *const notes = &j->ckpt->notes;
    if (j->n_joined)
        ms_notes_add(notes, MS_NOTE_INFO, "pieces.joined", j->ckpt->folder, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%zu tensors lie in pieces in several files, as several devices held them; they are joined", j->n_joined);
    if (j->n_unknown)
        ms_notes_add(notes, MS_NOTE_WARNING, "pieces.unknown", j->ckpt->folder, j->unknown, MS_NOTE_NO_OFFSET,
                     "lies in pieces in several files, and nothing tells how they go together; %zu such tensors are shown by "
                     "their first piece",
                     j->n_unknown);
}

ms_status ms_pieces_join(ms_checkpoint *ckpt, ms_err *err) {
    ms_str stem;
    size_t n = 0;
    for (size_t f = 0; f < ckpt->n_files; f++) n += ms_pieces_is_name(ckpt->files[f].name, &stem);
    if (n < 2) return MS_OK;
    joiner j = {.ckpt = ckpt,
                .next = ms_mem_alloc_array(ckpt->n_tensors, sizeof *j.next),
                .last = ms_mem_alloc_array(ckpt->n_tensors, sizeof *j.last)};
    ms_status status = j.next && j.last && chain(&j) ? MS_OK : ms_err_memory(err, "the pieces of tensors");
    for (size_t t = 0; t < ckpt->n_tensors && status == MS_OK; t++)
        if (!ckpt->tensors[t].shadowed && j.next[t] != SIZE_MAX) status = join_one(&j, t, err);
    if (status == MS_OK) {
        drop_rest(ckpt);
        say(&j);
    }
    ms_map_free(&j.first);
    ms_mem_free(j.next), ms_mem_free(j.last);
    return status;
}
