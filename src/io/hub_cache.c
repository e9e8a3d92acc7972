#include "hub_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door.h"
#include "files.h"

enum { MAX_REF_BYTES = 256, MAX_FOLDERS = 100000 };

ms_str ms_hub_cache_folder(ms_arena *arena, ms_str cache, const ms_hub_address *address) {
    ms_buf name = {0};
    ms_buf_printf(&name, "%s--", ms_hub_kind_plural(address->kind));
    for (size_t i = 0; i < address->repo.size; i++)
        ms_buf_put_text(&name, address->repo.text[i] == '/' ? "--" : (char[]){address->repo.text[i], 0});
    const ms_str out = name.failed ? MS_STR_NONE : ms_files_join(arena, cache, ms_buf_str(&name));
    ms_buf_free(&name);
    return out;
}

static ms_str below(ms_arena *arena, ms_str folder, const char *kind, ms_str a, ms_str b) {
    return ms_arena_printf(arena, "%.*s/%s/%.*s%s%.*s", (int)folder.size, folder.text, kind, (int)a.size, a.text,
                           b.size ? "/" : "", (int)b.size, b.text);
}

ms_status ms_hub_cache_commit(ms_str *out, ms_arena *arena, ms_str folder, ms_str revision, ms_err *err) {
    *out = MS_STR("");
    if (ms_hub_is_commit(revision)) {
        *out = revision;
        return MS_OK;
    }
    const ms_str path = below(arena, folder, "refs", revision, MS_STR(""));
    if (!path.text) return ms_err_memory(err, "a path");
    if (!ms_files_is_regular(path.text)) return MS_OK;
    ms_buf text = {0};
    const ms_status status = ms_files_read(&text, path.text, MAX_REF_BYTES, err);
    ms_str commit = ms_buf_str(&text);
    while (commit.size && strchr("\r\n \t", commit.text[commit.size - 1])) commit.size--;
    if (status == MS_OK && ms_hub_is_commit(commit)) *out = ms_arena_copy(arena, commit);
    ms_buf_free(&text);
    if (status != MS_OK) return status;
    return out->text ? MS_OK : ms_err_memory(err, "a commit");
}

/* Is `real`, a path without links, below `folder`, links resolved? */
static bool lies_below(ms_str real, ms_arena *arena, ms_str folder) {
    const ms_str root = folder.text ? ms_door_real(arena, folder.text) : MS_STR_NONE;
    return root.text && real.size > root.size && ms_str_starts_with(real, root) && real.text[root.size] == '/';
}

/* Does the path, links resolved, stay below the folder, or lead to what is shared beside it? */
static bool stays_inside(ms_arena *arena, ms_str path, ms_str folder) {
    const ms_str real = ms_door_real(arena, path.text);
    if (!real.text) return false;
    return lies_below(real, arena, folder) ||
           lies_below(real, arena, ms_files_join(arena, ms_files_folder_of(folder), MS_STR("blobs")));
}

ms_status ms_hub_cache_file(ms_str *out, ms_arena *arena, ms_str folder, ms_str commit, ms_str path, ms_err *err) {
    *out = MS_STR("");
    if (!ms_hub_is_commit(commit) || !ms_hub_path_is_inside(path)) return MS_OK;
    const ms_str whole = below(arena, folder, "snapshots", commit, path);
    if (!whole.text) return ms_err_memory(err, "a path");
    if (ms_files_is_regular(whole.text) && stays_inside(arena, whole, folder)) *out = whole;
    return MS_OK;
}

/* ---- walking ---- */

typedef MS_VEC(ms_str) folders;

/* One folder of a snapshot: its files to `out`, its folders to `left`. Links to folders are not followed. */
static ms_status walk_one(ms_hub_cached_list *out, folders *left, ms_arena *arena, ms_str root, ms_str repo, ms_str inside,
                          ms_err *err) {
    ms_files_list list = {0};
    const ms_str folder = inside.size ? ms_files_join(arena, root, inside) : root;
    if (!folder.text) return ms_err_memory(err, "a path");
    ms_status status = ms_files_list_folder(&list, folder.text, err);
    for (size_t i = 0; status == MS_OK && i < list.n; i++) {
        const ms_files_entry *const entry = &list.items[i];
        const ms_str path = ms_files_join(arena, inside, entry->name), whole = ms_files_join(arena, folder, entry->name);
        struct stat info;
        if (!path.text || !whole.text) status = ms_err_memory(err, "a path");
        else if (entry->is_folder && lstat(whole.text, &info) == 0 && S_ISDIR(info.st_mode) && left->n < MAX_FOLDERS)
            status = MS_VEC_PUSH(left, path) ? MS_OK : ms_err_memory(err, "a list of folders");
        else if (entry->is_regular && ms_hub_path_is_inside(path) && stays_inside(arena, whole, repo))
            status = MS_VEC_PUSH(out, (ms_hub_cached){path, entry->n_bytes}) ? MS_OK : ms_err_memory(err, "a list of files");
    }
    ms_files_list_free(&list);
    return status;
}

