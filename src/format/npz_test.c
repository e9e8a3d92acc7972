#include "npz.h"

#include <pthread.h>

#include "inflate.h"
#include "make_file.h"
#include "mem.h"
#include "npy.h"
#include "torture.h"
#include "zip.h"

static ms_status open_bytes(ms_reader **out, ms_str bytes, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    ms_source *source;
    MS_TRY(ms_source_over_memory(&source, bytes.text, bytes.size, "w.npz", err));
    return ms_reader_open(out, source, options, notes, err);
}

static void add_array(make_zip *z, const char *name, ms_dtype dtype, bool fortran, uint32_t rank, const uint64_t *shape,
                      const void *bytes, size_t n, unsigned how) {
    ms_buf npy = {0};
    make_npy(&npy, dtype, fortran, rank, shape, bytes, n);
    make_zip_add(z, name, ms_buf_str(&npy), how);
    ms_buf_free(&npy);
}

static const uint64_t two_three[] = {2, 3}, three[] = {3};

/* Stored: "w" f32 [2, 3], then, packed when there is zlib, "layers/0.b" bf16 [3] in Fortran order; and a member without array.
 */
static make_zip sound_archive(void) {
    make_zip z = {0};
    add_array(&z, "w.npy", MS_DTYPE_F32, false, 2, two_three, "0123456789ABCDEF01234567", 24, MAKE_ZIP64);
    add_array(&z, "layers/0.b.npy", MS_DTYPE_BF16, true, 1, three, "uvwxyz", 6, ms_inflate_available() ? MAKE_DEFLATED : 0);
    make_zip_add(&z, "notes.txt", MS_STR("hello"), 0);
    make_zip_end(&z, false);
    return z;
}

TEST(npz_arrays_are_listed_and_read) {
    make_zip z = sound_archive();
    ms_reader *reader;
    ms_err err;
    ms_notes notes = {0};
    ms_scratch scratch = {0};
    const void *bytes;
    CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), NULL, &notes, &err), &err);
    CHECK_EQ_I64(reader->n_tensors, 2);
    const ms_stored *const w = &reader->tensors[0], *const b = &reader->tensors[1];
    CHECK_EQ_STR(w->name, "w");
    CHECK(w->dtype == MS_DTYPE_F32 && w->rank == 2 && w->shape[1] == 3 && !w->column_major && w->source == reader->source);
    CHECK_OK(ms_source_view(w->source, w->offset, w->n_bytes, &scratch, &bytes, &err), &err);
    CHECK(memcmp(bytes, "0123456789ABCDEF01234567", 24) == 0);
    CHECK_EQ_STR(b->name, "layers/0.b");
    CHECK(b->dtype == MS_DTYPE_BF16 && b->rank == 1 && b->n_bytes == 6);
    CHECK_OK(ms_source_view(b->source, b->offset, b->n_bytes, &scratch, &bytes, &err), &err);
    CHECK(memcmp(bytes, "uvwxyz", 6) == 0);
    CHECK_OK(ms_source_view(b->source, b->offset + 4, 2, &scratch, &bytes, &err), &err);
    CHECK(memcmp(bytes, "yz", 2) == 0);
    CHECK_EQ_I64(notes.n, 2); /* the guess of bf16, the other member */
    CHECK_EQ_TEXT(notes.items[1].code, "npz.other_member");
    ms_scratch_free(&scratch);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    make_zip_free(&z);
}

TEST(archives_without_arrays_say_what_they_are) {
    static const struct {
        const char *member;
        ms_status want;
        const char *part;
    } cases[] = {{"archive/data.pkl", MS_ERR_DAMAGED, "pickle, byte 0"},
                 {"a.txt", MS_ERR_UNSUPPORTED, "without a single .npy"}};
    for (int i = 0; i < 2; i++) {
        make_zip z = {0};
        ms_reader *reader;
        ms_err err;
        make_zip_add(&z, cases[i].member, MS_STR("hello"), 0);
        make_zip_end(&z, false);
        CHECK_FAILS(open_bytes(&reader, ms_buf_str(&z.file), NULL, NULL, &err), cases[i].want, &err, cases[i].part);
        make_zip_free(&z);
    }
    make_zip z = {0};
    ms_reader *reader;
    ms_err err;
    make_zip_end(&z, false);
    CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), NULL, NULL, &err), &err);
    CHECK_EQ_I64(reader->n_tensors, 0);
    ms_reader_close(reader);
    make_zip_free(&z);
}

