/* Any bytes as a ZIP archive: members lie inside, apart from each other, in front of the directory; lenient lists no fewer. */
#include "fuzz_reader.h"
#include "zip.h"

static bool open_zip(ms_zip *zip, const uint8_t *data, size_t size, bool lenient, ms_notes *notes) {
    ms_source *const source = fuzz_copying_source(data, size, "fuzz.zip");
    const ms_broken_rules rules = {.path = "fuzz.zip", .lenient = lenient, .notes = notes};
    ms_err err = {0};
    const ms_status status = ms_zip_open(zip, source, &rules, &err);
    FUZZ_CHECK(fuzz_is_verdict(status, &err));
    ms_source_close(source);
    return status == MS_OK;
}

static void check_members(ms_zip *zip, bool strict) {
    ms_zip_sort_by_place(zip);
    uint64_t end = 0;
    for (size_t i = 0; i < zip->n_members; i++) {
        const ms_zip_member *const m = &zip->members[i];
        FUZZ_CHECK(m->offset > m->header_at && m->offset <= zip->directory_at && m->n_packed <= zip->directory_at - m->offset);
        FUZZ_CHECK(m->name.size > 0 && ms_str_is_utf8(m->name, NULL) && m->name.text[0] != '/');
        FUZZ_CHECK(m->method != MS_ZIP_STORED || m->n_packed == m->n_bytes);
        FUZZ_CHECK(!strict || m->header_at >= end);
        FUZZ_CHECK(ms_zip_find(zip, m->name) == m);
        end = m->offset + m->n_packed;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_zip strict, lenient;
    ms_notes notes = {0};
    const bool is_strict = open_zip(&strict, data, size, false, NULL);
    const bool is_lenient = open_zip(&lenient, data, size, true, &notes);
    if (is_strict) {
        FUZZ_CHECK(is_lenient && lenient.n_members == strict.n_members && notes.n == 0);
        check_members(&strict, true);
        ms_zip_free(&strict);
    }
    if (is_lenient) {
        check_members(&lenient, false);
        ms_zip_free(&lenient);
    }
    ms_notes_free(&notes);
    return 0;
}
