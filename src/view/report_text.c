#include "report_text.h"

#include <math.h>

#include "human.h"

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

/* As people read them everywhere, with the signs and spaces of print. */
static void put_human(ms_buf *b, ms_human human) {
    for (const char *c = human.text; *c; c++) {
        if (*c == ' ') ms_buf_put_text(b, THIN_SPACE);
        else if (*c == '-') ms_buf_put_text(b, MINUS);
        else ms_buf_put_char(b, *c);
    }
}

void ms_html_number(ms_buf *b, double value) {
    if (isnan(value)) ms_buf_put_text(b, "none");
    else if (isinf(value)) ms_buf_put_text(b, value < 0 ? MINUS "infinite" : "infinite");
    else put_human(b, ms_human_number(value));
}

void ms_html_percent(ms_buf *b, double share) {
    if (isnan(share)) ms_buf_put_text(b, "none");
    else put_human(b, ms_human_percent(share));
}

void ms_html_count(ms_buf *b, int64_t n) {
    if (n < 0) ms_buf_put_text(b, MINUS);
    put_human(b, ms_human_count(n < 0 ? 0 - (uint64_t)n : (uint64_t)n));
}

static uint64_t whole(double n) { return n > 0 && n < 1.8e19 ? (uint64_t)n : 0; }

void ms_html_short_count(ms_buf *b, double n) { put_human(b, ms_human_short_count(whole(n))); }
void ms_html_bytes(ms_buf *b, double n_bytes) { put_human(b, ms_human_bytes(whole(n_bytes))); }

void ms_html_plural(ms_buf *b, int64_t n, const char *one, const char *many) {
    ms_html_count(b, n);
    ms_buf_printf(b, " %s", n == 1 ? one : many);
}
