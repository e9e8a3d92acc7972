/* What lies beside a model: code, pickles, pointers, weights that are not part of it. Looked at by content, never run. */
#include <stdarg.h>
#include <stdio.h>

#include "door.h"
#include "files.h"
#include "guard.h"
#include "verify.h"

enum { HEAD = 4096, NAMED = 8 }; /* bytes looked at; files that cannot be opened and are named one by one */

typedef struct ms_beside {
    ms_verify *v;
    const ms_checkpoint *ckpt; /* NULL when the model cannot be opened */
    bool has_safe_weights;     /* the model itself is in a format that runs nothing */
    ms_str path, name;
    ms_str head; /* the first bytes */
    uint64_t n_bytes;
    size_t n_unreadable;
} ms_beside;

MS_PRINTF(4, 5) static void say(const ms_beside *b, ms_severity severity, const char *code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ms_notes_add(&b->v->findings, severity, code, b->path, MS_STR(""), MS_NOTE_NO_OFFSET, "%s", text);
}

static bool ends_with(ms_str name, const char *const *extensions) {
    for (size_t i = 0; extensions[i]; i++) {
        const ms_str e = ms_str_of(extensions[i]);
        if (name.size > e.size && ms_str_equal_nocase(ms_str_sub(name, name.size - e.size, name.size), e)) return true;
    }
    return false;
}

static bool is_of_model(const ms_beside *b) {
    for (size_t i = 0; i < b->v->files.n; i++)
        if (ms_str_equal(b->v->files.items[i].name, b->name)) return true;
    return false;
}

static bool is_program(ms_str head) {
    static const ms_str magics[] = {{"\x7F"
                                     "ELF",
                                     4},
                                    {"\xCF\xFA\xED\xFE", 4},
                                    {"\xCE\xFA\xED\xFE", 4},
                                    {"\xCA\xFE\xBA\xBE", 4}};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (ms_str_starts_with(head, magics[i])) return true;
    if (!ms_str_starts_with(head, MS_STR("MZ")) || head.size < 64) return false;
    const uint8_t *const p = (const uint8_t *)head.text;
    const size_t pe = (size_t)p[60] | (size_t)p[61] << 8; /* where the new header stands */
    return pe + 4 <= head.size && memcmp(p + pe, "PE\0\0", 4) == 0;
}

/* Protocols 2 to 5 begin with their number; a zip that holds data.pkl is torch's. */
static bool is_pickle(ms_str head) {
    if (head.size > 2 && (uint8_t)head.text[0] == 0x80 && head.text[1] >= 2 && head.text[1] <= 5) return true;
    return ms_str_starts_with(head, MS_STR("PK\x03\x04")) && ms_str_contains(head, MS_STR("data.pkl"));
}

static void check_kind(const ms_beside *b) {
    static const char *const scripts[] = {".py", ".sh", ".bat", ".cmd", ".ps1", ".js", ".rb", ".pl", NULL};
    static const char *const programs[] = {".exe", ".dll", ".so", ".dylib", ".com", ".scr", ".msi", NULL};
    static const char *const weights[] = {".safetensors", ".gguf", ".npz", NULL};
    const bool of_model = is_of_model(b);
    if (ms_str_starts_with(b->head, MS_STR("version https://git-lfs"))) {
        if (!of_model)
            say(b, MS_NOTE_WARNING, "folder.lfs_pointer", "is a Git LFS pointer, not the file itself; run 'git lfs pull'");
    } else if (is_program(b->head) || ends_with(b->name, programs)) {
        say(b, MS_NOTE_WARNING, "folder.program", "is a program; no model needs one, do not run it");
    } else if (is_pickle(b->head)) {
        if (b->has_safe_weights && !of_model)
            say(b, MS_NOTE_WARNING, "folder.pickle",
                "is a pickle beside weights that need none; loading it can run code: 'verify' it by name, or remove it");
    } else if (ends_with(b->name, scripts) || ms_str_starts_with(b->head, MS_STR("#!"))) {
        say(b, MS_NOTE_INFO, "folder.script",
            "is a script; it runs only when someone trusts it (trust_remote_code): read it first");
    } else if (!of_model && ends_with(b->name, weights)) {
        say(b, MS_NOTE_INFO, "folder.not_verified", "looks like weights, but is not part of this model; name it to verify it");
    }
}