static int compare_cached(const void *a, const void *b) {
    return ms_str_compare(((const ms_hub_cached *)a)->path, ((const ms_hub_cached *)b)->path);
}

ms_status ms_hub_cache_list(ms_hub_cached_list *out, ms_arena *arena, ms_str folder, ms_str commit, ms_err *err) {
    folders left = {0};
    if (!ms_hub_is_commit(commit)) return MS_OK;
    const ms_str root = below(arena, folder, "snapshots", commit, MS_STR(""));
    if (!root.text) return ms_err_memory(err, "a path");
    if (!ms_files_is_folder(root.text)) return MS_OK;
    ms_status status = MS_VEC_PUSH(&left, MS_STR("")) ? MS_OK : ms_err_memory(err, "a list of folders");
    while (status == MS_OK && left.n > 0) {
        const ms_str inside = left.items[--left.n];
        status = walk_one(out, &left, arena, root, folder, inside, err);
    }
    MS_VEC_FREE(&left);
    if (out->n > 1) qsort(out->items, out->n, sizeof *out->items, compare_cached);
    return status;
}

/* ---- writing ---- */

static ms_status make_parent(ms_arena *arena, ms_str path, ms_err *err) {
    const ms_str parent = ms_arena_copy(arena, ms_files_folder_of(path));
    return parent.text ? ms_files_make_folder(parent.text, err) : ms_err_memory(err, "a path");
}

static bool is_etag(ms_str etag) {
    bool good = etag.size == 40 || etag.size == 64;
    for (size_t i = 0; good && i < etag.size; i++) good = strchr("0123456789abcdef", etag.text[i]) && etag.text[i];
    return good;
}

ms_status ms_hub_cache_blob(ms_str *out, ms_arena *arena, ms_str folder, ms_str etag, ms_err *err) {
    MS_FAIL_IF(!is_etag(etag), MS_ERR_NETWORK, err, "the Hub calls a file '%s'; 40 or 64 hex digits are expected",
               ms_str_shown(etag).text);
    *out = below(arena, folder, "blobs", etag, MS_STR(""));
    return out->text ? make_parent(arena, *out, err) : ms_err_memory(err, "a path");
}

/* "../../blobs/ETAG", with as many steps up as the file lies deep. */
static ms_str way_to_blob(ms_arena *arena, ms_str path, ms_str etag) {
    ms_buf text = {0};
    ms_buf_put_text(&text, "../../");
    for (size_t i = 0; i < path.size; i++)
        if (path.text[i] == '/') ms_buf_put_text(&text, "../");
    ms_buf_put_text(&text, "blobs/");
    ms_buf_put_str(&text, etag);
    const ms_str out = text.failed ? MS_STR_NONE : ms_arena_copy(arena, ms_buf_str(&text));
    ms_buf_free(&text);
    return out;
}

ms_status ms_hub_cache_link(ms_arena *arena, ms_str folder, ms_str commit, ms_str path, ms_str etag, bool links, ms_err *err) {
    const ms_str place = below(arena, folder, "snapshots", commit, path), way = way_to_blob(arena, path, etag);
    const ms_str blob = below(arena, folder, "blobs", etag, MS_STR(""));
    const ms_str temporary = place.text ? ms_arena_printf(arena, "%s.%ld.tmp", place.text, (long)getpid()) : MS_STR_NONE;
    if (!place.text || !way.text || !blob.text || !temporary.text) return ms_err_memory(err, "a path");
    MS_TRY(make_parent(arena, place, err));
    unlink(temporary.text);
    const bool linked = links && symlink(way.text, temporary.text) == 0;
    if (rename(linked ? temporary.text : blob.text, place.text) == 0) return MS_OK; /* no links here: the bytes themselves */
    const int number = errno;
    unlink(temporary.text);
    return ms_files_error(err, number, place.text, "put the file");
}

ms_status ms_hub_cache_make(ms_arena *arena, ms_str cache, ms_str folder, ms_err *err) {
    static const char tag[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache: https://bford.info/cachedir/\n";
    const ms_str path = ms_files_join(arena, cache, MS_STR("CACHEDIR.TAG"));
    if (!path.text) return ms_err_memory(err, "a path");
    MS_TRY(ms_files_make_folder(folder.text, err));
    if (!ms_files_exists(path.text))
        (void)ms_files_write(path.text, tag, sizeof tag - 1, MS_FILES_NO_SYNC, NULL); /* a courtesy */
    return MS_OK;
}

ms_status ms_hub_cache_set_commit(ms_arena *arena, ms_str folder, ms_str revision, ms_str commit, ms_err *err) {
    ms_str known;
    const ms_str path = below(arena, folder, "refs", revision, MS_STR(""));
    if (!path.text) return ms_err_memory(err, "a path");
    MS_TRY(ms_hub_cache_commit(&known, arena, folder, revision, err));
    if (ms_hub_is_commit(revision) || ms_str_equal(known, commit)) return MS_OK;
    MS_TRY(make_parent(arena, path, err));
    return ms_files_write(path.text, commit.text, commit.size, MS_FILES_NO_SYNC, err);
}
