/*
 * core_helper: lets the oracle scripts ask core/.
 *
 *     core_helper repr     doubles of 8 bytes on stdin; a line each: ms_buf_put_f64
 *     core_helper json     records; a line each: the text parsed and written without blanks, or "!" and the message
 *     core_helper regex    pairs of records, pattern and subject; a line each: search TAB match
 *                         each "none", "!" and the message, or the byte spans of the groups: "0-3 1-2 -"
 *
 * A record is a u32, little-endian, and as many bytes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "regex.h"

/* Reads the next record into *out; false at the end. */
static bool read_record(ms_buf *out) {
    uint32_t n;
    ms_buf_clear(out);
    ms_buf_put(out, "", 0);
    if (fread(&n, sizeof n, 1, stdin) != 1) return false;
    char block[4096];
    for (size_t left = n; left > 0;) {
        const size_t got = fread(block, 1, left < sizeof block ? left : sizeof block, stdin);
        if (got == 0) return false;
        ms_buf_put(out, block, got);
        left -= got;
    }
    return !out->failed;
}

static void probe_repr(void) {
    ms_buf b = {0};
    for (double value; fread(&value, sizeof value, 1, stdin) == 1;) {
        ms_buf_clear(&b);
        ms_buf_put_f64(&b, value);
        puts(b.bytes);
    }
    ms_buf_free(&b);
}

static void probe_json(void) {
    ms_buf text = {0}, written = {0};
    while (read_record(&text)) {
        ms_arena arena = {0};
        ms_err err = {0};
        const ms_json_value *value;
        ms_buf_clear(&written);
        if (ms_json_parse(&value, text.bytes, text.size, &arena, &err) == MS_OK) {
            ms_json_out out = {.buf = &written, .indent = -1};
            ms_json_out_value(&out, value, false);
            puts(written.bytes);
        } else {
            printf("!%s\n", err.text);
        }
        ms_arena_free(&arena);
    }
    ms_buf_free(&text), ms_buf_free(&written);
}

static void print_match(ms_status status, const ms_regex_match *m, const char *base, const ms_err *err) {
    if (status != MS_OK) printf("!%s", err->text);
    else if (!m->matched) printf("none");
    for (int i = 0; status == MS_OK && m->matched && i < m->n_groups; i++) {
        const ms_str group = m->groups[i];
        if (i > 0) printf(" ");
        if (group.text) printf("%td-%td", group.text - base, group.text - base + (ptrdiff_t)group.size);
        else printf("-");
    }
}

static void probe_regex(void) {
    ms_buf pattern = {0}, subject = {0};
    while (read_record(&pattern) && read_record(&subject)) {
        ms_err err = {0};
        ms_regex *regex = NULL;
        ms_regex_match m = {0};
        ms_status status = ms_regex_compile(&regex, ms_buf_str(&pattern), &err);
        if (status == MS_OK) status = ms_regex_search(regex, ms_buf_str(&subject), &m, &err);
        print_match(status, &m, subject.bytes, &err);
        printf("\t");
        if (regex) status = ms_regex_match_start(regex, ms_buf_str(&subject), &m, &err);
        print_match(status, &m, subject.bytes, &err);
        printf("\n");
        ms_regex_destroy(regex);
    }
    ms_buf_free(&pattern), ms_buf_free(&subject);
}

int main(int argc, char **argv) {
    const char *const what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "repr") == 0) probe_repr();
    else if (strcmp(what, "json") == 0) probe_json();
    else if (strcmp(what, "regex") == 0) probe_regex();
    else return fprintf(stderr, "core_helper repr|json|regex\n"), 2;
    return 0;
}
