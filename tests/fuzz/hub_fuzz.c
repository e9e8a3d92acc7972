/*
 * What comes from a Hub, and what names something on one. The first byte says as what the rest is read:
 *   L listing, C commit, N address of the next page, H headers of an answer, A address, M manifest of Ollama.
 * Nothing that is taken may lead out of a repository, of the cache or of the endpoint.
 */
#include <string.h>

#include "fuzz.h"
#include "http_head.h"
#include "hub_address.h"
#include "hub_listing.h"
#include "local_models.h"

#define ENDPOINT MS_STR("https://hub.example/x")

static bool is_answer(ms_status status, const ms_err *err) {
    if (status == MS_OK) return true;
    return (status == MS_ERR_NETWORK || status == MS_ERR_UNSUPPORTED || status == MS_ERR_USAGE) && err->text[0] &&
           ms_str_is_utf8(ms_str_of(err->text), NULL);
}

static bool is_hex(ms_str s, size_t n) {
    for (size_t i = 0; i < s.size; i++)
        if (!s.text[i] || !strchr("0123456789abcdef", s.text[i])) return false;
    return s.size == n;
}

static void listing(ms_str text, ms_arena *arena) {
    ms_hub_files files = {0};
    ms_err err = {0};
    FUZZ_CHECK(is_answer(ms_hub_listing_take(&files, arena, text, &err), &err));
    for (size_t i = 0; i < files.n; i++) {
        const ms_hub_file *const file = &files.items[i];
        FUZZ_CHECK(ms_hub_path_is_inside(file->path) && ms_str_is_utf8(file->path, NULL));
        FUZZ_CHECK(file->path.text[file->path.size] == 0 && strlen(file->path.text) == file->path.size);
        FUZZ_CHECK(file->n_bytes <= INT64_MAX && file->local.size == 0);
    }
    MS_VEC_FREE(&files);
}

static void commit(ms_str text, ms_arena *arena) {
    ms_err err = {0};
    ms_str found;
    const ms_status status = ms_hub_listing_commit(&found, arena, text, &err);
    FUZZ_CHECK(is_answer(status, &err) && (status == MS_OK) == ms_hub_is_commit(found));
}

static void next(ms_str text) {
    ms_buf url = {0};
    ms_err err = {0};
    ms_buf_put_text(&url, "https://hub.example/x/api/models/a/b/tree/main");
    FUZZ_CHECK(is_answer(ms_hub_listing_next(&url, text, ENDPOINT, &err), &err));
    FUZZ_CHECK(ms_str_starts_with(ms_buf_str(&url), MS_STR("https://hub.example/x/")));
    ms_buf_free(&url);
}

static void headers(ms_str text) {
    ms_http_head head = {0};
    ms_http_head_clear(&head);
    for (ms_str rest = text; rest.text;) ms_http_head_line(&head, ms_str_cut(&rest, '\n'));
    FUZZ_CHECK(memchr(head.commit, 0, sizeof head.commit) && memchr(head.etag, 0, sizeof head.etag));
    FUZZ_CHECK(memchr(head.linked_etag, 0, sizeof head.linked_etag) && memchr(head.error_code, 0, sizeof head.error_code));
    FUZZ_CHECK(memchr(head.error_message, 0, sizeof head.error_message));
    FUZZ_CHECK(head.length >= -1 && head.wait_ms >= -1 && head.date >= -1 && head.retry_date >= -1);
    ms_http_head_free(&head);
}

static void address(ms_str text, ms_arena *arena) {
    ms_hub_address a, again;
    ms_err err = {0};
    const ms_status status = ms_hub_address_parse(&a, arena, text, ENDPOINT, &err);
    FUZZ_CHECK(is_answer(status, &err));
    if (status != MS_OK) return;
    FUZZ_CHECK(ms_hub_path_is_inside(a.repo) && ms_hub_path_is_inside(a.revision));
    FUZZ_CHECK(a.path.size == 0 || ms_hub_path_is_inside(a.path));
    const ms_str spelled = ms_hub_address_text(arena, &a);
    FUZZ_CHECK(spelled.text && ms_hub_address_parse(&again, arena, spelled, ENDPOINT, NULL) == MS_OK);
    FUZZ_CHECK(again.kind == a.kind && ms_str_equal(again.repo, a.repo) && ms_str_equal(again.revision, a.revision) &&
               ms_str_equal(again.path, a.path));
}

static void manifest(ms_str text, ms_arena *arena) {
    const ms_model_layer layer = ms_local_models_layer(text.text, text.size, arena);
    FUZZ_CHECK(layer.digest.size == 0 || is_hex(layer.digest, 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_arena arena = {0};
    if (size == 0) return 0;
    const ms_str text = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'L': listing(text, &arena); break;
    case 'C': commit(text, &arena); break;
    case 'N': next(text); break;
    case 'H': headers(text); break;
    case 'A': address(text, &arena); break;
    case 'M': manifest(text, &arena); break;
    default: break;
    }
    ms_arena_free(&arena);
    return 0;
}
