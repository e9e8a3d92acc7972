/*
 * run_log: what collect and tables write alike: tables as the configuration wants them, and the pieces of their JSON logs.
 */
#ifndef MS_RUN_LOG_H
#define MS_RUN_LOG_H

#include "json.h"
#include "run_config.h"
#include "run_folder.h"
#include "table.h"

/* RUN/folder/name.parquet or .csv. MS_ERR_USAGE: the path is too long. */
ms_status ms_run_log_write_table(const ms_table *table, ms_str run_dir, const char *folder, const char *name,
                                 const ms_run_config *config, ms_table_written *written, ms_err *err);

/* The same for a table that is written by portions (ms_table_sink). */
ms_status ms_run_log_open_table(ms_table_sink **out, ms_table *table, ms_str run_dir, const char *folder, const char *name,
                                const ms_run_config *config, ms_table_written *written, ms_err *err);

/* The member "run"; the object stays open. */
void ms_run_log_begin_run(ms_json_out *json, ms_str run_dir, const ms_run_manifest *manifest);

/* The members "requested_format" and "requested_compression". */
void ms_run_log_requested(ms_json_out *json, const ms_run_config *config);

/* The member `name`: where a table was written, as what, and why if not as asked for. */
void ms_run_log_artifact(ms_json_out *json, const char *name, ms_str run_dir, const ms_table_written *written);

/* The part of a path below the run's folder; else all of it. */
ms_str ms_run_log_below(ms_str run_dir, const char *path);

/* The members "error" and "traceback". stage: what was being done. */
void ms_run_log_error(ms_json_out *json, ms_status status, const ms_err *failure, const char *stage);

#endif
