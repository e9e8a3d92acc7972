#include "hub.h"

#include <errno.h>
#include <stdlib.h>

#include "door.h"
#include "hub_repo.h"
#include "local_models.h"
#include "source_http.h"

enum { KEPT_MOST = 32 << 20 }; /* bytes of one text */

static ms_hub process_hub = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *get_variable(const char *name) { return getenv(name); }

ms_status ms_hub_get(ms_hub **out, ms_err *err) {
    ms_hub *const hub = &process_hub;
    ms_status status = MS_OK;
    pthread_mutex_lock(&hub->lock);
    if (!hub->ready) status = ms_hub_env_read(&hub->env, &hub->arena, get_variable, err);
    hub->ready = hub->ready || status == MS_OK;
    pthread_mutex_unlock(&hub->lock);
    *out = hub;
    return status;
}

ms_status ms_hub_http(ms_http **out, ms_hub *hub, ms_err *err) {
    const ms_http_options options = {.endpoint = hub->env.endpoint,
                                     .token = hub->env.token,
                                     .user_agent = hub->env.user_agent,
                                     .ca_file = hub->env.ca_file,
                                     .ca_folder = hub->env.ca_folder,
                                     .timeout_s = hub->env.timeout_s};
    if (!hub->http) MS_TRY(ms_http_create(&hub->http, &options, err));
    *out = hub->http;
    return MS_OK;
}

void ms_hub_end(void) {
    ms_hub *const hub = &process_hub;
    pthread_mutex_lock(&hub->lock);
    ms_http *const http = hub->http;
    hub->http = NULL;
    pthread_mutex_unlock(&hub->lock);
    ms_http_destroy(http);
}

static bool same_repo(const ms_hub_repo *repo, const ms_hub_address *address) {
    return repo->address.kind == address->kind && ms_str_equal(repo->address.repo, address->repo) &&
           (ms_str_equal(repo->address.revision, address->revision) || ms_str_equal(repo->commit, address->revision));
}

ms_status ms_hub_repo_of(ms_hub_repo **out, ms_hub *hub, const ms_hub_address *address, ms_err *err) {
    ms_status status = MS_OK;
    pthread_mutex_lock(&hub->lock);
    ms_hub_repo *repo = hub->repos;
    while (repo && !same_repo(repo, address)) repo = repo->next;
    if (!repo) {
        status = ms_hub_repo_open(&repo, hub, address, err);
        if (status == MS_OK) {
            repo->next = hub->repos;
            hub->repos = repo;
        }
    }
    pthread_mutex_unlock(&hub->lock);
    *out = repo;
    return status;
}

/* ---- paths ---- */

bool ms_hub_is(const char *path) { return ms_hub_address_is(ms_str_of(path)); }

typedef struct place { /* what a path means */
    ms_arena arena;
    ms_hub *hub;
    ms_hub_address address;
    ms_hub_repo *repo;
} place;

/* To be ended by ms_arena_free, also on failure. A path put together by text may hold doubled slashes and dots. */
static ms_status find_place(place *out, const char *path, ms_err *err) {
    *out = (place){0};
    MS_TRY(ms_hub_get(&out->hub, err));
    MS_TRY(ms_hub_address_parse(&out->address, &out->arena, ms_str_of(path), out->hub->env.endpoint, err));
    return ms_hub_repo_of(&out->repo, out->hub, &out->address, err);
}

static bool lies_below(ms_str path, ms_str folder) {
    return folder.size == 0 || (path.size > folder.size && ms_str_starts_with(path, folder) && path.text[folder.size] == '/');
}

static ms_status no_such_file(const char *path, const place *p, ms_err *err) {
    const bool partial = p->repo->files.n > 0 && p->repo->files.items[0].etag.size == 0;
    return ms_err_set(err, MS_ERR_NOT_FOUND, "%s: no such file in the repository at commit %.12s%s",
                      ms_str_shown(ms_str_of(path)).text, p->repo->commit.text,
                      partial ? ", as far as the local cache has it" : "");
}

static ms_status look(const place *p, const char *path, bool *is_folder, uint64_t *n_bytes, ms_err *err) {
    const ms_str inside = p->address.path;
    const ms_hub_file *const file = inside.size ? ms_hub_repo_find(p->repo, inside) : NULL;
    *is_folder = !file;
    *n_bytes = file ? file->n_bytes : 0;
    if (file || inside.size == 0) return MS_OK;
    for (size_t i = 0; i < p->repo->files.n; i++)
        if (lies_below(p->repo->files.items[i].path, inside)) return MS_OK;
    return no_such_file(path, p, err);
}

