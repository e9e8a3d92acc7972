/*
 * json_number: the numbers of RFC 8259.
 *
 *     number   [-] (0 | 1-9 digits) [. digits] [(e|E) [+|-] digits]
 *
 * Private to json*.c. Doubles are correctly rounded whatever the length of the text and the locale of the process.
 */
#ifndef MS_JSON_NUMBER_H
#define MS_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

typedef struct ms_json_number {
    size_t end;         /* the byte after the number */
    size_t n_text;      /* its length */
    ms_json_kind kind;  /* MS_JSON_INT, MS_JSON_UINT or MS_JSON_REAL; "-0" is a real, as only there it has a meaning */
    bool negative;      /* it begins with '-' */
    uint64_t magnitude; /* of an integer */
} ms_json_number;

/* The number at bytes[at], which is '-' or a digit. NULL, or what was expected at *bad_at. */
const char *ms_json_number_scan(ms_json_number *out, const char *bytes, size_t at, size_t size, size_t *bad_at);

/* text: where the scanned number begins. False when it is beyond the doubles (its magnitude rounds to infinity). */
bool ms_json_number_to_f64(const ms_json_number *number, const char *text, double *out);

#endif
