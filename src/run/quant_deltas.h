/*
 * quant_deltas: one quantisation scheme minus another, matrix by matrix: B_quant_deltas.
 *
 *     MS_TRY(ms_quant_deltas(&table, quant_sim, pairs, n_pairs, &warnings, err));
 *
 * A row per matrix and pair: pairs in their order, matrices by name, layer, projection, expert. Matrices of unknown layer (null
 * block4) are there as well. A metric that one of the two schemes lacks is null. A pair that names a scheme without any row
 * gives no rows and a warning that begins "[delta]".
 */
#ifndef MS_QUANT_DELTAS_H
#define MS_QUANT_DELTAS_H

#include "notes.h"
#include "run_config.h"
#include "table.h"

/* MS_ERR_DAMAGED when quant_sim holds a routed expert's matrix twice under one scheme. (Shared experts that lie stacked in one
 * tensor have one id: they are told apart by their order.) Owned. */
ms_status ms_quant_deltas(ms_table **out, const ms_table *quant_sim, const ms_delta_pair *pairs, size_t n_pairs,
                          ms_notes *warnings, ms_err *err);

#endif
