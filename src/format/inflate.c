#include "inflate.h"

#include <pthread.h>
#include <string.h>

#include "mem.h"
#include "zip.h"

typedef struct member member;

struct ms_inflate_cache {
    pthread_mutex_t lock;
    pthread_cond_t finished; /* some view ended: its member may go now */
    uint64_t budget, used;   /* bytes; guarded by lock, as is the rest */
    uint64_t clock;
    member *first;
};

/* Locks: a member's own first, then the cache's. The cache only tries the locks of other members. A thread that waits for room
 * holds no bytes yet, so those that do will finish. */
struct member {
    ms_source base;
    char *path; /* owned */
    ms_inflate_cache *cache;
    ms_source *archive;
    uint64_t offset, n_packed;
    uint32_t crc;
    pthread_mutex_t lock;
    void *bytes;       /* [base.size] or NULL; guarded by lock */
    uint64_t last_use; /* guarded by the cache's lock, as are the neighbours */
    member *next, **self;
};

ms_status ms_inflate_cache_create(ms_inflate_cache **out, uint64_t budget, ms_err *err) {
    ms_inflate_cache *const cache = ms_mem_zalloc(sizeof *cache);
    if (!cache) return ms_err_memory(err, "unpacked members");
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->finished, NULL);
    cache->budget = budget;
    *out = cache;
    return MS_OK;
}

void ms_inflate_cache_destroy(ms_inflate_cache *cache) {
    if (!cache) return;
    pthread_cond_destroy(&cache->finished);
    pthread_mutex_destroy(&cache->lock);
    ms_mem_free(cache);
}

uint64_t ms_inflate_cache_used(ms_inflate_cache *cache) {
    pthread_mutex_lock(&cache->lock);
    const uint64_t used = cache->used;
    pthread_mutex_unlock(&cache->lock);
    return used;
}

/* ---- zlib ---- */

#if MS_HAVE_ZLIB
#include <zlib.h>

bool ms_inflate_available(void) { return true; }

static void *zlib_alloc(void *opaque, unsigned n, unsigned size) {
    (void)opaque;
    return ms_mem_alloc_array(n, size);
}

static void zlib_free(void *opaque, void *p) {
    (void)opaque;
    ms_mem_free(p);
}

/* The verdict of zlib as ours, and the end of its work. */
static ms_status end_inflate(z_stream *z, int result, ms_err *err) {
    const bool no_memory = result == Z_MEM_ERROR, fine = result == Z_OK || result == Z_STREAM_END;
    if (!fine) ms_err_set(err, MS_ERR_DAMAGED, "the packed data are damaged: %s", z->msg ? z->msg : "they end too early");
    inflateEnd(z);
    return fine ? MS_OK : no_memory ? ms_err_memory(err, "unpacking a member") : MS_ERR_DAMAGED;
}

/* Unpacks up to n bytes; *ended: the stream has exactly so many, and all of the input was used. zlib counts in unsigned int,
 * so both sides go in pieces. */
static ms_status unpack(const void *packed, uint64_t n_packed, void *out, uint64_t n, uint64_t *n_got, bool *ended,
                        ms_err *err) {
    enum { PIECE = 1 << 30 };
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free, .next_in = (Bytef *)(uintptr_t)packed, .next_out = out};
    if (inflateInit2(&z, -15) != Z_OK) return ms_err_memory(err, "unpacking a member");
    uint64_t n_in_left = n_packed, n_out_left = n;
    uint8_t beyond; /* where a stream that is longer than it should be puts its next byte */
    int result = Z_OK;
    while (result == Z_OK) {
        const bool full = n_out_left == 0;
        const unsigned n_in = n_in_left < PIECE ? (unsigned)n_in_left : PIECE;
        const unsigned n_out = full ? 1 : n_out_left < PIECE ? (unsigned)n_out_left : PIECE;
        if (full) z.next_out = &beyond;
        z.avail_in = n_in, z.avail_out = n_out;
        result = inflate(&z, Z_NO_FLUSH);
        n_in_left -= n_in - z.avail_in;
        if (full && z.avail_out == 0) break;
        if (!full) n_out_left -= n_out - z.avail_out;
    }
    *n_got = n - n_out_left;
    *ended = result == Z_STREAM_END && n_in_left == 0;
    return end_inflate(&z, result, err);
}