TEST(members_that_are_no_sound_arrays_are_refused_or_noted) {
    static const struct {
        const char *header, *message;
        size_t n_data;
        ms_status status;
    } cases[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "w.npz: tensor 'x.npy': byte 35: array of type '|O'", 4,
         MS_ERR_UNSUPPORTED},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "big-endian", 4, MS_ERR_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "needs 8 bytes of data, the member has 4", 4,
         MS_ERR_DAMAGED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "1 bytes follow the array in its member", 5,
         MS_ERR_DAMAGED},
        {"rubbish", "npy header: expected", 4, MS_ERR_DAMAGED},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const bool packed = i % 2;
        if (packed && !ms_inflate_available()) continue;
        make_zip z = {0};
        ms_buf npy = {0};
        ms_notes notes = {0};
        ms_reader *reader;
        ms_err err;
        make_npy_raw(&npy, 1, cases[i / 2].header, "12345", cases[i / 2].n_data);
        make_zip_add(&z, "x.npy", ms_buf_str(&npy), packed ? MAKE_DEFLATED : 0);
        make_zip alone = {0};
        make_zip_add(&alone, "x.npy", ms_buf_str(&npy), packed ? MAKE_DEFLATED : 0);
        make_zip_end(&alone, false);
        CHECK_FAILS(open_bytes(&reader, ms_buf_str(&alone.file), NULL, NULL, &err), cases[i / 2].status, &err,
                    cases[i / 2].message);
        make_zip_free(&alone);
        add_array(&z, "y.npy", MS_DTYPE_U8, false, 1, three, "abc", 3, 0);
        make_zip_end(&z, false);
        if (cases[i / 2].status == MS_ERR_UNSUPPORTED) { /* a sound file, but for what is not read of it */
            CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), NULL, &notes, &err), &err);
            CHECK(notes.n == 1 && reader->n_tensors == 1 && strstr(notes.items[0].message.text, cases[i / 2].message));
            ms_reader_close(reader);
            ms_notes_free(&notes);
            notes = (ms_notes){0};
        } else {
            CHECK_FAILS(open_bytes(&reader, ms_buf_str(&z.file), NULL, NULL, &err), cases[i / 2].status, &err,
                        cases[i / 2].message);
        }
        CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), &(ms_read_options){.lenient = true}, &notes, &err), &err);
        CHECK(notes.n == 1 && reader->n_tensors >= 1);
        CHECK_EQ_STR(reader->tensors[reader->n_tensors - 1].name, "y");
        ms_reader_close(reader);
        ms_notes_free(&notes);
        ms_buf_free(&npy);
        make_zip_free(&z);
    }
}

/* ---- packed members ---- */

TEST(packed_data_that_are_damaged_are_an_error_when_read) {
    if (!ms_inflate_available()) return;
    for (int kind = 0; kind < 3; kind++) {
        char data[3000];
        for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * i >> 3);
        const uint64_t shape[] = {sizeof data};
        make_zip z = {0};
        add_array(&z, "x.npy", MS_DTYPE_U8, false, 1, shape, data, sizeof data, MAKE_DEFLATED);
        if (kind == 0) z.file.bytes[z.file.size - 40] ^= 0x55;                                             /* the stream */
        if (kind == 1) z.file.bytes[z.header_at[0] + 14] ^= 1, z.directory.bytes[z.entry_at[0] + 16] ^= 1; /* the checksum */
        if (kind == 2) { /* the size, by a few bytes that the shape wants too */
            make_zip_free(&z);
            ms_buf npy = {0};
            make_npy_raw(&npy, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (9,)}", "12345678", 8);
            make_zip_add(&z, "x.npy", ms_buf_str(&npy), MAKE_DEFLATED);
            z.file.bytes[z.header_at[0] + 22]++, z.directory.bytes[z.entry_at[0] + 24]++;
            ms_buf_free(&npy);
        }
        make_zip_end(&z, false);
        ms_reader *reader;
        ms_err err;
        ms_scratch scratch = {0};
        const void *bytes;
        CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), NULL, NULL, &err), &err);
        const ms_stored *const t = &reader->tensors[0];
        CHECK_FAILS(ms_source_view(t->source, t->offset, 1, &scratch, &bytes, &err), MS_ERR_DAMAGED, &err,
                    "w.npz: member 'x.npy': ");
        CHECK_FAILS(ms_source_view(t->source, t->offset, 1, &scratch, &bytes, &err), MS_ERR_DAMAGED, &err, "x.npy"); /* again */
        ms_scratch_free(&scratch);
        ms_reader_close(reader);
        make_zip_free(&z);
    }
}

TEST(a_packed_member_above_the_budget_is_not_unpacked) {
    if (!ms_inflate_available()) return;
    static char zeros[1 << 20];
    const uint64_t shape[] = {sizeof zeros};
    make_zip z = {0};
    ms_reader *reader;
    ms_err err;
    ms_scratch scratch = {0};
    const void *bytes;
    add_array(&z, "x.npy", MS_DTYPE_U8, false, 1, shape, zeros, sizeof zeros, MAKE_DEFLATED);
    make_zip_end(&z, false);
    CHECK(z.file.size < 4000);
    CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), &(ms_read_options){.inflate_budget = 1000}, NULL, &err), &err);
    const ms_stored *const t = &reader->tensors[0];
    CHECK_FAILS(ms_source_view(t->source, t->offset, 1, &scratch, &bytes, &err), MS_ERR_UNSUPPORTED, &err,
                "more than the 1000 that compressed members may take");
    ms_scratch_free(&scratch);
    ms_reader_close(reader);
    make_zip_free(&z);
}

