/*
 * report_text: HTML and numbers as text, into a growing buffer.
 */
#ifndef MS_REPORT_TEXT_H
#define MS_REPORT_TEXT_H

#include <stdint.h>

#include "buf.h"

/* Text from anywhere: <, >, &, " escaped, control and bidi characters shown as \x.. and \u{..}. */
void ms_html_text(ms_buf *b, ms_str text);
static inline void ms_html_chars(ms_buf *b, const char *text) { ms_html_text(b, ms_str_of(text)); }

/* Four significant digits; "none" for NaN; a true minus sign. */
void ms_html_number(ms_buf *b, double value);
/* A share as percent with two decimals. */
void ms_html_percent(ms_buf *b, double share);
/* A count with thin spaces: 3 489 664. */
void ms_html_count(ms_buf *b, int64_t n);
/* A count in short, four digits at most: 3.49 M, 671 B. */
void ms_html_short_count(ms_buf *b, double n);
/* Bytes in decimal units: 7.02 MB. */
void ms_html_bytes(ms_buf *b, double n_bytes);
/* "1 matrix", "288 matrices". */
void ms_html_plural(ms_buf *b, int64_t n, const char *one, const char *many);

#endif
