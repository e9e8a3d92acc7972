/* What the files of a model say besides their tensors: names, padding, metadata. */
#include "family.h"
#include "file_set.h"
#include "files.h"
#include "guard.h"
#include "verify.h"

enum { NAMED = 8 }; /* findings of one code in one file that are named one by one */

/* ---- names ---- */

typedef struct ms_tally { /* findings of one code in one file: the first few, then a count */
    ms_verify *v;
    ms_str file;
    ms_severity severity;
    const char *code, *rest;
    size_t n;
} ms_tally;

static bool is_named(ms_tally *t) { return t->n++ < NAMED; }

static void end_tally(const ms_tally *t) {
    if (t->n > NAMED)
        ms_notes_add(&t->v->findings, t->severity, t->code, t->file, MS_STR(""), MS_NOTE_NO_OFFSET, "and %zu more %s",
                     t->n - NAMED, t->rest);
}

static void check_names(ms_verify *v, const ms_file *file) {
    ms_tally plain = {v, file->path, MS_NOTE_ERROR, "name.control", "names with such characters", 0};
    ms_tally empty = {v, file->path, MS_NOTE_WARNING, "name.empty", "tensors without a name", 0};
    for (size_t i = 0; i < file->reader->n_tensors; i++) {
        const ms_str name = file->reader->tensors[i].name;
        size_t at = 0;
        if (name.size == 0 && is_named(&empty))
            ms_notes_add(&v->findings, empty.severity, empty.code, file->path, name, MS_NOTE_NO_OFFSET,
                         "tensor %zu has the empty name", i);
        if (!ms_str_is_plain(name, &at) && is_named(&plain))
            ms_notes_add(&v->findings, plain.severity, plain.code, file->path, name, MS_NOTE_NO_OFFSET,
                         "the name holds a control, bidi or invisible character at its byte %zu; a terminal or a log could be "
                         "misled by it",
                         at);
    }
    end_tally(&plain);
    end_tally(&empty);
}

/* ---- metadata ---- */

/* What chat templates use to leave their sandbox (CVE-2024-34359 and kin). Never evaluated here, only looked for. */
static const char *const escapes[] = {"__class__", "__globals__", "__builtins__",     "__import__", "__subclasses__",
                                      "__init__",  "__mro__",     "__getattribute__", "popen("};

static const char *escape_in(ms_str text) {
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (ms_str_contains(text, ms_str_of(escapes[i]))) return escapes[i];
    return NULL;
}

static void check_metadata(ms_verify *v, const ms_file *file) {
    for (size_t i = 0; i < file->reader->n_metadata; i++) {
        const ms_metadata *const m = &file->reader->metadata[i];
        if (!ms_str_is_plain(m->key, NULL))
            ms_notes_add(&v->findings, MS_NOTE_WARNING, "metadata.control", file->path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "the key '%s' holds a control, bidi or invisible character", ms_str_shown(m->key).text);
        if (memchr(m->value.text, 0x1B, m->value.size))
            ms_notes_add(&v->findings, MS_NOTE_WARNING, "metadata.escape", file->path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "the value of '%s' holds an escape character, with which text gives orders to a terminal",
                         ms_str_shown(m->key).text);
        const char *const escape = ms_str_contains(m->key, MS_STR("template")) ? escape_in(m->value) : NULL;
        if (escape)
            ms_notes_add(&v->findings, MS_NOTE_WARNING, "template.escape", file->path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "'%s' mentions '%s', which no chat needs: do not load it with a program that runs templates unguarded",
                         ms_str_shown(m->key).text, escape);
    }
}

static const ms_metadata *metadata_of(const ms_reader *reader, const char *key) {
    for (size_t i = 0; i < reader->n_metadata; i++)
        if (ms_str_is(reader->metadata[i].key, key)) return &reader->metadata[i];
    return NULL;
}

