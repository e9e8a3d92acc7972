/* Files of the Hub into the local cache: blob by blob, each under huggingface_hub's own lock, checked, then linked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "hub.h"
#include "hub_cache.h"
#include "hub_repo.h"

enum {
    PART = 8 << 20, /* bytes of one request */
    N_PARTS = 10,   /* in flight */
    READ_STEP = 1 << 20,
    LOOK_MS = 100, /* between two looks at cancel */
};
static const uint64_t side_limit = 64ull << 20; /* bytes of a text that comes along */

typedef struct part { /* one range under way */
    struct fetch *owner;
    char *bytes; /* [PART] */
    uint64_t begin;
    size_t n;
    bool is_here;
    ms_status status;
    ms_err err;
} part;

typedef struct fetch { /* one file */
    ms_hub *hub;
    ms_http *http;
    ms_hub_repo *repo;
    const ms_hub_file *file;
    ms_str url;
    pthread_mutex_t lock;
    pthread_cond_t came;
    part parts[N_PARTS]; /* that which begins at b is b / PART mod N_PARTS */
    ms_buf place;        /* a signed address that worked; guarded by lock */
    ms_digest digest;
    int fd;
    bool no_parts; /* the server sends whole files only; guarded by lock */
    ms_err why;    /* what was not taken */
    const char *incomplete;
    const ms_hub_watcher *watcher;
} fetch;

static void tell(const ms_hub_watcher *watcher, uint64_t n_came, uint64_t n_more) {
    if (watcher->watch) watcher->watch(watcher->context, n_came, n_more);
}

static bool is_cancelled(const ms_hub_watcher *watcher) { return watcher->cancel && atomic_load(watcher->cancel); }

static ms_status cancelled(const ms_hub_repo *repo, ms_err *err) {
    return ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted; what came is kept in %s, and --download goes on from there",
                      ms_str_shown(repo->folder).text);
}

/* ---- ranges ---- */

static void part_came(void *context, ms_http_answer *answer) {
    part *const p = context;
    fetch *const f = p->owner;
    pthread_mutex_lock(&f->lock);
    p->status = answer->status;
    f->no_parts |= answer->no_ranges;
    if (p->status != MS_OK) ms_err_set(&p->err, p->status, "%s", answer->err.text);
    if (p->status == MS_OK && answer->n_total != UINT64_MAX && answer->n_total != f->file->n_bytes)
        p->status =
            ms_err_set(&p->err, MS_ERR_NETWORK, "%s: has another size now than when it was listed; start again", f->url.text);
    if (answer->place.size) {
        const ms_buf old = f->place;
        f->place = answer->place;
        answer->place = old;
    }
    p->is_here = true;
    pthread_cond_signal(&f->came);
    pthread_mutex_unlock(&f->lock);
}

static ms_status start_part(fetch *f, uint64_t begin, ms_err *err) {
    part *const p = &f->parts[begin / PART % N_PARTS];
    const uint64_t left = f->file->n_bytes - begin, to_border = PART - begin % PART;
    if (!p->bytes) p->bytes = ms_mem_alloc(PART);
    if (!p->bytes) return ms_err_memory(err, "a download");
    p->owner = f, p->begin = begin, p->n = (size_t)(left < to_border ? left : to_border);
    p->is_here = false;
    pthread_mutex_lock(&f->lock);
    const ms_http_request request = {.url = f->url.text,
                                     .place = f->place.size ? f->place.bytes : NULL,
                                     .into = p->bytes,
                                     .begin = begin,
                                     .n = p->n,
                                     .commit = f->repo->commit.text,
                                     .etag = f->file->etag.text};
    const ms_status status = ms_http_start(f->http, &request, part_came, p, err);
    pthread_mutex_unlock(&f->lock);
    return status;
}

/* Cancelled: ends all transfers, for the parts are written to until they are done. */
static ms_status wait_part(fetch *f, part *p, ms_err *err) {
    bool ended = false;
    pthread_mutex_lock(&f->lock);
    while (!p->is_here) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000;
        if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
        pthread_cond_timedwait(&f->came, &f->lock, &until);
        if (ended || !is_cancelled(f->watcher)) continue;
        ended = true;
        pthread_mutex_unlock(&f->lock);
        ms_hub_end();
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    if (is_cancelled(f->watcher)) return cancelled(f->repo, err);
    return p->status == MS_OK ? MS_OK : ms_err_set(err, p->status, "%s", p->err.text);
}

static ms_status write_all(int fd, const char *bytes, size_t n, const char *path, ms_err *err) {
    for (size_t done = 0; done < n;) {
        const ssize_t k = write(fd, bytes + done, n - done);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return ms_files_error(err, k < 0 ? errno : EIO, path, "write the file");
        done += (size_t)k;
    }
    return MS_OK;
}

