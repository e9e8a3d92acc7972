/*
 * index_check: an index, the headers of its shards and the files on disk, held against each other. Every class of difference
 * is a note with its own code; the first few of a class are named, the rest counted.
 *
 *     index.shard_outside     a shard's name leaves the model folder: treated as missing
 *     index.missing_shard     a shard is not there
 *     index.case_mismatch     ... but a file whose name differs only in case is
 *     index.file_unlisted     a *.safetensors file beside the index that it does not name
 *     index.tensor_missing    a tensor is in no shard
 *     index.tensor_elsewhere  ... in another shard than the index says
 *     index.tensor_unlisted   a tensor in a shard that the index does not list
 *     index.duplicate_tensor  the same name in two shards
 *     index.total_size        metadata.total_size is neither the bytes of the tensors nor of the files
 * (A shard that is cut short is the reader's to report: the header says where it should end.)
 */
#ifndef MS_INDEX_CHECK_H
#define MS_INDEX_CHECK_H

#include "checkpoint.h"
#include "file_set.h"

/* Puts the shards that exist on the list of files. MS_ERR_NOT_FOUND when there are none. */
ms_status ms_index_choose_shards(ms_checkpoint *ckpt, ms_file_set *set, ms_err *err);

/* Once the tensors are listed. Decides which of several tensors with one name counts: the index's, else the first. */
ms_status ms_index_check(ms_checkpoint *ckpt, ms_err *err);

#endif
