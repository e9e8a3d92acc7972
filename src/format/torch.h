/*
 * torch: readers of PyTorch files; the layouts are at the head of torch.c. Opened through ms_reader_open (reader.h).
 *
 * Nothing in the file is imported or called. Tensors come from the mapping that holds the weights ("model", "state_dict", ...,
 * else the root), with the prefixes of compiled and wrapped models taken off their names; what stands beside it (model_args,
 * config, step counters) becomes metadata as JSON. Notes name every global that torch.load(weights_only=True) would refuse,
 * with its byte, and tied tensors. Metadata "torch.weights_only" is "yes" or "no", "torch.refused" a JSON list of the names
 * that it would refuse: {"name", "offset", "dangerous"}.
 */
#ifndef MS_TORCH_H
#define MS_TORCH_H

#include "reader.h"

extern const ms_format ms_torch_zip_format;
extern const ms_format ms_torch_legacy_format;
extern const ms_format ms_torch_tar_format;

#endif