ms_status ms_hub_look(const char *path, bool *is_folder, uint64_t *n_bytes, ms_err *err) {
    place p;
    ms_status status = find_place(&p, path, err);
    if (status == MS_OK) status = look(&p, path, is_folder, n_bytes, err);
    ms_arena_free(&p.arena);
    return status;
}

/* Files are sorted by path, so that those of one folder below stand together, but not beside files of a similar name: the
 * names are sorted once more. */
static int compare_entries(const void *a, const void *b) {
    return ms_str_compare(((const ms_files_entry *)a)->name, ((const ms_files_entry *)b)->name);
}

static ms_status list(ms_files_list *out, const place *p, ms_err *err) {
    const ms_str folder = p->address.path;
    ms_str last = MS_STR_NONE;
    for (size_t i = 0; i < p->repo->files.n; i++) {
        const ms_hub_file *const file = &p->repo->files.items[i];
        if (!lies_below(file->path, folder)) continue;
        ms_str rest = ms_str_sub(file->path, folder.size ? folder.size + 1 : 0, file->path.size);
        const ms_str name = ms_str_cut(&rest, '/');
        if (rest.text && last.text && ms_str_equal(name, last)) continue; /* another file of the same folder */
        last = rest.text ? name : MS_STR_NONE;
        const ms_files_entry entry = {.name = ms_arena_copy(&out->arena, name),
                                      .is_folder = rest.text != NULL,
                                      .is_regular = rest.text == NULL,
                                      .n_bytes = rest.text ? 0 : file->n_bytes};
        if (!entry.name.text || !MS_VEC_PUSH(out, entry)) return ms_err_memory(err, "a list of files");
    }
    if (out->n > 1) qsort(out->items, out->n, sizeof *out->items, compare_entries);
    return MS_OK;
}

ms_status ms_hub_list(ms_files_list *out, const char *path, ms_err *err) {
    place p;
    bool is_folder = false;
    uint64_t n_bytes;
    *out = (ms_files_list){0};
    ms_status status = find_place(&p, path, err);
    if (status == MS_OK) status = look(&p, path, &is_folder, &n_bytes, err);
    if (status == MS_OK && !is_folder)
        status = ms_err_set(err, MS_ERR_IO, "%s: is a file, not a folder", ms_str_shown(ms_str_of(path)).text);
    if (status == MS_OK) status = list(out, &p, err);
    ms_arena_free(&p.arena);
    if (status != MS_OK) ms_files_list_free(out);
    return status;
}

/* ---- bytes ---- */

/* The client, and the file's address. */
static ms_status reach(ms_http **http, ms_str *url, place *p, const ms_hub_file *file, ms_err *err) {
    *url = ms_hub_repo_url(&p->arena, p->hub, p->repo, file->path);
    if (!url->text) return ms_err_memory(err, "an address");
    pthread_mutex_lock(&p->hub->lock);
    const ms_status status = ms_hub_http(http, p->hub, err);
    pthread_mutex_unlock(&p->hub->lock);
    return status;
}

/*
 * All of a text that is not in the cache, in one request, which a server may compress. It is kept: indexes are read more than
 * once. Borrowed for the life of the process.
 */
static ms_status text_of(ms_str *out, place *p, const ms_hub_file *file, ms_err *err) {
    ms_http *http;
    ms_str url;
    ms_http_answer answer = {0};
    ms_hub_file *const kept = (ms_hub_file *)(uintptr_t)file;
    pthread_mutex_lock(&p->hub->lock);
    *out = ms_buf_str(&kept->text);
    pthread_mutex_unlock(&p->hub->lock);
    if (out->size == file->n_bytes) return MS_OK;
    MS_TRY(reach(&http, &url, p, file, err));
    const ms_http_request request = {.url = url.text,
                                     .max_body = (size_t)file->n_bytes,
                                     .commit = p->repo->commit.text,
                                     .etag = file->etag.size ? file->etag.text : NULL,
                                     .urgent = true};
    ms_status status = ms_http_get(http, &request, &answer, err);
    if (status == MS_OK && answer.body.size != file->n_bytes)
        status =
            ms_err_set(err, MS_ERR_NETWORK, "%s: has %zu bytes now, was listed with %llu; versions are not mixed, start again",
                       url.text, answer.body.size, (unsigned long long)file->n_bytes);
    if (status == MS_OK) {
        pthread_mutex_lock(&p->hub->lock);
        const ms_buf body = answer.body;
        if (kept->text.size == 0) answer.body = kept->text, kept->text = body; /* else another thread was faster */
        *out = ms_buf_str(&kept->text);
        pthread_mutex_unlock(&p->hub->lock);
    }
    ms_http_answer_free(&answer);
    return status;
}

