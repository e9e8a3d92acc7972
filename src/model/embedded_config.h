/*
 * embedded_config: what a file's own metadata says about the model, in the words of config.json, for models that have no
 * config.json: GGUF's "<architecture>.*" keys, the "model_args" of torch checkpoints.
 */
#ifndef MS_EMBEDDED_CONFIG_H
#define MS_EMBEDDED_CONFIG_H

#include "checkpoint.h"

/* Sets ckpt->config when there is none and a file has such metadata. Fails only when memory is short. */
ms_status ms_embedded_config_read(ms_checkpoint *ckpt, ms_err *err);

#endif