/* Links out of the folder are how the hub's cache works (../../blobs/HASH); others are worth knowing. */
static void check_link(const ms_beside *b) {
    const ms_str to = ms_door_real(&b->v->arena, b->path.text), folder = ms_door_real(&b->v->arena, b->v->folder.text);
    if (!to.text || !folder.text) return;
    const bool inside = ms_str_starts_with(to, folder) && (folder.size == 1 || to.text[folder.size] == '/');
    if (!inside && !ms_str_contains(to, MS_STR("/blobs/")))
        say(b, MS_NOTE_INFO, "folder.link_outside", "is a link to '%s', outside the model folder", ms_str_shown(to).text);
}

/* Only what the file begins with: a chat template may be long, but what breaks out of it is looked for in the metadata too. */
static void check_template(const ms_beside *b, ms_str text) {
    static const char *const escapes[] = {"__class__",  "__globals__",    "__builtins__",
                                          "__import__", "__subclasses__", "__mro__"};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        const size_t at = ms_str_find(text, ms_str_of(escapes[i]), 0);
        if (at == SIZE_MAX) continue;
        ms_notes_add(&b->v->findings, MS_NOTE_WARNING, "template.escape", b->path, MS_STR(""), (int64_t)at,
                     "mentions '%s', which no chat needs: do not load it with a program that runs templates unguarded",
                     escapes[i]);
        return;
    }
}

static const uint64_t most_template = UINT64_C(4) << 20;

/* In the jail of a folder with more files than descriptors these may be thousands. */
static void say_unreadable(ms_beside *b, const char *why) {
    const ms_shown path = ms_str_shown(b->path);
    const size_t n = strlen(path.text); /* the finding has it already */
    if (strncmp(why, path.text, n) == 0 && why[n] == ':') why += n + 2;
    if (b->n_unreadable++ < NAMED) say(b, MS_NOTE_WARNING, "folder.unreadable", "%s", why);
}

static void look_inside(ms_beside *b) {
    ms_source *source;
    ms_scratch scratch = {0};
    const void *bytes;
    ms_err why = {0};
    if (ms_source_open_file(&source, b->path.text, &why) != MS_OK) {
        say_unreadable(b, why.text);
        return;
    }
    ms_guard guard = ms_guard_begin();
    const size_t n = source->size < HEAD ? (size_t)source->size : HEAD;
    ms_status status = ms_source_view(source, 0, n, &scratch, &bytes, &why);
    if (status == MS_OK) {
        b->head = (ms_str){bytes, n};
        check_kind(b);
        check_link(b);
    }
    const bool is_template = ms_str_is(b->name, "tokenizer_config.json") || ms_str_ends_with(b->name, MS_STR(".jinja"));
    if (status == MS_OK && is_template && source->size <= most_template) {
        status = ms_source_view(source, 0, (size_t)source->size, &scratch, &bytes, &why);
        if (status == MS_OK) check_template(b, (ms_str){bytes, (size_t)source->size});
    }
    status = ms_guard_end(&guard, status, &why);
    if (status != MS_OK) say_unreadable(b, why.text);
    ms_scratch_free(&scratch);
    ms_source_close(source);
}

ms_status ms_verify_folder(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err) {
    ms_files_list list = {0};
    ms_beside b = {.v = v, .ckpt = ckpt};
    for (size_t i = 0; i < v->files.n; i++)
        b.has_safe_weights |= v->files.items[i].format && strncmp(v->files.items[i].format, "torch", 5) != 0;
    ms_status status = ms_files_list_folder(&list, v->folder.text, err);
    for (size_t i = 0; i < list.n && status == MS_OK; i++) {
        const ms_files_entry *const entry = &list.items[i];
        b.path = ms_files_join(&v->arena, v->folder, entry->name);
        b.name = entry->name;
        b.n_bytes = entry->n_bytes;
        if (!b.path.text) status = ms_err_memory(err, "a path");
        else if (!ms_str_is_plain(entry->name, NULL))
            say(&b, MS_NOTE_WARNING, "folder.name", "the name of this file holds a control, bidi or invisible character");
        if (b.path.text && entry->is_regular) look_inside(&b);
        else if (b.path.text && !entry->is_folder)
            say(&b, MS_NOTE_WARNING, "folder.odd_file",
                "is a broken link, a pipe, a socket or a device: no part of a model is that");
    }
    if (b.n_unreadable > NAMED)
        ms_notes_add(&v->findings, MS_NOTE_WARNING, "folder.unreadable", v->folder, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "and %zu more files cannot be opened", b.n_unreadable - NAMED);
    ms_files_list_free(&list);
    return status;
}
