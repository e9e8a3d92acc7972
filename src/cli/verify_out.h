/*
 * verify_out: findings for people, scripts and scanning services. Each writes to stdout.
 */
#ifndef MS_VERIFY_OUT_H
#define MS_VERIFY_OUT_H

#include "cli.h"
#include "verify.h"

ms_status ms_verify_text(ms_cli *cli, const ms_verify *verify, ms_err *err);
ms_status ms_verify_json(ms_cli *cli, const ms_verify *verify, ms_err *err);
ms_status ms_verify_sarif(ms_cli *cli, const ms_verify *verify, ms_err *err);

#endif
