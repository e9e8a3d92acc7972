/*
 * model_summary: logs/model_summary.json, what the model of a run is, for reports and readers of the run: counted from headers,
 * as inspect does.
 *
 *     {"schema": "moescope.model_summary", "version": 1, "architecture": "...", "model_type": "...", "family": "...",
 *      "family_reason": "...", "parameters": {"total": n, "active": n or null, "routed": ..., ...}}
 */
#ifndef MS_MODEL_SUMMARY_H
#define MS_MODEL_SUMMARY_H

#include "checkpoint.h"

/* ckpt may be NULL, or opened without families: the file is removed then, so that no older run speaks for this one. */
ms_status ms_model_summary_write(const ms_checkpoint *ckpt, ms_str run_dir, ms_err *err);

#endif
