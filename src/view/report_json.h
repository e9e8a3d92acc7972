/*
 * report_json: the run's numbers as the JSON that the page's charts read (web/report/data.js says how it looks).
 */
#ifndef MS_REPORT_JSON_H
#define MS_REPORT_JSON_H

#include "buf.h"
#include "report_data.h"

/* Safe inside a <script> element: holds no '<'. Values have five significant digits. */
void ms_report_put_json(const ms_report_data *data, ms_buf *out);

#endif
