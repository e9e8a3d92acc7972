#include "buf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

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

/* Digits and exponent of the shortest %.{p}e that reads back; 17 digits always do. */
static int shortest(double value, char text[static 40]) {
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, 40, "%.*e", precision, value);
        if (strtod(text, NULL) == value) return precision;
    }
    return 16;
}

void ms_buf_put_f64(ms_buf *b, double value) {
    if (isnan(value)) {
        ms_buf_put_text(b, "nan");
        return;
    }
    if (isinf(value)) {
        ms_buf_put_text(b, value < 0 ? "-inf" : "inf");
        return;
    }
    if (value == floor(value) && fabs(value) < 1e15) { /* the frequent case, and it needs no search */
        ms_buf_printf(b, "%s%.1f", value == 0 && signbit(value) ? "-" : "", value == 0 ? 0.0 : value);
        return;
    }
    char text[40];
    const int precision = shortest(value, text);
    char *const e = strchr(text, 'e');
    const int exponent = atoi(e + 1);
    if (exponent >= -4 && exponent < 16) {
        const int decimals = precision - exponent;
        ms_buf_printf(b, "%.*f", decimals > 1 ? decimals : 1, value);
    } else {
        *e = 0;
        ms_buf_printf(b, "%se%c%02d", text, exponent < 0 ? '-' : '+', abs(exponent));
    }
}

void ms_buf_free(ms_buf *b) {
    ms_mem_free(b->bytes);
    *b = (ms_buf){0};
}
