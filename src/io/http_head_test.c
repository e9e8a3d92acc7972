#include "http_head.h"

#include <stdio.h>

#include "test.h"

static void take(ms_http_head *head, const char *const *lines) {
    ms_http_head_clear(head);
    for (; *lines; lines++) ms_http_head_line(head, ms_str_of(*lines));
}

TEST(http_head_reads_what_the_hub_says) {
    ms_http_head head = {0};
    take(&head, (const char *const[]){"HTTP/1.1 302 Found\r\n", "location:  https://cdn.example/x?y=z \r\n",
                                      "X-Repo-Commit: 0123\r\n", "ETag: W/\"abc\"\r\n", "x-linked-etag: \"def\"\r\n",
                                      "Content-Range: bytes 5-9/100\r\n", "content-length: 5\r\n", "Retry-After: 3\r\n",
                                      "Link: <https://a/1>; rel=\"prev\", <https://a/2>; rel=\"next\"\r\n", NULL});
    CHECK_EQ_STR(ms_buf_str(&head.location), "https://cdn.example/x?y=z");
    CHECK_EQ_STR(ms_buf_str(&head.next), "https://a/2");
    CHECK_EQ_TEXT(head.commit, "0123");
    CHECK_EQ_TEXT(head.etag, "abc");
    CHECK_EQ_TEXT(head.linked_etag, "def");
    CHECK(head.has_range && head.first == 5 && head.last == 9 && head.total == 100);
    CHECK_EQ_I64(head.length, 5);
    CHECK_EQ_I64(head.wait_ms, 3000);
    ms_http_head_free(&head);
}

TEST(http_head_rate_limits_win_over_retry_after) {
    ms_http_head head = {0};
    take(&head, (const char *const[]){"Retry-After: 1\r\n", "ratelimit: \"resolvers\";r=0;t=55\r\n", NULL});
    CHECK_EQ_I64(head.wait_ms, 56000);
    take(&head,
         (const char *const[]){"ratelimit: \"api\";r=12;t=55\r\n", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", NULL});
    CHECK_EQ_I64(head.wait_ms, -1);
    ms_http_head_free(&head);
}

TEST(http_head_counts_dates_from_the_servers_own_clock) {
    ms_http_head head = {0};
    take(&head, (const char *const[]){"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
                                      "Date: Wed, 21 Oct 2026 07:27:30 GMT\r\n", NULL});
    CHECK_EQ_I64(head.wait_ms, 30000);
    CHECK_EQ_I64(head.date, 1792567650);
    take(&head, (const char *const[]){"Date: Thu, 29 Feb 2024 23:59:59 GMT\r\n",
                                      "Retry-After: Fri, 01 Mar 2024 00:00:00 GMT\r\n", NULL});
    CHECK_EQ_I64(head.wait_ms, 1000);
    take(&head, (const char *const[]){"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
                                      "Retry-After: Fri, 31 Foo 2024 00:00:00 GMT\r\n", NULL});
    CHECK_EQ_I64(head.date, 0);
    CHECK_EQ_I64(head.wait_ms, -1);
    ms_http_head_free(&head);
}

TEST(http_head_finds_the_next_page_among_links) {
    static const char *const with[] = {
        "Link: <https://a/2?x=1,2>; rel=\"next\"\r\n", "Link: <https://a/2?x=1,2>;rel=next\r\n",
        "Link: <https://a/0>; rel=\"first\",<https://a/2?x=1,2>; title=\"a, b\"; rel=\"next\"\r\n"};
    static const char *const without[] = {"Link: <https://a/2>; rel=\"prev\"\r\n", "Link: https://a/2; rel=\"next\"\r\n",
                                          "Link: <https://a/2; rel=\"next\"\r\n", "Link: \r\n"};
    ms_http_head head = {0};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        take(&head, (const char *const[]){with[i], NULL});
        CHECK_EQ_STR(ms_buf_str(&head.next), "https://a/2?x=1,2");
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        take(&head, (const char *const[]){without[i], NULL});
        CHECK_EQ_I64(head.next.size, 0);
    }
    ms_http_head_free(&head);
}

TEST(http_head_sees_compression) {
    ms_http_head head = {0};
    take(&head, (const char *const[]){"Content-Encoding: gzip\r\n", NULL});
    CHECK(head.is_encoded);
    take(&head, (const char *const[]){"Content-Encoding: identity\r\n", NULL});
    CHECK(!head.is_encoded);
    ms_http_head_free(&head);
}

TEST(http_head_forgets_the_answer_before) {
    ms_http_head head = {0};
    take(&head, (const char *const[]){"HTTP/1.1 100 Continue\r\n", "Location: https://x\r\n", "ETag: \"a\"\r\n",
                                      "HTTP/1.1 200 OK\r\n", "Content-Range: bytes 0-1/*\r\n", NULL});
    CHECK_EQ_I64(head.location.size, 0);
    CHECK_EQ_TEXT(head.etag, "");
    CHECK(head.has_range && head.total == UINT64_MAX);
    ms_http_head_free(&head);
}

/* Whatever a server sends, nothing is read or written beyond its place (the sanitizers look), and a range is one or none. */
PROPERTY(http_head_survives_anything, 300) {
    static const char *const names[] = {"Content-Range", "Link",     "ETag",        "X-Error-Message",
                                        "ratelimit",     "Location", "Retry-After", "Date"};
    static const char alphabet[] = "bytes <>;,\"-/*=0123456789rtel\xff\x00nx:W";
    char line[600];
    size_t n = (size_t)snprintf(line, sizeof line, "%s:", names[gen_below(g, 8)]);
    if (gen_below(g, 2)) n += (size_t)snprintf(line + n, sizeof line - n, " bytes ");
    for (const size_t end = n + gen_below(g, 500); n < end; n++) line[n] = alphabet[gen_below(g, sizeof alphabet - 1)];
    ms_http_head head = {0};
    ms_http_head_clear(&head);
    ms_http_head_line(&head, (ms_str){line, n});
    CHECK(strlen(head.etag) < sizeof head.etag && strlen(head.error_message) < sizeof head.error_message);
    CHECK(head.length >= -1 && head.wait_ms >= -1);
    ms_http_head_free(&head);
}
