/*
 * human: numbers as people read them, in the terminal, the report and the viewer. Scripts get exact numbers elsewhere.
 *
 *     printf("%s in %s\n", ms_human_bytes(n).text, ms_human_duration(seconds).text);      // 7.013 MB in 12.3 ms
 *
 * By value: valid to the end of the full expression. Text is UTF-8; a space in it is a plain one but for the grouping of
 * counts. NaN is "nan", infinities are "inf" and "-inf". Roundings are to nearest and never show 1000 of a unit.
 */
#ifndef MS_HUMAN_H
#define MS_HUMAN_H

#include <stdint.h>

typedef struct ms_human {
    char text[48];
} ms_human;

/* Decimal units, four significant digits: "0 B", "999 B", "1.024 kB", "7.013 MB", "142.0 GB", "18.45 EB". */
ms_human ms_human_bytes(uint64_t n_bytes);

/* bytes per second: "3.214 GB/s". */
ms_human ms_human_rate(double bytes_per_second);

/* Exact; from five digits on in groups of three with a narrow no-break space (U+202F): "4096", "14 316 784". */
ms_human ms_human_count(uint64_t n);

/* Three significant digits and the letters of model names (k, M, B, T): "999", "4.10 k", "3.49 M", "30.5 B", "1.04 T". */
ms_human ms_human_short_count(uint64_t n);

/* Four significant digits: "0.06360", "12.35", "-1.5e-07" (only from 1e6 and below 1e-4). Whole numbers below 1e6 as they are.
 */
ms_human ms_human_number(double value);

/* A share as percent with two decimals: 0.0805 is "8.05 %". */
ms_human ms_human_percent(double share);

/* "12.3 us", "12.3 ms", "4.21 s", "2 min 05 s", "3 h 02 min", "5 d 07 h". */
ms_human ms_human_duration(double seconds);

#endif