static ms_status keep(fetch *f, const char *bytes, size_t n, ms_err *err) {
    MS_TRY(write_all(f->fd, bytes, n, f->incomplete, err));
    ms_digest_add(&f->digest, bytes, n);
    tell(f->watcher, n, 0);
    return MS_OK;
}

/* [*at, n_bytes): parts are asked for ahead and taken in order. All that were started are waited for. *at: what is not here. */
static ms_status fetch_parts(fetch *f, uint64_t *at, ms_err *err) {
    uint64_t asked = *at, waited = *at;
    ms_status status = MS_OK;
    while (waited < f->file->n_bytes) {
        while (status == MS_OK && asked < f->file->n_bytes && asked / PART < waited / PART + N_PARTS) {
            status = start_part(f, asked, err);
            if (status == MS_OK) asked += f->parts[asked / PART % N_PARTS].n;
        }
        if (waited == asked) break; /* nothing could be started */
        part *const p = &f->parts[waited / PART % N_PARTS];
        const ms_status came = wait_part(f, p, status == MS_OK ? err : NULL);
        if (status == MS_OK) status = came;
        if (status == MS_OK) status = keep(f, p->bytes, p->n, err);
        waited += p->n;
        if (status == MS_OK) *at = waited;
    }
    return status;
}

static bool take_bytes(void *context, const void *bytes, size_t n) {
    fetch *const f = context;
    return (is_cancelled(f->watcher) ? cancelled(f->repo, &f->why) : keep(f, bytes, n, &f->why)) == MS_OK;
}

/* From a server that knows no parts: as it comes. What is here already comes again each time it breaks off. */
static ms_status fetch_whole(fetch *f, uint64_t at, ms_err *err) {
    ms_http_answer answer = {0};
    const ms_http_request request = {.url = f->url.text,
                                     .take = take_bytes,
                                     .take_context = f,
                                     .begin = at,
                                     .n = f->file->n_bytes - at,
                                     .commit = f->repo->commit.text,
                                     .etag = f->file->etag.text};
    const ms_status status = ms_http_get(f->http, &request, &answer, err);
    ms_http_answer_free(&answer);
    return f->why.status != MS_OK ? ms_err_set(err, f->why.status, "%s", f->why.text) : status;
}

static ms_status fetch_rest(fetch *f, uint64_t at, ms_err *err) {
    const ms_status status = fetch_parts(f, &at, err);
    return f->no_parts && status == MS_ERR_NETWORK ? fetch_whole(f, at, err) : status;
}

/* ---- one file ---- */

/* git names a text by the hash of "blob SIZE\0" and its bytes, LFS by that of its bytes. */
static void begin_digest(fetch *f) {
    char head[32];
    const bool is_git = f->file->etag.size == 40;
    ms_digest_begin(&f->digest, is_git ? MS_SHA1 : MS_SHA256);
    const int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)f->file->n_bytes);
    if (is_git) ms_digest_add(&f->digest, head, (size_t)n + 1);
}

/* Takes what an earlier attempt left; *n: its bytes. The file is positioned behind them. */
static ms_status take_up(fetch *f, const char *path, uint64_t *n, ms_err *err) {
    char *const step = ms_mem_alloc(READ_STEP);
    ssize_t k = -1;
    *n = 0;
    if (!step) return ms_err_memory(err, "a download");
    while ((k = read(f->fd, step, READ_STEP)) > 0 || (k < 0 && errno == EINTR)) {
        if (k < 0) continue;
        ms_digest_add(&f->digest, step, (size_t)k);
        *n += (uint64_t)k;
    }
    ms_mem_free(step);
    if (k < 0) return ms_files_error(err, errno, path, "read the file");
    if (*n <= f->file->n_bytes) return MS_OK;
    *n = 0; /* more than there can be: begin anew */
    begin_digest(f);
    if (lseek(f->fd, 0, SEEK_SET) != 0 || ftruncate(f->fd, 0) != 0) return ms_files_error(err, errno, path, "write the file");
    return MS_OK;
}

static ms_status fetch_blob(fetch *f, const char *incomplete, const char *blob, ms_err *err) {
    char hex[MS_DIGEST_HEX];
    uint64_t n;
    begin_digest(f);
    MS_TRY(take_up(f, incomplete, &n, err));
    if (n) tell(f->watcher, n, 0);
    f->incomplete = incomplete;
    MS_TRY(fetch_rest(f, n, err));
    ms_digest_end(&f->digest, hex);
    if (!ms_str_is(f->file->etag, hex)) {
        unlink(incomplete);
        return ms_err_set(err, MS_ERR_NETWORK, "%s: what came has hash %s, it should have %s; it is not kept, try again",
                          f->url.text, hex, f->file->etag.text);
    }
    if (fsync(f->fd) != 0 || rename(incomplete, blob) != 0) return ms_files_error(err, errno, blob, "put the file");
    return MS_OK;
}

