/* What the headers of an answer say. */
#include "http_head.h"

#include <stdio.h>

static ms_str trimmed(ms_str s) {
    while (s.size && memchr(" \t\r\n", s.text[0], 4)) s = ms_str_sub(s, 1, s.size);
    while (s.size && memchr(" \t\r\n", s.text[s.size - 1], 4)) s.size--;
    return s;
}

/* Cut where it does not fit: then it equals nothing that it is compared with. */
static void keep(char *out, size_t size, ms_str value) {
    const size_t n = value.size < size ? value.size : size - 1;
    memcpy(out, value.text, n);
    out[n] = 0;
}

static void keep_etag(char *out, size_t size, ms_str value) {
    if (ms_str_starts_with(value, MS_STR("W/"))) value = ms_str_sub(value, 2, value.size);
    if (value.size >= 2 && value.text[0] == '"' && value.text[value.size - 1] == '"')
        value = ms_str_sub(value, 1, value.size - 1);
    keep(out, size, value);
}

static bool number(ms_str s, uint64_t *out) {
    int64_t value;
    if (s.size == 0 || s.text[0] == '-' || s.text[0] == '+' || !ms_str_to_i64(s, &value)) return false;
    *out = (uint64_t)value;
    return true;
}

/* bytes FIRST-LAST/TOTAL */
static void read_range(ms_http_head *head, ms_str value) {
    if (!ms_str_starts_with(value, MS_STR("bytes "))) return;
    ms_str total = trimmed(ms_str_sub(value, 6, value.size));
    ms_str last = ms_str_cut(&total, '/');
    const ms_str first = ms_str_cut(&last, '-');
    if (!last.text || !total.text || !number(first, &head->first) || !number(last, &head->last)) return;
    head->has_range = ms_str_is(total, "*") || number(total, &head->total);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" as seconds since 1970; -1 for anything else. */
static int64_t seconds_of_date(ms_str value) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[40], month[4];
    int day, year, hour, minute, second;
    keep(text, sizeof text, value);
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT", &day, month, &year, &hour, &minute, &second) != 6)
        return -1;
    const char *const found = strstr(months, month);
    if (!found || (found - months) % 3 != 0 || year < 1970 || day < 1 || day > 31 || hour < 0 || minute < 0 || second < 0)
        return -1;
    const int m = (int)(found - months) / 3 + 1, y = year - (m <= 2), shifted = (m + 9) % 12; /* years from March */
    const int64_t days = 365 * (int64_t)y + y / 4 - y / 100 + y / 400 + (153 * shifted + 2) / 5 + day - 1 - 719468;
    return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

static void set_wait(ms_http_head *head, uint64_t seconds) {
    if (seconds < 1000000 && head->wait_ms < 0) head->wait_ms = (int64_t)seconds * 1000;
}

/* Retry-After: seconds, or a date, which counts from the server's own clock (Date), for ours may be another. */
static void read_wait(ms_http_head *head, ms_str value) {
    uint64_t seconds;
    if (number(value, &seconds)) set_wait(head, seconds);
    else head->retry_date = seconds_of_date(value);
}

static void compare_dates(ms_http_head *head) {
    if (head->date < 0 || head->retry_date < 0) return;
    set_wait(head, head->retry_date > head->date ? (uint64_t)(head->retry_date - head->date) : 0);
}

/* ratelimit: "api";r=0;t=55   requests left, seconds to the end of the window; wins over Retry-After */
static void read_rate_limit(ms_http_head *head, ms_str value) {
    uint64_t left = 1, seconds = 0;
    for (ms_str rest = value; rest.text;) {
        const ms_str part = trimmed(ms_str_cut(&rest, ';'));
        if (ms_str_starts_with(part, MS_STR("r="))) number(ms_str_sub(part, 2, part.size), &left);
        if (ms_str_starts_with(part, MS_STR("t="))) number(ms_str_sub(part, 2, part.size), &seconds);
    }
    if (left == 0 && seconds < 1000000) head->wait_ms = (int64_t)(seconds + 1) * 1000;
}

/* <URL>; rel="next", among others; an address may hold commas. */
static void read_link(ms_http_head *head, ms_str value) {
    ms_str rest = value;
    for (ms_str_cut(&rest, '<'); rest.text;) {
        const ms_str link = ms_str_cut(&rest, '<');
        ms_str about = link;
        const ms_str url = ms_str_cut(&about, '>');
        if (!about.text || !(ms_str_contains(about, MS_STR("rel=\"next\"")) || ms_str_contains(about, MS_STR("rel=next"))))
            continue;
        ms_buf_clear(&head->next);
        ms_buf_put_str(&head->next, url);
    }
}

void ms_http_head_clear(ms_http_head *head) {
    const ms_buf location = head->location, next = head->next;
    *head = (ms_http_head){
        .location = location, .next = next, .length = -1, .wait_ms = -1, .total = UINT64_MAX, .date = -1, .retry_date = -1};
    ms_buf_clear(&head->location);
    ms_buf_clear(&head->next);
}

void ms_http_head_free(ms_http_head *head) {
    ms_buf_free(&head->location);
    ms_buf_free(&head->next);
}

void ms_http_head_line(ms_http_head *head, ms_str line) {
    if (ms_str_starts_with(line, MS_STR("HTTP/"))) { /* another answer begins: after 100 Continue, after a proxy's */
        ms_http_head_clear(head);
        return;
    }
    ms_str value = line;
    const ms_str name = ms_str_cut(&value, ':');
    uint64_t length;
    if (!value.text) return;
    value = trimmed(value);
#define IS(what) ms_str_equal_nocase(name, MS_STR(what))
    if (IS("location")) ms_buf_clear(&head->location), ms_buf_put_str(&head->location, value);
    else if (IS("link")) read_link(head, value);
    else if (IS("x-repo-commit")) keep(head->commit, sizeof head->commit, value);
    else if (IS("etag")) keep_etag(head->etag, sizeof head->etag, value);
    else if (IS("x-linked-etag")) keep_etag(head->linked_etag, sizeof head->linked_etag, value);
    else if (IS("x-error-code")) keep(head->error_code, sizeof head->error_code, value);
    else if (IS("x-error-message")) keep(head->error_message, sizeof head->error_message, value);
    else if (IS("content-range")) read_range(head, value);
    else if (IS("content-length") && number(value, &length)) head->length = (int64_t)length;
    else if (IS("content-encoding")) head->is_encoded = value.size > 0 && !ms_str_equal_nocase(value, MS_STR("identity"));
    else if (IS("date")) head->date = seconds_of_date(value), compare_dates(head);
    else if (IS("retry-after")) read_wait(head, value), compare_dates(head);
    else if (IS("ratelimit")) read_rate_limit(head, value);
#undef IS
}
