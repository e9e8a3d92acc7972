#include "verify.h"

#include <stdlib.h>

#include "bank.h"
#include "files.h"

/* ---- findings from errors ---- */

/* "PATH: tensor 'NAME': byte N: what": the message without its path, and the byte. */
static ms_str without_path(ms_str message, ms_str path) {
    const ms_shown shown = ms_str_shown(path);
    const ms_str head = ms_str_of(shown.text);
    if (ms_str_starts_with(message, MS_STR("./"))) message = ms_str_sub(message, 2, message.size); /* of the folder "." */
    if (!ms_str_starts_with(message, head)) return message;
    const ms_str rest = ms_str_sub(message, head.size, message.size);
    return ms_str_starts_with(rest, MS_STR(": ")) ? ms_str_sub(rest, 2, rest.size) : message;
}

static int64_t byte_of(ms_str message) {
    size_t at = 0;
    if (ms_str_starts_with(message, MS_STR("tensor '"))) at = ms_str_find(message, MS_STR("': "), 0);
    if (at == SIZE_MAX) return MS_NOTE_NO_OFFSET;
    if (at) at += 3;
    ms_str rest = ms_str_sub(message, at, message.size);
    if (!ms_str_starts_with(rest, MS_STR("byte "))) return MS_NOTE_NO_OFFSET;
    rest = ms_str_sub(rest, 5, rest.size);
    const size_t end = ms_str_find(rest, MS_STR(":"), 0);
    int64_t byte;
    return end != SIZE_MAX && ms_str_to_i64(ms_str_sub(rest, 0, end), &byte) && byte >= 0 ? byte : MS_NOTE_NO_OFFSET;
}

/* For who only wants to look this is a warning; as an answer to "is it whole?" it means no. */
static ms_severity severity_of(const ms_note *note) {
    return strcmp(note->code, "files.missing_part") == 0 ? MS_NOTE_ERROR : note->severity;
}

static void add_note(ms_verify *v, const ms_note *note) {
    ms_str message = note->message;
    int64_t offset = note->offset;
    if (strcmp(note->code, "file.unreadable") == 0) {
        message = without_path(message, note->file);
        if (offset == MS_NOTE_NO_OFFSET) offset = byte_of(message);
        if (offset != MS_NOTE_NO_OFFSET && ms_str_starts_with(message, MS_STR("byte "))) /* shown apart */
            message = ms_str_sub(message, ms_str_find(message, MS_STR(": "), 0) + 2, message.size);
    }
    ms_notes_add(&v->findings, severity_of(note), note->code, note->file, note->tensor, offset, "%.*s", (int)message.size,
                 message.text);
}

static void add_notes(ms_verify *v, const ms_notes *notes) {
    for (size_t i = 0; i < notes->n; i++) add_note(v, &notes->items[i]);
    v->findings.lost += notes->lost;
}

/* ---- opening ---- */

/* What makes the whole command fail: it says nothing about the model. */
static bool is_our_trouble(ms_status status) {
    return status == MS_ERR_MEMORY || status == MS_ERR_INTERRUPTED || status == MS_ERR_USAGE;
}

static ms_status list_files(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err) {
    v->folder = ms_arena_copy(&v->arena, ckpt->folder.text ? ckpt->folder : MS_STR("."));
    for (size_t f = 0; f < ckpt->n_files; f++) {
        const ms_file *const file = &ckpt->files[f];
        const ms_verify_file row = {.path = ms_arena_copy(&v->arena, file->path),
                                    .name = ms_arena_copy(&v->arena, file->name),
                                    .n_bytes = file->n_bytes,
                                    .format = file->reader ? file->reader->format->name : NULL,
                                    .n_tensors = file->n_tensors};
        v->n_bytes += row.n_bytes;
        if (!row.path.text || !row.name.text || !MS_VEC_PUSH(&v->files, row)) return ms_err_memory(err, "the list of files");
    }
    v->n_tensors = ckpt->n_tensors;
    return MS_OK;
}

