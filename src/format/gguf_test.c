#include "gguf.h"

#include "decode.h"
#include "ggml_block.h"
#include "mem.h"
#include "test.h"

/* A file being written, field by field. */
typedef struct writer {
    ms_buf b;
} writer;

static void put_u32(writer *w, uint32_t v) { ms_buf_put(&w->b, &v, sizeof v); }
static void put_u64(writer *w, uint64_t v) { ms_buf_put(&w->b, &v, sizeof v); }
static void put_text(writer *w, const char *text) {
    put_u64(w, strlen(text));
    ms_buf_put_text(&w->b, text);
}
static void pad(writer *w, size_t alignment) {
    while (w->b.size % alignment) ms_buf_put_char(&w->b, 0);
}
static void put_head(writer *w, uint32_t version, uint64_t n_tensors, uint64_t n_values) {
    ms_buf_put(&w->b, "GGUF", 4);
    put_u32(w, version);
    put_u64(w, n_tensors);
    put_u64(w, n_values);
}
static void put_tensor(writer *w, const char *name, uint32_t rank, const int64_t *extents, uint32_t type, uint64_t offset) {
    put_text(w, name);
    put_u32(w, rank);
    for (uint32_t i = 0; i < rank; i++) put_u64(w, (uint64_t)extents[i]);
    put_u32(w, type);
    put_u64(w, offset);
}

static ms_status open_bytes(ms_reader **out, const writer *w, bool lenient, ms_notes *notes, ms_err *err) {
    ms_source *source;
    MS_TRY(ms_source_over_memory(&source, w->b.bytes, w->b.size, "m.gguf", err));
    const ms_read_options options = {.lenient = lenient};
    return ms_reader_open(out, source, &options, notes, err);
}

static void put_good(writer *w) {
    put_head(w, 3, 2, 4);
    put_text(w, "general.architecture"), put_u32(w, 8), put_text(w, "qwen2moe");
    put_text(w, "qwen2moe.expert_count"), put_u32(w, 4), put_u32(w, 16);
    put_text(w, "scales"), put_u32(w, 9), put_u32(w, 6), put_u64(w, 2), put_u32(w, 0x3F800000), put_u32(w, 0x3F000000);
    put_text(w, "tokens"), put_u32(w, 9), put_u32(w, 8), put_u64(w, 100);
    for (int i = 0; i < 100; i++) put_text(w, "t");
    put_tensor(w, "blk.0.ffn_up_exps.weight", 3, (int64_t[]){32, 2, 3}, 8, 0); /* Q8_0 */
    put_tensor(w, "norm", 1, (int64_t[]){3}, 0, 224);
    pad(w, 32);
    for (int block = 0; block < 6; block++) {
        ms_buf_put(&w->b, "\x00\x3C", 2); /* d = 1 */
        for (int j = 0; j < 32; j++) ms_buf_put_char(&w->b, (char)(block * 10 - j));
    }
    pad(w, 32);
    for (int i = 0; i < 3; i++) put_u32(w, 0x40000000);
}

static ms_str metadata(const ms_reader *r, const char *key) {
    for (size_t i = 0; i < r->n_metadata; i++)
        if (ms_str_is(r->metadata[i].key, key)) return r->metadata[i].value;
    return MS_STR_NONE;
}

