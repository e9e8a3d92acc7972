/*
 * torch_tree: finds the tensors in the object that a torch pickle describes.
 */
#ifndef MS_TORCH_TREE_H
#define MS_TORCH_TREE_H

#include "broken.h"
#include "dtype.h"
#include "map.h"
#include "pickle.h"
#include "strided.h"

typedef struct ms_torch_affine { /* of a quantised tensor */
    bool is_there, by_channel;
    double scale;
    int64_t zero, axis;
    ms_pref scales, zeros; /* by channel: tensors */
} ms_torch_affine;

typedef struct ms_torch_tensor {
    ms_str name;    /* path from the mapping of the weights, prefixes of wrappers taken off; in the tree's arena */
    ms_str storage; /* key of its storage */
    ms_str type;    /* "FloatStorage", "float8_e4m3fn" */
    ms_dtype dtype;
    size_t item;       /* bytes of an element; 0 unknown */
    int64_t n_storage; /* elements of the storage; bytes for UntypedStorage */
    bool is_untyped;
    uint32_t rank;
    uint64_t offset; /* elements */
    uint64_t shape[MS_STRIDED_MAX_RANK], strides[MS_STRIDED_MAX_RANK];
    uint32_t at; /* byte of the pickle */
    ms_torch_affine affine;
} ms_torch_tensor;

typedef struct ms_torch_extra { /* what stands beside the weights, as JSON */
    ms_str key, json;
} ms_torch_extra;

typedef struct ms_torch_tree {
    ms_arena arena;
    MS_VEC(ms_torch_tensor) tensors; /* in the order of the file */
    MS_VEC(ms_torch_extra) extras;
    ms_str root; /* path of the mapping that was taken, "" the whole object */
} ms_torch_tree;

typedef struct ms_torch_given { /* tensors that the pickle names by a number: a tar file describes them elsewhere */
    MS_VEC(ms_torch_tensor) tensors;
    ms_map by_key; /* the number in decimal -> index into tensors */
} ms_torch_given;

/* given: NULL when there are none. rules: for notes about tensors that cannot be used. */
ms_status ms_torch_tree_build(ms_torch_tree *out, const ms_pickle *pickle, const ms_torch_given *given,
                              const ms_broken_rules *rules, ms_err *err);
void ms_torch_tree_free(ms_torch_tree *tree);

/* One node as a tensor inside its storage; false when it is none. */
bool ms_torch_tensor_at(ms_torch_tensor *out, const ms_pickle *pickle, ms_pref ref, const ms_torch_given *given);

/* Every element lies inside the storage of n_storage elements; the size fits 64 bits. */
bool ms_torch_tensor_fits(const ms_torch_tensor *t);

/* Bytes of an element of each storage that the pickle mentions, an optimiser's too. Keys are the pickle's. */
ms_status ms_torch_tree_items(ms_map *out, const ms_pickle *pickle, ms_err *err);

#endif
