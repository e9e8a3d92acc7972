#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault.h"
#include "map.h"
#include "vec.h"

enum { MOST_FILES = 16384, MOST_FOLDERS = 4096, MOST_DEPTH = 3, SPARE = 256 }; /* SPARE: descriptors left for others */

typedef struct taken {
    ms_str way, path, real; /* terminated: as it was come to, as it is looked for, without links (text NULL: there is none) */
    ms_str below;           /* of folders to be looked into: from the folder of the model, "/a/b"; that folder: "" */
    struct stat info;
    int fd, why_not; /* fd -1: why_not is the errno of opening it */
    int depth;       /* below the folder of the model; -1: not to be looked into */
    bool is_listed;
    ms_files_list list;
} taken;

static struct inside { /* of the process, as its descriptors are */
    bool closed;
    ms_arena arena;
    MS_VEC(taken) items;
    ms_map by_path;
    size_t most_files;
    ms_door_taken sum;
} inside;

/* ---- open ---- */

static int open_plainly(const char *path) { return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }

/* The C library's fstat() is a call that takes a path, too, and so one that a jail forbids. */
int ms_door_fstat(int fd, struct stat *out) {
#if defined(__linux__) && defined(__LP64__) && defined(SYS_fstat)
    if (inside.closed) return (int)syscall(SYS_fstat, fd, out);
#endif
    return fstat(fd, out);
}

bool ms_door_is_closed(void) { return inside.closed; }

/* NULL with errno. A name that the list of its folder lacks was not there; one that it has was not taken. */
static const taken *find(const char *path) {
    ms_arena arena = {0};
    const ms_str normal = ms_files_normal(&arena, ms_str_of(path));
    const size_t *const at = normal.text ? ms_map_find(&inside.by_path, normal) : NULL;
    const taken *found = at ? &inside.items.items[*at] : NULL;
    if (!found) {
        const size_t *const above = normal.text ? ms_map_find(&inside.by_path, ms_files_folder_of(normal)) : NULL;
        const taken *const folder = above ? &inside.items.items[*above] : NULL;
        errno = !normal.text ? ENOMEM : folder && folder->is_listed ? ENOENT : folder && folder->fd >= 0 ? ENOTDIR : EACCES;
        for (size_t i = 0; folder && i < folder->list.n; i++)
            if (folder->list.items[i].is_regular && ms_str_equal(folder->list.items[i].name, ms_files_name_of(normal)))
                errno = EACCES;
    }
    ms_arena_free(&arena);
    return found;
}

int ms_door_open(const char *path) {
    if (ms_fault_strikes()) return -1;
    if (!inside.closed) return open_plainly(path);
    const taken *const found = find(path);
    if (!found) return -1;
    if (found->fd >= 0) return fcntl(found->fd, F_DUPFD_CLOEXEC, 3);
    errno = found->why_not;
    return -1;
}

int ms_door_stat(const char *path, struct stat *out) {
    if (!inside.closed) return stat(path, out);
    const taken *const found = find(path);
    if (!found) return -1;
    if (found->fd >= 0) return ms_door_fstat(found->fd, out);
    *out = found->info;
    return 0;
}

ms_str ms_door_real(ms_arena *arena, const char *path) {
    if (inside.closed) {
        const taken *const found = find(path);
        return found && found->real.text ? ms_arena_copy(arena, found->real) : MS_STR_NONE;
    }
    char *const real = realpath(path, NULL); /* allocated by the C library */
    if (!real) return MS_STR_NONE;
    const ms_str out = ms_arena_copy(arena, ms_str_of(real));
    free(real);
    return out;
}

