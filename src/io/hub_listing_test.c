#include "hub_listing.h"

#include "test.h"
#include "torture.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

typedef struct listing {
    ms_arena arena;
    ms_hub_files files;
} listing;

static ms_status take(listing *l, const char *body, ms_err *err) {
    return ms_hub_listing_take(&l->files, &l->arena, ms_str_of(body), err);
}

static void end(listing *l) {
    MS_VEC_FREE(&l->files);
    ms_arena_free(&l->arena);
}

TEST(hub_listing_takes_files_with_their_hashes) {
    listing l = {0};
    ms_err err = {0};
    CHECK_OK(
        take(&l,
             "[{\"type\": \"directory\", \"oid\": \"x\", \"size\": 0, \"path\": \"sub\"},"
             " {\"type\": \"file\", \"oid\": \"aa\", \"size\": 7, \"path\": \"sub/config.json\", \"new\": [1, {\"a\": null}]},"
             " {\"path\": \"m.gguf\", \"type\": \"file\", \"oid\": \"bb\", \"size\": 134, \"xetHash\": \"h\", "
             "\"lfs\": {\"oid\": \"sha256:cc\", \"size\": 5000000000, \"pointerSize\": 134}},"
             " {\"type\": \"file\", \"oid\": \"dd\", \"size\": 3, \"path\": \"\\u00fc.txt\", \"lfs\": null}]",
             &err),
        &err);
    CHECK_EQ_I64(l.files.n, 3);
    CHECK_EQ_STR(l.files.items[0].path, "sub/config.json");
    CHECK_EQ_STR(l.files.items[0].etag, "aa");
    CHECK_EQ_I64(l.files.items[0].n_bytes, 7);
    CHECK_EQ_STR(l.files.items[1].etag, "cc");
    CHECK_EQ_I64(l.files.items[1].n_bytes, 5000000000);
    CHECK_EQ_STR(l.files.items[2].path, "\xc3\xbc.txt");
    end(&l);
}

TEST(hub_listing_passes_over_what_cannot_be_a_file_here) {
    static const char *const entries[] = {
        "{}",
        "{\"type\": \"file\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"a\"}",
        "{\"type\": \"file\", \"path\": \"a\", \"size\": -1}",
        "{\"type\": \"file\", \"path\": \"a\", \"size\": 1.5}",
        "{\"type\": \"file\", \"path\": \"a\", \"size\": 1e300}",
        "{\"type\": \"file\", \"path\": \"a\", \"size\": 18446744073709551615}",
        "{\"type\": \"file\", \"path\": [\"a\"], \"size\": 1}",
        "{\"type\": [\"file\"], \"path\": \"a\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"../a\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"/a\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"a/../../b\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"a\\u0000b\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"a\\\\b\", \"size\": 1}",
        "{\"type\": \"file\", \"path\": \"\", \"size\": 1}",
    };
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        listing l = {0};
        ms_err err = {0};
        char body[200];
        snprintf(body, sizeof body, "[%s]", entries[i]);
        CHECK_OK(take(&l, body, &err), &err);
        CHECK_EQ_I64(l.files.n, 0);
        end(&l);
    }
}

TEST(hub_listing_refuses_what_is_no_listing) {
    static const char *const bodies[] = {"",       "{}",     "[1]",         "[[]]", "[{\"type\": \"file\"",
                                         "[{}] x", "<html>", "[{\"a\" 1}]", "null"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        listing l = {0};
        ms_err err = {0};
        CHECK_FAILS(take(&l, bodies[i], &err), MS_ERR_NETWORK, &err, "is this a Hub?");
        end(&l);
    }
}

TEST(hub_listing_takes_the_commit) {
    ms_arena arena = {0};
    ms_err err = {0};
    ms_str commit;
    CHECK_OK(ms_hub_listing_commit(&commit, &arena, MS_STR("{\"id\": 1, \"sha\": \"" COMMIT "\", \"siblings\": [{}]}"), &err),
             &err);
    CHECK_EQ_STR(commit, COMMIT);
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{}",
                                         "{\"sha\": 5}",
                                         "{\"sha\": \"main\"}",
                                         "{\"sha\": \"" COMMIT "0\"}",
                                         "{\"sha\": \"" COMMIT "\"",
                                         "{\"sha\": \"../../../../../../../../../../../../../x\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        CHECK_FAILS(ms_hub_listing_commit(&commit, &arena, ms_str_of(bodies[i]), &err), MS_ERR_NETWORK, &err,
                    "names no commit");
    ms_arena_free(&arena);
}

TEST(hub_listing_goes_on_at_the_endpoint_only) {
    static const struct {
        const char *next, *url; /* NULL: refused */
    } cases[] = {
        {"https://mirror.example/hub/api/x?cursor=2", "https://mirror.example/hub/api/x?cursor=2"},
        {"https://huggingface.co/api/x?cursor=2", "https://mirror.example/hub/api/x?cursor=2"},
        {"/api/x?cursor=2", "https://mirror.example/hub/api/x?cursor=2"},
        {"https://mirror.example/hub/api/x?cursor=1", NULL}, /* this page */
        {"https://mirror.example/hub.evil/api", NULL},
        {"https://mirror.example/hub@evil.example/api", NULL},
        {"https://huggingface.co.evil.example/api", NULL},
        {"https://evil.example/api", NULL},
        {"//evil.example/api", NULL},
        {"http://mirror.example/hub/api", NULL},
        {"", NULL},
        {"/", NULL},
        {"file:///etc/passwd", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_buf url = {0};
        ms_err err = {0};
        ms_buf_put_text(&url, "https://mirror.example/hub/api/x?cursor=1");
        const ms_str next = ms_str_of(cases[i].next), endpoint = MS_STR("https://mirror.example/hub");
        if (cases[i].url) {
            CHECK_OK(ms_hub_listing_next(&url, next, endpoint, &err), &err);
            CHECK_EQ_STR(ms_buf_str(&url), cases[i].url);
        } else {
            CHECK_FAILS(ms_hub_listing_next(&url, next, endpoint, &err), MS_ERR_NETWORK, &err, "the next page");
        }
        ms_buf_free(&url);
    }
}

static ms_status everything(void *context, ms_err *err) {
    (void)context;
    listing l = {0};
    ms_buf url = {0};
    ms_str commit;
    ms_status status = take(&l, "[{\"type\": \"file\", \"path\": \"a\\u0041\", \"size\": 1, \"oid\": \"x\"}]", err);
    if (status == MS_OK) status = ms_hub_listing_commit(&commit, &l.arena, MS_STR("{\"sha\": \"" COMMIT "\"}"), err);
    if (status == MS_OK) status = ms_hub_listing_next(&url, MS_STR("/api/y"), MS_STR("https://a"), err);
    ms_buf_free(&url);
    end(&l);
    return status;
}

TEST(hub_listing_survives_every_failing_allocation) { CHECK_SURVIVES_MEMORY(everything, NULL); }
