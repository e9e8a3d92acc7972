/*
 * torch_tar: the first format of torch.save (0.1, until 2017), a tar archive of four members:
 *
 *   sys_info   pickle of {protocol_version, little_endian, type_sizes}
 *   storages   pickle of their number; for each a pickle of (key, location, class), i64 count of elements, the elements; then a
 *              pickle of the list of views (key, key of the root, offset, count), in elements
 *   tensors    pickle of their number; for each a pickle of (key, key of its storage, class), i32 rank, 4 bytes, i64 sizes,
 *              i64 strides, i64 offset
 *   pickle     the object; its persistent ids are keys of tensors and storages, in decimal
 *
 * Keys are numbers. All integers little-endian. Source: torch 2.15, torch/serialization.py, legacy_load.
 */
#ifndef MS_TORCH_TAR_H
#define MS_TORCH_TAR_H

#include "source.h"
#include "torch_tree.h"

typedef struct ms_torch_storage { /* one that lies in the file */
    ms_str key, type;
    uint64_t n, offset, n_bytes; /* elements; of the first byte in the file; bytes */
} ms_torch_storage;

typedef struct ms_torch_tar {
    ms_arena arena;
    MS_VEC(ms_torch_storage) storages;
    ms_map by_key; /* -> index into storages */
    ms_torch_given given;
    uint64_t pickle_at, n_pickle; /* the object */
} ms_torch_tar;

bool ms_torch_tar_probe(const void *head, size_t n);

/* Free it in any case. */
ms_status ms_torch_tar_read(ms_torch_tar *out, ms_source *source, const ms_broken_rules *rules, ms_err *err);
void ms_torch_tar_free(ms_torch_tar *tar);

#endif
