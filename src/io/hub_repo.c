#include "hub_repo.h"

#include <stdlib.h>

#include "hub_cache.h"
#include "json.h"

enum { MAX_PAGES = 2000, MAX_PAGE_BYTES = 64 << 20 };

const ms_hub_file *ms_hub_repo_find(const ms_hub_repo *repo, ms_str path) {
    size_t low = 0, high = repo->files.n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = ms_str_compare(repo->files.items[middle].path, path);
        if (order == 0) return &repo->files.items[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

ms_str ms_hub_repo_path(ms_arena *arena, const ms_hub_repo *repo, ms_str path) {
    ms_hub_address address = repo->address;
    address.revision = repo->commit;
    address.path = path;
    return ms_hub_address_text(arena, &address);
}

ms_str ms_hub_repo_url(ms_arena *arena, const ms_hub *hub, const ms_hub_repo *repo, ms_str path) {
    ms_buf url = {0};
    ms_buf_printf(&url, "%s/%s%s/resolve/%s/", hub->env.endpoint.text, ms_hub_kind_prefix(repo->address.kind),
                  repo->address.repo.text, repo->commit.text);
    ms_hub_escape(&url, path, true);
    const ms_str out = url.failed ? MS_STR_NONE : ms_arena_copy(arena, ms_buf_str(&url));
    ms_buf_free(&url);
    return out;
}

static ms_status within(const ms_hub_repo *repo, ms_status status, ms_err *err) {
    return ms_err_within(err, status, "hf://%s%s@%s", ms_hub_kind_prefix(repo->address.kind), repo->address.repo.text,
                         ms_str_shown(repo->address.revision).text);
}

/* ---- asking the Hub ---- */

/* ENDPOINT/api/models/OWNER/NAME/VERB/REVISION */
static ms_status api_url(ms_buf *out, const ms_hub *hub, const ms_hub_repo *repo, const char *verb, ms_str revision,
                         const char *query, ms_err *err) {
    ms_buf_clear(out);
    ms_buf_printf(out, "%s/api/%s/%s/%s/", hub->env.endpoint.text, ms_hub_kind_plural(repo->address.kind),
                  repo->address.repo.text, verb);
    ms_hub_escape(out, revision, false);
    ms_buf_put_text(out, query);
    return out->failed ? ms_err_memory(err, "an address") : MS_OK;
}

/* One who has the model already, and no network, shall not wait for long. */
static int tries_for_first_request(ms_hub_repo *repo) {
    ms_arena arena = {0};
    ms_str commit = MS_STR("");
    if (repo->folder.size) (void)ms_hub_cache_commit(&commit, &arena, repo->folder, repo->address.revision, NULL);
    const int n = commit.size ? 2 : 0;
    ms_arena_free(&arena);
    return n;
}

/* The commit that the revision stands for now. */
static ms_status ask_commit(ms_hub_repo *repo, const ms_hub *hub, ms_http *http, ms_buf *url, ms_err *err) {
    if (ms_hub_is_commit(repo->address.revision)) {
        repo->commit = repo->address.revision;
        return MS_OK;
    }
    ms_arena arena = {0};
    ms_http_answer answer = {0};
    const ms_json_value *root = NULL;
    MS_TRY(api_url(url, hub, repo, "revision", repo->address.revision, "", err));
    const ms_http_request request = {
        .url = url->bytes, .max_body = MAX_PAGE_BYTES, .urgent = true, .max_tries = tries_for_first_request(repo)};
    ms_status status = ms_http_get(http, &request, &answer, err);
    if (status == MS_OK) {
        const ms_str body = ms_buf_str(&answer.body);
        status = ms_json_parse(&root, body.text, body.size, &arena, err);
        if (status == MS_ERR_DAMAGED)
            status = ms_err_set(err, MS_ERR_NETWORK, "%s: the answer is no JSON; is this a Hub?", url->bytes);
    }
    if (status == MS_OK) {
        const ms_str sha = ms_json_as_str(ms_json_get(root, "sha"), MS_STR(""));
        if (!ms_hub_is_commit(sha))
            status = ms_err_set(err, MS_ERR_NETWORK, "%s: the answer names no commit; is this a Hub?", url->bytes);
        else repo->commit = ms_arena_copy(&repo->arena, sha);
        if (status == MS_OK && !repo->commit.text) status = ms_err_memory(err, "a commit");
    }
    ms_http_answer_free(&answer);
    ms_arena_free(&arena);
    return status;
}

/* One entry of the listing; folders and names that lead out of the repository are passed over. */
static ms_status take_entry(ms_hub_repo *repo, const ms_json_value *entry, ms_err *err) {
    const ms_str path = ms_json_as_str(ms_json_get(entry, "path"), MS_STR(""));
    const ms_json_value *const lfs = ms_json_get(entry, "lfs");
    const int64_t size = ms_json_as_i64(ms_json_get(lfs, "size"), ms_json_as_i64(ms_json_get(entry, "size"), -1));
    ms_str etag = ms_json_as_str(ms_json_get(lfs, "oid"), ms_json_as_str(ms_json_get(entry, "oid"), MS_STR("")));
    if (!ms_str_is(ms_json_as_str(ms_json_get(entry, "type"), MS_STR("")), "file")) return MS_OK;
    if (size < 0 || !ms_hub_path_is_inside(path)) return MS_OK;
    if (ms_str_starts_with(etag, MS_STR("sha256:"))) etag = ms_str_sub(etag, 7, etag.size);
    const ms_hub_file file = {.path = ms_arena_copy(&repo->arena, path),
                              .etag = ms_arena_copy(&repo->arena, etag),
                              .n_bytes = (uint64_t)size,
                              .local = MS_STR("")};
    const bool fine = file.path.text && file.etag.text && MS_VEC_PUSH(&repo->files, file);
    return fine ? MS_OK : ms_err_memory(err, "the list of files");
}

static ms_status take_page(ms_hub_repo *repo, const ms_http_answer *answer, const char *url, ms_err *err) {
    ms_arena arena = {0};
    const ms_json_value *root = NULL;
    const ms_str body = ms_buf_str(&answer->body);
    ms_status status = ms_json_parse(&root, body.text, body.size, &arena, err);
    if (status == MS_ERR_DAMAGED || (status == MS_OK && root->kind != MS_JSON_ARRAY))
        status = ms_err_set(err, MS_ERR_NETWORK, "%s: the answer is no list of files; is this a Hub?", url);
    for (size_t i = 0; status == MS_OK && i < root->array.n; i++) status = take_entry(repo, &root->array.items[i], err);
    ms_arena_free(&arena);
    return status;
}

/* Every page of the listing. The next one's address comes from the answer: it must stay with the endpoint. */
static ms_status ask_files(ms_hub_repo *repo, const ms_hub *hub, ms_http *http, ms_buf *url, ms_err *err) {
    MS_TRY(api_url(url, hub, repo, "tree", repo->commit, "?recursive=true&expand=false", err));
    for (int page = 0;; page++) {
        ms_http_answer answer = {0};
        const ms_http_request request = {
            .url = url->bytes, .max_body = MAX_PAGE_BYTES, .urgent = true, .max_tries = tries_for_first_request(repo)};
        ms_status status = ms_http_get(http, &request, &answer, err);
        if (status == MS_OK) status = take_page(repo, &answer, url->bytes, err);
        const ms_str next = ms_buf_str(&answer.next);
        const bool more = status == MS_OK && next.size > 0;
        if (more && (page == MAX_PAGES || !ms_str_starts_with(next, hub->env.endpoint) || next.size == hub->env.endpoint.size ||
                     next.text[hub->env.endpoint.size] != '/'))
            status =
                ms_err_set(err, MS_ERR_NETWORK, "%s: the next page of the list is said to be at '%s', which is no place of %s",
                           url->bytes, ms_str_shown(next).text, hub->env.endpoint.text);
        if (more && status == MS_OK) {
            ms_buf_clear(url);
            ms_buf_put_str(url, next);
            if (url->failed) status = ms_err_memory(err, "an address");
        }
        ms_http_answer_free(&answer);
        if (!more || status != MS_OK) return status;
    }
}

static int compare_files(const void *a, const void *b) {
    return ms_str_compare(((const ms_hub_file *)a)->path, ((const ms_hub_file *)b)->path);
}

/* Files that the cache has at this very commit need no network; their sizes must agree. */
static ms_status find_cached(ms_hub_repo *repo, ms_err *err) {
    ms_hub_cached_list cached = {0};
    if (repo->folder.size == 0) return MS_OK;
    const ms_status status = ms_hub_cache_list(&cached, &repo->arena, repo->folder, repo->commit, err);
    for (size_t i = 0; status == MS_OK && i < cached.n; i++) {
        ms_hub_file *const file = (ms_hub_file *)(uintptr_t)ms_hub_repo_find(repo, cached.items[i].path);
        if (!file || file->n_bytes != cached.items[i].n_bytes) continue;
        const ms_status found = ms_hub_cache_file(&file->local, &repo->arena, repo->folder, repo->commit, file->path, err);
        if (found != MS_OK) file->local = MS_STR("");
    }
    MS_VEC_FREE(&cached);
    return status == MS_ERR_MEMORY ? status : MS_OK; /* a cache that cannot be read is no cache */
}

static ms_status open_remote(ms_hub_repo *repo, ms_hub *hub, ms_err *err) {
    ms_http *http;
    ms_buf url = {0};
    MS_TRY(ms_hub_http(&http, hub, err));
    ms_status status = ask_commit(repo, hub, http, &url, err);
    if (status == MS_OK) status = ask_files(repo, hub, http, &url, err);
    ms_buf_free(&url);
    if (status != MS_OK) return status;
    if (repo->files.n > 1) qsort(repo->files.items, repo->files.n, sizeof *repo->files.items, compare_files);
    return find_cached(repo, err);
}

/* ---- from the cache alone ---- */

static ms_status open_cached(ms_hub_repo *repo, bool *found, ms_err *err) {
    ms_hub_cached_list cached = {0};
    *found = false;
    repo->files.n = 0;
    if (repo->folder.size == 0) return MS_OK;
    MS_TRY(ms_hub_cache_commit(&repo->commit, &repo->arena, repo->folder, repo->address.revision, err));
    if (repo->commit.size == 0) return MS_OK;
    ms_status status = ms_hub_cache_list(&cached, &repo->arena, repo->folder, repo->commit, err);
    for (size_t i = 0; status == MS_OK && i < cached.n; i++) {
        ms_hub_file file = {.path = cached.items[i].path, .n_bytes = cached.items[i].n_bytes, .etag = MS_STR("")};
        status = ms_hub_cache_file(&file.local, &repo->arena, repo->folder, repo->commit, file.path, err);
        if (status == MS_OK && !MS_VEC_PUSH(&repo->files, file)) status = ms_err_memory(err, "the list of files");
    }
    MS_VEC_FREE(&cached);
    *found = repo->files.n > 0;
    return status;
}

static ms_status open_offline(ms_hub_repo *repo, const ms_hub *hub, ms_err *err) {
    bool found;
    MS_TRY(open_cached(repo, &found, err));
    MS_FAIL_IF(!found, MS_ERR_NOT_FOUND, err,
               "not in the local cache (%s), and HF_HUB_OFFLINE says not to ask the Hub; unset it, or download the model first",
               hub->env.cache.size ? ms_str_shown(hub->env.cache).text : "there is none");
    return MS_OK;
}

/* The Hub, else the cache when the Hub cannot be asked at all. */
static ms_status open_any(ms_hub_repo *repo, ms_hub *hub, ms_err *err) {
    ms_err why = {0};
    if (hub->env.offline) return open_offline(repo, hub, err);
    const ms_status status = open_remote(repo, hub, &why);
    if (status == MS_OK) return MS_OK;
    if (status == MS_ERR_NETWORK || status == MS_ERR_UNSUPPORTED) {
        bool found = false;
        if (open_cached(repo, &found, NULL) == MS_OK && found) {
            repo->remark =
                ms_arena_printf(&repo->arena, "read from the local cache at commit %.12s, for the Hub cannot be asked: %s",
                                repo->commit.text, why.text);
            return repo->remark.text ? MS_OK : ms_err_memory(err, "a remark");
        }
    }
    return ms_err_set(err, status, "%s", why.text);
}

static bool copy_address(ms_hub_repo *repo, const ms_hub_address *address) {
    repo->address.kind = address->kind;
    repo->address.repo = ms_arena_copy(&repo->arena, address->repo);
    repo->address.revision = ms_arena_copy(&repo->arena, address->revision);
    repo->address.path = repo->remark = repo->folder = MS_STR("");
    return repo->address.repo.text && repo->address.revision.text;
}

ms_status ms_hub_repo_open(ms_hub_repo **out, ms_hub *hub, const ms_hub_address *address, ms_err *err) {
    ms_hub_repo *const repo = ms_mem_zalloc(sizeof *repo);
    if (!repo) return ms_err_memory(err, "a repository");
    ms_status status = copy_address(repo, address) ? MS_OK : ms_err_memory(err, "a repository");
    if (status == MS_OK && hub->env.cache.size) {
        repo->folder = ms_hub_cache_folder(&repo->arena, hub->env.cache, &repo->address);
        if (!repo->folder.text) status = ms_err_memory(err, "a path");
    }
    if (status == MS_OK) {
        status = open_any(repo, hub, err);
        if (status != MS_OK) status = within(repo, status, err);
    }
    if (status == MS_OK) {
        *out = repo;
        return MS_OK;
    }
    MS_VEC_FREE(&repo->files);
    ms_arena_free(&repo->arena);
    ms_mem_free(repo);
    return status;
}
