#include "report_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define THIN_SPACE "\xE2\x80\xAF"
#define MINUS "\xE2\x88\x92"

static void put_escaped(ms_buf *b, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '<': ms_buf_put_text(b, "&lt;"); break;
        case '>': ms_buf_put_text(b, "&gt;"); break;
        case '&': ms_buf_put_text(b, "&amp;"); break;
        case '"': ms_buf_put_text(b, "&quot;"); break;
        default: ms_buf_put_char(b, text[i]);
        }
    }
}

/* ms_str_shown cuts long text, so it gets pieces; a piece never ends inside a UTF-8 sequence. */
void ms_html_text(ms_buf *b, ms_str text) {
    enum { PIECE = 40 };
    for (size_t i = 0; i < text.size;) {
        size_t end = i + PIECE < text.size ? i + PIECE : text.size;
        while (end < text.size && end > i + PIECE - 4 && ((unsigned char)text.text[end] & 0xC0) == 0x80) end--;
        const ms_shown shown = ms_str_shown(ms_str_sub(text, i, end));
        put_escaped(b, shown.text, strlen(shown.text));
        i = end;
    }
}

void ms_html_number(ms_buf *b, double value) {
    if (isnan(value)) {
        ms_buf_put_text(b, "none");
        return;
    }
    if (value < 0) ms_buf_put_text(b, MINUS);
    const double size = fabs(value);
    if (isinf(size)) ms_buf_put_text(b, "infinite");
    else if (size == 0) ms_buf_put_text(b, "0");
    else if (size >= 1e-4 && size < 1e6) {
        const int digits = 3 - (int)floor(log10(size));
        ms_buf_printf(b, "%.*f", digits < 0 ? 0 : digits > 8 ? 8 : digits, size);
    } else ms_buf_printf(b, "%.3e", size);
}

void ms_html_percent(ms_buf *b, double share) {
    if (isnan(share)) {
        ms_buf_put_text(b, "none");
        return;
    }
    ms_buf_printf(b, "%s%.2f" THIN_SPACE "%%", share < 0 ? MINUS : "", fabs(share) * 100);
}

void ms_html_count(ms_buf *b, int64_t n) {
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%lld", n < 0 ? -(long long)n : (long long)n);
    if (n < 0) ms_buf_put_text(b, MINUS);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) ms_buf_put_text(b, THIN_SPACE);
        ms_buf_put_char(b, digits[i]);
    }
}

static void put_scaled(ms_buf *b, double n, const char *const *units, int n_units) {
    int unit = 0;
    while (unit + 1 < n_units && n >= 999.5) n /= 1000, unit++;
    ms_buf_printf(b, "%.*f", unit == 0 ? 0 : n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n);
    if (units[unit][0]) ms_buf_printf(b, THIN_SPACE "%s", units[unit]);
}

void ms_html_short_count(ms_buf *b, double n) {
    static const char *const units[] = {"", "k", "M", "B", "T"};
    put_scaled(b, n, units, 5);
}

void ms_html_bytes(ms_buf *b, double n_bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    put_scaled(b, n_bytes, units, 5);
}

void ms_html_plural(ms_buf *b, int64_t n, const char *one, const char *many) {
    ms_html_count(b, n);
    ms_buf_printf(b, " %s", n == 1 ? one : many);
}
