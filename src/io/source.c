#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"
#include "door.h"
#include "fault.h"
#include "files.h"
#include "guard.h"
#include "hub.h"
#include "mem.h"

bool ms_scratch_reserve(ms_scratch *scratch, size_t n) {
    if (n <= scratch->capacity && scratch->bytes) return true;
    void *const bytes = ms_mem_alloc(n);
    if (!bytes) return false;
    ms_mem_free(scratch->bytes);
    scratch->bytes = bytes;
    scratch->capacity = n;
    return true;
}

void ms_scratch_free(ms_scratch *scratch) {
    ms_mem_free(scratch->bytes);
    *scratch = (ms_scratch){0};
}

ms_status ms_source_view(ms_source *source, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    MS_FAIL_IF(!ms_range_inside(offset, n, source->size), MS_ERR_DAMAGED, err,
               "%s: byte %llu: %zu bytes are wanted, but the file ends at %llu", ms_str_shown(ms_str_of(source->path)).text,
               (unsigned long long)offset, n, (unsigned long long)source->size);
    if (ms_fault_strikes()) return ms_files_error(err, errno, source->path, "read");
    return source->ops->view(source, offset, n, scratch, out, err);
}

void ms_source_will_need(ms_source *source, uint64_t offset, uint64_t n) {
    if (source->ops->will_need && ms_range_inside(offset, n, source->size)) source->ops->will_need(source, offset, n);
}

void ms_source_drop(ms_source *source, uint64_t offset, uint64_t n) {
    if (source->ops->drop && ms_range_inside(offset, n, source->size)) source->ops->drop(source, offset, n);
}

ms_status ms_source_unchanged(ms_source *source, ms_err *err) {
    return source->ops->unchanged ? source->ops->unchanged(source, err) : MS_OK;
}

void ms_source_close(ms_source *source) {
    if (source) source->ops->close(source);
}

/* ---- memory ---- */

typedef struct memory_source {
    ms_source base;
    char *path; /* owned */
} memory_source;

static ms_status memory_view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    (void)n, (void)scratch, (void)err;
    *out = (const char *)self->map + offset;
    return MS_OK;
}

static void memory_close(ms_source *self) {
    memory_source *const memory = (memory_source *)self;
    ms_mem_free(memory->path);
    ms_mem_free(memory);
}

static const ms_source_ops memory_ops = {.view = memory_view, .close = memory_close};

ms_status ms_source_over_memory(ms_source **out, const void *bytes, size_t n, const char *path, ms_err *err) {
    memory_source *const memory = ms_mem_alloc(sizeof *memory);
    char *const name = memory ? ms_mem_copy_text(path, strlen(path)) : NULL;
    if (!name) {
        ms_mem_free(memory);
        return ms_err_memory(err, "a source");
    }
    *memory = (memory_source){.base = {.ops = &memory_ops, .size = n, .path = name, .map = n ? bytes : ""}, .path = name};
    *out = &memory->base;
    return MS_OK;
}

/* ---- mapped file ---- */

enum { READ_AHEAD_STEP = 1 << 20 }; /* one larger call is cut to a read-ahead window by the kernel */

typedef struct mapped_source {
    ms_source base;
    char *path;          /* owned */
    ms_guard_map *watch; /* NULL for an empty file, which has no mapping */
    struct stat opened;  /* what the file was then */
} mapped_source;

static ms_status mapped_view(ms_source *self, uint64_t offset, size_t n, ms_scratch *scratch, const void **out, ms_err *err) {
    (void)n, (void)scratch;
    const mapped_source *const mapped = (const mapped_source *)self;
    if (mapped->watch) MS_TRY(ms_guard_check(mapped->watch, err));
    *out = (const char *)self->map + offset;
    return MS_OK;
}

static uint64_t page_size(void) { return (uint64_t)sysconf(_SC_PAGESIZE); }

static bool is_resident(const mapped_source *mapped, uint64_t at) {
    unsigned char resident = 0;
    return mincore((char *)mapped->base.map + at, 1, &resident) == 0 && (resident & 1);
}

/* A step whose both ends are in memory is passed over: the advice would visit every page of it. */
static void mapped_will_need(ms_source *self, uint64_t offset, uint64_t n) {
    const uint64_t page = page_size(), end = offset + n;
    for (uint64_t at = offset / page * page; at < end; at += READ_AHEAD_STEP) {
        const uint64_t length = end - at < READ_AHEAD_STEP ? end - at : READ_AHEAD_STEP;
        const mapped_source *const mapped = (const mapped_source *)self;
        if (is_resident(mapped, at) && is_resident(mapped, (at + length - 1) / page * page)) continue;
        madvise((char *)self->map + at, length, MADV_WILLNEED);
    }
}