TEST(a_gguf_file_lists_tensors_in_c_order_and_metadata_as_text) {
    writer w = {0};
    put_good(&w);
    ms_reader *r;
    ms_err err = {0};
    ms_notes notes = {0};
    CHECK_OK(open_bytes(&r, &w, false, &notes, &err), &err);
    CHECK_EQ_I64(notes.n, 0);
    CHECK_EQ_I64(r->n_tensors, 2);
    const ms_stored *const t = &r->tensors[0];
    CHECK(t->rank == 3 && t->shape[0] == 3 && t->shape[1] == 2 && t->shape[2] == 32);
    CHECK_EQ_STR(t->dtype_name, "Q8_0");
    CHECK_EQ_I64(t->n_bytes, 204);
    CHECK_EQ_STR(metadata(r, "general.architecture"), "qwen2moe");
    CHECK_EQ_STR(metadata(r, "qwen2moe.expert_count"), "16");
    CHECK_EQ_STR(metadata(r, "scales"), "[1.0, 0.5]");
    CHECK_EQ_STR(metadata(r, "tokens"), "{\"array\": \"string\", \"n\": 100}");
    ms_scratch scratch = {0};
    const void *bytes;
    float values[64];
    CHECK_OK(ms_source_view(t->source, t->offset, (size_t)t->n_bytes, &scratch, &bytes, &err), &err);
    CHECK_OK(ms_decode_f32(t->dtype, bytes, 33, 64, values, &err), &err);
    CHECK_EQ_F32(values[0], 9.0f);   /* block 1, element 1 */
    CHECK_EQ_F32(values[63], 30.0f); /* block 3, element 0 */
    ms_reader_close(r);
    ms_notes_free(&notes);
    ms_buf_free(&w.b);
}

static void check_refused(const writer *w, ms_status want, const char *part) {
    ms_reader *r;
    ms_err err = {0};
    CHECK_FAILS(open_bytes(&r, w, false, NULL, &err), want, &err, part);
}

typedef struct one_tensor_case {
    const char *name;
    uint32_t rank;
    int64_t extents[6];
    uint32_t type;
    uint64_t offset;
    ms_status want;
    const char *part;
} one_tensor_case;

TEST(gguf_tensor_rules_are_enforced) {
    static const one_tensor_case cases[] = {
        {"a", 1, {4}, 0, 0, MS_OK, ""},
        {"a", 5, {1, 1, 1, 1, 1}, 0, 0, MS_ERR_DAMAGED, "rank 5"},
        {"a", 1, {-4}, 0, 0, MS_ERR_DAMAGED, "negative"},
        {"a", 3, {1LL << 31, 1LL << 31, 4}, 0, 0, MS_ERR_DAMAGED, "63 bits"},
        {"a", 2, {1LL << 40, 1LL << 22}, 0, 0, MS_ERR_DAMAGED, "64 bits"},
        {"a", 2, {1LL << 40, 1LL << 18}, 0, 0, MS_ERR_DAMAGED, "beyond the end"},
        {"a", 1, {33}, 8, 0, MS_ERR_DAMAGED, "blocks of 32"},
        {"a", 1, {4}, 43, 0, MS_ERR_DAMAGED, "type 43"},
        {"a", 2, {16, 2}, 8, 0, MS_ERR_DAMAGED, "blocks of 32"},
        {"a", 1, {4}, 0xFFFFFFFF, 0, MS_ERR_DAMAGED, "none of ggml's"},
        {"a", 1, {4}, 0, 32, MS_ERR_DAMAGED, "should begin at 0"},
        {"a", 1, {4}, 0, 1, MS_ERR_DAMAGED, "should begin at 0"},
        {"a", 1, {0}, 0, 0, MS_OK, ""},
        {"0123456789012345678901234567890123456789012345678901234567890123", 1, {4}, 0, 0, MS_ERR_DAMAGED, "at most 63"},
        {"\xFF", 1, {4}, 0, 0, MS_ERR_DAMAGED, "not UTF-8"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const one_tensor_case *const c = &cases[k];
        writer w = {0};
        put_head(&w, 3, 1, 0);
        put_tensor(&w, c->name, c->rank, c->extents, c->type, c->offset);
        pad(&w, 32);
        for (int i = 0; i < 24; i++) put_u32(&w, 0);
        ms_reader *r = NULL;
        ms_err err = {0};
        const ms_status status = open_bytes(&r, &w, false, NULL, &err);
        CHECK_MSG(status == c->want && strstr(err.text, c->part), "case %zu: %s '%s'", k, ms_status_name(status), err.text);
        if (status == MS_OK) ms_reader_close(r);
        ms_buf_free(&w.b);
    }
}

TEST(gguf_headers_that_lie_are_refused_without_allocating) {
    writer w = {0};
    put_head(&w, 3, 1ull << 60, 0);
    check_refused(&w, MS_ERR_DAMAGED, "tensors cannot lie");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, UINT64_MAX);
    check_refused(&w, MS_ERR_DAMAGED, "-1 key-value pairs");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 1), put_u64(&w, UINT64_MAX), put_u64(&w, 0);
    check_refused(&w, MS_ERR_DAMAGED, "a key needs");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 1), put_text(&w, "k"), put_u32(&w, 9), put_u32(&w, 4), put_u64(&w, 1ull << 62);
    check_refused(&w, MS_ERR_DAMAGED, "does not fit");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 1), put_text(&w, "k"), put_u32(&w, 9), put_u32(&w, 9), put_u64(&w, 1);
    check_refused(&w, MS_ERR_UNSUPPORTED, "arrays of arrays");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 1), put_text(&w, "k"), put_u32(&w, 13), put_u64(&w, 1);
    check_refused(&w, MS_ERR_DAMAGED, "value of type 13");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 1), put_text(&w, ""), put_u32(&w, 4), put_u32(&w, 1);
    check_refused(&w, MS_ERR_DAMAGED, "key is empty");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 2);
    for (int i = 0; i < 2; i++) put_text(&w, "k"), put_u32(&w, 4), put_u32(&w, 1);
    check_refused(&w, MS_ERR_DAMAGED, "occurs twice");
    ms_buf_clear(&w.b), put_head(&w, 3, 0, 1), put_text(&w, "general.alignment"), put_u32(&w, 4), put_u32(&w, 24);
    check_refused(&w, MS_ERR_DAMAGED, "power of two");
    ms_buf_free(&w.b);
}