/* Experts that miss a projection, matrices that do not fit each other: found when the banks are outlined. */
static ms_status look_at_banks(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err) {
    ms_banks banks = {0};
    ms_err why = {0};
    const ms_status status = ms_banks_outline(&banks, ckpt, &why);
    if (status == MS_OK) add_notes(v, &banks.notes);
    else if (!is_our_trouble(status))
        ms_notes_add(&v->findings, MS_NOTE_WARNING, "bank.unusable", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET, "%s", why.text);
    ms_banks_free(&banks);
    return is_our_trouble(status) ? ms_err_set(err, status, "%s", why.text) : MS_OK;
}

static ms_status look_at(ms_verify *v, const ms_checkpoint *ckpt, const ms_verify_options *options, ms_err *err) {
    MS_TRY(list_files(v, ckpt, err));
    add_notes(v, &ckpt->notes);
    MS_TRY(ms_verify_formats(v, ckpt, err));
    MS_TRY(ms_verify_archives(v, ckpt, options, err));
    MS_TRY(look_at_banks(v, ckpt, err));
    if (v->is_folder) MS_TRY(ms_verify_folder(v, ckpt, err));
    if (!options->values) return MS_OK;
    MS_TRY(ms_verify_order(v, ckpt, err));
    return ms_verify_values(v, ckpt, options, err);
}

static bool holds_weights(ms_str name) {
    static const char *const extensions[] = {".safetensors", ".gguf", ".npz", ".npy", ".pt", ".pth", ".bin", ".ckpt"};
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (ms_str_ends_with(name, ms_str_of(extensions[i]))) return true;
    return false;
}

/* The set could not be opened as one model (its index is damaged, none of its files can be read): every weight file by itself.
 */
static ms_status look_at_each(ms_verify *v, const ms_verify_options *options, bool *is_model, bool *has_index, ms_err *err) {
    ms_files_list list = {0};
    const ms_open_options open = {.lenient = true, .no_family = true, .inflate_budget = options->inflate_budget};
    ms_status status = ms_files_list_folder(&list, v->folder.text, err);
    for (size_t i = 0; i < list.n && status == MS_OK; i++) {
        *has_index |= ms_str_ends_with(list.items[i].name, MS_STR(".index.json"));
        if (!list.items[i].is_regular || !holds_weights(list.items[i].name)) continue;
        *is_model = true;
        const ms_str path = ms_files_join(&v->arena, v->folder, list.items[i].name);
        const ms_verify_file row = {
            .path = path, .name = ms_arena_copy(&v->arena, list.items[i].name), .n_bytes = list.items[i].n_bytes};
        if (!path.text || !row.name.text || !MS_VEC_PUSH(&v->files, row)) {
            status = ms_err_memory(err, "the list of files");
            break;
        }
        ms_checkpoint *ckpt;
        ms_err why = {0};
        const ms_status opened = ms_checkpoint_open_files(&ckpt, &path.text, 1, NULL, &open, &why);
        if (opened == MS_OK) {
            v->files.items[v->files.n - 1].format = ckpt->files[0].reader->format->name;
            v->files.items[v->files.n - 1].n_tensors = ckpt->n_tensors;
            v->n_tensors += ckpt->n_tensors;
            add_notes(v, &ckpt->notes);
            status = ms_verify_formats(v, ckpt, err);
            if (status == MS_OK) status = ms_verify_archives(v, ckpt, options, err);
            if (status == MS_OK && options->values) status = ms_verify_values(v, ckpt, options, err);
            ms_checkpoint_close(ckpt);
        } else if (is_our_trouble(opened)) {
            status = ms_err_set(err, opened, "%s", why.text);
        } else {
            const ms_note note = {MS_NOTE_ERROR, "file.unreadable", path, MS_STR(""), MS_NOTE_NO_OFFSET, ms_str_of(why.text)};
            add_note(v, &note);
            status = ms_verify_bare_pickle(v, path.text, err);
        }
        v->n_bytes += row.n_bytes;
    }
    ms_files_list_free(&list);
    return status;
}