static void check_safetensors(ms_verify *v, const ms_file *file) {
    const ms_reader *const reader = file->reader;
    const ms_metadata *const format = metadata_of(reader, "format");
    static const char *const known[] = {"pt", "tf", "flax", "np", "mlx"};
    bool is_known = false;
    for (size_t i = 0; format && i < 5; i++) is_known |= ms_str_is(format->value, known[i]);
    if (!format)
        ms_notes_add(&v->findings, MS_NOTE_INFO, "safetensors.format_key", file->path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "__metadata__ names no \"format\"; older versions of transformers refuse such files");
    else if (!is_known)
        ms_notes_add(&v->findings, MS_NOTE_INFO, "safetensors.format_key", file->path, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "__metadata__ says \"format\": '%s'; loaders know pt, tf, flax, np and mlx",
                     ms_str_shown(format->value).text);
    size_t n = 0;
    const ms_stored *first = NULL;
    for (size_t i = 0; i < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        const uint64_t item = ms_dtype_info_of(t->dtype)->bits / 8;
        if (item < 2 || t->n_bytes == 0 || t->offset % item == 0) continue;
        if (n++ == 0) first = t;
    }
    if (n)
        ms_notes_add(
            &v->findings, MS_NOTE_INFO, "safetensors.unaligned", file->path, first->name, (int64_t)first->offset,
            "the data of %zu tensor%s, this one first, begin at no multiple of their element's size: slower, and refused by "
            "programs that use mapped bytes in place",
            n, n == 1 ? "" : "s");
}

/* ---- GGUF ---- */

/* The first byte of [begin, end) that is not zero, or UINT64_MAX. */
static ms_status first_not_zero(ms_source *source, uint64_t begin, uint64_t end, uint64_t *out, ms_err *err) {
    ms_scratch scratch = {0};
    const void *bytes;
    *out = UINT64_MAX;
    const ms_status status = ms_source_view(source, begin, (size_t)(end - begin), &scratch, &bytes, err);
    for (uint64_t i = 0; status == MS_OK && i < end - begin && *out == UINT64_MAX; i++)
        if (((const uint8_t *)bytes)[i]) *out = begin + i;
    ms_scratch_free(&scratch);
    return status;
}

enum { MOST_PADDING = 1 << 20 }; /* longer gaps are no padding: the reader reported them */

static ms_status check_padding(ms_verify *v, const ms_file *file, ms_err *err) {
    const ms_reader *const reader = file->reader;
    ms_tally padding = {v, file->path, MS_NOTE_WARNING, "gguf.padding", "gaps of padding that are not zero", 0};
    for (size_t i = 0; i + 1 < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        const uint64_t begin = t->offset + t->n_bytes, end = reader->tensors[i + 1].offset;
        uint64_t at;
        if (end <= begin || end - begin > MOST_PADDING || end > reader->source->size) continue;
        MS_TRY(first_not_zero(reader->source, begin, end, &at, err));
        if (at != UINT64_MAX && is_named(&padding))
            ms_notes_add(&v->findings, padding.severity, padding.code, file->path, t->name, (int64_t)at,
                         "the %llu bytes of padding behind this tensor are not all zero", (unsigned long long)(end - begin));
    }
    end_tally(&padding);
    return MS_OK;
}

static bool integer_of(const ms_reader *reader, const char *key, int64_t *out) {
    const ms_metadata *const m = metadata_of(reader, key);
    return m && ms_str_to_i64(m->value, out);
}

static void split_finding(ms_verify *v, const ms_file *file, const char *key, int64_t is, const char *wanted, int64_t number) {
    ms_notes_add(&v->findings, MS_NOTE_WARNING, "gguf.split", file->path, MS_STR(""), MS_NOTE_NO_OFFSET, "%s is %lld, %s %lld",
                 key, (long long)is, wanted, (long long)number);
}

/* split.no counts from 0, names of files from 1; split.tensors.count is that of all parts. That parts are missing is said
 * elsewhere. */
