#include "npy.h"

#include "make_file.h"
#include "torture.h"

static ms_status open_bytes(ms_reader **out, ms_str bytes, bool lenient, ms_notes *notes, ms_err *err) {
    ms_source *source;
    MS_TRY(ms_source_over_memory(&source, bytes.text, bytes.size, "dir/a.b.npy", err));
    return ms_reader_open(out, source, &(ms_read_options){.lenient = lenient}, notes, err);
}

typedef struct header_case {
    const char *header;
    ms_status status;
    const char *want; /* the message, or "TYPE RANK" of what was read */
} header_case;

static const header_case header_cases[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", MS_OK, "F32 2"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", MS_OK, "F32 2 F"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (6,)}", MS_OK, "F32 1"},
    {"{\"shape\":(6,),\"descr\":\"=f4\",\"fortran_order\":False}", MS_OK, "F32 1"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }", MS_OK, "F32 2"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, )}    \n   ", MS_OK, "F32 2"},
    {"{'descr': '|V2', 'fortran_order': False, 'shape': (12,)}", MS_OK, "BF16 1"},
    {"{'descr': '<V2', 'fortran_order': False, 'shape': (12,)}", MS_OK, "BF16 1"},
    {"{'descr': 'bfloat16', 'fortran_order': False, 'shape': (12,)}", MS_OK, "BF16 1"},
    {"{'descr': '<g2', 'fortran_order': False, 'shape': (12,)}", MS_OK, "BF16 1"},
    {"{'descr': '|b1', 'fortran_order': False, 'shape': (24,)}", MS_OK, "BOOL 1"},
    {"{'descr': '|i1', 'fortran_order': False, 'shape': (24,)}", MS_OK, "I8 1"},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': (24,)}", MS_OK, "U8 1"},
    {"{'descr': '<f2', 'fortran_order': False, 'shape': (12,)}", MS_OK, "F16 1"},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", MS_OK, "F64 1"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", MS_OK, "C64 1"},
    {"{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", MS_OK, "I64 1"},
    {"{'descr': '<u2', 'fortran_order': False, 'shape': (12,)}", MS_OK, "U16 1"},
    {"{'descr': '<U1', 'fortran_order': False, 'shape': (6,)}", MS_OK, "UNKNOWN 1"},
    {"{'descr': '|S4', 'fortran_order': False, 'shape': (6,)}", MS_OK, "UNKNOWN 1"},
    {"{'descr': '|V1', 'fortran_order': False, 'shape': (24,)}", MS_OK, "UNKNOWN 1"},
    {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3,)}", MS_OK, "UNKNOWN 1"},
    {"{'descr': '<f16', 'fortran_order': False, 'shape': (0, 5)}", MS_ERR_DAMAGED, "24 bytes follow the array"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", MS_ERR_DAMAGED, "20 bytes follow the array"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}", MS_ERR_DAMAGED,
     "needs 28 bytes of data, the file has 24; 4 bytes"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", MS_ERR_UNSUPPORTED, "array of type '|O': it holds pickled"},
    {"{'descr': 'O', 'fortran_order': False, 'shape': (3,)}", MS_ERR_UNSUPPORTED, "pickled Python objects"},
    {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}", MS_ERR_UNSUPPORTED,
     "array of type '>f4': its elements are big-endian"},
    {"{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (3,)}", MS_ERR_UNSUPPORTED,
     "a structure of several fields"},
    {"{'descr': '<q4', 'fortran_order': False, 'shape': (6,)}", MS_ERR_DAMAGED, "NumPy has no such type"},
    {"{'descr': '', 'fortran_order': False, 'shape': (6,)}", MS_ERR_DAMAGED, "NumPy has no such type"},
    {"{'descr': '<f99999999999', 'fortran_order': False, 'shape': (6,)}", MS_ERR_DAMAGED, "NumPy has no such type"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", MS_ERR_DAMAGED, "one extent needs a comma"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (06,)}", MS_ERR_DAMAGED, "leading zeros"},
    {"{'descr': '<M8[s', 'fortran_order': False, 'shape': (3,)}", MS_ERR_DAMAGED, "NumPy has no such type"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}", MS_ERR_DAMAGED, "an extent of 0 or more"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}", MS_ERR_DAMAGED, "an extent below 2^64"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", MS_ERR_DAMAGED, "overflows 64 bits"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': [6]}", MS_ERR_DAMAGED, "expected a tuple"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}", MS_ERR_DAMAGED, "expected True or False"},
    {"{'descr': '<f4', 'shape': (6,)}", MS_ERR_DAMAGED, "each once"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", MS_ERR_DAMAGED, "each once"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}", MS_ERR_DAMAGED, "each once"},
    {"{'descr': '<f4', 'fortran_order': False 'shape': (6,)}", MS_ERR_DAMAGED, "',' or '}'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6 6)}", MS_ERR_DAMAGED, "',' or ')'"},
    {"{'descr': '<f\\x34', 'fortran_order': False, 'shape': (6,)}", MS_ERR_DAMAGED, "the end of the text"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x", MS_ERR_DAMAGED, "nothing but blanks"},
    {"{'descr': '<f4", MS_ERR_DAMAGED, "the end of the text"},
    {"[]", MS_ERR_DAMAGED, "expected '{', found '[]\\n'"},
    {"", MS_ERR_DAMAGED, "expected '{'"},
    {"{'descr': '\x1b[31m', 'fortran_order': False, 'shape': (6,)}", MS_ERR_DAMAGED, "'\\x1B[31m'"},
};