TEST(gguf_versions_are_told_apart) {
    static const struct {
        uint32_t version;
        ms_status want;
        const char *part;
    } cases[] = {{0, MS_ERR_DAMAGED, "version 0"},
                 {1, MS_ERR_UNSUPPORTED, "version 1"},
                 {4, MS_ERR_UNSUPPORTED, "version 4"},
                 {2, MS_OK, ""},
                 {0x03000000, MS_ERR_UNSUPPORTED, "big-endian"}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        writer w = {0};
        put_head(&w, cases[k].version, 0, 0);
        ms_reader *r = NULL;
        ms_err err = {0};
        const ms_status status = open_bytes(&r, &w, false, NULL, &err);
        CHECK_MSG(status == cases[k].want && strstr(err.text, cases[k].part), "version %u: '%s'", cases[k].version, err.text);
        ms_reader_close(r);
        ms_buf_free(&w.b);
    }
}

TEST(a_truncated_gguf_says_by_how_much_and_lenient_keeps_the_rest) {
    writer w = {0};
    put_good(&w);
    w.b.size -= 5;
    check_refused(&w, MS_ERR_DAMAGED, "by 5 bytes");
    ms_reader *r;
    ms_err err = {0};
    ms_notes notes = {0};
    CHECK_OK(open_bytes(&r, &w, true, &notes, &err), &err);
    CHECK_EQ_I64(r->n_tensors, 1);
    CHECK(notes.n == 1 && strcmp(notes.items[0].code, "gguf.short") == 0);
    ms_reader_close(r);
    ms_notes_free(&notes);
    ms_buf_free(&w.b);
}

