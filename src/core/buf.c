#include "buf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "shortest.h"

static bool make_room(ms_buf *b, size_t n) {
    if (b->failed) return false;
    if (b->capacity - b->size > n) return true; /* one byte stays for the terminating 0 */
    size_t wanted = b->capacity ? b->capacity * 2 : 256;
    if (wanted < b->size + n + 1) wanted = b->size + n + 1;
    char *const grown = n < SIZE_MAX / 4 ? ms_mem_grow_array(b->bytes, b->size, wanted, 1) : NULL;
    if (!grown) return b->failed = true, false;
    b->bytes = grown;
    b->capacity = wanted;
    return true;
}

void ms_buf_put(ms_buf *b, const void *bytes, size_t n) {
    if (!make_room(b, n)) return;
    if (n) memcpy(b->bytes + b->size, bytes, n);
    b->size += n;
    b->bytes[b->size] = 0;
}

void ms_buf_vprintf(ms_buf *b, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    if (n >= 0 && make_room(b, (size_t)n)) {
        vsnprintf(b->bytes + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

void ms_buf_printf(ms_buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ms_buf_vprintf(b, format, args);
    va_end(args);
}

/* Python's repr: plain from 0.0001 up to 16 digits before the point, else d.ddde-XX. */
void ms_buf_put_f64(ms_buf *b, double value) {
    if (isnan(value)) {
        ms_buf_put_text(b, "nan");
        return;
    }
    if (signbit(value)) ms_buf_put_char(b, '-');
    if (isinf(value)) {
        ms_buf_put_text(b, "inf");
        return;
    }
    static const char zeros[] = "0000000000000000";
    const ms_shortest s = ms_shortest_of(value);
    const size_t n = (size_t)s.n;
    if (s.exponent < -3 || s.exponent > 16) {
        const int exponent = s.exponent - 1;
        ms_buf_put(b, s.digits, 1);
        if (n > 1) ms_buf_put_char(b, '.'), ms_buf_put(b, s.digits + 1, n - 1);
        ms_buf_printf(b, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (s.exponent <= 0) {
        ms_buf_put_text(b, "0.");
        ms_buf_put(b, zeros, (size_t)-s.exponent);
        ms_buf_put(b, s.digits, n);
    } else {
        const size_t n_whole = (size_t)s.exponent;
        ms_buf_put(b, s.digits, n < n_whole ? n : n_whole);
        if (n <= n_whole) ms_buf_put(b, zeros, n_whole - n), ms_buf_put(b, ".0", 2);
        else ms_buf_put_char(b, '.'), ms_buf_put(b, s.digits + n_whole, n - n_whole);
    }
}

void ms_buf_free(ms_buf *b) {
    ms_mem_free(b->bytes);
    *b = (ms_buf){0};
}
