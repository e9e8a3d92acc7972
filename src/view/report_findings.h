/*
 * report_findings: what stands out in a run, as sentences with numbers, each true when read alone.
 */
#ifndef MS_REPORT_FINDINGS_H
#define MS_REPORT_FINDINGS_H

#include "buf.h"
#include "report_data.h"

/* Appends <li> elements, what needs attention first; returns how many. When memory is short the buffer has failed. */
size_t ms_report_findings(const ms_report_data *data, ms_buf *html);

/* "layer 2, expert 14, gate_proj", as HTML. */
void ms_report_put_matrix(const ms_report_data *data, size_t i, ms_buf *html);

#endif
