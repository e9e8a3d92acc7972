#include "safetensors.h"

#include <stdlib.h>
#include <unistd.h>

#include "make_file.h"
#include "mem.h"
#include "torture.h"

/* Opens bytes as the file m.safetensors. The bytes must outlive the reader. */
static ms_status open_bytes(ms_reader **out, ms_str bytes, bool lenient, ms_notes *notes, ms_err *err) {
    ms_source *source;
    MS_TRY(ms_source_over_memory(&source, bytes.text, bytes.size, "m.safetensors", err));
    return ms_reader_open(out, source, &(ms_read_options){.lenient = lenient}, notes, err);
}

/* A file with this JSON and n_data bytes: how opening it ends. */
static ms_status open_json(const char *json, size_t n_data, bool lenient, ms_notes *notes, size_t *n_tensors, ms_err *err) {
    ms_buf file = {0};
    char *const data = ms_mem_zalloc(n_data);
    make_safetensors_raw(&file, json, data, n_data);
    ms_reader *reader = NULL;
    const ms_status status = open_bytes(&reader, ms_buf_str(&file), lenient, notes, err);
    if (n_tensors) *n_tensors = reader ? reader->n_tensors : 0;
    ms_reader_close(reader);
    ms_buf_free(&file);
    ms_mem_free(data);
    return status;
}

typedef struct strict_case {
    const char *json;
    size_t n_data;
    const char *message; /* NULL: accepted */
} strict_case;

#define T(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define TEN(x) x(0) "," x(1) "," x(2) "," x(3) "," x(4) "," x(5) "," x(6) "," x(7) "," x(8) "," x(9)
#define SAME(i) T("t" #i, "I32", "[2,2]", 0, 16)