TEST(npy_headers_are_read_as_numpy_and_others_write_them) {
    for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++)
        for (int version = 1; version <= 3; version++) {
            const header_case *const c = &header_cases[i];
            ms_buf file = {0};
            ms_err err = {0};
            ms_reader *reader = NULL;
            make_npy_raw(&file, version, c->header, "0123456789ABCDEF01234567", 24);
            const ms_status status = open_bytes(&reader, ms_buf_str(&file), false, NULL, &err);
            CHECK_MSG(status == c->status, "%s: %s '%s'", c->header, ms_status_name(status), err.text);
            if (status == MS_OK) {
                const ms_stored *const t = &reader->tensors[0];
                char got[40];
                snprintf(got, sizeof got, "%s %u%s", ms_dtype_info_of(t->dtype)->name, t->rank, t->column_major ? " F" : "");
                CHECK_EQ_TEXT(got, c->want);
                CHECK_EQ_STR(t->name, "a.b");
                CHECK(t->n_bytes == 24 && t->offset == file.size - 24 && reader->header_bytes == t->offset);
            } else {
                CHECK_MSG(strstr(err.text, c->want) && strstr(err.text, "a.b.npy: "), "%s: '%s'", c->header, err.text);
            }
            ms_reader_close(reader);
            ms_buf_free(&file);
        }
}

TEST(npy_files_that_are_cut_or_new_are_refused) {
    static const struct {
        const char *bytes;
        size_t n;
        ms_status status;
        const char *message;
    } cases[] = {
        {"\x93NUMPY", 6, MS_ERR_DAMAGED, "does not begin with"},
        {"\x93NUMPY\1\0\x08", 9, MS_ERR_DAMAGED, "does not begin with"},
        {"\x93NUMPY\1\0\x08\0", 10, MS_ERR_DAMAGED, "should end at byte 18, the file has 10"},
        {"\x93NUMPY\1\0\0\0", 10, MS_ERR_DAMAGED, "expected '{'"},
        {"\x93NUMPY\2\0\0\0", 10, MS_ERR_DAMAGED, "does not begin with"},
        {"\x93NUMPY\2\0\xFF\xFF\xFF\xFF", 12, MS_ERR_DAMAGED, "an npy header of 4294967295 bytes"},
        {"\x93NUMPY\1\1\0\0\0\0", 12, MS_ERR_UNSUPPORTED, "byte 6: npy version 1.1"},
        {"\x93NUMPY\4\0\0\0\0\0", 12, MS_ERR_UNSUPPORTED, "byte 6: npy version 4.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_err err;
        ms_reader *reader;
        CHECK_FAILS(open_bytes(&reader, (ms_str){cases[i].bytes, cases[i].n}, true, NULL, &err), cases[i].status, &err,
                    cases[i].message);
    }
}

TEST(guesses_about_npy_types_are_noted) {
    static const char *const cases[][2] = {{"|V2", "npy.guessed_bf16"}, {"|V1", "npy.unknown_type"}, {"<f4", ""}};
    for (size_t i = 0; i < 3; i++) {
        ms_buf file = {0};
        ms_notes notes = {0};
        ms_err err = {0};
        ms_reader *reader;
        char header[100];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (0,)}", cases[i][0]);
        make_npy_raw(&file, 1, header, "xy", i == 2 ? 2 : 0); /* the last one with two bytes too many */
        CHECK_OK(open_bytes(&reader, ms_buf_str(&file), true, &notes, &err), &err);
        CHECK_EQ_I64(notes.n, 1);
        CHECK_EQ_TEXT(notes.items[0].code, i == 2 ? "npy.trailing" : cases[i][1]);
        ms_reader_close(reader);
        ms_notes_free(&notes);
        ms_buf_free(&file);
    }
}

