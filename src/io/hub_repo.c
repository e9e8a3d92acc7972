#include "hub_repo.h"

#include <stdlib.h>

#include "hub_cache.h"

enum { MAX_PAGES = 2000, MAX_ANSWER_BYTES = 64 << 20, MAX_LIST_BYTES = 512 << 20 };

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
    ms_buf_printf(&url, "%s/%s%s/resolve/", hub->env.endpoint.text, ms_hub_kind_prefix(repo->address.kind),
                  repo->address.repo.text);
    ms_hub_escape(&url, repo->commit, false);
    ms_buf_put_char(&url, '/');
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

/* ENDPOINT/api/models/OWNER/NAME[/VERB/REVISION] */
static ms_status api_url(ms_buf *out, const ms_hub *hub, const ms_hub_repo *repo, const char *verb, ms_str revision,
                         const char *query, ms_err *err) {
    ms_buf_clear(out);
    ms_buf_printf(out, "%s/api/%s/%s%s", hub->env.endpoint.text, ms_hub_kind_plural(repo->address.kind),
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

/* GET of what lies at *url. The answer is to be freed in any case. */
static ms_status ask(ms_http_answer *answer, const ms_buf *url, ms_hub_repo *repo, ms_http *http, ms_err *err) {
    const ms_http_request request = {
        .url = url->bytes, .max_body = MAX_ANSWER_BYTES, .urgent = true, .max_tries = tries_for_first_request(repo)};
    return ms_http_get(http, &request, answer, err);
}

/* The commit by the answer of one address. *unknown: it was not understood, so another address may be. */
static ms_status ask_commit_of(ms_hub_repo *repo, const ms_buf *url, ms_http *http, bool *unknown, ms_err *err) {
    ms_http_answer answer = {0};
    ms_status status = ask(&answer, url, repo, http, err);
    *unknown = status == MS_ERR_NOT_FOUND && answer.code == 404 && !answer.is_of_hub;
    if (status == MS_OK) {
        status = ms_hub_listing_commit(&repo->commit, &repo->arena, ms_buf_str(&answer.body), err);
        if (status != MS_OK) status = ms_err_within(err, status, "%s", url->bytes);
    }
    ms_http_answer_free(&answer);
    return status;
}

/* The commit that the revision stands for now; it stays "" when a server knows nothing but trees and files. */
static ms_status ask_commit(ms_hub_repo *repo, const ms_hub *hub, ms_http *http, ms_buf *url, ms_err *err) {
    bool unknown = false;
    repo->commit = MS_STR("");
    if (ms_hub_is_commit(repo->address.revision)) {
        repo->commit = repo->address.revision;
        return MS_OK;
    }
    MS_TRY(api_url(url, hub, repo, "/revision/", repo->address.revision, "", err));
    ms_status status = ask_commit_of(repo, url, http, &unknown, err);
    if (unknown && ms_str_is(repo->address.revision, "main")) {
        MS_TRY(api_url(url, hub, repo, "", MS_STR(""), "", err));
        status = ask_commit_of(repo, url, http, &unknown, err);
    }
    return unknown ? MS_OK : status;
}

/* Every page of the listing. */
static ms_status ask_files(ms_hub_repo *repo, const ms_hub *hub, ms_http *http, ms_buf *url, ms_err *err) {
    const ms_str revision = repo->commit.size ? repo->commit : repo->address.revision;
    MS_TRY(api_url(url, hub, repo, "/tree/", revision, "?recursive=true&expand=false", err));
    uint64_t n_bytes = 0;
    for (int page = 1;; page++) {
        ms_http_answer answer = {0};
        ms_status status = ask(&answer, url, repo, http, err);
        n_bytes += answer.body.size;
        if (status == MS_OK) {
            status = ms_hub_listing_take(&repo->files, &repo->arena, ms_buf_str(&answer.body), err);
            if (status != MS_OK) status = ms_err_within(err, status, "%s", url->bytes);
        }
        const bool more = status == MS_OK && answer.next.size > 0;
        if (more && (page == MAX_PAGES || n_bytes > MAX_LIST_BYTES))
            status = ms_err_set(err, MS_ERR_NETWORK, "%s: the list of files has no end", url->bytes);
        else if (more) status = ms_hub_listing_next(url, ms_buf_str(&answer.next), hub->env.endpoint, err);
        ms_http_answer_free(&answer);
        if (!more || status != MS_OK) return status;
    }
}

/* Of a server that said nothing about revisions: by the answer to the first byte of some file. */
static ms_status ask_commit_by_file(ms_hub_repo *repo, const ms_hub *hub, ms_http *http, ms_err *err) {
    const ms_hub_file *file = NULL;
    char byte;
    for (size_t i = 0; !file && i < repo->files.n; i++)
        if (repo->files.items[i].n_bytes > 0) file = &repo->files.items[i];
    MS_FAIL_IF(!file, MS_ERR_NOT_FOUND, err, "the repository has no files");
    repo->commit = repo->address.revision;
    const ms_str url = ms_hub_repo_url(&repo->arena, hub, repo, file->path);
    if (!url.text) return ms_err_memory(err, "an address");
    ms_http_answer answer = {0};
    const ms_http_request request = {.url = url.text, .into = &byte, .n = 1, .urgent = true};
    ms_status status = ms_http_get(http, &request, &answer, err);
    if (status == MS_OK) repo->commit = ms_arena_copy(&repo->arena, ms_str_of(answer.commit));
    ms_http_answer_free(&answer);
    if (!repo->commit.text) return ms_err_memory(err, "a commit");
    if (status == MS_OK && !ms_hub_is_commit(repo->commit))
        status = ms_err_set(err, MS_ERR_NETWORK, "%s: the answer names no commit (X-Repo-Commit); is this a Hub?", url.text);
    return status;
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
    if (status == MS_OK && repo->commit.size == 0) status = ask_commit_by_file(repo, hub, http, err);
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
