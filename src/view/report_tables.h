/*
 * report_tables: the report's numbers as HTML tables; what the charts show, readable without them.
 */
#ifndef MS_REPORT_TABLES_H
#define MS_REPORT_TABLES_H

#include "buf.h"
#include "report_data.h"

/* scratch: [d->n] */
void ms_report_put_layers(const ms_report_data *d, const char *metric, double *scratch, ms_buf *b);
/* Layers down, experts right; nothing for more than 4096 matrices. */
void ms_report_put_grid(const ms_report_data *d, const char *metric, ms_buf *b);
void ms_report_put_schemes(const ms_report_data *d, double *scratch, ms_buf *b);
void ms_report_put_hardest(const ms_report_data *d, ms_buf *b);
void ms_report_put_deltas(const ms_report_data *d, double *scratch, ms_buf *b);

#endif
