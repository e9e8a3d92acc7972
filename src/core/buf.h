/*
 * buf: bytes that grow; text is written with it, files are made from it.
 *
 *     ms_buf b = {0};
 *     ms_buf_printf(&b, "%d experts", n);
 *     ms_buf_put(&b, "\n", 1);
 *     if (b.failed) status = ms_err_memory(err, "the report");
 *     ms_buf_free(&b);
 *
 * Failure sticks: write in a straight line, ask once.
 */
#ifndef MS_BUF_H
#define MS_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "str.h"

typedef struct ms_buf {
    char *bytes; /* owned; [size] bytes, always followed by a 0 once anything was written */
    size_t size, capacity;
    bool failed; /* memory ran out; contents are incomplete */
} ms_buf;

void ms_buf_put(ms_buf *b, const void *bytes, size_t n);
static inline void ms_buf_put_str(ms_buf *b, ms_str s) { ms_buf_put(b, s.text, s.size); }
static inline void ms_buf_put_text(ms_buf *b, const char *text) { ms_buf_put(b, text, strlen(text)); }
static inline void ms_buf_put_char(ms_buf *b, char c) { ms_buf_put(b, &c, 1); }
void ms_buf_printf(ms_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ms_buf_vprintf(ms_buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* The shortest decimal text that reads back as the same double, as Python's repr: 0.1, 1e-07, 1e+16, 3.0; nan, inf, -inf. */
void ms_buf_put_f64(ms_buf *b, double value);

static inline ms_str ms_buf_str(const ms_buf *b) { return (ms_str){b->bytes ? b->bytes : "", b->size}; }
static inline void ms_buf_clear(ms_buf *b) { b->size = 0, b->failed = false; }
void ms_buf_free(ms_buf *b);

#endif
