#include "zip.h"

#include "make_file.h"
#include "mem.h"
#include "torture.h"

static const ms_broken_rules strict = {.path = "a.zip"};

static ms_status open_bytes(ms_zip *zip, ms_str bytes, const ms_broken_rules *rules, ms_err *err) {
    ms_source *const source = make_copying_source(bytes.text, bytes.size, "a.zip", 0);
    const ms_status status = ms_zip_open(zip, source, rules, err);
    ms_source_close(source);
    return status;
}

/* Two members, the first stored, the second deflated, as `how` says. */
static make_zip two_members(unsigned how, bool zip64) {
    make_zip z = {0};
    make_zip_add(&z, "a.npy", MS_STR("hello"), how);
    make_zip_add(&z, "b/c.npy", MS_STR("hello hello hello hello hello hello"), how | MAKE_DEFLATED);
    make_zip_end(&z, zip64);
    return z;
}

TEST(zip_members_are_found_in_every_dialect) {
    static const unsigned dialects[] = {0, MAKE_ZIP64, MAKE_DESCRIPTOR, MAKE_ZIP64 | MAKE_DESCRIPTOR};
    for (size_t i = 0; i < 8; i++) {
        make_zip z = two_members(dialects[i % 4], i >= 4);
        ms_zip zip;
        ms_err err;
        CHECK_OK(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), &err);
        CHECK_EQ_I64(zip.n_members, 2);
        CHECK_EQ_I64(zip.directory_at, z.directory_at);
        const ms_zip_member *const a = ms_zip_find(&zip, MS_STR("a.npy")), *const b = ms_zip_find(&zip, MS_STR("b/c.npy"));
        CHECK(a && b && !ms_zip_find(&zip, MS_STR("b")));
        CHECK(a->method == MS_ZIP_STORED && a->n_bytes == 5 && memcmp(z.file.bytes + a->offset, "hello", 5) == 0);
        CHECK(b->method == MS_ZIP_DEFLATED && b->n_bytes == 35 &&
              b->crc == ms_zip_crc(0, "hello hello hello hello hello hello", 35));
        ms_zip_free(&zip);
        make_zip_free(&z);
    }
    CHECK_EQ_I64(ms_zip_crc(ms_zip_crc(0, "1234", 4), "56789", 5), 0xCBF43926);
}

TEST(an_empty_archive_and_one_with_a_comment_are_fine) {
    ms_zip zip;
    ms_err err;
    make_zip z = {0};
    make_zip_end(&z, false);
    CHECK(ms_zip_probe(z.file.bytes, z.file.size));
    CHECK_OK(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), &err);
    CHECK_EQ_I64(zip.n_members, 0);
    make_zip_free(&z);

    z = two_members(0, false);
    z.file.bytes[z.end_at + 20] = 30;
    ms_buf_put(&z.file, "a comment, with PK\5\6 inside it", 30);
    CHECK_OK(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), &err);
    CHECK_EQ_I64(zip.n_members, 2);
    ms_zip_free(&zip);
    make_zip_free(&z);
}

enum where { HEADER, ENTRY, END };

typedef struct patch_case {
    enum where where; /* of the second member, or of the end record */
    int offset;
    const char *bytes; /* put there; n of them */
    int n;
    ms_status status;
    const char *message;
} patch_case;

