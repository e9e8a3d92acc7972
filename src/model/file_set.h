/*
 * file_set: which files make up the model that a path stands for. Looks at names only, opens nothing but indexes.
 *
 *   a folder      model.safetensors; else the shards of an index; else all files of the first format that is there
 *   an index      its shards
 *   a file        itself; a shard stands for all files of its set (by the index that names it, else by "-00001-of-00003", or
 *                 as a piece of the same tensors: pieces.h)
 *
 * Links are followed when files are opened, but their own names count: files of the hub's cache are links to blobs.
 */
#ifndef MS_FILE_SET_H
#define MS_FILE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "notes.h"
#include "vec.h"

typedef struct ms_set_file {
    ms_str path, name; /* terminated; name is relative to the folder */
} ms_set_file;

typedef struct ms_file_set {
    ms_str folder;             /* terminated */
    ms_str index_path;         /* terminated; "" when no index names the files */
    MS_VEC(ms_set_file) files; /* empty while index_path waits to be read */
} ms_file_set;

typedef struct ms_part_name { /* STEM-00001-of-00003.EXT */
    ms_str stem, extension;   /* "model", ".safetensors" */
    int64_t part, n_parts;    /* part: counted from 1 */
} ms_part_name;

/* False when the file's name is no such. */
bool ms_file_set_part_name(ms_str name, ms_part_name *out);

/* When index_path is not "", the files are the index's to name (ms_file_set_add). Texts live in the arena. */
ms_status ms_file_set_find(ms_file_set *out, const char *path, ms_arena *arena, ms_notes *notes, ms_err *err);
ms_status ms_file_set_add(ms_file_set *set, ms_str name, ms_arena *arena, ms_err *err);
void ms_file_set_free(ms_file_set *set);

#endif