ms_status ms_door_list(ms_files_list *out, const char *folder, ms_err *err) {
    *out = (ms_files_list){0};
    const taken *const found = find(folder);
    if (!found || !found->is_listed) return ms_files_error(err, found ? EACCES : errno, folder, "list the folder");
    for (size_t i = 0; i < found->list.n; i++) {
        ms_files_entry entry = found->list.items[i];
        entry.name = ms_arena_copy(&out->arena, entry.name);
        if (!entry.name.text || !MS_VEC_PUSH(out, entry)) {
            ms_files_list_free(out);
            return ms_err_memory(err, "the list of a folder");
        }
    }
    return MS_OK;
}

/* ---- taking ---- */

/* The descriptor, or -1 and errno. The named file is opened whatever it is, so that what is wrong with it can be said. */
static int open_file(const char *path, struct stat *info, bool is_named) {
    const int fd = open_plainly(path);
    if (fd < 0) return -1;
    if (fstat(fd, info) == 0 && (is_named || S_ISREG(info->st_mode))) return fd;
    close(fd);
    errno = EACCES; /* it became something else meanwhile */
    return -1;
}

static void open_it(taken *t, bool is_named) {
    t->why_not = EMFILE;
    if (inside.sum.n_files >= inside.most_files) return;
    t->fd = open_file(t->way.text, &t->info, is_named);
    t->why_not = errno;
    if (t->fd < 0) return;
    inside.sum.n_files++;
    if (S_ISREG(t->info.st_mode)) inside.sum.n_bytes += (uint64_t)t->info.st_size;
    if (t->fd > inside.sum.highest) inside.sum.highest = t->fd;
}

/* way: terminated. above: the real path of its folder, when it is known. What does not exist is passed over. */
static ms_status take(ms_str way, ms_str above, ms_str below, int depth, bool is_named, ms_err *err) {
    taken t = {.way = way, .below = below, .fd = -1, .why_not = EISDIR, .depth = depth};
    struct stat itself;
    if (lstat(way.text, &itself) != 0 || stat(way.text, &t.info) != 0) return MS_OK;
    if (!above.text || S_ISLNK(itself.st_mode)) t.real = ms_door_real(&inside.arena, way.text);
    else t.real = ms_files_join(&inside.arena, above, ms_files_name_of(way));
    t.path = ms_files_normal(&inside.arena, way);
    bool is_new;
    if (!t.path.text || !MS_VEC_RESERVE(&inside.items, 1) ||
        !ms_map_add(&inside.by_path, t.path, inside.items.n, NULL, &is_new))
        return ms_err_memory(err, "the files of the jail");
    if (!is_new) return MS_OK;
    if (!S_ISDIR(t.info.st_mode)) open_it(&t, is_named);
    inside.items.items[inside.items.n++] = t;
    return MS_OK;
}

static bool looks_like_a_part(ms_str name) {
    static const char *const ends[] = {".safetensors", ".gguf", ".npz", ".npy", ".pt", ".pth", ".bin", ".ckpt", ".json"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ms_str_ends_with(name, ms_str_of(ends[i]))) return true;
    return false;
}

static const char *const whole[] = {"/.cache/huggingface/download", "/.git/lfs/objects"};

static bool is_in_whole(ms_str below) {
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (ms_str_starts_with(below, ms_str_of(whole[i]))) return true;
    return false;
}

/* The depth that a folder gets; -1: not to be looked into. above: the folder that it lies in. Those of notes are
 * not counted. */
static int depth_of(const taken *above, ms_str name) {
    static const struct {
        const char *above, *name;
    } notes[] = {{"", ".cache"}, {"/.cache", "huggingface"}, {"/.cache/huggingface", "download"},
                 {"", ".git"},   {"/.git", "lfs"},           {"/.git/lfs", "objects"}};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (ms_str_is(name, notes[i].name) && ms_str_is(above->below, notes[i].above)) return above->depth;
    if (is_in_whole(above->below)) return above->depth;
    const bool is_hidden = name.size && name.text[0] == '.';
    const bool of_notes = ms_str_starts_with(above->below, MS_STR("/."));
    return is_hidden || of_notes || above->depth >= MOST_DEPTH ? -1 : above->depth + 1;
}