/* The file that the message is about: an index, when the path or what it stands for is one. */
static ms_status look_without_model(ms_verify *v, const char *path, const ms_verify_options *options, ms_status why_status,
                                    const char *why, ms_err *err) {
    const ms_str given = ms_str_of(path);
    const bool names_one_file = !v->is_folder;
    v->folder = ms_arena_copy(&v->arena, names_one_file ? ms_files_folder_of(given) : given);
    if (!v->folder.text) return ms_err_memory(err, "a path");
    if (names_one_file && !ms_str_ends_with(given, MS_STR(".json"))) {
        const ms_verify_file row = {.path = ms_arena_copy(&v->arena, given), .name = ms_files_name_of(given)};
        if (!row.path.text || !MS_VEC_PUSH(&v->files, row)) return ms_err_memory(err, "the list of files");
        ms_files_size(&v->files.items[0].n_bytes, path, NULL);
        v->n_bytes = v->files.items[0].n_bytes;
        const ms_note note = {MS_NOTE_ERROR, "file.unreadable", given, MS_STR(""), MS_NOTE_NO_OFFSET, ms_str_of(why)};
        add_note(v, &note);
        return ms_verify_bare_pickle(v, path, err);
    }
    const size_t n_before = v->findings.n;
    bool is_model = !v->is_folder, has_index = !v->is_folder;
    MS_TRY(look_at_each(v, options, &is_model, &has_index, err));
    if (!is_model && !has_index) return ms_err_set(err, why_status, "%s", why); /* an ordinary folder */
    bool said = false; /* one of the files broke the opening, and is named already */
    for (size_t i = n_before; i < v->findings.n; i++) said |= strcmp(v->findings.items[i].code, "file.unreadable") == 0;
    const ms_str message = without_path(ms_str_of(why), given);
    if (!said && why_status == MS_ERR_UNSUPPORTED && !has_index) /* nothing is wrong with any of them */
        ms_notes_add(&v->findings, MS_NOTE_INFO, "model.several", given, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%s; each was verified by itself", message.text);
    else if (!said)
        ms_notes_add(&v->findings, MS_NOTE_ERROR, "model.unreadable", given, MS_STR(""), MS_NOTE_NO_OFFSET, "%s", message.text);
    return v->is_folder ? ms_verify_folder(v, NULL, err) : MS_OK;
}

ms_status ms_verify_run(ms_verify *out, const char *path, const ms_verify_options *options, ms_err *err) {
    *out = (ms_verify){0};
    if (options->hash && !ms_sha256_available()) {
        ms_sha256 *none;
        return ms_sha256_create(&none, err);
    }
    MS_TRY(ms_files_must_exist(path, err));
    const ms_str given = ms_str_of(path);
    out->is_folder = ms_files_is_folder(path);
    const ms_open_options open = {.lenient = true, .inflate_budget = options->inflate_budget};
    ms_checkpoint *ckpt;
    ms_err why = {0};
    ms_status status = ms_checkpoint_open(&ckpt, path, &open, &why);
    if (status == MS_OK) {
        out->is_folder |= ckpt->index != NULL || ms_str_ends_with(given, MS_STR(".json"));
        status = look_at(out, ckpt, options, err);
        ms_checkpoint_close(ckpt);
    } else if (is_our_trouble(status)) {
        return ms_err_set(err, status, "%s", why.text);
    } else {
        status = look_without_model(out, path, options, status, why.text, err);
    }
    if (status == MS_OK && options->hash) status = ms_verify_hashes(out, options, err);
    if (status == MS_OK && out->findings.lost) status = ms_err_memory(err, "the findings");
    return status;
}

void ms_verify_free(ms_verify *verify) {
    ms_notes_free(&verify->findings);
    MS_VEC_FREE(&verify->files);
    ms_arena_free(&verify->arena);
}
