/*
 * pieces: models that were stored as they lay on several devices: each file holds a part of the same tensors.
 *
 *   Grok-2       NAME-TP-000.safetensors, ... beside NAME-TP-common.safetensors: the experts are cut, w1 and w3 along their
 *                rows, w2 along its columns
 *   Meta's own   consolidated.00.pth, consolidated.01.pth, ...: all matrices are cut, in the same way, and wq, wk, wv, output
 *                along their rows, wo along its columns; norms are in every file
 *
 * What is known to be cut is joined; what is not is named in a note, and its first piece is taken.
 */
#ifndef MS_PIECES_H
#define MS_PIECES_H

#include "checkpoint.h"

/* Is the file called like a piece? *stem: what all pieces of one model have in front of their numbers. */
bool ms_pieces_is_name(ms_str file, ms_str *stem);

/* Puts one tensor in the place of its pieces, before names are looked up. */
ms_status ms_pieces_join(ms_checkpoint *ckpt, ms_err *err);

#endif