TEST(archives_that_lie_are_refused) {
    static const patch_case cases[] = {
        {HEADER, 0, "XX", 2, MS_ERR_DAMAGED, "no member header where the directory says"},
        {HEADER, 6, "\x02\0", 2, MS_ERR_DAMAGED, "its own header has other flags"},
        {HEADER, 8, "\0\0", 2, MS_ERR_DAMAGED, "another compression method"},
        {HEADER, 14, "abcd", 4, MS_ERR_DAMAGED, "other sizes or another checksum"},
        {HEADER, 22, "abcd", 4, MS_ERR_DAMAGED, "other sizes or another checksum"},
        {HEADER, 18, "\xFF\xFF\xFF\xFF", 4, MS_ERR_DAMAGED, "sizes of 64 bits but does not give them"},
        {HEADER, 26, "\xFF\xFF", 2, MS_ERR_DAMAGED, "reaches into the directory"},
        {HEADER, 30, "x", 1, MS_ERR_DAMAGED,
         "tensor 'b/c.npy': byte 40: this member is broken: its own header has another name"},
        {ENTRY, 0, "XX", 2, MS_ERR_DAMAGED, "the directory is cut or damaged"},
        {ENTRY, 6, "\xFF", 1, MS_ERR_DAMAGED, "it needs a version of the format"},
        {ENTRY, 8, "\1\0", 2, MS_ERR_DAMAGED, "other flags"},
        {ENTRY, 10, "\0\0", 2, MS_ERR_DAMAGED, "has two different sizes"},
        {ENTRY, 20, "\xF0\xFF\xFF\x0F", 4, MS_ERR_DAMAGED, "outside the part of the file"},
        {ENTRY, 24, "\xFF\xFF\xFF\x7F", 4, MS_ERR_DAMAGED, "more than deflate can do"},
        {ENTRY, 24, "\xFF\xFF\xFF\xFF", 4, MS_ERR_DAMAGED, "sizes of 64 bits"},
        {ENTRY, 28, "\xFF\xFF", 2, MS_ERR_DAMAGED, "the directory is cut or damaged"},
        {ENTRY, 34, "\1\0", 2, MS_ERR_DAMAGED, "another volume"},
        {ENTRY, 42, "\xFF\xFF\xFF\x0F", 4, MS_ERR_DAMAGED, "outside the part of the file"},
        {ENTRY, 42, "\0\0\0\0", 4, MS_ERR_DAMAGED, "another name"},
        {ENTRY, 46, "/", 1, MS_ERR_DAMAGED, "absolute"},
        {ENTRY, 46, "../", 3, MS_ERR_DAMAGED, "climbs"},
        {ENTRY, 46, "\0", 1, MS_ERR_DAMAGED, "its name is empty"},
        {ENTRY, 46, "\xFF", 1, MS_ERR_DAMAGED, "no UTF-8"},
        {END, 0, "XX", 2, MS_ERR_DAMAGED, "the directory of this ZIP archive is missing"},
        {END, 4, "\1\0", 2, MS_ERR_UNSUPPORTED, "several volumes"},
        {END, 8, "\3\0", 2, MS_ERR_UNSUPPORTED, "several volumes"},
        {END, 8, "\3\0\3\0", 4, MS_ERR_DAMAGED, "should list 3 members"},
        {END, 8, "\1\0\1\0", 4, MS_ERR_DAMAGED, "bytes of the directory belong to no member"},
        {END, 8, "\xF0\xF0\xF0\xF0", 4, MS_ERR_DAMAGED, "should list 61680 members"},
        {END, 12, "\1", 1, MS_ERR_DAMAGED, "something was put in front"},
        {END, 16, "\1", 1, MS_ERR_DAMAGED, "something was put in front"},
        {END, 20, "\1", 1, MS_ERR_DAMAGED, "the directory of this ZIP archive is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const patch_case *const c = &cases[i];
        make_zip z = two_members(0, false);
        const size_t base = c->where == HEADER ? z.header_at[1] : c->where == END ? z.end_at : z.directory_at + z.entry_at[1];
        memcpy(z.file.bytes + base + c->offset, c->bytes, (size_t)c->n);
        ms_zip zip;
        ms_err err = {0};
        const ms_status status = open_bytes(&zip, ms_buf_str(&z.file), &strict, &err);
        CHECK_MSG(status == c->status && strstr(err.text, c->message), "case %zu: got %s '%s'\n want '%s'", i,
                  ms_status_name(status), err.text, c->message);
        make_zip_free(&z);
    }
}

TEST(bytes_around_an_archive_are_told) {
    make_zip z = two_members(0, false);
    ms_buf around = {0};
    ms_zip zip;
    ms_err err;
    ms_buf_put_text(&around, "#!/bin/sh\n");
    ms_buf_put_str(&around, ms_buf_str(&z.file));
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&around), &strict, &err), MS_ERR_DAMAGED, &err, "something was put in front");
    ms_buf_put_text(&z.file, "hidden");
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_DAMAGED, &err,
                "6 bytes follow the end of this ZIP archive");
    z.file.size = z.end_at; /* cut */
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_DAMAGED, &err, "the download is incomplete");
    ms_buf_free(&around);
    make_zip_free(&z);
}