static ms_status open_file(ms_source **out, place *p, const char *path, ms_err *err) {
    const ms_hub_file *const file = ms_hub_repo_find(p->repo, p->address.path);
    ms_http *http = NULL;
    ms_str url;
    if (!file) return no_such_file(path, p, err);
    if (file->local.size) return ms_source_open_file(out, file->local.text, err);
    const ms_str name = ms_hub_repo_path(&p->arena, p->repo, file->path);
    if (!name.text) return ms_err_memory(err, "an address");
    if (file->n_bytes <= KEPT_MOST && ms_str_ends_with(file->path, MS_STR(".json"))) {
        ms_str text;
        MS_TRY(text_of(&text, p, file, err));
        return ms_source_over_memory(out, text.text, text.size, name.text, err);
    }
    MS_TRY(reach(&http, &url, p, file, err));
    return ms_source_open_http(out, http, file->n_bytes,
                               &(ms_source_place){.name = name.text,
                                                  .url = url.text,
                                                  .commit = p->repo->commit.text,
                                                  .etag = file->etag.size ? file->etag.text : NULL},
                               err);
}

ms_status ms_hub_open_source(ms_source **out, const char *path, ms_err *err) {
    place p;
    ms_status status = find_place(&p, path, err);
    if (status == MS_OK) status = open_file(out, &p, path, err);
    ms_arena_free(&p.arena);
    return status;
}

static ms_status read_source(ms_buf *out, place *p, const char *path, ms_err *err) {
    ms_source *source = NULL;
    ms_scratch scratch = {0};
    const void *bytes = NULL;
    MS_TRY(open_file(&source, p, path, err));
    const ms_status status = ms_source_view(source, 0, (size_t)source->size, &scratch, &bytes, err);
    if (status == MS_OK) ms_buf_put(out, bytes, (size_t)source->size);
    ms_scratch_free(&scratch);
    ms_source_close(source);
    return status;
}

static ms_status read_all(ms_buf *out, place *p, const char *path, uint64_t max, ms_err *err) {
    const ms_hub_file *const file = ms_hub_repo_find(p->repo, p->address.path);
    ms_str text = MS_STR("");
    if (!file) return no_such_file(path, p, err);
    MS_FAIL_IF(file->n_bytes > max, MS_ERR_UNSUPPORTED, err, "%s: has %llu bytes, at most %llu are read",
               ms_str_shown(ms_str_of(path)).text, (unsigned long long)file->n_bytes, (unsigned long long)max);
    const bool is_far = file->local.size == 0 && file->n_bytes <= KEPT_MOST;
    MS_TRY(is_far ? text_of(&text, p, file, err) : read_source(out, p, path, err));
    ms_buf_put_str(out, text);
    return out->failed ? ms_err_memory(err, "a file") : MS_OK;
}

ms_status ms_hub_read(ms_buf *out, const char *path, uint64_t max, ms_err *err) {
    place p;
    ms_status status = find_place(&p, path, err);
    if (status == MS_OK) status = read_all(out, &p, path, max, err);
    ms_arena_free(&p.arena);
    return status;
}

ms_str ms_hub_remark(const char *path) {
    place p;
    ms_str remark = MS_STR("");
    if (!ms_hub_is(path)) return remark;
    if (find_place(&p, path, NULL) == MS_OK) remark = p.repo->remark;
    ms_arena_free(&p.arena);
    return remark;
}