static ms_status unpack_head(const void *packed, size_t n_packed, void *out, size_t n, size_t *n_got, ms_err *err) {
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (inflateInit2(&z, -15) != Z_OK) return ms_err_memory(err, "unpacking a member");
    z.next_in = (Bytef *)(uintptr_t)packed, z.avail_in = (unsigned)n_packed;
    z.next_out = out, z.avail_out = (unsigned)n;
    const int result = inflate(&z, Z_SYNC_FLUSH);
    *n_got = n - z.avail_out;
    return end_inflate(&z, result == Z_BUF_ERROR ? Z_OK : result, err); /* no more input than that: *n_got tells */
}
#else
bool ms_inflate_available(void) { return false; }

static ms_status no_zlib(ms_err *err) {
    return ms_err_set(err, MS_ERR_UNSUPPORTED,
                      "compressed members cannot be read: this program was built without zlib; save the archive uncompressed");
}

static ms_status unpack(const void *packed, uint64_t n_packed, void *out, uint64_t n, uint64_t *n_got, bool *ended,
                        ms_err *err) {
    (void)packed, (void)n_packed, (void)out, (void)n, (void)n_got, (void)ended;
    return no_zlib(err);
}

static ms_status unpack_head(const void *packed, size_t n_packed, void *out, size_t n, size_t *n_got, ms_err *err) {
    (void)packed, (void)n_packed, (void)out, (void)n, (void)n_got;
    return no_zlib(err);
}
#endif

/* A header compresses little: its bytes come from about as many packed ones, and a block's tables. */
ms_status ms_inflate_head(ms_source *archive, uint64_t offset, uint64_t n_packed, void *out, size_t n, size_t *n_got,
                          ms_err *err) {
    const uint64_t enough = 2 * (uint64_t)n + 65536;
    const size_t n_in = (size_t)(n_packed < enough ? n_packed : enough);
    ms_scratch scratch = {0};
    const void *packed;
    ms_status status = ms_source_view(archive, offset, n_in, &scratch, &packed, err);
    if (status == MS_OK) status = unpack_head(packed, n_in, out, n, n_got, err);
    ms_scratch_free(&scratch);
    return status;
}

/* ---- a member as a source ---- */

/* Frees the member that was used longest ago among those that nobody is at. The cache is locked. */
static bool evict_one(ms_inflate_cache *cache, const member *keep) {
    member *oldest = NULL;
    for (member *m = cache->first; m; m = m->next) {
        if (m == keep || (oldest && m->last_use >= oldest->last_use)) continue;
        if (pthread_mutex_trylock(&m->lock) != 0) continue;
        if (m->bytes) {
            if (oldest) pthread_mutex_unlock(&oldest->lock);
            oldest = m;
        } else {
            pthread_mutex_unlock(&m->lock);
        }
    }
    if (!oldest) return false;
    ms_mem_free(oldest->bytes);
    oldest->bytes = NULL;
    cache->used -= oldest->base.size;
    pthread_mutex_unlock(&oldest->lock);
    return true;
}

static ms_status reserve(member *m, ms_err *err) {
    ms_inflate_cache *const cache = m->cache;
    MS_FAIL_IF(m->base.size > cache->budget, MS_ERR_UNSUPPORTED, err,
               "%s: unpacked it takes %llu bytes, more than the %llu that compressed members may take; save the archive "
               "uncompressed (numpy.savez)",
               m->path, (unsigned long long)m->base.size, (unsigned long long)cache->budget);
    pthread_mutex_lock(&cache->lock);
    while (cache->budget - cache->used < m->base.size)
        if (!evict_one(cache, m)) pthread_cond_wait(&cache->finished, &cache->lock);
    cache->used += m->base.size;
    pthread_mutex_unlock(&cache->lock);
    return MS_OK;
}

static void release(member *m) {
    ms_mem_free(m->bytes);
    m->bytes = NULL;
    pthread_mutex_lock(&m->cache->lock);
    m->cache->used -= m->base.size;
    pthread_cond_broadcast(&m->cache->finished);
    pthread_mutex_unlock(&m->cache->lock);
}

