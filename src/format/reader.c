#include "reader.h"

#include "broken.h"
#include "buf.h"
#include "gguf.h"
#include "guard.h"
#include "mem.h"
#include "npy.h"
#include "npz.h"
#include "safetensors.h"
#include "torch.h"

const ms_format *const ms_formats[] = {&ms_safetensors_format, &ms_gguf_format, &ms_torch_zip_format, &ms_torch_legacy_format,
                                       &ms_torch_tar_format,   &ms_npz_format,  &ms_npy_format,       NULL};

enum { HEAD_BYTES = 4096 };

static bool starts_with_nocase(ms_str s, const char *head) {
    const size_t n = strlen(head);
    return s.size >= n && ms_str_equal_nocase(ms_str_sub(s, 0, n), ms_str_of(head));
}

static ms_str without_blanks(ms_str s) {
    if (ms_str_starts_with(s, MS_STR("\xEF\xBB\xBF"))) s = ms_str_sub(s, 3, s.size);
    while (s.size > 0 && memchr(" \t\r\n", s.text[0], 4)) s = ms_str_sub(s, 1, s.size);
    return s;
}

/* Files that stand in the place of weights: they have a message of their own, whatever their name says. */
static ms_status refuse_stand_ins(ms_str head, const ms_broken_rules *rules, ms_err *err) {
    if (head.size == 0)
        return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
                                    "the file is empty (0 bytes); the download or copy did not happen, fetch it again");
    if (ms_str_starts_with(head, MS_STR("version https://git-lfs")))
        return ms_broken_beyond_use(rules, err, MS_ERR_UNSUPPORTED, MS_STR_NONE, MS_NOTE_NO_OFFSET,
                                    "is a Git LFS pointer, a short text that stands for the weights; run 'git lfs pull' in its "
                                    "folder to fetch them");
    const ms_str text = without_blanks(head);
    static const char *const pages[] = {"<!doctype", "<html", "<?xml", "<head", "<error"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (starts_with_nocase(text, pages[i]))
            return ms_broken_beyond_use(rules, err, MS_ERR_DAMAGED, MS_STR_NONE, 0,
                                        "is a web page ('%s'), not weights; the server answered with an error or a login page, "
                                        "fetch the file again",
                                        ms_str_shown(ms_str_sub(text, 0, text.size < 40 ? text.size : 40)).text);
    return MS_OK;
}

static const ms_format *format_of_content(ms_str head) {
    for (size_t i = 0; ms_formats[i]; i++)
        if (ms_formats[i]->probe(head.text, head.size)) return ms_formats[i];
    return NULL;
}

static const ms_format *format_of_name(ms_str path) {
    for (size_t i = 0; ms_formats[i]; i++) {
        const ms_str extension = ms_str_of(ms_formats[i]->extension);
        if (path.size < extension.size) continue;
        if (ms_str_equal_nocase(ms_str_sub(path, path.size - extension.size, path.size), extension)) return ms_formats[i];
    }
    return NULL;
}

/* "it begins with 'Entry not found'": what an unknown file shows of itself. */
static ms_status refuse_unknown(ms_str head, const ms_broken_rules *rules, ms_err *err) {
    ms_buf names = {0};
    for (size_t i = 0; ms_formats[i]; i++) ms_buf_printf(&names, "%s%s", i ? ", " : "", ms_formats[i]->name);
    const ms_status status =
        names.failed ? ms_err_memory(err, "a message")
                     : ms_broken_beyond_use(rules, err, MS_ERR_UNSUPPORTED, MS_STR_NONE, 0,
                                            "is in no format that is read here (%s); it begins with '%s'", names.bytes,
                                            ms_str_shown(ms_str_sub(head, 0, head.size < 24 ? head.size : 24)).text);
    ms_buf_free(&names);
    return status;
}

static ms_status open_guarded(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes,
                              ms_scratch *scratch, ms_err *err) {
    static const ms_read_options strict = {0};
    if (!options) options = &strict;
    const ms_broken_rules rules = {.path = source->path, .lenient = options->lenient, .notes = notes};
    const size_t n = source->size < HEAD_BYTES ? (size_t)source->size : HEAD_BYTES;
    const void *bytes;
    MS_TRY(ms_source_view(source, 0, n, scratch, &bytes, err));
    const ms_str head = {bytes, n};
    MS_TRY(refuse_stand_ins(head, &rules, err));
    const ms_format *format = format_of_content(head);
    if (!format) format = format_of_name(ms_str_of(source->path));
    if (!format) return refuse_unknown(head, &rules, err);
    return format->open(out, source, options, notes, err);
}

ms_status ms_reader_open(ms_reader **out, ms_source *source, const ms_read_options *options, ms_notes *notes, ms_err *err) {
    ms_scratch scratch = {0};
    *out = NULL;
    ms_guard guard = ms_guard_begin();
    ms_status status = open_guarded(out, source, options, notes, &scratch, err);
    const bool opened = status == MS_OK;
    status = ms_guard_end(&guard, status, err);
    ms_scratch_free(&scratch);
    if (status == MS_OK) return MS_OK;
    if (opened) ms_reader_close(*out);
    else ms_source_close(source);
    *out = NULL;
    return status;
}

ms_status ms_reader_hand_over(ms_reader **out, ms_reader *reader, ms_status status, const ms_stored *tensors, size_t n_tensors,
                              const ms_metadata *metadata, size_t n_metadata) {
    if (status != MS_OK) {
        reader->source = NULL;
        ms_reader_close(reader);
        return status;
    }
    reader->tensors = tensors, reader->n_tensors = n_tensors;
    reader->metadata = metadata, reader->n_metadata = n_metadata;
    *out = reader;
    return MS_OK;
}

void ms_reader_close(ms_reader *reader) {
    if (!reader) return;
    if (reader->close_format) reader->close_format(reader);
    ms_arena_free(&reader->arena);
    ms_source_close(reader->source);
    ms_mem_free(reader);
}
