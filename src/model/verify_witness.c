/* Who tells what a file's hash should be. The first witness that knows wins; none of them is believed further than that. */
#include <ctype.h>
#include <stdio.h>

#include "files.h"
#include "hub.h"
#include "verify.h"

enum { MOST_TEXT = 1 << 20, MOST_POINTER = 1024 }; /* bytes of a file of hashes; of a pointer of Git LFS */

static void take(ms_verify_file *file, ms_str hex, const char *by) {
    if (file->expected[0] || !(ms_sha256_is_hex(hex) || ms_git_id_is_hex(hex))) return;
    for (size_t i = 0; i < hex.size; i++) file->expected[i] = (char)tolower((unsigned char)hex.text[i]);
    file->expected[hex.size] = 0;
    file->expected_by = by;
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
ms_status ms_verify_ask_sums(ms_verify *v, ms_err *err) {
    static const char *const names[] = {"SHA256SUMS", "sha256sums.txt", "sha256sum.txt", "SHA256SUMS.txt"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const ms_str path = ms_files_join(&v->arena, v->folder, ms_str_of(names[k]));
        ms_buf text = {0};
        if (!path.text) return ms_err_memory(err, "a path");
        if (ms_files_is_regular(path.text) && ms_files_read(&text, path.text, MOST_TEXT, NULL) == MS_OK)
            for (ms_str rest = ms_buf_str(&text); rest.text;) {
                ms_str line = ms_str_cut(&rest, '\n');
                if (line.size && line.text[line.size - 1] == '\r') line.size--;
                if (line.size < MS_SHA256_HEX + 3 || line.text[MS_SHA256_HEX] != ' ') continue; /* a remark */
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

/* Ollama names its blobs sha256-HASH. */
static void ask_name(ms_verify_file *file) {
    static const ms_str head = {"sha256-", 7};
    const ms_str name = ms_files_name_of(file->path);
    if (ms_str_starts_with(name, head)) take(file, ms_str_sub(name, head.size, name.size), "Ollama");
}

ms_status ms_verify_ask(ms_verify *v, ms_verify_file *file, ms_err *err) {
    take(file, ms_hub_id(&v->arena, file->path.text), ms_hub_is(file->path.text) ? "the Hub" : "hub cache");
    ask_name(file);
    return ask_download(v, file, err);
}

/* ---- Git LFS: .git/lfs/objects/12/34/1234..., named by SHA-256 ---- */

/* "" when it is not there. */
static ms_status object_of(ms_str *path, ms_verify *v, const char *oid, ms_err *err) {
    char name[128];
    snprintf(name, sizeof name, ".git/lfs/objects/%.2s/%.2s/%s", oid, oid + 2, oid);
    *path = ms_files_join(&v->arena, v->folder, ms_str_of(name));
    if (!path->text) return ms_err_memory(err, "a path");
    if (!ms_files_is_regular(path->text)) *path = MS_STR("");
    return MS_OK;
}

ms_status ms_verify_ask_lfs(ms_verify *v, ms_verify_file *file, ms_err *err) {
    ms_str object;
    if (file->expected[0] || ms_hub_is(file->path.text)) return MS_OK;
    MS_TRY(object_of(&object, v, file->sha256, err));
    if (object.size) take(file, ms_str_of(file->sha256), "Git LFS");
    return MS_OK;
}

ms_status ms_verify_lfs_object(ms_str *path, char oid[static MS_SHA256_HEX + 1], ms_verify *v, const ms_verify_file *file,
                               ms_err *err) {
    ms_buf text = {0};
    *path = MS_STR("");
    oid[0] = 0;
    if (file->n_bytes > MOST_POINTER || ms_files_read(&text, file->path.text, MOST_POINTER, NULL) != MS_OK) {
        ms_buf_free(&text);
        return MS_OK;
    }
    ms_str rest = ms_buf_str(&text);
    const bool is_pointer = ms_str_starts_with(rest, MS_STR("version https://git-lfs"));
    static const ms_str key = {"oid sha256:", 11};
    while (is_pointer && rest.text && !oid[0]) {
        const ms_str line = ms_str_cut(&rest, '\n');
        const ms_str hex = ms_str_starts_with(line, key) ? ms_str_sub(line, key.size, line.size) : MS_STR("");
        if (!ms_sha256_is_hex(hex)) continue;
        for (size_t i = 0; i < hex.size; i++) oid[i] = (char)tolower((unsigned char)hex.text[i]);
        oid[hex.size] = 0;
    }
    ms_buf_free(&text);
    return oid[0] ? object_of(path, v, oid, err) : MS_OK;
}