static ms_status unpack_member(member *m, ms_err *err) {
    ms_scratch scratch = {0};
    const void *packed;
    uint64_t n_got = 0;
    bool ended = false;
    ms_status status = ms_source_view(m->archive, m->offset, (size_t)m->n_packed, &scratch, &packed, err);
    if (status == MS_OK) {
        status = unpack(packed, m->n_packed, m->bytes, m->base.size, &n_got, &ended, err);
        if (status == MS_ERR_DAMAGED) ms_err_within(err, status, "%s", m->path);
    }
    ms_scratch_free(&scratch);
    MS_TRY(status);
    MS_FAIL_IF(!ended || n_got != m->base.size, MS_ERR_DAMAGED, err,
               "%s: its packed data do not unpack to the %llu bytes that the archive's directory states", m->path,
               (unsigned long long)m->base.size);
    const uint32_t crc = ms_zip_crc(0, m->bytes, (size_t)m->base.size);
    MS_FAIL_IF(crc != m->crc, MS_ERR_DAMAGED, err,
               "%s: the checksum of its data is 0x%08X, the archive's directory states 0x%08X; fetch the file again", m->path,
               crc, m->crc);
    return MS_OK;
}

/* The bytes of the member; it is locked. */
static ms_status make_ready(member *m, ms_err *err) {
    if (m->bytes) return MS_OK;
    MS_TRY(reserve(m, err));
    m->bytes = ms_mem_alloc((size_t)m->base.size);
    const ms_status status = m->bytes ? unpack_member(m, err) : ms_err_memory(err, "an unpacked member");
    if (status != MS_OK) release(m);
    return status;
}

static ms_status member_view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    member *const m = (member *)self;
    if (!ms_scratch_reserve(scratch, n)) return ms_err_memory(err, "unpacked data");
    pthread_mutex_lock(&m->lock);
    const ms_status status = make_ready(m, err);
    if (status == MS_OK && n > 0) memcpy(scratch->bytes, (const char *)m->bytes + offset, n);
    pthread_mutex_unlock(&m->lock);

    pthread_mutex_lock(&m->cache->lock);
    m->last_use = ++m->cache->clock;
    pthread_cond_broadcast(&m->cache->finished);
    pthread_mutex_unlock(&m->cache->lock);
    *out = scratch->bytes;
    return status;
}

static void member_will_need(ms_source *self, uint64_t offset, uint64_t n) {
    (void)n;
    const member *const m = (const member *)self;
    if (offset < self->size / 2) ms_source_will_need(m->archive, m->offset, m->n_packed);
}

static void member_close(ms_source *self) {
    member *const m = (member *)self;
    if (m->bytes) release(m);
    pthread_mutex_lock(&m->cache->lock);
    *m->self = m->next;
    if (m->next) m->next->self = m->self;
    pthread_mutex_unlock(&m->cache->lock);
    pthread_mutex_destroy(&m->lock);
    ms_mem_free(m->path);
    ms_mem_free(m);
}

static const ms_source_ops member_ops = {.view = member_view, .will_need = member_will_need, .close = member_close};

ms_status ms_inflate_source(ms_source **out, ms_inflate_cache *cache, ms_source *archive, uint64_t offset, uint64_t n_packed,
                            uint64_t n_bytes, uint32_t crc, const char *path, ms_err *err) {
    member *const m = ms_mem_zalloc(sizeof *m);
    char *const name = m ? ms_mem_copy_text(path, strlen(path)) : NULL;
    if (!name) {
        ms_mem_free(m);
        return ms_err_memory(err, "a source");
    }
    *m = (member){.base = {.ops = &member_ops, .size = n_bytes, .path = name},
                  .path = name,
                  .cache = cache,
                  .archive = archive,
                  .offset = offset,
                  .n_packed = n_packed,
                  .crc = crc};
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_lock(&cache->lock);
    m->next = cache->first;
    m->self = &cache->first;
    if (m->next) m->next->self = &m->next;
    cache->first = m;
    pthread_mutex_unlock(&cache->lock);
    *out = &m->base;
    return MS_OK;
}
