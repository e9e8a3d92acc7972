#include "torch.h"

#include "inflate.h"
#include "make_file.h"
#include "torch_tar.h"
#include "torture.h"

/* ---- pickles, by hand ---- */

static void put(ms_buf *b, const char *bytes, size_t n) { ms_buf_put(b, bytes, n); }
#define PUT(b, literal) put((b), (literal), sizeof(literal) - 1)

static void put_text(ms_buf *b, const char *text) {
    const uint32_t n = (uint32_t)strlen(text);
    PUT(b, "X");
    put(b, (const char *)&n, sizeof n);
    put(b, text, n);
}

static void put_int(ms_buf *b, int32_t value) {
    PUT(b, "J");
    put(b, (const char *)&value, sizeof value);
}

static void put_i64(ms_buf *b, int64_t value) { put(b, (const char *)&value, sizeof value); }

/* "name": a [2, 3] tensor of storage "0" that has n elements; view: as the stacked format has it. */
static void put_tensor(ms_buf *b, const char *name, int32_t n, int32_t row_stride, bool view) {
    put_text(b, name);
    PUT(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(b, "storage");
    PUT(b, "ctorch\nFloatStorage\n");
    put_text(b, "0");
    put_text(b, "cpu");
    put_int(b, n);
    if (view) PUT(b, "N");
    PUT(b, "tQK\0K\2K\3\x86");
    put_int(b, row_stride);
    PUT(b, "K\1\x86\x89"
           "ccollections\nOrderedDict\n)RtR");
}

/* {"w": ..., "v": the same storage again} */
static ms_buf state_dict(int32_t n, int32_t row_stride, bool view) {
    ms_buf b = {0};
    PUT(&b, "\x80\2}(");
    put_tensor(&b, "w", n, 3, view);
    put_tensor(&b, "v", n, row_stride, view);
    PUT(&b, "u.");
    return b;
}

static const float values[7] = {0, 1, 2, 3, 4, 5, 6};

static ms_buf stacked_file(int64_t n_stated) {
    ms_buf b = {0}, object = state_dict(7, 4, true);
    PUT(&b, "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19\x2E");
    PUT(&b, "\x80\2M\xE9\x03.");
    PUT(&b, "\x80\2}");
    put_text(&b, "little_endian");
    PUT(&b, "\x88s.");
    ms_buf_put_str(&b, ms_buf_str(&object));
    PUT(&b, "\x80\2]");
    put_text(&b, "0");
    PUT(&b, "a.");
    put_i64(&b, n_stated);
    put(&b, (const char *)values, sizeof values);
    ms_buf_free(&object);
    return b;
}

static void add_member(ms_buf *tar, const char *name, char kind, const ms_buf *content) {
    char header[512] = {0};
    unsigned sum = 0;
    snprintf(header, 100, "%s", name);
    snprintf(header + 124, 12, "%011o", (unsigned)content->size);
    header[156] = kind;
    memcpy(header + 257, "ustar", 6);
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    put(tar, header, sizeof header);
    put(tar, content->bytes, content->size);
    while (tar->size % 512) ms_buf_put_char(tar, 0);
}

typedef struct tar_parts {
    ms_buf system, object, storages, tensors;
} tar_parts;

/* Storage 5 of 7 floats, storage 6 a view of 6 of them from the second; tensor 9 [2, 3] of storage 6, {"w": 9}. */
static tar_parts make_parts(int32_t view_of, int32_t n_view) {
    tar_parts p = {0};
    PUT(&p.system, "\x80\2}");
    put_text(&p.system, "little_endian");
    PUT(&p.system, "\x88s.");
    PUT(&p.storages, "\x80\2K\1.\x80\2(K\5");
    put_text(&p.storages, "cpu");
    PUT(&p.storages, "ctorch\nFloatStorage\nt.");
    put_i64(&p.storages, 7);
    put(&p.storages, (const char *)values, sizeof values);
    PUT(&p.storages, "\x80\2](K\6");
    put_int(&p.storages, view_of);
    PUT(&p.storages, "K\1");
    put_int(&p.storages, n_view);
    PUT(&p.storages, "ta.");
    PUT(&p.tensors, "\x80\2K\1.\x80\2(K\x09K\6ctorch\nFloatTensor\nt.\2\0\0\0\0\0\0\0");
    put_i64(&p.tensors, 2), put_i64(&p.tensors, 3), put_i64(&p.tensors, 3), put_i64(&p.tensors, 1), put_i64(&p.tensors, 0);
    PUT(&p.object, "\x80\2}");
    put_text(&p.object, "w");
    put_text(&p.object, "9");
    PUT(&p.object, "Qs.");
    return p;
}

static void free_parts(tar_parts *p) {
    ms_buf_free(&p->system), ms_buf_free(&p->object), ms_buf_free(&p->storages), ms_buf_free(&p->tensors);
}

static ms_buf tar_file(const tar_parts *p, bool with_records) {
    ms_buf b = {0}, records = {0};
    PUT(&records, "17 mtime=1234.25\n");
    if (with_records) add_member(&b, "PaxHeader", 'x', &records);
    add_member(&b, "sys_info", '0', &p->system);
    add_member(&b, "pickle", '0', &p->object);
    if (with_records) {
        ms_buf_clear(&records);
        ms_buf_printf(&records, "%zu size=%zu\n", sizeof "10 size=\n" - 1 + (p->storages.size > 99 ? 3 : 2), p->storages.size);
        add_member(&b, "PaxHeader", 'x', &records);
    }
    add_member(&b, "storages", '0', &p->storages);
    add_member(&b, "tensors", '0', &p->tensors);
    for (int i = 0; i < 1024; i++) ms_buf_put_char(&b, 0);
    ms_buf_free(&records);
    return b;
}

static ms_status open_bytes(ms_reader **out, const ms_buf *file, bool copying, ms_notes *notes, ms_err *err) {
    ms_source *source = copying ? make_copying_source(file->bytes, file->size, "m.pt", 0) : NULL;
    if (!copying) MS_TRY(ms_source_over_memory(&source, file->bytes, file->size, "m.pt", err));
    return ms_reader_open(out, source, NULL, notes, err);
}

static bool holds(const ms_stored *t, float first, float row) {
    ms_scratch scratch = {0};
    const void *bytes = NULL;
    float got[6] = {0};
    const bool ok = ms_source_view(t->source, t->offset, (size_t)t->n_bytes, &scratch, &bytes, NULL) == MS_OK;
    if (ok && t->n_bytes == sizeof got) memcpy(got, bytes, sizeof got);
    ms_scratch_free(&scratch);
    return ok && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3 && got[0] == first && got[2] == first + 2 &&
           got[3] == first + row && got[5] == first + row + 2;
}

static ms_str metadata_of(const ms_reader *r, const char *key) {
    for (size_t i = 0; i < r->n_metadata; i++)
        if (ms_str_is(r->metadata[i].key, key)) return r->metadata[i].value;
    return MS_STR_NONE;
}

/* ---- stacked pickles ---- */

TEST(torch_stacked_pickles_are_read_with_their_strides) {
    ms_buf file = stacked_file(7);
    for (int copying = 0; copying < 2; copying++) {
        ms_reader *r;
        ms_err err;
        CHECK_OK(open_bytes(&r, &file, copying, NULL, &err), &err);
        CHECK_EQ_I64(r->n_tensors, 2);
        CHECK_EQ_STR(r->tensors[0].name, "w");
        CHECK(holds(&r->tensors[0], 0, 3) && holds(&r->tensors[1], 0, 4));
        CHECK_EQ_STR(metadata_of(r, "torch.weights_only"), "yes");
        CHECK_EQ_STR(metadata_of(r, "torch.refused"), "[]");
        ms_reader_close(r);
    }
    ms_buf_free(&file);
    file = stacked_file(8);
    ms_reader *r;
    ms_err err;
    CHECK_FAILS(open_bytes(&r, &file, false, NULL, &err), MS_ERR_DAMAGED, &err, "storage '0' of 8 elements does not fit");
    ms_buf_free(&file);
}

/* Storages whose pickle is longer than the first view of a source that has no map. */
TEST(torch_stacked_pickles_of_megabytes_are_seen_through_a_growing_view) {
    ms_buf file = {0}, small = stacked_file(7);
    const size_t object_at = 15 + 6 + 3 + 5 + 13 + 3;
    put(&file, small.bytes, object_at);
    PUT(&file, "\x80\2(");
    for (int i = 0; i < 3000000; i++) PUT(&file, "N");
    PUT(&file, "1"); /* POP_MARK: nothing was there */
    put(&file, small.bytes + object_at + 2, small.size - object_at - 2);
    ms_reader *r;
    ms_err err;
    CHECK_OK(open_bytes(&r, &file, true, NULL, &err), &err);
    CHECK(r->n_tensors == 2 && holds(&r->tensors[0], 0, 3));
    CHECK_EQ_STR(metadata_of(r, "torch.weights_only"), "no"); /* of that opcode */
    ms_reader_close(r);
    ms_buf_free(&file), ms_buf_free(&small);
}

/* ---- tar ---- */

TEST(torch_tar_files_are_read) {
    tar_parts parts = make_parts(5, 6);
    for (int i = 0; i < 4; i++) {
        ms_buf file = tar_file(&parts, i & 1);
        ms_reader *r;
        ms_err err;
        CHECK_OK(open_bytes(&r, &file, i & 2, NULL, &err), &err);
        CHECK_EQ_TEXT(r->format->name, "torch (tar)");
        CHECK_EQ_I64(r->n_tensors, 1);
        CHECK(holds(&r->tensors[0], 1, 3));
        CHECK_EQ_STR(metadata_of(r, "torch.weights_only"), "no");
        ms_reader_close(r);
        ms_buf_free(&file);
    }
    free_parts(&parts);
}

typedef struct tar_case {
    int part; /* 0 .. 3 in the order of tar_parts, 4: the file */
    size_t at;
    const char *bytes;
    size_t n; /* 0: cut there */
    const char *message;
} tar_case;

TEST(torch_tar_files_that_lie_are_refused) {
    static const tar_case cases[] = {
        {2, 2, "K\2", 2, "a storage is expected"},       /* two storages, the second is the list of views */
        {2, 2, "N.", 2, "does not begin with a number"}, /* no number */
        {2, 40, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8, "does not fit into the file"}, /* the count */
        {2, 25, "FloatStoragX", 12, "does not fit into the file"},                    /* a class of unknown size */
        {3, 2, "K\2", 2, "member 'tensors'"},                                         /* more tensors than there are */
        {3, 10, "K\7", 2, "of a storage that is not in the file"},                    /* storage 7 */
        {3, 33, "\x21", 1, "33 axes"},                                                /* rank */
        {3, 48, "\x80", 1, "negative"},                                               /* a size */
        {3, 60, NULL, 0, "ends too early"},                                           /* cut */
        {4, 257, "XXXXX", 5, "neither a ZIP archive, nor stacked pickles, nor tar"},
        {4, 600, NULL, 0, "without member 'pickle'"}, /* cut behind the first member */
        {4, 513, NULL, 0, "beyond the end of the file"},
        {4, 148, "0000000", 7, "checksum"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tar_case *const c = &cases[i];
        tar_parts parts = make_parts(5, 6);
        ms_buf *const bufs[] = {&parts.system, &parts.object, &parts.storages, &parts.tensors};
        if (c->part < 4 && c->n) memcpy(bufs[c->part]->bytes + c->at, c->bytes, c->n);
        if (c->part < 4 && !c->n) bufs[c->part]->size = c->at;
        ms_buf file = tar_file(&parts, false);
        if (c->part == 4 && c->n) memcpy(file.bytes + c->at, c->bytes, c->n);
        if (c->part == 4 && !c->n) file.size = c->at;
        ms_reader *r = NULL;
        ms_err err = {0};
        const ms_status status = open_bytes(&r, &file, false, NULL, &err);
        CHECK_MSG(status != MS_OK && strstr(err.text, c->message), "case %zu: %s '%s', want '%s'", i, ms_status_name(status),
                  err.text, c->message);
        ms_buf_free(&file);
        free_parts(&parts);
    }
}

TEST(torch_tar_views_must_lie_in_their_storage) {
    static const struct {
        int32_t of, n;
        const char *message;
    } cases[] = {{5, 7, "outside its storage"},
                 {4, 1, "a view of a storage is expected"},
                 {5, -1, "a view of a storage is expected"},
                 {5, 5, "outside its storage"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tar_parts parts = make_parts(cases[i].of, cases[i].n);
        ms_buf file = tar_file(&parts, false);
        ms_reader *r;
        ms_err err;
        CHECK_FAILS(open_bytes(&r, &file, false, NULL, &err), MS_ERR_DAMAGED, &err, cases[i].message);
        ms_buf_free(&file);
        free_parts(&parts);
    }
}

/* ---- zip ---- */

static ms_buf zip_file(const ms_buf *object, bool script, unsigned how) {
    make_zip z = {0};
    make_zip_add(&z, "m/data.pkl", ms_buf_str(object), how);
    make_zip_add(&z, "m/byteorder", MS_STR("little"), how);
    if (script) make_zip_add(&z, "m/constants.pkl", MS_STR("\x80\2)."), 0);
    make_zip_add(&z, "m/data/0", (ms_str){(const char *)values, sizeof values}, how);
    make_zip_end(&z, false);
    const ms_buf file = z.file;
    z.file = (ms_buf){0};
    make_zip_free(&z);
    return file;
}

TEST(torchscript_archives_are_read_but_not_loaded_by_weights_only) {
    ms_buf object = state_dict(7, 4, false), file = zip_file(&object, true, 0);
    ms_reader *r;
    ms_err err;
    ms_notes notes = {0};
    CHECK_OK(open_bytes(&r, &file, false, &notes, &err), &err);
    CHECK(r->n_tensors == 2 && holds(&r->tensors[1], 0, 4));
    CHECK_EQ_STR(metadata_of(r, "torch.weights_only"), "no");
    CHECK_EQ_TEXT(notes.items[0].code, "torch.script");
    ms_reader_close(r);
    ms_notes_free(&notes);
    ms_buf_free(&object), ms_buf_free(&file);
}

/* A sparse tensor beside a plain one: named and left out. */
TEST(torch_tensors_without_a_matrix_are_left_out_by_name) {
    static const struct {
        const char *function, *code;
    } cases[] = {{"_rebuild_sparse_tensor", "torch.sparse"},
                 {"_rebuild_meta_tensor_no_storage", "torch.no_data"},
                 {"_rebuild_nested_tensor", "torch.nested"},
                 {"_rebuild_wrapper_subclass", "torch.subclass"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_buf b = {0};
        PUT(&b, "\x80\2}(");
        put_tensor(&b, "w", 7, 3, false);
        put_text(&b, "other");
        ms_buf_printf(&b, "ctorch._utils\n%s\n)Ru.", cases[i].function);
        ms_buf file = zip_file(&b, false, 0);
        ms_reader *r;
        ms_err err;
        ms_notes notes = {0};
        CHECK_OK(open_bytes(&r, &file, false, &notes, &err), &err);
        CHECK_EQ_I64(r->n_tensors, 1);
        CHECK_EQ_TEXT(notes.items[0].code, cases[i].code);
        CHECK_EQ_STR(notes.items[0].tensor, "other");
        ms_reader_close(r);
        ms_notes_free(&notes);
        ms_buf_free(&b), ms_buf_free(&file);
    }
}

TEST(files_that_only_call_themselves_torch_say_what_they_are) {
    static const struct {
        const char *bytes, *message;
    } cases[] = {{"\x80\4N.", "a plain pickle"}, {"PYTORCH1abc", "a preview format"}, {"GGML....", "is no PyTorch file"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_buf file = {0};
        ms_buf_put_text(&file, cases[i].bytes);
        ms_reader *r;
        ms_err err;
        CHECK_FAILS(open_bytes(&r, &file, false, NULL, &err), MS_ERR_UNSUPPORTED, &err, cases[i].message);
        ms_buf_free(&file);
    }
}

/* ---- faults ---- */

static ms_status open_and_close(void *context, ms_err *err) {
    ms_notes notes = {0};
    ms_reader *r = NULL;
    const ms_status status = open_bytes(&r, context, false, &notes, err);
    if (status == MS_OK) ms_reader_close(r);
    ms_notes_free(&notes);
    return status;
}

TEST(torch_readers_survive_failing_allocations) {
    ms_buf object = state_dict(7, 4, false), zipped = zip_file(&object, true, 0),
           packed = zip_file(&object, false, ms_inflate_available() ? MAKE_DEFLATED : 0);
    tar_parts parts = make_parts(5, 6);
    ms_buf stacked = stacked_file(7), tar = tar_file(&parts, true);
    CHECK_SURVIVES_MEMORY(open_and_close, &zipped);
#if MS_HAVE_ZLIB
    CHECK_SURVIVES_MEMORY(open_and_close, &packed);
#endif
    CHECK_SURVIVES_MEMORY(open_and_close, &stacked);
    CHECK_SURVIVES_MEMORY(open_and_close, &tar);
    ms_buf_free(&object), ms_buf_free(&zipped), ms_buf_free(&packed), ms_buf_free(&stacked), ms_buf_free(&tar);
    free_parts(&parts);
}

PROPERTY(torch_files_with_random_faults_are_refused_or_read, 300) {
    tar_parts parts = make_parts(5, 6);
    ms_buf object = state_dict(7, 4, false);
    ms_buf file = gen_below(g, 3) == 0 ? tar_file(&parts, true)
                  : gen_below(g, 2)    ? stacked_file(7)
                                       : zip_file(&object, false, 0);
    for (size_t i = 1 + gen_below(g, 3); i > 0; i--) make_mutation(g, &file);
    ms_reader *r = NULL;
    ms_err err = {0};
    const ms_status status = open_bytes(&r, &file, gen_below(g, 2), NULL, &err);
    CHECK((status == MS_OK) == (r != NULL) && (status == MS_OK || err.text[0]));
    for (size_t t = 0; r && t < r->n_tensors; t++) {
        ms_scratch scratch = {0};
        const void *bytes;
        const ms_stored *const s = &r->tensors[t];
        ms_source_view(s->source, s->offset, (size_t)s->n_bytes, &scratch, &bytes, &err);
        ms_scratch_free(&scratch);
    }
    ms_reader_close(r);
    ms_buf_free(&file), ms_buf_free(&object);
    free_parts(&parts);
}
