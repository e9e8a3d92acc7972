/*
 * quant_file: how a model was quantised, where config.json does not say it but a file beside it does.
 *
 *     hf_quant_config.json     ModelOpt: {"producer": ..., "quantization": {"quant_algo": "NVFP4", "group_size": 16, ...}}
 *     quantize_config.json     AutoGPTQ and GPTQModel: {"bits": 4, "group_size": 128, "checkpoint_format": "gptq_v2", ...}
 *     quant_config.json        AutoAWQ: {"w_bit": 4, "q_group_size": 128, "version": "GEMM", ...}
 */
#ifndef MS_QUANT_FILE_H
#define MS_QUANT_FILE_H

#include "checkpoint.h"

/* Sets ckpt->model.quantization and quant_method from the first of the files that is there, unless the config has them. A file
 * that cannot be read or is no JSON object is a note. */
ms_status ms_quant_file_read(ms_checkpoint *ckpt, ms_err *err);

#endif
