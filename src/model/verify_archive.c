/*
 * What loaders of weights do not look at: checksums of what an archive stores as it is, pickles beside the one that is loaded,
 * and pickles that are no checkpoint at all. Read as data, never run.
 */
#include <stdio.h>

#include "files.h"
#include "guard.h"
#include "torch_judge.h"
#include "verify.h"
#include "zip.h"

enum { STEP = 8 << 20, MOST_PICKLE = 64 << 20 }; /* bytes between two looks at cancel; of a pickle that is judged */

/* ---- pickles ---- */

/* Protocols 2 to 5 begin with their number, all end with a full stop. */
static bool is_pickle(ms_str bytes) {
    return bytes.size > 2 && (uint8_t)bytes.text[0] == 0x80 && bytes.text[1] >= 2 && bytes.text[1] <= 5 &&
           bytes.text[bytes.size - 1] == '.';
}

/* What loading it would import, as findings; one that is damaged is not judged, as loading it would fail, too, if late. */
static ms_status judge(ms_verify *v, const char *path, ms_str bytes, uint64_t at, ms_err *err) {
    const ms_broken_rules rules = {.path = path, .lenient = true, .notes = &v->findings};
    ms_buf text = {0};
    ms_torch_verdict verdict = {.weights_only = true, .refused = {.buf = &text}};
    ms_pickle pickle;
    ms_status status = ms_pickle_read(&pickle, bytes.text, bytes.size, 0, err);
    if (status != MS_OK) return status == MS_ERR_MEMORY ? status : MS_OK;
    ms_json_out_begin_array(&verdict.refused);
    status = ms_torch_judge(&verdict, &pickle, &rules, at, err);
    ms_json_out_end(&verdict.refused);
    ms_buf_free(&text);
    ms_pickle_free(&pickle);
    return status;
}

static ms_status judge_source(ms_verify *v, ms_source *source, ms_err *err) {
    ms_scratch scratch = {0};
    const void *bytes;
    ms_status status =
        source->size > MOST_PICKLE ? MS_OK : ms_source_view(source, 0, (size_t)source->size, &scratch, &bytes, err);
    if (status == MS_OK && source->size <= MOST_PICKLE) {
        const ms_str text = {bytes, (size_t)source->size};
        if (is_pickle(text)) status = judge(v, source->path, text, 0, err);
    }
    ms_scratch_free(&scratch);
    return status;
}

ms_status ms_verify_bare_pickle(ms_verify *v, const char *path, ms_err *err) {
    ms_source *source;
    ms_err why = {0};
    if (ms_source_open_file(&source, path, &why) != MS_OK) return MS_OK; /* said already */
    ms_guard guard = ms_guard_begin();
    const ms_status status = ms_guard_end(&guard, judge_source(v, source, &why), &why);
    ms_source_close(source);
    return status == MS_ERR_MEMORY ? ms_err_memory(err, "a pickle") : MS_OK;
}

/* ---- archives ---- */

typedef struct archive {
    ms_verify *v;
    const ms_verify_options *options;
    ms_source *source;
    ms_zip zip;
    const ms_zip_member *loaded; /* the pickle that torch.load reads; NULL in an npz */
    bool is_script;              /* TorchScript has pickles of its own */
    size_t n_without_crc;
    ms_scratch scratch;
} archive;

static ms_str path_of(const archive *a) { return ms_str_of(a->source->path); }

/* Only stored ones: what is deflated is checked where it is unpacked. */
static ms_status check_crc(archive *a, const ms_zip_member *m, ms_err *err) {
    uint32_t crc = 0;
    for (uint64_t at = 0; at < m->n_bytes; at += STEP) {
        const size_t n = m->n_bytes - at < STEP ? (size_t)(m->n_bytes - at) : STEP;
        const void *bytes;
        if (a->options->cancel && *a->options->cancel) return ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted");
        MS_TRY(ms_source_view(a->source, m->offset + at, n, &a->scratch, &bytes, err));
        crc = ms_zip_crc(crc, bytes, n);
        if (a->options->advance) a->options->advance(a->options->context, n);
    }
    if (crc != m->crc && m->crc == 0 && a->loaded) a->n_without_crc++; /* torch can be told not to compute them */
    else if (crc != m->crc)
        ms_notes_add(&a->v->findings, MS_NOTE_ERROR, "zip.crc", path_of(a), MS_STR(""), (int64_t)m->offset,
                     "member '%s': the checksum of its data is 0x%08X, the archive states 0x%08X; fetch the file again",
                     ms_str_shown(m->name).text, crc, m->crc);
    return MS_OK;
}