static ms_status open_and_fetch(fetch *f, const char *incomplete, const char *blob, ms_err *err) {
    f->fd = open(incomplete, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->fd < 0) return ms_files_error(err, errno, incomplete, "write the file");
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->came, NULL);
    const ms_status status = fetch_blob(f, incomplete, blob, err);
    for (int i = 0; i < N_PARTS; i++) ms_mem_free(f->parts[i].bytes);
    ms_buf_free(&f->place);
    pthread_cond_destroy(&f->came);
    pthread_mutex_destroy(&f->lock);
    close(f->fd);
    return status;
}

/* CACHE/.locks/models--OWNER--NAME/ETAG.lock, held until the descriptor is closed. -1: no locks here. Another process may hold it
 * for as long as the download takes. */
static int take_lock(ms_arena *arena, const ms_hub *hub, const ms_hub_repo *repo, ms_str etag, const ms_hub_watcher *watcher) {
    const ms_str name = ms_files_name_of(repo->folder);
    const ms_str folder = ms_arena_printf(arena, "%s/.locks/%.*s", hub->env.cache.text, (int)name.size, name.text);
    const ms_str path = folder.text ? ms_arena_printf(arena, "%s/%s.lock", folder.text, etag.text) : MS_STR_NONE;
    if (!path.text || ms_files_make_folder(folder.text, NULL) != MS_OK) return -1;
    const int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR) && !is_cancelled(watcher))
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000}, NULL);
    return fd;
}

static ms_status download_one(ms_hub *hub, ms_http *http, ms_hub_repo *repo, ms_hub_file *file, const ms_hub_watcher *watcher,
                              ms_arena *arena, ms_err *err) {
    ms_str blob;
    uint64_t n_there = 0;
    MS_TRY(ms_hub_cache_blob(&blob, arena, repo->folder, file->etag, err));
    const ms_str incomplete = ms_arena_printf(arena, "%s.incomplete", blob.text);
    const ms_str url = ms_hub_repo_url(arena, hub, repo, file->path);
    if (!incomplete.text || !url.text) return ms_err_memory(err, "a path");
    const int lock = take_lock(arena, hub, repo, file->etag, watcher);
    ms_status status = is_cancelled(watcher) ? cancelled(repo, err) : MS_OK;
    const bool is_there = ms_files_is_regular(blob.text) && ms_files_size(&n_there, blob.text, NULL) == MS_OK;
    if (status == MS_OK && is_there && n_there == file->n_bytes) {
        tell(watcher, n_there, 0);
    } else if (status == MS_OK) {
        fetch f = {.hub = hub, .http = http, .repo = repo, .file = file, .url = url, .watcher = watcher};
        status = open_and_fetch(&f, incomplete.text, blob.text, err);
    }
    if (status == MS_OK)
        status = ms_hub_cache_link(arena, repo->folder, repo->commit, file->path, file->etag, hub->env.links, err);
    if (status == MS_OK) status = ms_hub_cache_file(&file->local, &repo->arena, repo->folder, repo->commit, file->path, err);
    if (lock >= 0) close(lock);
    return status;
}

/* ---- a model ---- */

typedef MS_VEC(ms_hub_file *) wanted_files;

static ms_status want(wanted_files *wanted, const ms_hub_file *file, ms_err *err) {
    for (size_t i = 0; i < wanted->n; i++)
        if (wanted->items[i] == file) return MS_OK;
    if (file->local.size || file->etag.size == 0) return MS_OK;
    return MS_VEC_PUSH(wanted, (ms_hub_file *)(uintptr_t)file) ? MS_OK : ms_err_memory(err, "the list of files");
}

static bool is_side(const ms_hub_file *file, ms_str folder) {
    static const char *const ends[] = {".json", ".txt", ".model", ".jinja", ".tiktoken"};
    const ms_str path = file->path;
    const size_t from = folder.size ? folder.size + 1 : 0;
    if (file->n_bytes > side_limit || path.size <= from || (from && path.text[from - 1] != '/')) return false;
    if (!ms_str_starts_with(path, folder) || memchr(path.text + from, '/', path.size - from)) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ms_str_ends_with(path, ms_str_of(ends[i]))) return true;
    return false;
}