enum { N_MEMBERS = 5, MEMBER_BYTES = 4000, N_ROUNDS = 60 };

typedef struct hammer {
    ms_reader *reader;
    uint64_t seed;
    bool failed;
} hammer;

static void *read_members(void *argument) {
    hammer *const h = argument;
    ms_gen g = {.state = h->seed};
    ms_scratch scratch = {0};
    for (int i = 0; i < N_ROUNDS; i++) {
        const size_t which = gen_below(&g, N_MEMBERS), at = gen_below(&g, MEMBER_BYTES - 10);
        const ms_stored *const t = &h->reader->tensors[which];
        const void *bytes;
        if (ms_source_view(t->source, t->offset + at, 10, &scratch, &bytes, NULL) != MS_OK) h->failed = true;
        else
            for (size_t k = 0; k < 10; k++) h->failed |= ((const uint8_t *)bytes)[k] != (uint8_t)((at + k) * (which + 3));
    }
    ms_scratch_free(&scratch);
    return NULL;
}

/* Room for two members at a time, four threads that want all five. */
TEST(packed_members_come_and_go_within_the_budget) {
    if (!ms_inflate_available()) return;
    make_zip z = {0};
    const uint64_t shape[] = {MEMBER_BYTES};
    for (size_t i = 0; i < N_MEMBERS; i++) {
        static uint8_t data[MEMBER_BYTES];
        char name[20];
        for (size_t k = 0; k < MEMBER_BYTES; k++) data[k] = (uint8_t)(k * (i + 3));
        snprintf(name, sizeof name, "m%zu.npy", i);
        add_array(&z, name, MS_DTYPE_U8, false, 1, shape, data, MEMBER_BYTES, MAKE_DEFLATED);
    }
    make_zip_end(&z, false);
    ms_err err;
    hammer hammers[4];
    pthread_t threads[4];
    ms_reader *reader;
    CHECK_OK(open_bytes(&reader, ms_buf_str(&z.file), &(ms_read_options){.inflate_budget = 2 * MEMBER_BYTES + 500}, NULL, &err),
             &err);
    for (int i = 0; i < 4; i++) {
        hammers[i] = (hammer){.reader = reader, .seed = (uint64_t)i + 1};
        CHECK(pthread_create(&threads[i], NULL, read_members, &hammers[i]) == 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) CHECK(!hammers[i].failed);
    ms_reader_close(reader);
    make_zip_free(&z);
}

/* ---- everything else that can go wrong ---- */

static ms_status open_and_read(ms_source *source, ms_err *err) {
    ms_reader *reader;
    ms_notes notes = {0};
    ms_scratch scratch = {0};
    ms_status status = ms_reader_open(&reader, source, NULL, &notes, err);
    for (size_t i = 0; status == MS_OK && i < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        const void *bytes;
        status = ms_source_view(t->source, t->offset, t->n_bytes, &scratch, &bytes, err);
    }
    ms_scratch_free(&scratch);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    return status;
}

static ms_status read_sound_archive(void *context, ms_err *err) {
    const make_zip *const z = context;
    return open_and_read(make_copying_source(z->file.bytes, z->file.size, "w.npz", 0), err);
}

TEST(npz_survive_every_failing_allocation_and_read) {
    make_zip z = sound_archive();
    CHECK_SURVIVES_MEMORY(read_sound_archive, &z);
    ms_status status = MS_ERR_IO;
    int k = 1;
    for (; status == MS_ERR_IO; k++) {
        ms_err err = {0};
        status = open_and_read(make_copying_source(z.file.bytes, z.file.size, "w.npz", k), &err);
    }
    CHECK_EQ_I64(status, MS_OK);
    CHECK(k > 15);
    make_zip_free(&z);
}

PROPERTY(npz_survive_mutation, 3000) {
    make_zip z = sound_archive();
    for (size_t i = 1 + gen_below(g, 3); i > 0; i--) make_mutation(g, &z.file);
    ms_notes notes = {0};
    ms_reader *reader = NULL;
    ms_err err = {0};
    ms_scratch scratch = {0};
    const ms_status status =
        open_bytes(&reader, ms_buf_str(&z.file), &(ms_read_options){.lenient = gen_below(g, 2)}, &notes, &err);
    CHECK(status == MS_OK || ((status == MS_ERR_DAMAGED || status == MS_ERR_UNSUPPORTED) && err.text[0]));
    for (size_t i = 0; reader && i < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        const void *bytes;
        const ms_status viewed = ms_source_view(t->source, t->offset, t->n_bytes, &scratch, &bytes, &err);
        CHECK(viewed == MS_OK || viewed == MS_ERR_DAMAGED);
    }
    ms_scratch_free(&scratch);
    ms_reader_close(reader);
    ms_notes_free(&notes);
    make_zip_free(&z);
}
