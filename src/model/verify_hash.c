/* SHA-256 of a model's files, held against whatever tells what it should be. */
#include <ctype.h>

#include "door.h"
#include "files.h"
#include "guard.h"
#include "verify.h"

enum { STEP = 8 << 20, MOST_TEXT = 1 << 20 }; /* bytes hashed between two looks at cancel; of a file of hashes */

static void take(ms_verify_file *file, ms_str hex, const char *by) {
    if (file->expected[0] || !ms_sha256_is_hex(hex)) return;
    for (size_t i = 0; i < hex.size; i++) file->expected[i] = (char)tolower((unsigned char)hex.text[i]);
    file->expected[hex.size] = 0;
    file->expected_by = by;
}

/* The hub's cache keeps files as blobs/HASH and links to them; the hash of an LFS file is its SHA-256. */
static void ask_link(ms_verify *v, ms_verify_file *file) {
    const ms_str to = ms_door_real(&v->arena, file->path.text);
    if (to.text && ms_str_ends_with(ms_files_folder_of(to), MS_STR("/blobs"))) take(file, ms_files_name_of(to), "hub cache");
}

/* `hf download --local-dir` leaves .cache/huggingface/download/NAME.metadata: revision, hash, time. */
static ms_status ask_download(ms_verify *v, ms_verify_file *file, ms_err *err) {
    ms_buf name = {0}, text = {0};
    ms_buf_printf(&name, ".cache/huggingface/download/%.*s.metadata", (int)file->name.size, file->name.text);
    const ms_str path = name.failed ? MS_STR_NONE : ms_files_join(&v->arena, v->folder, ms_buf_str(&name));
    ms_buf_free(&name);
    if (!path.text) return ms_err_memory(err, "a path");
    if (ms_files_is_regular(path.text) && ms_files_read(&text, path.text, MOST_TEXT, NULL) == MS_OK) {
        ms_str rest = ms_buf_str(&text);
        ms_str_cut(&rest, '\n');
        if (rest.text) take(file, ms_str_cut(&rest, '\n'), "download metadata");
    }
    ms_buf_free(&text);
    return MS_OK;
}

/* "HASH  NAME" or "HASH *NAME", a line a file, as sha256sum writes them. */
static ms_status ask_sums(ms_verify *v, ms_err *err) {
    static const char *const names[] = {"SHA256SUMS", "sha256sums.txt", "sha256sum.txt", "SHA256SUMS.txt"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const ms_str path = ms_files_join(&v->arena, v->folder, ms_str_of(names[k]));
        ms_buf text = {0};
        if (!path.text) return ms_err_memory(err, "a path");
        if (ms_files_is_regular(path.text) && ms_files_read(&text, path.text, MOST_TEXT, NULL) == MS_OK)
            for (ms_str rest = ms_buf_str(&text); rest.text;) {
                ms_str line = ms_str_cut(&rest, '\n');
                if (line.size && line.text[line.size - 1] == '\r') line.size--;
                if (line.size < MS_SHA256_HEX + 3 || line.text[MS_SHA256_HEX] != ' ') continue;
                ms_str name = ms_str_sub(line, MS_SHA256_HEX + 2, line.size);
                if (ms_str_starts_with(name, MS_STR("./"))) name = ms_str_sub(name, 2, name.size);
                for (size_t i = 0; i < v->files.n; i++)
                    if (ms_str_equal(v->files.items[i].name, name))
                        take(&v->files.items[i], ms_str_sub(line, 0, MS_SHA256_HEX), names[k]);
            }
        ms_buf_free(&text);
    }
    return MS_OK;
}