/* The local name of the file, or of the folder: that of a file in it, less what stands behind the folder. */
static ms_status find_local(ms_str *out, ms_arena *arena, const place *p, ms_err *err) {
    const ms_str wanted = p->address.path;
    *out = MS_STR("");
    for (size_t i = 0; i < p->repo->files.n && out->size == 0; i++) {
        const ms_hub_file *const file = &p->repo->files.items[i];
        const bool is_it = ms_str_equal(file->path, wanted);
        if (!file->local.size || !(is_it || lies_below(file->path, wanted))) continue;
        const size_t behind = is_it ? 0 : file->path.size - wanted.size + (wanted.size == 0);
        if (behind < file->local.size) *out = ms_arena_copy(arena, ms_str_sub(file->local, 0, file->local.size - behind));
        if (!out->text) return ms_err_memory(err, "a path");
    }
    return MS_OK;
}

ms_status ms_hub_local(ms_str *out, ms_arena *arena, const char *path, ms_err *err) {
    place p;
    *out = ms_str_of(path);
    if (!ms_hub_is(path)) return MS_OK;
    ms_status status = find_place(&p, path, err);
    if (status == MS_OK) status = find_local(out, arena, &p, err);
    if (status == MS_OK && out->size == 0)
        status = ms_err_set(err, MS_ERR_UNSUPPORTED, "%s: is not in the local cache, and nothing is fetched here",
                            ms_str_shown(ms_str_of(path)).text);
    ms_arena_free(&p.arena);
    return status;
}

/* The cache keeps files as blobs/ID and links to them. */
static ms_str id_of_link(ms_arena *arena, const char *path) {
    const ms_str to = ms_door_real(arena, path);
    if (!to.text || !ms_str_ends_with(ms_files_folder_of(to), MS_STR("/blobs"))) return MS_STR("");
    return ms_files_name_of(to);
}

ms_str ms_hub_id(ms_arena *arena, const char *path) {
    place p;
    ms_str id = MS_STR("");
    if (!ms_hub_is(path)) return id_of_link(arena, path);
    const ms_hub_file *const file = find_place(&p, path, NULL) == MS_OK ? ms_hub_repo_find(p.repo, p.address.path) : NULL;
    if (file && file->etag.size) id = ms_arena_copy(arena, file->etag);
    else if (file && file->local.size) id = id_of_link(arena, file->local.text);
    ms_arena_free(&p.arena);
    return id.text ? id : MS_STR("");
}

/* ---- what a user typed ---- */

/* "hf://owner/name@COMMIT[/path]"; that the path exists is looked at, too. */
static ms_status pin(ms_str *out, ms_arena *arena, const char *text, ms_err *err) {
    place p;
    bool is_folder;
    uint64_t n_bytes;
    ms_status status = find_place(&p, text, err);
    if (status == MS_OK) status = look(&p, text, &is_folder, &n_bytes, err);
    if (status == MS_OK) {
        *out = ms_hub_repo_path(arena, p.repo, p.address.path);
        if (!out->text) status = ms_err_memory(err, "an address");
    }
    ms_arena_free(&p.arena);
    return status;
}

ms_status ms_hub_resolve(ms_str *out, ms_arena *arena, const char *text, ms_err *err) {
    const ms_str typed = ms_str_of(text);
    ms_hub *hub;
    *out = typed;
    const ms_status status_of_env = ms_hub_get(&hub, err);
    if (status_of_env != MS_OK) return !ms_hub_is(text) && ms_files_exists(text) ? MS_OK : status_of_env;
    MS_TRY(ms_local_models_find(out, arena, typed, &hub->env, get_variable, err));
    if (out->text != typed.text) return MS_OK;
    if (!ms_hub_is(text) && ms_files_exists(text)) return MS_OK;
    if (ms_hub_is(text) || ms_hub_address_is_web(typed, hub->env.endpoint)) return pin(out, arena, text, err);
    MS_FAIL_IF(ms_str_starts_with(typed, MS_STR("https://")) || ms_str_starts_with(typed, MS_STR("http://")), MS_ERR_USAGE, err,
               "'%s' is no page of the Hub (%s); give a path, or hf://owner/name", ms_str_shown(typed).text,
               hub->env.endpoint.text);
    if (!ms_hub_address_is_bare(typed)) return MS_OK;
    const ms_status status = pin(out, arena, text, err);
    if (status == MS_OK) return MS_OK;
    *out = typed;
    return ms_err_within(err, status, "'%s' is no file or folder here, so it is looked for on the Hub",
                         ms_str_shown(typed).text);
}
