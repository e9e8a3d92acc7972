#include "hub_listing.h"

#include "hub_address.h"
#include "json.h"

/* What is no text, no number: passed over, and as if it were not there. */
static ms_status take_text(ms_json *json, ms_str *out, ms_err *err) {
    ms_json_kind kind;
    MS_TRY(ms_json_peek(json, &kind, err));
    return kind == MS_JSON_STRING ? ms_json_string(json, out, err) : ms_json_skip(json, err);
}

static ms_status take_size(ms_json *json, int64_t *out, ms_err *err) {
    ms_json_kind kind;
    MS_TRY(ms_json_peek(json, &kind, err));
    return kind == MS_JSON_INT ? ms_json_i64(json, out, err) : ms_json_skip(json, err);
}

typedef struct entry { /* texts are borrowed from the body */
    ms_str type, path, oid, lfs_oid;
    int64_t size, lfs_size; /* -1: not said */
} entry;

static ms_status read_lfs(ms_json *json, entry *out, ms_err *err) {
    ms_json_kind kind;
    MS_TRY(ms_json_peek(json, &kind, err));
    if (kind != MS_JSON_OBJECT) return ms_json_skip(json, err);
    MS_TRY(ms_json_expect(json, MS_JSON_OBJECT, err));
    for (;;) {
        bool more;
        ms_str key;
        MS_TRY(ms_json_next_key(json, &key, &more, err));
        if (!more) return MS_OK;
        if (ms_str_is(key, "oid")) MS_TRY(take_text(json, &out->lfs_oid, err));
        else if (ms_str_is(key, "size")) MS_TRY(take_size(json, &out->lfs_size, err));
        else MS_TRY(ms_json_skip(json, err));
    }
}

static ms_status read_entry(ms_json *json, entry *out, ms_err *err) {
    *out =
        (entry){.type = MS_STR(""), .path = MS_STR(""), .oid = MS_STR(""), .lfs_oid = MS_STR(""), .size = -1, .lfs_size = -1};
    MS_TRY(ms_json_expect(json, MS_JSON_OBJECT, err));
    for (;;) {
        bool more;
        ms_str key;
        MS_TRY(ms_json_next_key(json, &key, &more, err));
        if (!more) return MS_OK;
        if (ms_str_is(key, "type")) MS_TRY(take_text(json, &out->type, err));
        else if (ms_str_is(key, "path")) MS_TRY(take_text(json, &out->path, err));
        else if (ms_str_is(key, "oid")) MS_TRY(take_text(json, &out->oid, err));
        else if (ms_str_is(key, "size")) MS_TRY(take_size(json, &out->size, err));
        else if (ms_str_is(key, "lfs")) MS_TRY(read_lfs(json, out, err));
        else MS_TRY(ms_json_skip(json, err));
    }
}

static ms_status add_entry(ms_hub_files *out, ms_arena *arena, const entry *e, ms_err *err) {
    const int64_t size = e->lfs_size >= 0 ? e->lfs_size : e->size;
    ms_str etag = e->lfs_oid.size ? e->lfs_oid : e->oid;
    if (!ms_str_is(e->type, "file") || size < 0 || !ms_hub_path_is_inside(e->path)) return MS_OK;
    if (ms_str_starts_with(etag, MS_STR("sha256:"))) etag = ms_str_sub(etag, 7, etag.size);
    MS_FAIL_IF(out->n == MS_HUB_MOST_FILES, MS_ERR_UNSUPPORTED, err, "the repository has more than %d files: that is no model",
               MS_HUB_MOST_FILES);
    const ms_hub_file file = {.path = ms_arena_copy(arena, e->path),
                              .etag = ms_arena_copy(arena, etag),
                              .n_bytes = (uint64_t)size,
                              .local = MS_STR("")};
    const bool fine = file.path.text && file.etag.text && MS_VEC_PUSH(out, file);
    return fine ? MS_OK : ms_err_memory(err, "the list of files");
}