static ms_status choose(wanted_files *out, ms_hub *hub, ms_hub_repo **repo, const char *const *paths, size_t n_paths,
                        const char *folder, ms_arena *arena, ms_err *err) {
    ms_hub_address address;
    ms_hub_repo *of = NULL;
    for (size_t i = 0; i < n_paths; i++) {
        if (!ms_hub_is(paths[i])) continue;
        MS_TRY(ms_hub_address_parse(&address, arena, ms_str_of(paths[i]), hub->env.endpoint, err));
        MS_TRY(ms_hub_repo_of(&of, hub, &address, err));
        MS_FAIL_IF(*repo && *repo != of, MS_ERR_USAGE, err, "files of two repositories are no one model");
        *repo = of;
        const ms_hub_file *const file = ms_hub_repo_find(of, address.path);
        if (file) MS_TRY(want(out, file, err));
    }
    if (!folder || !ms_hub_is(folder) || !*repo) return MS_OK;
    MS_TRY(ms_hub_address_parse(&address, arena, ms_str_of(folder), hub->env.endpoint, err));
    for (size_t i = 0; i < (*repo)->files.n; i++)
        if (is_side(&(*repo)->files.items[i], address.path)) MS_TRY(want(out, &(*repo)->files.items[i], err));
    return MS_OK;
}

/* What of the file an earlier download left. */
static uint64_t n_left_over(ms_arena *arena, const ms_hub_repo *repo, const ms_hub_file *file) {
    uint64_t n = 0;
    const ms_str path =
        ms_arena_printf(arena, "%s/blobs/%.*s.incomplete", repo->folder.text, (int)file->etag.size, file->etag.text);
    if (!path.text || ms_files_size(&n, path.text, NULL) != MS_OK) return 0;
    return n < file->n_bytes ? n : file->n_bytes;
}

/* Better said before the first byte than after a day. */
static ms_status check_room(ms_arena *arena, const ms_hub_repo *repo, const wanted_files *wanted, ms_err *err) {
    struct statvfs fs;
    uint64_t n_to_come = 0;
    for (size_t i = 0; i < wanted->n; i++) n_to_come += wanted->items[i]->n_bytes - n_left_over(arena, repo, wanted->items[i]);
    if (statvfs(repo->folder.text, &fs) != 0) return MS_OK;
    const double room = (double)fs.f_bavail * (double)fs.f_frsize;
    MS_FAIL_IF(
        (double)n_to_come > room, MS_ERR_IO, err,
        "%s: %.1f GB are to come, %.1f GB are free there; set HF_HUB_CACHE to a folder with room, or leave --download away: "
        "then what is needed is streamed",
        ms_str_shown(repo->folder).text, (double)n_to_come / 1e9, room / 1e9);
    return MS_OK;
}

static ms_status download_all(ms_hub *hub, ms_hub_repo *repo, const wanted_files *wanted, const ms_hub_watcher *watcher,
                              ms_arena *arena, ms_err *err) {
    ms_http *http = NULL;
    uint64_t n_bytes = 0;
    MS_FAIL_IF(repo->folder.size == 0, MS_ERR_USAGE, err, "there is no folder for a cache: set HF_HUB_CACHE or HOME");
    for (size_t i = 0; i < wanted->n; i++) n_bytes += wanted->items[i]->n_bytes;
    MS_TRY(ms_hub_cache_make(arena, hub->env.cache, repo->folder, err));
    MS_TRY(check_room(arena, repo, wanted, err));
    pthread_mutex_lock(&hub->lock);
    const ms_status status = ms_hub_http(&http, hub, err);
    pthread_mutex_unlock(&hub->lock);
    MS_TRY(status);
    tell(watcher, 0, n_bytes);
    for (size_t i = 0; i < wanted->n; i++) MS_TRY(download_one(hub, http, repo, wanted->items[i], watcher, arena, err));
    return ms_hub_cache_set_commit(arena, repo->folder, repo->address.revision, repo->commit, err);
}

ms_status ms_hub_download(const char *const *paths, size_t n_paths, const char *folder, const ms_hub_watcher *watcher,
                          ms_err *err) {
    ms_arena arena = {0};
    wanted_files wanted = {0};
    ms_hub_repo *repo = NULL;
    ms_hub *hub;
    MS_TRY(ms_hub_get(&hub, err));
    ms_status status = choose(&wanted, hub, &repo, paths, n_paths, folder, &arena, err);
    if (status == MS_OK && wanted.n > 0) status = download_all(hub, repo, &wanted, watcher, &arena, err);
    else if (status == MS_OK && repo && repo->folder.size) /* all is there; the cache may be read-only */
        (void)ms_hub_cache_set_commit(&arena, repo->folder, repo->address.revision, repo->commit, NULL);
    MS_VEC_FREE(&wanted);
    ms_arena_free(&arena);
    return status;
}