TEST(lenient_keeps_gguf_tensors_with_long_names_and_many_axes) {
    static char name[5000];
    memset(name, 'n', sizeof name - 1);
    writer w = {0};
    put_head(&w, 3, 2, 0);
    put_tensor(&w, name, 1, (int64_t[]){8}, 0, 0);
    put_tensor(&w, "axes", 6, (int64_t[]){4, 1, 1, 1, 1, 2}, 0, 32);
    pad(&w, 32);
    for (int i = 0; i < 16; i++) put_u32(&w, 0);
    check_refused(&w, MS_ERR_DAMAGED, "at most 63");
    ms_reader *r;
    ms_err err = {0};
    ms_notes notes = {0};
    CHECK_OK(open_bytes(&r, &w, true, &notes, &err), &err);
    CHECK_EQ_I64(r->n_tensors, 2);
    CHECK_EQ_I64(r->tensors[0].name.size, sizeof name - 1);
    CHECK(r->tensors[1].rank == 6 && r->tensors[1].shape[0] == 2 && r->tensors[1].shape[5] == 4);
    CHECK_EQ_I64(notes.n, 2);
    CHECK_EQ_TEXT(notes.items[0].code, "gguf.long_name");
    CHECK_EQ_TEXT(notes.items[1].code, "gguf.rank");
    ms_reader_close(r);
    ms_notes_free(&notes);
    ms_buf_free(&w.b);
}

/* Their bytes end where the next tensor begins. */
TEST(removed_gguf_types_and_those_of_forks_are_listed_with_their_bytes) {
    static const uint32_t types[] = {4, 31, 36, 139};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        writer w = {0};
        put_head(&w, 3, 2, 0);
        put_tensor(&w, "odd", 1, (int64_t[]){256}, types[k], 0);
        put_tensor(&w, "b", 1, (int64_t[]){8}, 0, 160);
        pad(&w, 32);
        for (int i = 0; i < 48; i++) put_u32(&w, 0);
        ms_reader *r;
        ms_err err = {0};
        ms_notes notes = {0};
        CHECK_OK(open_bytes(&r, &w, false, &notes, &err), &err);
        CHECK_EQ_I64(r->n_tensors, 2);
        CHECK(r->tensors[0].dtype == MS_DTYPE_UNKNOWN && r->tensors[1].dtype == MS_DTYPE_F32);
        CHECK_EQ_STR(r->tensors[0].dtype_name, ms_ggml_type_by_id(types[k])->name);
        CHECK_EQ_I64(r->tensors[0].n_bytes, 160);
        CHECK(notes.n == 1 && strcmp(notes.items[0].code, "gguf.undecodable_type") == 0);
        ms_reader_close(r);
        ms_notes_free(&notes);
        ms_buf_free(&w.b);
    }
}

/* Every prefix is refused or read, never crashes; under ASan this is the bounds test. */
TEST(every_prefix_of_a_gguf_file_is_handled) {
    writer w = {0};
    put_good(&w);
    for (size_t n = w.b.size; n-- > 0;) {
        writer cut = {.b = {.bytes = ms_mem_copy_text(w.b.bytes, n), .size = n}};
        CHECK(cut.b.bytes);
        ms_reader *r = NULL;
        ms_err err = {0};
        for (int lenient = 0; lenient < 2; lenient++)
            if (open_bytes(&r, &cut, lenient, NULL, &err) == MS_OK) ms_reader_close(r);
        ms_mem_free(cut.b.bytes);
    }
    ms_buf_free(&w.b);
}

TEST(a_header_larger_than_the_first_view_is_read_whole) {
    writer w = {0};
    put_head(&w, 3, 1, 1);
    put_text(&w, "tokens"), put_u32(&w, 9), put_u32(&w, 8), put_u64(&w, 200000);
    for (int i = 0; i < 200000; i++) put_text(&w, "token");
    put_tensor(&w, "a", 1, (int64_t[]){4}, 0, 0);
    pad(&w, 32);
    for (int i = 0; i < 4; i++) put_u32(&w, 0);
    ms_reader *r;
    ms_err err = {0};
    CHECK_OK(open_bytes(&r, &w, false, NULL, &err), &err);
    CHECK_EQ_I64(r->n_tensors, 1);
    CHECK_EQ_STR(metadata(r, "tokens"), "{\"array\": \"string\", \"n\": 200000}");
    ms_reader_close(r);
    ms_buf_free(&w.b);
}
