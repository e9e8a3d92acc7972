#include "width.h"

#include "width_table.h"

static bool in_ranges(const uint32_t ranges[][2], size_t n, uint32_t code) {
    size_t low = 0, high = n; /* the first range that ends at or after code */
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (ranges[middle][1] < code) low = middle + 1;
        else high = middle;
    }
    return low < n && ranges[low][0] <= code;
}

int ms_width_of_code(uint32_t code) {
    if (code < 0x300) return 1;
    if (in_ranges(no_column, sizeof no_column / sizeof *no_column, code)) return 0;
    return in_ranges(two_columns, sizeof two_columns / sizeof *two_columns, code) ? 2 : 1;
}

/* Columns of the character at *at, which is moved behind it. */
static size_t next_width(ms_str s, size_t *at) {
    uint32_t code;
    const size_t n = ms_str_code_at(s, *at, &code);
    *at += n ? n : 1;
    return n ? (size_t)ms_width_of_code(code) : 1;
}

size_t ms_width_of(ms_str s) {
    size_t width = 0;
    for (size_t at = 0; at < s.size;) width += next_width(s, &at);
    return width;
}

ms_str ms_width_cut(ms_str s, size_t n_columns) {
    size_t at = 0, width = 0;
    while (at < s.size) {
        size_t end = at;
        width += next_width(s, &end);
        if (width > n_columns) break;
        at = end;
    }
    return (ms_str){s.text, at};
}
