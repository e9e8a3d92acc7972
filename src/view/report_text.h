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

/* The numbers of human.h, with a true minus sign and narrow spaces; "none" for NaN. */
void ms_html_number(ms_buf *b, double value);
void ms_html_percent(ms_buf *b, double share);
void ms_html_count(ms_buf *b, int64_t n);
void ms_html_short_count(ms_buf *b, double n);
void ms_html_bytes(ms_buf *b, double n_bytes);
/* "1 matrix", "288 matrices". */
void ms_html_plural(ms_buf *b, int64_t n, const char *one, const char *many);

#endif
