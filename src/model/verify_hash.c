/* Hashes of a model's files, held against whatever tells what they should be (verify_witness.c). */
#include <ctype.h>

#include <stdio.h>

#include "files.h"
#include "guard.h"
#include "verify.h"

enum { STEP = 8 << 20 }; /* bytes hashed between two looks at cancel */

typedef struct hashes {
    ms_sha256 *sha256, *git; /* git: NULL when nobody asks for it */
} hashes;

static ms_status hash_source(const hashes *h, ms_source *source, const ms_verify_options *options, ms_err *err) {
    ms_scratch scratch = {0};
    ms_status status = MS_OK;
    for (uint64_t at = 0; at < source->size && status == MS_OK; at += STEP) {
        const size_t n = source->size - at < STEP ? (size_t)(source->size - at) : STEP;
        const void *bytes;
        if (options->cancel && *options->cancel) status = ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted");
        if (status == MS_OK) status = ms_source_view(source, at, n, &scratch, &bytes, err);
        if (at + n < source->size)
            ms_source_will_need(source, at + n, source->size - at - n < STEP ? source->size - at - n : STEP);
        if (status == MS_OK) ms_sha256_add(h->sha256, bytes, n);
        if (status == MS_OK && h->git) ms_sha256_add(h->git, bytes, n);
        if (options->advance) options->advance(options->context, n);
    }
    ms_scratch_free(&scratch);
    return status;
}

/* Also clears the hash for the next file. */
static ms_status take_hash(ms_sha256 *hash, char *out, size_t size, ms_status status, ms_err *err) {
    char text[MS_SHA256_HEX + 1];
    const ms_status ended = ms_sha256_end(hash, text, status == MS_OK ? err : NULL);
    if (status == MS_OK && ended == MS_OK) memcpy(out, text, size);
    return status != MS_OK ? status : ended;
}

static ms_status hash_file(ms_sha256 *hash, ms_verify_file *file, const ms_verify_options *options, ms_err *err) {
    ms_source *source;
    hashes h = {.sha256 = hash};
    ms_status status = MS_OK;
    MS_TRY(ms_source_open_file(&source, file->path.text, err));
    if (strlen(file->expected) == MS_GIT_ID_HEX) status = ms_sha256_create_git(&h.git, source->size, err);
    ms_guard guard = ms_guard_begin();
    if (status == MS_OK) status = hash_source(&h, source, options, err);
    status = ms_guard_end(&guard, status, err);
    status = take_hash(hash, file->sha256, sizeof file->sha256, status, err);
    if (h.git) status = take_hash(h.git, file->git_id, sizeof file->git_id, status, err);
    ms_sha256_destroy(h.git);
    ms_source_close(source);
    return status;
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

static void note(ms_verify *v, ms_severity severity, const char *code, ms_str file, const char *message) {
    ms_notes_add(&v->findings, severity, code, file, MS_STR(""), MS_NOTE_NO_OFFSET, "%s", message);
}

/* A pointer of Git LFS stands where a file should: is that one at least in the repository's store, and whole? */
static ms_status check_pointer(ms_verify *v, ms_sha256 *hash, const ms_verify_file *file, const ms_verify_options *options,
                               ms_err *err) {
    ms_verify_file object = {0};
    ms_err why = {0};
    char text[512];
    MS_TRY(ms_verify_lfs_object(&object.path, object.expected, v, file, err));
    if (object.path.size == 0) return MS_OK;
    const ms_status status = hash_file(hash, &object, options, &why);
    if (status == MS_ERR_INTERRUPTED || status == MS_ERR_MEMORY) return ms_err_set(err, status, "%s", why.text);
    if (status != MS_OK) {
        note(v, MS_NOTE_ERROR, "hash.unreadable", object.path, why.text);
    } else if (strcmp(object.sha256, object.expected) != 0) {
        snprintf(text, sizeof text, "SHA-256 is %s, by its name it should be %s; remove it and run 'git lfs fetch'",
                 object.sha256, object.expected);
        note(v, MS_NOTE_ERROR, "hash.mismatch", object.path, text);
    } else {
        note(v, MS_NOTE_INFO, "hash.lfs_object", file->path,
             "what this Git LFS pointer stands for is in .git/lfs/objects, whole; 'git lfs checkout' puts it in place");
    }
    return MS_OK;
}

static ms_status check_file(ms_verify *v, ms_sha256 *hash, ms_verify_file *file, const ms_verify_options *options,
                            ms_err *err) {
    ms_err why = {0};
    char text[512];
    MS_TRY(ms_verify_ask(v, file, err));
    const ms_status status = hash_file(hash, file, options, &why);
    if (status == MS_ERR_INTERRUPTED || status == MS_ERR_MEMORY) return ms_err_set(err, status, "%s", why.text);
    if (status != MS_OK) {
        note(v, MS_NOTE_ERROR, "hash.unreadable", file->path, why.text);
        return MS_OK;
    }
    MS_TRY(ms_verify_ask_lfs(v, file, err));
    if (file->expected[0] && strcmp(file->expected, ms_verify_file_hash(file)) != 0) {
        snprintf(text, sizeof text, "%s is %s, by %s it should be %s; fetch the file again",
                 strlen(file->expected) == MS_GIT_ID_HEX ? "git's id" : "SHA-256", ms_verify_file_hash(file), file->expected_by,
                 file->expected);
        note(v, MS_NOTE_ERROR, "hash.mismatch", file->path, text);
    }
    return check_pointer(v, hash, file, options, err);
}

ms_status ms_verify_hashes(ms_verify *v, const ms_verify_options *options, ms_err *err) {
    ms_sha256 *hash;
    uint64_t total = 0;
    MS_TRY(ms_sha256_create(&hash, err));
    ms_status status = v->is_folder ? add_side_files(v, err) : MS_OK;
    if (status == MS_OK) status = ms_verify_ask_sums(v, err);
    for (size_t i = 0; i < v->files.n; i++) total += v->files.items[i].n_bytes;
    if (options->begin) options->begin(options->context, total);
    for (size_t i = 0; i < v->files.n && status == MS_OK; i++) status = check_file(v, hash, &v->files.items[i], options, err);
    ms_sha256_destroy(hash);
    return status;
}
