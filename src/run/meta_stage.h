/*
 * meta_stage: the model's own config.json in the logs of a run: model_config.raw.json and model_shape_budget.json.
 *
 *     MS_TRY(ms_meta_stage_run(run_dir, &config, model_folder, &warnings, &line, err));
 *     if (line.size) say(line);                                        // "[meta] hidden=128 layers=6 experts=16 topk=4"
 *
 * A config that is missing, empty or broken is a warning. What an earlier run left is removed. When the tensors are known:
 *
 *     MS_TRY(ms_meta_stage_embedded(run_dir, ckpt, &warnings, &line, err));   // GGUF and torch files tell themselves
 */
#ifndef MS_META_STAGE_H
#define MS_META_STAGE_H

#include "buf.h"
#include "checkpoint.h"
#include "notes.h"
#include "run_config.h"

ms_status ms_meta_stage_run(ms_str run_dir, const ms_run_config *config, ms_str model_folder, ms_notes *warnings, ms_buf *line,
                            ms_err *err);
/* Logs what the files say of the model, in config.json's words, where ms_meta_stage_run missed a config, and takes its warning
 * back. */
ms_status ms_meta_stage_embedded(ms_str run_dir, const ms_checkpoint *ckpt, ms_notes *warnings, ms_buf *line, ms_err *err);

#endif