static ms_status take_page(ms_hub_files *out, ms_arena *arena, ms_json *json, ms_err *err) {
    MS_TRY(ms_json_expect(json, MS_JSON_ARRAY, err));
    for (;;) {
        bool more;
        entry e;
        MS_TRY(ms_json_next_item(json, &more, err));
        if (!more) return ms_json_end(json, err);
        MS_TRY(read_entry(json, &e, err));
        MS_TRY(add_entry(out, arena, &e, err));
    }
}

static ms_status take_commit(ms_str *out, ms_json *json, ms_err *err) {
    MS_TRY(ms_json_expect(json, MS_JSON_OBJECT, err));
    for (;;) {
        bool more;
        ms_str key;
        MS_TRY(ms_json_next_key(json, &key, &more, err));
        if (!more) return ms_json_end(json, err);
        if (ms_str_is(key, "sha")) MS_TRY(take_text(json, out, err));
        else MS_TRY(ms_json_skip(json, err));
    }
}

/* Damage is the network's: nothing that lies here is damaged. */
static ms_status as_answer(ms_status status, const char *what, const ms_err *why, ms_err *err) {
    if (status == MS_ERR_DAMAGED) return ms_err_set(err, MS_ERR_NETWORK, "%s (%s); is this a Hub?", what, why->text);
    return status == MS_OK ? MS_OK : ms_err_set(err, status, "%s", why->text);
}

ms_status ms_hub_listing_take(ms_hub_files *out, ms_arena *arena, ms_str body, ms_err *err) {
    ms_arena scratch = {0};
    ms_err why = {0};
    ms_json json = ms_json_over(body.text ? body.text : "", body.size, &scratch);
    const ms_status status = take_page(out, arena, &json, &why);
    ms_arena_free(&scratch);
    return as_answer(status, "the answer is no list of files", &why, err);
}

ms_status ms_hub_listing_commit(ms_str *out, ms_arena *arena, ms_str body, ms_err *err) {
    ms_arena scratch = {0};
    ms_err why = {0};
    ms_str sha = MS_STR("");
    ms_json json = ms_json_over(body.text ? body.text : "", body.size, &scratch);
    ms_status status = take_commit(&sha, &json, &why);
    if (status == MS_OK && !ms_hub_is_commit(sha)) status = ms_err_set(&why, MS_ERR_DAMAGED, "\"sha\" is no commit");
    *out = status == MS_OK ? ms_arena_copy(arena, sha) : MS_STR("");
    ms_arena_free(&scratch);
    if (!out->text) return ms_err_memory(err, "a commit");
    return as_answer(status, "the answer names no commit", &why, err);
}

static bool lies_below(ms_str url, ms_str root) {
    return url.size > root.size && ms_str_starts_with(url, root) && url.text[root.size] == '/';
}

ms_status ms_hub_listing_next(ms_buf *url, ms_str next, ms_str endpoint, ms_err *err) {
    const ms_str hub = MS_STR(MS_HUB_HOME);
    const bool is_path = next.size > 1 && next.text[0] == '/' && next.text[1] != '/';
    const ms_str rest = lies_below(next, endpoint) ? ms_str_sub(next, endpoint.size, next.size)
                        : lies_below(next, hub)    ? ms_str_sub(next, hub.size, next.size)
                        : is_path                  ? next
                                                   : MS_STR_NONE;
    ms_buf whole = {0};
    ms_buf_put_str(&whole, endpoint);
    ms_buf_put_str(&whole, rest);
    ms_status status = whole.failed ? ms_err_memory(err, "an address") : MS_OK;
    if (status == MS_OK && (!rest.text || ms_str_equal(ms_buf_str(&whole), ms_buf_str(url))))
        status = ms_err_set(err, MS_ERR_NETWORK, "the next page of the list is said to be at '%s', which is %s of %s",
                            ms_str_shown(next).text, rest.text ? "this page" : "no place", endpoint.text);
    if (status == MS_OK) {
        const ms_buf old = *url;
        *url = whole;
        whole = old;
    }
    ms_buf_free(&whole);
    return status;
}