static ms_status hash_source(ms_sha256 *hash, ms_source *source, const ms_verify_options *options, ms_err *err) {
    ms_scratch scratch = {0};
    ms_status status = MS_OK;
    for (uint64_t at = 0; at < source->size && status == MS_OK; at += STEP) {
        const size_t n = source->size - at < STEP ? (size_t)(source->size - at) : STEP;
        const void *bytes;
        if (options->cancel && *options->cancel) status = ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted");
        if (status == MS_OK) status = ms_source_view(source, at, n, &scratch, &bytes, err);
        if (at + n < source->size)
            ms_source_will_need(source, at + n, source->size - at - n < STEP ? source->size - at - n : STEP);
        if (status == MS_OK) ms_sha256_add(hash, bytes, n);
        if (options->advance) options->advance(options->context, n);
    }
    ms_scratch_free(&scratch);
    return status;
}

static ms_status hash_file(ms_sha256 *hash, ms_verify_file *file, const ms_verify_options *options, ms_err *err) {
    ms_source *source;
    MS_TRY(ms_source_open_file(&source, file->path.text, err));
    ms_guard guard = ms_guard_begin();
    const ms_status status = ms_guard_end(&guard, hash_source(hash, source, options, err), err);
    char text[MS_SHA256_HEX + 1];
    const ms_status ended = ms_sha256_end(hash, text, status == MS_OK ? err : NULL); /* also clears it for the next file */
    if (status == MS_OK && ended == MS_OK) memcpy(file->sha256, text, sizeof text);
    ms_source_close(source);
    return status != MS_OK ? status : ended;
}

/* Small files are what a model is, too: config, index, tokenizer. */
static ms_status add_side_files(ms_verify *v, ms_err *err) {
    ms_files_list list = {0};
    const size_t n_weights = v->files.n;
    ms_status status = ms_files_list_folder(&list, v->folder.text, err);
    for (size_t i = 0; i < list.n && status == MS_OK; i++) {
        bool known = !list.items[i].is_regular;
        for (size_t k = 0; k < n_weights && !known; k++) known = ms_str_equal(v->files.items[k].name, list.items[i].name);
        if (known) continue;
        const ms_verify_file row = {.path = ms_files_join(&v->arena, v->folder, list.items[i].name),
                                    .name = ms_arena_copy(&v->arena, list.items[i].name),
                                    .n_bytes = list.items[i].n_bytes};
        if (!row.path.text || !row.name.text || !MS_VEC_PUSH(&v->files, row)) status = ms_err_memory(err, "the list of files");
    }
    ms_files_list_free(&list);
    return status;
}

static ms_status check_file(ms_verify *v, ms_sha256 *hash, ms_verify_file *file, const ms_verify_options *options,
                            ms_err *err) {
    ms_err why = {0};
    ask_link(v, file);
    MS_TRY(ask_download(v, file, err));
    const ms_status status = hash_file(hash, file, options, &why);
    if (status == MS_ERR_INTERRUPTED || status == MS_ERR_MEMORY) return ms_err_set(err, status, "%s", why.text);
    if (status != MS_OK)
        ms_notes_add(&v->findings, MS_NOTE_ERROR, "hash.unreadable", file->path, MS_STR(""), MS_NOTE_NO_OFFSET, "%s", why.text);
    else if (file->expected[0] && strcmp(file->expected, file->sha256) != 0)
        ms_notes_add(&v->findings, MS_NOTE_ERROR, "hash.mismatch", file->path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "SHA-256 is %s, by %s it should be %s; fetch the file again", file->sha256, file->expected_by,
                     file->expected);
    return MS_OK;
}

ms_status ms_verify_hashes(ms_verify *v, const ms_verify_options *options, ms_err *err) {
    ms_sha256 *hash;
    uint64_t total = 0;
    MS_TRY(ms_sha256_create(&hash, err));
    ms_status status = v->is_folder ? add_side_files(v, err) : MS_OK;
    if (status == MS_OK) status = ask_sums(v, err);
    for (size_t i = 0; i < v->files.n; i++) total += v->files.items[i].n_bytes;
    if (options->begin) options->begin(options->context, total);
    for (size_t i = 0; i < v->files.n && status == MS_OK; i++) status = check_file(v, hash, &v->files.items[i], options, err);
    ms_sha256_destroy(hash);
    return status;
}