/* Only pages that lie inside the range as a whole. The file is opened again for the advice, so that a model of a thousand
 * shards does not keep a thousand descriptors. */
static void mapped_drop(ms_source *self, uint64_t offset, uint64_t n) {
    const uint64_t page = page_size(), begin = (offset + page - 1) / page * page;
    const uint64_t end = offset + n == self->size ? self->size : (offset + n) / page * page;
    if (begin >= end) return;
    madvise((char *)self->map + begin, end - begin, MADV_DONTNEED);
    const int fd = ms_door_open(self->path);
    if (fd < 0) return;
    posix_fadvise(fd, (off_t)begin, (off_t)(end - begin), POSIX_FADV_DONTNEED);
    close(fd);
}

static ms_status mapped_unchanged(ms_source *self, ms_err *err) {
    const mapped_source *const mapped = (const mapped_source *)self;
    const struct stat *const then = &mapped->opened;
    struct stat now;
    if (ms_door_stat(mapped->path, &now) != 0 || now.st_dev != then->st_dev || now.st_ino != then->st_ino)
        return MS_OK; /* replaced */
    const bool same = now.st_size == then->st_size && now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
                      now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
    MS_FAIL_IF(!same, MS_ERR_IO, err,
               "%s: the file was written to while it was being read (%lld bytes then, %lld now), so what was read may be a "
               "mixture; make sure that nothing writes to it and run again",
               ms_str_shown(ms_str_of(mapped->path)).text, (long long)then->st_size, (long long)now.st_size);
    return MS_OK;
}

static void mapped_close(ms_source *self) {
    mapped_source *const mapped = (mapped_source *)self;
    ms_guard_forget(mapped->watch);
    if (self->size) munmap((void *)(uintptr_t)self->map, self->size);
    ms_mem_free(mapped->path);
    ms_mem_free(mapped);
}

static const ms_source_ops mapped_ops = {.view = mapped_view,
                                         .will_need = mapped_will_need,
                                         .drop = mapped_drop,
                                         .unchanged = mapped_unchanged,
                                         .close = mapped_close};

static ms_status map_file(mapped_source *mapped, int fd, ms_err *err) {
    const char *const path = mapped->path;
    struct stat info;
    if (ms_door_fstat(fd, &info) != 0) return ms_files_error(err, errno, path, "look at the file");
    mapped->opened = info;
    MS_FAIL_IF(S_ISDIR(info.st_mode), MS_ERR_IO, err, "%s: is a folder, not a file", ms_str_shown(ms_str_of(path)).text);
    MS_FAIL_IF(!S_ISREG(info.st_mode), MS_ERR_IO, err,
               "%s: is no regular file (a pipe, a socket or a device); copy its content to a file first",
               ms_str_shown(ms_str_of(path)).text);
    mapped->base.size = (uint64_t)info.st_size;
    mapped->base.map = "";
    if (info.st_size == 0) return MS_OK;

    void *const map = ms_fault_strikes() ? MAP_FAILED : mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        mapped->base.size = 0;
        return ms_files_error(err, errno, path, "map the file");
    }
    mapped->base.map = map;
    mapped->watch = ms_guard_watch(map, (size_t)info.st_size, path);
    return mapped->watch ? MS_OK : ms_err_memory(err, "a mapped file");
}

ms_status ms_source_open_file(ms_source **out, const char *path, ms_err *err) {
    if (ms_hub_is(path)) return ms_hub_open_source(out, path, err);
    mapped_source *const mapped = ms_mem_zalloc(sizeof *mapped);
    char *const name = mapped ? ms_mem_copy_text(path, strlen(path)) : NULL;
    if (!name) {
        ms_mem_free(mapped);
        return ms_err_memory(err, "a source");
    }
    mapped->base = (ms_source){.ops = &mapped_ops, .path = name};
    mapped->path = name;

    const int fd = ms_door_open(path);
    const ms_status status = fd < 0 ? ms_files_error(err, errno, path, "open the file") : map_file(mapped, fd, err);
    if (fd >= 0) close(fd);
    if (status != MS_OK) {
        mapped_close(&mapped->base);
        return status;
    }
    *out = &mapped->base;
    return MS_OK;
}