TEST(encrypted_members_are_not_supported) {
    make_zip z = two_members(0, false);
    z.file.bytes[z.header_at[1] + 6] = z.file.bytes[z.directory_at + z.entry_at[1] + 8] = 1;
    ms_zip zip;
    ms_err err;
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_UNSUPPORTED, &err, "encrypted");
    make_zip_free(&z);
}

/* Two names over the same bytes: the way of small bombs. The second entry shows the first member again under its own name. */
TEST(members_over_the_same_bytes_are_refused) {
    ms_zip zip;
    ms_err err;
    make_zip inner = {0}, z = {0};
    make_zip_add(&inner, "b.npy", MS_STR("hello"), 0);
    make_zip_add(&z, "a.npy", ms_buf_str(&inner.file), 0); /* a member whose content is a member */
    make_zip_add(&z, "b.npy", MS_STR("hello"), 0);
    z.directory.bytes[z.entry_at[1] + 42] = 35; /* the header inside a.npy */
    z.file.size = z.header_at[1];
    make_zip_end(&z, false);
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_DAMAGED, &err, "overlaps member 'a.npy'");
    make_zip_free(&z);
    make_zip_free(&inner);
}

TEST(members_that_occur_twice_are_refused_or_noted) {
    make_zip z = {0};
    make_zip_add(&z, "a.npy", MS_STR("one"), 0);
    make_zip_add(&z, "a.npy", MS_STR("two"), 0);
    make_zip_end(&z, false);
    ms_zip zip;
    ms_err err;
    ms_notes notes = {0};
    const ms_broken_rules lenient = {.path = "a.zip", .lenient = true, .notes = &notes};
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_DAMAGED, &err, "occurs twice");
    CHECK_OK(open_bytes(&zip, ms_buf_str(&z.file), &lenient, &err), &err);
    CHECK_EQ_I64(zip.n_members, 1);
    CHECK_EQ_TEXT(notes.items[0].code, "zip.duplicate");
    ms_zip_free(&zip);
    ms_notes_free(&notes);
    make_zip_free(&z);
}

TEST(zip64_records_must_agree) {
    static const struct {
        int before_end; /* bytes */
        const char *bytes;
        int n;
        const char *message;
    } cases[] = {
        {12, "\xFF", 1, "points to byte"},           {16, "\1", 1, "points to byte"},
        {76, "X", 1, "no ZIP64 end record"},         {72, "\x2D", 1, "no ZIP64 end record"},
        {28, "\1", 1, "something was put in front"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_zip z = two_members(MAKE_ZIP64, true);
        memcpy(z.file.bytes + z.end_at - cases[i].before_end, cases[i].bytes, (size_t)cases[i].n);
        ms_zip zip;
        ms_err err;
        CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_DAMAGED, &err, cases[i].message);
        make_zip_free(&z);
    }
    make_zip z = two_members(0, true);
    memcpy(z.file.bytes + z.end_at + 10, "\3\0", 2);
    ms_zip zip;
    ms_err err;
    CHECK_FAILS(open_bytes(&zip, ms_buf_str(&z.file), &strict, &err), MS_ERR_DAMAGED, &err, "two different directories");
    make_zip_free(&z);
}

static ms_status open_torture_file(void *context, ms_err *err) {
    const make_zip *const z = context;
    ms_notes notes = {0};
    ms_zip zip;
    const ms_broken_rules lenient = {.path = "a.zip", .lenient = true, .notes = &notes};
    const ms_status status = open_bytes(&zip, ms_buf_str(&z->file), &lenient, err);
    if (status == MS_OK) ms_zip_free(&zip);
    ms_notes_free(&notes);
    return status;
}

TEST(zip_survives_every_failing_allocation_and_read) {
    make_zip z = two_members(0, true);
    z.file.bytes[z.header_at[1]] = 'X'; /* for a note */
    CHECK_SURVIVES_MEMORY(open_torture_file, &z);
    z.file.bytes[z.header_at[1]] = 'P';
    for (int k = 1;; k++) {
        ms_zip zip;
        ms_err err;
        ms_source *const source = make_copying_source(z.file.bytes, z.file.size, "a.zip", k);
        const ms_status status = ms_zip_open(&zip, source, &strict, &err);
        ms_source_close(source);
        if (status == MS_OK) {
            CHECK_EQ_I64(k, 11);
            ms_zip_free(&zip);
            break;
        }
        CHECK_EQ_I64(status, MS_ERR_IO);
    }
    make_zip_free(&z);
}