static void check_split(ms_verify *v, const ms_checkpoint *ckpt, const ms_file *file) {
    int64_t number, n_parts, n_tensors;
    ms_part_name name;
    const bool is_part = ms_file_set_part_name(ms_files_name_of(file->path), &name);
    const int64_t named_parts = is_part ? name.n_parts : (int64_t)ckpt->n_files;
    if (!integer_of(file->reader, "split.count", &n_parts) || n_parts == 0) return; /* 0: merged */
    if (n_parts != named_parts)
        split_finding(v, file, "split.count", n_parts, is_part ? "parts by the name of the file:" : "files here:", named_parts);
    if (integer_of(file->reader, "split.no", &number) && is_part && number != name.part - 1)
        split_finding(v, file, "split.no", number, "by the name of the file it should be", name.part - 1);
    if (integer_of(file->reader, "split.tensors.count", &n_tensors) && n_parts == (int64_t)ckpt->n_files &&
        n_tensors != (int64_t)ckpt->n_tensors)
        split_finding(v, file, "split.tensors.count", n_tensors, "tensors in all parts together:", (int64_t)ckpt->n_tensors);
}

/* ---- the model ---- */

/* Patterns are apart by dtype: two of one text in one section are a mix. Few hundred of them, so a plain search. */
static void check_mix(ms_verify *v, const ms_checkpoint *ckpt) {
    enum { MOST_PATTERNS = 4096 };
    if (ckpt->n_patterns > MOST_PATTERNS) return;
    for (size_t a = 0; a < ckpt->n_patterns; a++) {
        const ms_pattern *const p = &ckpt->patterns[a];
        size_t n = p->n_tensors, n_types = 1;
        const ms_pattern *other = NULL;
        bool is_first = true;
        for (size_t b = 0; b < ckpt->n_patterns && is_first; b++) {
            const ms_pattern *const q = &ckpt->patterns[b];
            if (b == a || q->dtype == p->dtype || !ms_str_equal(q->text, p->text)) continue;
            is_first = b > a;
            n += q->n_tensors, n_types++;
            if (!other) other = q;
        }
        if (!is_first || !other) continue;
        ms_notes_add(&v->findings, MS_NOTE_INFO, "model.dtype_mix", MS_STR(""), ckpt->tensors[p->first_tensor].stored->name,
                     MS_NOTE_NO_OFFSET, "the %zu tensors '%s' are stored in %zu types: %s, %s%s", n, ms_str_shown(p->text).text,
                     n_types, ms_dtype_info_of(p->dtype)->name, ms_dtype_info_of(other->dtype)->name,
                     n_types > 2 ? ", ..." : "");
    }
}

static void check_config(ms_verify *v, const ms_checkpoint *ckpt) {
    const ms_json_value *const map = ms_json_get(ckpt->config, "auto_map");
    if (map && map->kind == MS_JSON_OBJECT && map->object.n)
        ms_notes_add(&v->findings, MS_NOTE_INFO, "config.remote_code", ckpt->config_path, MS_STR(""), (int64_t)map->at,
                     "auto_map asks for Python code that comes with the model (trust_remote_code): read it before you run it");
}

static ms_status check_file(ms_verify *v, const ms_checkpoint *ckpt, const ms_file *file, ms_err *err) {
    const char *const format = file->reader->format->name;
    check_names(v, file);
    check_metadata(v, file);
    if (strcmp(format, "safetensors") == 0) check_safetensors(v, file);
    if (strcmp(format, "gguf") != 0) return MS_OK;
    check_split(v, ckpt, file);
    ms_guard guard = ms_guard_begin();
    return ms_guard_end(&guard, check_padding(v, file, err), err);
}

ms_status ms_verify_formats(ms_verify *v, const ms_checkpoint *ckpt, ms_err *err) {
    for (size_t f = 0; f < ckpt->n_files; f++) {
        if (!ckpt->files[f].reader) continue;
        ms_err why = {0};
        const ms_status status = check_file(v, ckpt, &ckpt->files[f], &why);
        if (status == MS_ERR_MEMORY) return ms_err_memory(err, "the check of a file");
        if (status != MS_OK)
            ms_notes_add(&v->findings, MS_NOTE_ERROR, "file.unreadable", ckpt->files[f].path, MS_STR(""), MS_NOTE_NO_OFFSET,
                         "%s", why.text);
    }
    check_mix(v, ckpt);
    check_config(v, ckpt);
    return MS_OK;
}