/* Storages may begin with any bytes, and arrays are read by their reader. */
static bool may_hide_a_pickle(const archive *a, const ms_zip_member *m) {
    if (m == a->loaded || m->method != MS_ZIP_STORED || m->n_bytes < 3 || m->n_bytes > MOST_PICKLE) return false;
    if (ms_str_ends_with(m->name, MS_STR(".npy")) || ms_str_contains(m->name, MS_STR("/data/"))) return false;
    return !a->is_script ||
           !(ms_str_ends_with(m->name, MS_STR("constants.pkl")) || ms_str_ends_with(m->name, MS_STR(".debug_pkl")));
}

static ms_status check_pickle(archive *a, const ms_zip_member *m, ms_err *err) {
    const void *bytes;
    MS_TRY(ms_source_view(a->source, m->offset, (size_t)m->n_bytes, &a->scratch, &bytes, err));
    const ms_str text = {bytes, (size_t)m->n_bytes};
    if (!is_pickle(text)) return MS_OK;
    ms_notes_add(&a->v->findings, MS_NOTE_WARNING, "torch.other_pickle", path_of(a), MS_STR(""), (int64_t)m->offset,
                 "member '%s' is a pickle that is no part of a checkpoint; some loaders read it, scanners may not",
                 ms_str_shown(m->name).text);
    return judge(a->v, a->source->path, text, m->offset, err);
}

static ms_status check_members(archive *a, ms_err *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < a->zip.n_members; i++) {
        const ms_zip_member *const m = &a->zip.members[i];
        if (!a->loaded && ms_str_is(ms_files_name_of(m->name), "data.pkl")) a->loaded = m;
        a->is_script = a->is_script || ms_str_is(ms_files_name_of(m->name), "constants.pkl");
        if (m->method == MS_ZIP_STORED) total += m->n_bytes;
    }
    if (a->options->values && a->options->begin) a->options->begin(a->options->context, total);
    for (size_t i = 0; i < a->zip.n_members; i++) {
        const ms_zip_member *const m = &a->zip.members[i];
        if (may_hide_a_pickle(a, m)) MS_TRY(check_pickle(a, m, err));
        if (a->options->values && m->method == MS_ZIP_STORED) MS_TRY(check_crc(a, m, err));
    }
    if (a->n_without_crc)
        ms_notes_add(&a->v->findings, MS_NOTE_INFO, "zip.no_crc", path_of(a), MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%zu members have no checksum (torch.serialization.set_crc32_options(False)): nothing in the file tells "
                     "whether they are whole",
                     a->n_without_crc);
    return MS_OK;
}

/* What is wrong with the archive itself its reader has said. */
static ms_status check_archive(ms_verify *v, ms_source *source, const ms_verify_options *options, ms_err *err) {
    archive a = {.v = v, .options = options, .source = source};
    ms_notes said = {0};
    const void *head;
    const ms_broken_rules rules = {.path = source->path, .lenient = true, .notes = &said};
    const size_t n = source->size < 64 ? (size_t)source->size : 64;
    ms_status status = ms_source_view(source, 0, n, &a.scratch, &head, err);
    if (status == MS_OK && ms_zip_probe(head, n)) {
        ms_err why = {0};
        status = ms_zip_open(&a.zip, source, &rules, &why);
        if (status == MS_OK) {
            status = check_members(&a, err);
            ms_zip_free(&a.zip);
        } else if (status != MS_ERR_MEMORY) {
            status = MS_OK;
        }
    }
    ms_notes_free(&said);
    ms_scratch_free(&a.scratch);
    return status;
}

ms_status ms_verify_archives(ms_verify *v, const ms_checkpoint *ckpt, const ms_verify_options *options, ms_err *err) {
    for (size_t f = 0; f < ckpt->n_files; f++) {
        if (!ckpt->files[f].reader) continue;
        ms_err why = {0};
        ms_guard guard = ms_guard_begin();
        const ms_status status = ms_guard_end(&guard, check_archive(v, ckpt->files[f].reader->source, options, &why), &why);
        if (status == MS_ERR_MEMORY || status == MS_ERR_INTERRUPTED) return ms_err_set(err, status, "%s", why.text);
        if (status != MS_OK)
            ms_notes_add(&v->findings, MS_NOTE_ERROR, "file.unreadable", ckpt->files[f].path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "%s", why.text);
    }
    return MS_OK;
}