/* The bytes that numpy.save wrote (2.x), as text. */
TEST(npy_headers_are_those_of_numpy) {
    ms_buf got = {0};
    ms_err err;
    const uint64_t shape[] = {3, 4};
    CHECK_OK(ms_npy_put_header(&got, MS_DTYPE_F32, false, 2, shape, &err), &err);
    char want[128] = "\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
    for (size_t i = 10 + strlen(want + 10); i < 127; i++) want[i] = ' ';
    want[127] = '\n';
    CHECK_EQ_I64(got.size, sizeof want);
    CHECK(memcmp(got.bytes, want, got.size) == 0);
    ms_buf_free(&got);
    CHECK_FAILS(ms_npy_put_header(&got, MS_DTYPE_F4, false, 2, shape, &err), MS_ERR_UNSUPPORTED, &err, "F4");
}

/* What is written is read back, whatever type and shape. */
PROPERTY(npy_written_are_read_back, 300) {
    const ms_dtype dtype = (ms_dtype)(1 + gen_below(g, MS_DTYPE_COUNT - 1));
    const unsigned bits = ms_dtype_info_of(dtype)->bits;
    if (bits < 8) return;
    uint64_t shape[5];
    const uint32_t rank = (uint32_t)gen_below(g, 6);
    size_t n = bits / 8;
    for (uint32_t i = 0; i < rank; i++) n *= shape[i] = gen_below(g, 5);
    char bytes[8 * 4 * 4 * 4 * 4 * 4];
    for (size_t i = 0; i < n; i++) bytes[i] = (char)gen_u64(g);

    ms_arena arena = {0};
    ms_err err = {0};
    ms_source *source;
    ms_reader *reader;
    const char *const path = ms_arena_printf(&arena, "%s/x.npy", test_folder()).text;
    CHECK_OK(ms_npy_write(path, dtype, rank, shape, bytes, &err), &err);
    CHECK_OK(ms_source_open_file(&source, path, &err), &err);
    CHECK_OK(ms_reader_open(&reader, source, NULL, NULL, &err), &err);
    const ms_stored *const t = &reader->tensors[0];
    const bool small = ms_dtype_info_of(dtype)->is_small_float; /* '|V1' does not say which */
    CHECK_EQ_I64(t->dtype, small ? MS_DTYPE_UNKNOWN : dtype);
    CHECK(t->rank == rank && (rank == 0 || memcmp(t->shape, shape, rank * sizeof *shape) == 0));
    const void *got;
    CHECK_OK(ms_source_view(source, t->offset, n, NULL, &got, &err), &err);
    CHECK(t->n_bytes == n && t->offset % 64 == 0 && (n == 0 || memcmp(got, bytes, n) == 0));
    ms_reader_close(reader);
    ms_arena_free(&arena);
}

PROPERTY(npy_survive_mutation, 3000) {
    ms_buf file = {0};
    const uint64_t shape[] = {2, 3};
    make_npy(&file, MS_DTYPE_F32, false, 2, shape, "0123456789ABCDEF01234567", 24);
    for (size_t i = 1 + gen_below(g, 3); i > 0; i--) make_mutation(g, &file);
    ms_notes notes = {0};
    ms_reader *reader = NULL;
    ms_err err = {0};
    const ms_status status = open_bytes(&reader, ms_buf_str(&file), gen_below(g, 2), &notes, &err);
    CHECK(status == MS_OK || ((status == MS_ERR_DAMAGED || status == MS_ERR_UNSUPPORTED) && err.text[0]));
    if (reader) CHECK(reader->tensors[0].offset + reader->tensors[0].n_bytes <= file.size);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    ms_buf_free(&file);
}

static ms_status open_torture_file(void *context, ms_err *err) {
    (void)context;
    ms_buf file = {0};
    ms_notes notes = {0};
    ms_reader *reader = NULL;
    make_npy_raw(&file, 1, "{'descr': '|V2', 'fortran_order': False, 'shape': (1, 2)}", "12345", 5);
    ms_status status = file.failed ? ms_err_memory(err, "the file of this test") : MS_OK;
    if (status == MS_OK) status = open_bytes(&reader, ms_buf_str(&file), true, &notes, err);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    ms_buf_free(&file);
    return status;
}

TEST(npy_survive_every_failing_allocation) { CHECK_SURVIVES_MEMORY(open_torture_file, NULL); }

TEST(npy_survive_every_failing_read) {
    ms_buf file = {0};
    make_npy(&file, MS_DTYPE_F32, false, 0, NULL, "1234", 4);
    for (int k = 1;; k++) {
        ms_err err = {0};
        ms_reader *reader = NULL;
        const ms_status status =
            ms_reader_open(&reader, make_copying_source(file.bytes, file.size, "a.npy", k), NULL, NULL, &err);
        ms_reader_close(reader);
        CHECK_EQ_I64(status, k <= 3 ? MS_ERR_IO : MS_OK);
        if (status == MS_OK) break;
    }
    ms_buf_free(&file);
}
