/* http_head: what the headers of an answer say. Hostile like any other input. Private to http*.c. */
#ifndef MS_HTTP_HEAD_H
#define MS_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

typedef struct ms_http_head { /* of one answer */
    ms_buf location, next;
    char commit[64], etag[160], linked_etag[160], error_code[64], error_message[256];
    bool has_range;
    bool is_encoded;             /* Content-Encoding: gzip or the like */
    uint64_t first, last, total; /* Content-Range; total UINT64_MAX for '*' */
    int64_t length;              /* Content-Length; -1: unknown */
    int64_t wait_ms;             /* Retry-After or ratelimit; -1: none */
    int64_t date, retry_date;    /* Date, Retry-After as a date: seconds since 1970; -1: none */
} ms_http_head;

void ms_http_head_clear(ms_http_head *head); /* keeps its memory */
void ms_http_head_line(ms_http_head *head, ms_str line);
void ms_http_head_free(ms_http_head *head);

#endif
