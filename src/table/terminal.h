/*
 * terminal: a table for people: aligned text that fits the window, or Markdown.
 *
 *     ms_buf text = {0};
 *     MS_TRY(ms_terminal_table(table, &(ms_terminal_options){.width = 100}, &text, err));
 *
 *     layer  proj   rms        size (MiB)
 *     -----  ----  --------  ----------
 *         0  gate   0.02013         12.00
 *
 * Numbers stand right with four significant digits, integers in full, missing cells as "-". The first column wins when there is
 * not enough room: text is shortened in its middle first, then columns at the end are left out and named below.
 */
#ifndef MS_TERMINAL_H
#define MS_TERMINAL_H

#include "buf.h"
#include "err.h"
#include "str.h"
#include "table.h"

typedef struct ms_terminal_options {
    size_t width;    /* of the window, in character cells; 0: as wide as it gets */
    size_t max_rows; /* 0: all; else the first ones, and a line that says how many more there are */
    bool colour;     /* a bold header, by ANSI escapes; else no escapes at all */
} ms_terminal_options;

ms_status ms_terminal_table(const ms_table *table, const ms_terminal_options *options, ms_buf *out, ms_err *err);

/* All rows as a Markdown table (GitHub's), numbers as above. */
ms_status ms_terminal_markdown(const ms_table *table, ms_buf *out, ms_err *err);

/* Four significant digits: 0.01234, 12.34, 1234.6 is "1235", 1.235e-05, 1.235e+07; nan, inf, -inf. */
void ms_terminal_number(double value, char text[static 32]);

/* Cells that well-formed UTF-8 takes on a terminal: 2 for wide characters, 0 for combining marks. */
size_t ms_terminal_width(ms_str text);

#endif