/* The malformed files of the reference's own tests, and those of its attack collection, and our two rules besides. */
static const strict_case strict_cases[] = {
    {"{", 0, "byte 9: expected"},
    {"{" T("t", "I32", "[2,2]", 0, 4) "}", 4,
     "tensor 't': byte 64: invalid shape, data type, or offset for tensor: 4 elements of I32 take 16 bytes, its data_offsets "
     "span 4"},
    {"{" T("t", "I32", "[2,18446744073709551614]", 0, 16) "}", 16, "overflow computing buffer size from shape: the product"},
    {"{" T("t", "I32", "[2,9223372036854775807]", 0, 16) "}", 16, "overflow computing buffer size from shape and element type"},
    {"{" TEN(SAME) "}", 16, "tensor 't1': byte 579: invalid offset for tensor: its data_offsets [0, 16] overlap"},
    {"{" T("t", "I32", "[2,2]", 0, 16) "}", 17, "file not fully covered: 1 bytes follow the last tensor"},
    {"{" T("t", "I32", "[2,2]", 0, 16) "}", 14,
     "need 16 bytes of data, the file has 14; 2 bytes are missing, the download is incomplete"},
    {"\r \t\n{}\n\t \r", 0, NULL},
    {"{" T("t", "I32", "[2,0]", 0, 0) "}", 0, NULL},
    {"{" T("t", "I32", "[]", 0, 4) "}", 4, NULL},
    {"{" T("t", "F4", "[3]", 0, 2) "}", 2, "misaligned slice: 3 elements of 4 bits"},
    {"{" T("t", "F4", "[2]", 0, 2) "}", 2, "2 elements of F4 take 1 bytes, its data_offsets span 2"},
    {"{" T("t", "F4", "[2]", 0, 1) "}", 1, NULL},
    {"{" T("t", "F6_E2M3", "[4]", 0, 3) "," T("u", "F6_E3M2", "[2,2]", 3, 6) "}", 6, NULL},
    {"{" T("b", "U8", "[2]", 0, 2) "," T("a", "U8", "[3]", 2, 5) "}", 5, NULL},
    {"{" T("a", "U8", "[3]", 2, 5) "," T("b", "U8", "[2]", 0, 2) "}", 5, NULL},
    {"{" T("a", "U8", "[3]", 0, 3) "," T("z", "U8", "[0]", 3, 3) "," T("b", "U8", "[1]", 3, 4) "}", 4, NULL},
    {"{" T("a", "U8", "[3]", 1, 4) "}", 4, "leave a gap of 1 bytes that belong to no tensor; it should begin at 0"},
    {"{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 1, 3) "}", 3, "tensor 'b'"},
    {"{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 2, 0) "}", 2, "end before they begin"},
    {"{" T("a", "U8", "[2]", 0, 18446744073709551615) "}", 2, "2 elements of U8 take 2 bytes"},
    {"{" T("a", "U8", "[2]", 18446744073709551615, 18446744073709551615) "}", 2, "gap of 18446744073709551615 bytes"},
    {"{" T("a", "U8", "[1.0]", 0, 1) "}", 1, "invalid JSON in header"},
    {"{" T("a", "U8", "[-1]", 0, 1) "}", 1, "invalid JSON in header"},
    {"{" T("a", "U8", "[-0]", 0, 0) "}", 0, "invalid JSON in header"},
    {"{" T("a", "U8", "[1e3]", 0, 1000) "}", 1000, "invalid JSON in header"},
    {"{" T("a", "U8", "[18446744073709551616]", 0, 1) "}", 1, "invalid JSON in header"},
    {"{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "invalid JSON in header"},
    {"{" T("a", "U8", "null", 0, 1) "}", 1, "invalid JSON in header"},
    {"{" T("a", "u8", "[1]", 0, 1) "}", 1, "tensor 'a': byte 22: invalid JSON in header: unknown dtype 'u8'"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "the field 'data_offsets' is missing"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "the field 'dtype' is missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "the field 'shape' is missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "data_offsets must be two integers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "data_offsets must be two integers"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "the field 'dtype' occurs twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"more\":[{\"x\":null}]}}", 1, NULL},
    {"{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 0, 1) "}", 1,
     "tensor 'a': byte 62: invalid JSON in header: this name occurs twice"},
    {"{" T("a", "U8", "[0]", 0, 0) "," T("\\u0061", "U8", "[1]", 0, 1) "}", 1, "occurs twice"},
    {"{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\\u00e9\"}}", 0, NULL},
    {"{\"__metadata__\":null}", 0, NULL},
    {"{\"__metadata__\":{\"n\":1}}", 0, "__metadata__ 'n' is an integer, it must be a string"},
    {"{\"__metadata__\":[]}", 0, "invalid JSON in header"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' occurs twice"},
    {"{\"a\":1}", 0, "expected an object, found '1'"},
    {"[]", 0, "expected an object"},
    {"{},", 0, "byte 10"},
    {"{\"\\ud800\":null}", 0, "a surrogate pair"},
    {"{\"a\nb\":null}", 0, "control character"},
    {"{" T("nasty\\u001b[2J\\u202e", "I8", "[1]", 0, 9) "}", 9, "tensor 'nasty\\x1B[2J\\u{202E}'"},
    {"", 0, "expected an object, found the end of the text"},
};

TEST(safetensors_rules_are_those_of_the_reference) {
    for (size_t i = 0; i < sizeof strict_cases / sizeof *strict_cases; i++) {
        const strict_case *const c = &strict_cases[i];
        ms_err err = {0};
        const ms_status status = open_json(c->json, c->n_data, false, NULL, NULL, &err);
        CHECK_MSG(status == (c->message ? MS_ERR_DAMAGED : MS_OK), "%s: %s '%s'", c->json, ms_status_name(status), err.text);
        if (!c->message) continue;
        CHECK_MSG(strstr(err.text, c->message), "%s:\n  got '%s'\n want '%s'", c->json, err.text, c->message);
        CHECK_MSG(strncmp(err.text, "m.safetensors: ", 15) == 0, "no file in '%s'", err.text);
    }
}

typedef struct byte_case {
    const char *bytes;
    size_t n;
    ms_status status;
    const char *message;
} byte_case;

TEST(safetensors_headers_must_be_whole) {
    static const byte_case cases[] = {
        {"", 0, MS_ERR_DAMAGED, "the file is empty (0 bytes)"},
        {"\x02\0\0", 3, MS_ERR_DAMAGED, "header too small: the file has 3 bytes"},
        {"\x3C\0\0\0\0\xFF\xFF\xFF", 8, MS_ERR_DAMAGED, "header too large: the first 8 bytes ('<"},
        {"\x3C\0\0\0\0\0\0\0", 8, MS_ERR_DAMAGED, "should have 60 bytes, only 0 follow; 60 bytes are missing"},
        {"\x01\0\0\0\0\0\0\0\xFF", 9, MS_ERR_DAMAGED, "byte 8: invalid UTF-8 in header: '\\xFF'"},
        {"\x02\0\0\0\0\0\0\0{}", 10, MS_OK, NULL},
        {"\x03\0\0\0\0\0\0\0{}\0", 11, MS_ERR_DAMAGED, "invalid JSON in header"},
        {"\x00\xE1\xF5\x05\0\0\0\0{}", 10, MS_ERR_DAMAGED, "should have 100000000 bytes"},
        {"\x01\xE1\xF5\x05\0\0\0\0{}", 10, MS_ERR_DAMAGED, "header too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_err err = {0};
        ms_reader *reader = NULL;
        const ms_status status = open_bytes(&reader, (ms_str){cases[i].bytes, cases[i].n}, false, NULL, &err);
        ms_reader_close(reader);
        CHECK_MSG(status == cases[i].status, "case %zu: %s '%s'", i, ms_status_name(status), err.text);
        CHECK_MSG(!cases[i].message || strstr(err.text, cases[i].message), "case %zu: '%s'", i, err.text);
    }
}

TEST(files_that_stand_for_weights_say_what_they_are) {
    static const byte_case cases[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", 60, MS_ERR_UNSUPPORTED, "run 'git lfs pull'"},
        {"\n<!DOCTYPE html><html>", 22, MS_ERR_DAMAGED, "is a web page ('<!DOCTYPE html><html>')"},
        {"\xEF\xBB\xBF<HTML>", 9, MS_ERR_DAMAGED, "is a web page"},
        {"<?xml version='1.0'?><Error>", 28, MS_ERR_DAMAGED, "is a web page"},
        {"Entry not found", 15, MS_ERR_DAMAGED, "header too large: the first 8 bytes ('Entry no')"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_err err = {0};
        ms_reader *reader;
        const ms_status status = open_bytes(&reader, (ms_str){cases[i].bytes, cases[i].n}, true, NULL, &err);
        CHECK_MSG(status == cases[i].status && strstr(err.text, cases[i].message), "case %zu: '%s'", i, err.text);
    }
    ms_err err = {0};
    ms_source *source;
    ms_reader *reader;
    CHECK_OK(ms_source_over_memory(&source, "what\x1b[is this", 13, "notes.txt", &err), &err);
    CHECK_FAILS(ms_reader_open(&reader, source, NULL, NULL, &err), MS_ERR_UNSUPPORTED, &err, "it begins with 'what\\x1B[is");
}

TEST(lenient_reading_lists_what_can_be_had_and_notes_the_rest) {
    typedef struct lenient_case {
        const char *json;
        size_t n_data, n_tensors;
        const char *code; /* of the first note */
    } lenient_case;
    static const lenient_case cases[] = {
        {"{" T("a", "U8", "[3]", 1, 4) "}", 4, 1, "safetensors.gap"},
        {"{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 1, 3) "}", 3, 2, "safetensors.overlap"},
        {"{" T("a", "U8", "[2]", 0, 2) "}", 5, 1, "safetensors.trailing"},
        {"{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 2, 4) "}", 3, 1, "safetensors.truncated"},
        {"{" T("a", "X9", "[2]", 0, 2) "," T("b", "U8", "[2]", 2, 4) "}", 4, 2, "safetensors.unknown_dtype"},
        {"{" T("a", "U8", "[2]", 0, 3) "," T("b", "U8", "[2]", 3, 5) "}", 5, 1, "safetensors.size"},
        {"{" T("a", "U8", "[2]", 0, 2) "," T("a", "U8", "[2]", 0, 2) "}", 2, 1, "safetensors.duplicate"},
        {"{" T("a", "U8", "[2]", 2, 0) "}", 2, 0, "safetensors.gap"},
        {"{" T("a", "I32", "[2,9223372036854775807]", 0, 16) "}", 16, 0, "safetensors.overflow"},
        {"{\"__metadata__\":{\"n\":[1, 2]}}", 0, 0, "safetensors.metadata"},
        {"{" T("a", "U8", "[1]", 18446744073709551614, 18446744073709551615) "}", 4, 0, "safetensors.gap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_err err = {0};
        ms_notes notes = {0};
        size_t n_tensors;
        CHECK_OK(open_json(cases[i].json, cases[i].n_data, true, &notes, &n_tensors, &err), &err);
        CHECK_EQ_I64(n_tensors, cases[i].n_tensors);
        CHECK(notes.n > 0);
        CHECK_EQ_TEXT(notes.items[0].code, cases[i].code);
        CHECK_EQ_STR(notes.items[0].file, "m.safetensors");
        ms_notes_free(&notes);
    }
    ms_err err = {0};
    CHECK_FAILS(open_json("{\"a\":", 0, true, NULL, NULL, &err), MS_ERR_DAMAGED, &err, "invalid JSON");
}

TEST(lenient_metadata_keeps_the_json_of_what_is_no_text) {
    ms_err err = {0};
    ms_buf file = {0};
    ms_notes notes = {0};
    ms_reader *reader;
    make_safetensors_raw(&file, "{\"__metadata__\":{\"n\": [1, 2] ,\"s\":\"t\"}}", "", 0);
    CHECK_OK(open_bytes(&reader, ms_buf_str(&file), true, &notes, &err), &err);
    CHECK_EQ_I64(reader->n_metadata, 2);
    CHECK_EQ_STR(reader->metadata[0].value, "[1, 2]");
    CHECK_EQ_STR(reader->metadata[1].value, "t");
    ms_reader_close(reader);
    ms_notes_free(&notes);
    ms_buf_free(&file);
}

static bool same_tensor(const ms_stored *got, const ms_safetensors_tensor *want) {
    uint64_t n_bytes;
    if (!ms_safetensors_size(want, &n_bytes) || got->n_bytes != n_bytes || got->dtype != want->dtype) return false;
    if (got->rank != want->rank || !ms_str_equal(got->name, want->name)) return false;
    if (want->rank && memcmp(got->shape, want->shape, want->rank * sizeof *want->shape) != 0) return false;
    const void *bytes;
    ms_scratch scratch = {0};
    const ms_status status = ms_source_view(got->source, got->offset, n_bytes, &scratch, &bytes, NULL);
    const bool same = status == MS_OK && (n_bytes == 0 || memcmp(bytes, want->bytes, n_bytes) == 0);
    ms_scratch_free(&scratch);
    return same;
}

/* What is written is read back, through a map and through copies. */
PROPERTY(safetensors_written_are_read_back, 200) {
    enum { MOST = 12 };
    ms_arena arena = {0};
    ms_buf file = {0};
    ms_err err = {0};
    ms_safetensors_tensor tensors[MOST];
    const size_t n = make_random_tensors(g, &arena, tensors, MOST);
    make_safetensors(&file, tensors, n);
    for (int copying = 0; copying < 2; copying++) {
        ms_source *source;
        ms_reader *reader;
        if (copying) source = make_copying_source(file.bytes, file.size, "m.safetensors", 0);
        else CHECK_OK(ms_source_over_memory(&source, file.bytes, file.size, "m.safetensors", &err), &err);
        CHECK_OK(ms_reader_open(&reader, source, NULL, NULL, &err), &err);
        CHECK_EQ_I64(reader->n_tensors, n);
        CHECK_EQ_I64(reader->n_metadata, 1);
        size_t n_same = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) n_same += same_tensor(&reader->tensors[i], &tensors[j]);
        CHECK_EQ_I64(n_same, n);
        for (size_t i = 1; i < n; i++) CHECK(reader->tensors[i - 1].offset <= reader->tensors[i].offset);
        CHECK_EQ_I64(reader->header_bytes % 8, 0);
        ms_reader_close(reader);
    }
    ms_buf_free(&file);
    ms_arena_free(&arena);
}

/* Whatever is done to a file: no crash, and what is listed lies inside it. */
PROPERTY(safetensors_survive_mutation, 3000) {
    ms_arena arena = {0};
    ms_buf file = {0};
    ms_notes notes = {0};
    ms_safetensors_tensor tensors[4];
    make_safetensors(&file, tensors, make_random_tensors(g, &arena, tensors, 4));
    for (size_t i = 1 + gen_below(g, 3); i > 0; i--) make_mutation(g, &file);
    for (int lenient = 0; lenient < 2; lenient++) {
        ms_err err = {0};
        ms_reader *reader = NULL;
        const ms_status status = open_bytes(&reader, ms_buf_str(&file), lenient, &notes, &err);
        CHECK(status == MS_OK || ((status == MS_ERR_DAMAGED || status == MS_ERR_UNSUPPORTED) && err.text[0]));
        for (size_t i = 0; reader && i < reader->n_tensors; i++) {
            const ms_stored *const t = &reader->tensors[i];
            CHECK(t->offset >= reader->header_bytes && t->offset + t->n_bytes <= file.size);
            CHECK(ms_str_is_utf8(t->name, NULL));
        }
        ms_reader_close(reader);
    }
    ms_notes_free(&notes);
    ms_buf_free(&file);
    ms_arena_free(&arena);
}

/* ---- failing memory and reads ---- */

static const char torture_json[] =
    "{\"__metadata__\":{\"format\":\"pt\"}," T("\\u0062", "U8", "[2]", 1, 3) "," T("a", "U8", "[1,1]", 0, 1) "}";

static ms_status open_torture_file(void *context, ms_err *err) {
    const bool *const lenient = context;
    ms_buf file = {0};
    ms_notes notes = {0};
    ms_reader *reader = NULL;
    make_safetensors_raw(&file, torture_json, "xyz", *lenient ? 2 : 3);
    ms_status status = file.failed ? ms_err_memory(err, "the file of this test") : MS_OK;
    if (status == MS_OK) status = open_bytes(&reader, ms_buf_str(&file), *lenient, &notes, err);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    ms_buf_free(&file);
    return status;
}

TEST(safetensors_survive_every_failing_allocation) {
    for (int i = 0; i < 2; i++) {
        bool lenient = i;
        CHECK_SURVIVES_MEMORY(open_torture_file, &lenient);
    }
}

TEST(safetensors_survive_every_failing_read) {
    ms_buf file = {0};
    make_safetensors_raw(&file, torture_json, "xyz", 3);
    int n_failed = 0;
    for (int k = 1;; k++) {
        ms_err err = {0};
        ms_reader *reader = NULL;
        ms_source *const source = make_copying_source(file.bytes, file.size, "m.safetensors", k);
        const ms_status status = ms_reader_open(&reader, source, NULL, NULL, &err);
        ms_reader_close(reader);
        if (status == MS_OK) break;
        CHECK_EQ_I64(status, MS_ERR_IO);
        CHECK(strstr(err.text, "on purpose"));
        n_failed++;
    }
    CHECK_EQ_I64(n_failed, 3);
    ms_buf_free(&file);
}

TEST(a_file_that_is_cut_while_it_is_opened_is_named) {
    ms_arena arena = {0};
    ms_err err = {0};
    char *const json = ms_mem_alloc(100001);
    memset(json, ' ', 100000);
    memcpy(json, "{}", 2), json[100000] = 0;
    ms_buf file = {0};
    make_safetensors_raw(&file, json, "", 0);
    const char *const path = make_file(&arena, test_folder(), "m.safetensors", file.bytes, file.size);
    ms_source *source;
    ms_reader *reader;
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK(truncate(path, 4096) == 0);
    CHECK_FAILS(ms_reader_open(&reader, source, NULL, NULL, &err), MS_ERR_IO, &err, "cut from 100008 to 4096 bytes");
    ms_buf_free(&file);
    ms_mem_free(json);
    ms_arena_free(&arena);
}

/* ---- writer ---- */

TEST(safetensors_are_written_as_the_reference_writes_them) {
    ms_err err = {0};
    ms_buf file = {0};
    CHECK_OK(ms_safetensors_write(&file, NULL, 0, NULL, 0, &err), &err);
    CHECK(file.size == 16 && memcmp(file.bytes, "\x08\0\0\0\0\0\0\0{}      ", 16) == 0);

    ms_buf_clear(&file);
    const uint64_t shape[] = {2, 2};
    const ms_safetensors_tensor one = {MS_STR("test"), MS_DTYPE_I32, 2, shape, "0123456789abcdef"};
    CHECK_OK(ms_safetensors_write(&file, &one, 1, NULL, 0, &err), &err);
    static const char want[] =
        "\x40\0\0\0\0\0\0\0{\"test\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}    0123456789abcdef";
    CHECK(file.size == sizeof want - 1 && memcmp(file.bytes, want, file.size) == 0);

    ms_buf_clear(&file);
    const ms_safetensors_tensor three[] = {{MS_STR("b"), MS_DTYPE_U8, 1, shape, "xy"},
                                           {MS_STR("a"), MS_DTYPE_U8, 0, NULL, "z"},
                                           {MS_STR("q\"\x01\n"), MS_DTYPE_F16, 1, shape, "1234"}};
    const ms_metadata metadata = {MS_STR("format"), MS_STR("pt")};
    CHECK_OK(ms_safetensors_write(&file, three, 3, &metadata, 1, &err), &err);
    CHECK_EQ_STR(
        ms_str_sub(ms_buf_str(&file), 8, file.size - 7 - 2),
        "{\"__metadata__\":{\"format\":\"pt\"},\"q\\\"\\u0001\\n\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[4,5]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":["
        "5,7]}}");
    CHECK(memcmp(file.bytes + file.size - 7, "1234zxy", 7) == 0);
    ms_buf_free(&file);
}

TEST(what_no_reader_would_take_is_not_written) {
    ms_err err = {0};
    ms_safetensors_header header;
    const uint64_t huge[] = {1ull << 40, 1ull << 40}, three[] = {3};
    const ms_safetensors_tensor twice[] = {{.name = MS_STR("a"), .dtype = MS_DTYPE_U8},
                                           {.name = MS_STR("a"), .dtype = MS_DTYPE_I8}};
    const ms_safetensors_tensor bad[] = {{MS_STR("__metadata__"), MS_DTYPE_U8, 0, NULL, "z"},
                                         {MS_STR("\xFF"), MS_DTYPE_U8, 0, NULL, "z"},
                                         {MS_STR("a"), MS_DTYPE_UNKNOWN, 0, NULL, "z"},
                                         {MS_STR("a"), MS_DTYPE_U8, 2, huge, "z"},
                                         {MS_STR("a"), MS_DTYPE_F4, 1, three, "z"}};
    CHECK_FAILS(ms_safetensors_header_make(&header, twice, 2, NULL, 0, &err), MS_ERR_USAGE, &err, "occurs twice");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(ms_safetensors_header_make(&header, &bad[i], 1, NULL, 0, &err), MS_ERR_USAGE, &err, "cannot be written");

    char *const text = ms_mem_zalloc(MS_SAFETENSORS_MAX_HEADER);
    memset(text, 'x', MS_SAFETENSORS_MAX_HEADER);
    const ms_metadata metadata = {MS_STR("x"), {text, MS_SAFETENSORS_MAX_HEADER}};
    CHECK_FAILS(ms_safetensors_header_make(&header, NULL, 0, &metadata, 1, &err), MS_ERR_USAGE, &err, "above the cap");
    ms_mem_free(text);
}