static ms_status take_entry(const taken *above, const ms_files_entry *entry, ms_err *err) {
    const int depth = entry->is_folder ? depth_of(above, entry->name) : -1;
    if (entry->is_folder && depth < 0) return MS_OK;
    const ms_str way = ms_files_join(&inside.arena, above->way, entry->name);
    const ms_str below = depth < 0 ? MS_STR_NONE : ms_arena_printf(&inside.arena, "%s/%s", above->below.text, entry->name.text);
    if (!way.text || (depth >= 0 && !below.text)) return ms_err_memory(err, "the files of the jail");
    return take(way, above->real, below, depth, false, err);
}

/* Weights and texts first, then, in the folder of the model, whatever else lies there; then the folders. */
static ms_status take_entries(size_t folder, ms_err *err) {
    const taken above = inside.items.items[folder]; /* a copy: the table grows */
    const ms_files_list *const list = &above.list;
    const bool is_model = above.below.size == 0, is_whole = is_in_whole(above.below);
    const bool is_between = ms_str_starts_with(above.below, MS_STR("/.")) && !is_whole; /* has no files of ours */
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && !is_between && looks_like_a_part(list->items[i].name))
            MS_TRY(take_entry(&above, &list->items[i], err));
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && (is_model || is_whole))
            MS_TRY(take_entry(&above, &list->items[i], err)); /* once each */
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_folder) MS_TRY(take_entry(&above, &list->items[i], err));
    return MS_OK;
}

static ms_status take_folders(ms_err *err) {
    size_t n_folders = 0;
    for (size_t i = 0; i < inside.items.n && n_folders < MOST_FOLDERS; i++) {
        taken *const folder = &inside.items.items[i];
        if (folder->depth < 0 || !S_ISDIR(folder->info.st_mode)) continue;
        ms_err why = {0};
        const ms_status status = ms_files_list_folder(&folder->list, folder->way.text, &why);
        if (status == MS_ERR_MEMORY) return ms_err_memory(err, "the files of the jail");
        if (status != MS_OK) continue; /* whoever lists it will say so */
        folder->is_listed = true;
        n_folders++;
        MS_TRY(take_entries(i, err));
    }
    return MS_OK;
}

/* As many descriptors as the system lets us have, within reason. */
static void allow_descriptors(void) {
    struct rlimit limit;
    inside.most_files = 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t wanted = MOST_FILES + SPARE;
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur > SPARE + 64) inside.most_files = (size_t)limit.rlim_cur - SPARE;
    if (inside.most_files > MOST_FILES) inside.most_files = MOST_FILES;
}

ms_status ms_door_take(ms_door_taken *out, const char *path, ms_err *err) {
    allow_descriptors();
    inside.sum.highest = -1;
    const ms_str given = ms_arena_copy(&inside.arena, ms_str_of(path));
    if (!given.text) return ms_err_memory(err, "the files of the jail");
    const bool is_folder = ms_files_is_folder(path);
    const ms_str folder = is_folder ? given : ms_arena_copy(&inside.arena, ms_files_folder_of(given));
    if (!folder.text) return ms_err_memory(err, "the files of the jail");
    if (!is_folder) MS_TRY(take(given, MS_STR_NONE, MS_STR_NONE, -1, true, err));
    MS_TRY(take(folder, MS_STR_NONE, MS_STR(""), 0, false, err));
    MS_TRY(take_folders(err));
    *out = inside.sum;
    return MS_OK;
}

void ms_door_close(void) { inside.closed = true; }

void ms_door_forget(void) {
    for (size_t i = 0; i < inside.items.n; i++) {
        if (inside.items.items[i].fd >= 0) close(inside.items.items[i].fd);
        ms_files_list_free(&inside.items.items[i].list);
    }
    MS_VEC_FREE(&inside.items);
    ms_map_free(&inside.by_path);
    ms_arena_free(&inside.arena);
    inside = (struct inside){0};
}
