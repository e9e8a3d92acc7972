/*
 * make_file: files for tests, sound and broken, in memory and in the test's folder.
 */
#ifndef MS_MAKE_FILE_H
#define MS_MAKE_FILE_H

#include "arena.h"
#include "buf.h"
#include "safetensors_write.h"
#include "source.h"
#include "test.h"

/* Writes the bytes to test folder/name (folders of the name are made) and returns the path, in the arena. Never fails: the test
 * program ends when the disk does not work. */
const char *make_file(ms_arena *arena, const char *folder, const char *name, const void *bytes, size_t n);

/* ---- safetensors ---- */

/* A file from its JSON as it stands: length, text, then n bytes of data. */
void make_safetensors_raw(ms_buf *out, const char *json, const void *data, size_t n);

/* A sound file with these tensors and metadata format = pt. */
void make_safetensors(ms_buf *out, const ms_safetensors_tensor *tensors, size_t n);

/* A plain f32 tensor, bytes included: values 0, 1, 2, ... over all elements, plus `first`. shape: rank extents. */
ms_safetensors_tensor make_f32(ms_arena *arena, const char *name, float first, uint32_t rank, const uint64_t *shape);

/* Random tensors: 0 .. n_max of them, any type but UNKNOWN, rank 0 .. 4, extents 0 .. 6, odd names. Returns how many. */
size_t make_random_tensors(ms_gen *g, ms_arena *arena, ms_safetensors_tensor *out, size_t n_max);

/* ---- npy and zip ---- */

/* An array file: the header that NumPy writes, then n bytes. */
void make_npy(ms_buf *out, ms_dtype dtype, bool fortran, uint32_t rank, const uint64_t *shape, const void *bytes, size_t n);

/* The same around any header text (a newline is put behind it), of version 1, 2 or 3. */
void make_npy_raw(ms_buf *out, int version, const char *header, const void *bytes, size_t n);

typedef struct make_zip { /* zero it, add members, end it; then `file` is an archive, to be freed with make_zip_free */
    ms_buf file, directory;
    size_t n;
    size_t header_at[8], entry_at[8]; /* of each member: its header in the file, its entry in the directory */
    size_t directory_at, end_at;      /* in the file, known when it is ended */
} make_zip;

enum { MAKE_DEFLATED = 1, MAKE_ZIP64 = 2, MAKE_DESCRIPTOR = 4 }; /* DEFLATED without zlib: stored blocks */
void make_zip_add(make_zip *z, const char *name, ms_str content, unsigned how);
void make_zip_end(make_zip *z, bool zip64);
void make_zip_free(make_zip *z);

/* ---- sources ---- */

/* Like ms_source_over_memory without the map: every view is a copy in the scratch, and the k-th view from now fails with
 * MS_ERR_IO when fail_at is k (1: the next one; 0: none). bytes: borrowed. */
ms_source *make_copying_source(const void *bytes, size_t n, const char *path, int fail_at);

/* Changes 1 .. 8 bytes, cuts, repeats or inserts: what a mutation test feeds to readers. */
void make_mutation(ms_gen *g, ms_buf *bytes);

#endif
