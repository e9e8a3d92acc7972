#include "verify_out.h"

#include "human.h"
#include "json_put.h"
#include "map.h"

/* The path as it is from the model folder. */
static ms_str short_name(const ms_verify *v, ms_str path) {
    if (path.size <= v->folder.size || !ms_str_starts_with(path, v->folder)) return path;
    const ms_str rest = ms_str_sub(path, v->folder.size, path.size);
    if (rest.text[0] == '/') return ms_str_sub(rest, 1, rest.size);
    return v->folder.size && v->folder.text[v->folder.size - 1] == '/' ? rest : path;
}

static ms_style style_of(ms_severity severity) { return severity == MS_NOTE_INFO ? MS_STYLE_DIM : MS_STYLE_ALERT; }

static void put_finding(ms_cli *cli, ms_buf *buf, const ms_verify *v, const ms_note *note, int width) {
    ms_buf_printf(buf, "%s%-7s%s  %-*s  ", ms_cli_style(cli, style_of(note->severity)), ms_severity_name(note->severity),
                  ms_cli_style(cli, MS_STYLE_PLAIN), width, note->code);
    if (note->file.size) ms_buf_printf(buf, "%s: ", ms_str_shown(short_name(v, note->file)).text);
    if (note->tensor.size) ms_buf_printf(buf, "'%s': ", ms_str_shown(note->tensor).text);
    if (note->offset != MS_NOTE_NO_OFFSET) ms_buf_printf(buf, "byte %lld: ", (long long)note->offset);
    ms_buf_put_str(buf, note->message);
    ms_buf_put_char(buf, '\n');
}

static void put_hashes(ms_buf *buf, const ms_verify *v) {
    for (size_t i = 0; i < v->files.n; i++) {
        const ms_verify_file *const f = &v->files.items[i];
        if (!f->sha256[0]) continue;
        ms_buf_printf(buf, "%s  %s", f->sha256, ms_str_shown(f->name).text);
        if (f->expected_by)
            ms_buf_printf(buf, "  (%s: %s)", f->expected_by,
                          strcmp(ms_verify_file_hash(f), f->expected) ? "DIFFERENT" : "the same");
        ms_buf_put_char(buf, '\n');
    }
}

static size_t count(const ms_verify *v, ms_severity severity) {
    return ms_notes_count(&v->findings, severity) -
           (severity == MS_NOTE_ERROR ? 0 : ms_notes_count(&v->findings, severity + 1));
}

static size_t n_weight_files(const ms_verify *v) {
    size_t n = 0;
    for (size_t i = 0; i < v->files.n; i++) n += v->files.items[i].format != NULL;
    return n;
}

ms_status ms_verify_text(ms_cli *cli, const ms_verify *verify, ms_err *err) {
    ms_buf buf = {0};
    int width = 0;
    const ms_notes *const findings = &verify->findings;
    for (size_t i = 0; i < findings->n; i++)
        if ((int)strlen(findings->items[i].code) > width) width = (int)strlen(findings->items[i].code);
    for (ms_severity s = MS_NOTE_ERROR;; s--) { /* the worst first */
        for (size_t i = 0; i < findings->n; i++)
            if (findings->items[i].severity == s) put_finding(cli, &buf, verify, &findings->items[i], width);
        if (s == MS_NOTE_INFO) break;
    }
    put_hashes(&buf, verify);
    const size_t n_files = n_weight_files(verify), n_errors = count(verify, MS_NOTE_ERROR);
    const size_t n_warnings = count(verify, MS_NOTE_WARNING), n_notes = count(verify, MS_NOTE_INFO);
    ms_buf_printf(&buf, "%zu error%s, %zu warning%s, %zu note%s in %zu file%s with %llu tensors\n", n_errors,
                  n_errors == 1 ? "" : "s", n_warnings, n_warnings == 1 ? "" : "s", n_notes, n_notes == 1 ? "" : "s", n_files,
                  n_files == 1 ? "" : "s", (unsigned long long)verify->n_tensors);
    return ms_cli_put_and_free(cli, &buf, "the findings", err);
}

/* ---- JSON ---- */

static void put_findings(ms_json_out *out, const ms_notes *findings) {
    ms_json_out_key(out, "findings");
    ms_json_out_begin_array(out);
    for (size_t i = 0; i < findings->n; i++) {
        const ms_note *const note = &findings->items[i];
        ms_json_out_begin_object(out);
        ms_json_put_word(out, "code", ms_str_of(note->code));
        ms_json_put_word(out, "severity", ms_str_of(ms_severity_name(note->severity)));
        ms_json_put_word(out, "file", note->file);
        ms_json_put_word(out, "tensor", note->tensor);
        ms_json_out_key(out, "offset");
        if (note->offset == MS_NOTE_NO_OFFSET) ms_json_out_null(out);
        else ms_json_out_i64(out, note->offset);
        ms_json_put_word(out, "message", note->message);
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
}

static void put_files(ms_json_out *out, const ms_verify *v) {
    ms_json_out_key(out, "files");
    ms_json_out_begin_array(out);
    for (size_t i = 0; i < v->files.n; i++) {
        const ms_verify_file *const f = &v->files.items[i];
        ms_json_out_begin_object(out);
        ms_json_put_word(out, "file", f->path);
        ms_json_put_word(out, "format", ms_str_of(f->format));
        ms_json_put_u64(out, "bytes", f->n_bytes);
        ms_json_put_u64(out, "tensors", f->n_tensors);
        ms_json_put_word(out, "sha256", ms_str_of(f->sha256));
        const bool is_git = strlen(f->expected) == MS_GIT_ID_HEX;
        ms_json_put_word(out, "expected_sha256", ms_str_of(is_git ? NULL : f->expected));
        ms_json_put_word(out, "git_id", ms_str_of(f->git_id));
        ms_json_put_word(out, "expected_git_id", ms_str_of(is_git ? f->expected : NULL));
        ms_json_put_word(out, "expected_by", ms_str_of(f->expected_by));
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
}

ms_status ms_verify_json(ms_cli *cli, const ms_verify *verify, ms_err *err) {
    ms_buf buf = {0};
    ms_json_out out = {.buf = &buf, .indent = 2};
    ms_cli_begin_json(&out, "verify", 1);
    put_findings(&out, &verify->findings);
    ms_json_out_key(&out, "summary");
    ms_json_out_begin_object(&out);
    ms_json_put_u64(&out, "errors", count(verify, MS_NOTE_ERROR));
    ms_json_put_u64(&out, "warnings", count(verify, MS_NOTE_WARNING));
    ms_json_put_u64(&out, "infos", count(verify, MS_NOTE_INFO));
    ms_json_put_u64(&out, "files", verify->files.n);
    ms_json_put_u64(&out, "tensors", verify->n_tensors);
    ms_json_put_u64(&out, "bytes", verify->n_bytes);
    ms_json_out_end(&out);
    put_files(&out, verify);
    ms_json_out_end(&out);
    ms_buf_put_char(&buf, '\n');
    return ms_cli_put_and_free(cli, &buf, "the findings", err);
}

/* ---- SARIF 2.1.0 (OASIS, 2020): one run, the rules that occur, a result a finding ---- */

static const char *level_of(ms_severity severity) {
    return severity == MS_NOTE_ERROR ? "error" : severity == MS_NOTE_WARNING ? "warning" : "note";
}

/* A relative or absolute path as a URI reference: RFC 3986, bytes that may not stand there as %XX. */
static void put_uri(ms_json_out *out, ms_str path) {
    ms_buf text = {0};
    if (path.size && path.text[0] == '/') ms_buf_put_text(&text, "file://");
    for (size_t i = 0; i < path.size; i++) {
        const unsigned char c = (unsigned char)path.text[i];
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~/", c));
        if (plain) ms_buf_put_char(&text, (char)c);
        else ms_buf_printf(&text, "%%%02X", c);
    }
    if (text.failed) out->buf->failed = true;
    ms_json_out_str(out, ms_buf_str(&text));
    ms_buf_free(&text);
}

static void put_location(ms_json_out *out, const ms_note *note) {
    ms_json_out_key(out, "locations");
    ms_json_out_begin_array(out);
    ms_json_out_begin_object(out);
    if (note->file.size) {
        ms_json_out_key(out, "physicalLocation");
        ms_json_out_begin_object(out);
        ms_json_out_key(out, "artifactLocation");
        ms_json_out_begin_object(out);
        ms_json_out_key(out, "uri");
        put_uri(out, note->file);
        ms_json_out_end(out);
        if (note->offset != MS_NOTE_NO_OFFSET) {
            ms_json_out_key(out, "region");
            ms_json_out_begin_object(out);
            ms_json_out_key(out, "byteOffset");
            ms_json_out_i64(out, note->offset);
            ms_json_out_end(out);
        }
        ms_json_out_end(out);
    }
    if (note->tensor.size) {
        ms_json_out_key(out, "logicalLocations");
        ms_json_out_begin_array(out);
        ms_json_out_begin_object(out);
        ms_json_put_word(out, "name", note->tensor);
        ms_json_put_word(out, "kind", ms_str_of("object"));
        ms_json_out_end(out);
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
    ms_json_out_end(out);
}

static void put_message(ms_json_out *out, const char *key, ms_str text) {
    ms_json_out_key(out, key);
    ms_json_out_begin_object(out);
    ms_json_out_key(out, "text");
    ms_json_out_str(out, text);
    ms_json_out_end(out);
}

static void put_results(ms_json_out *out, const ms_notes *findings, ms_map *rules) {
    ms_json_out_key(out, "results");
    ms_json_out_begin_array(out);
    for (size_t i = 0; i < findings->n; i++) {
        const ms_note *const note = &findings->items[i];
        const size_t *const rule = ms_map_find(rules, ms_str_of(note->code));
        ms_json_out_begin_object(out);
        ms_json_put_word(out, "ruleId", ms_str_of(note->code));
        ms_json_put_u64(out, "ruleIndex", rule ? *rule : 0);
        ms_json_put_word(out, "level", ms_str_of(level_of(note->severity)));
        put_message(out, "message", note->message);
        if (note->file.size || note->tensor.size) put_location(out, note);
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
}

/* Writes the rules that occur and numbers them. */
static void put_rules(ms_json_out *out, const ms_notes *findings, ms_map *rules) {
    size_t n = 0;
    ms_json_out_key(out, "rules");
    ms_json_out_begin_array(out);
    for (size_t i = 0; i < findings->n; i++) {
        bool is_new;
        const ms_str code = ms_str_of(findings->items[i].code);
        if (!ms_map_add(rules, code, n, NULL, &is_new)) out->buf->failed = true;
        else if (is_new) {
            n++;
            ms_json_out_begin_object(out);
            ms_json_put_word(out, "id", code);
            put_message(out, "shortDescription", code);
            ms_json_out_end(out);
        }
    }
    ms_json_out_end(out);
}

ms_status ms_verify_sarif(ms_cli *cli, const ms_verify *verify, ms_err *err) {
    ms_buf buf = {0};
    ms_map rules = {0};
    ms_json_out out = {.buf = &buf, .indent = 2};
    ms_json_out_begin_object(&out);
    ms_json_put_word(&out, "$schema", MS_STR("https://json.schemastore.org/sarif-2.1.0.json"));
    ms_json_put_word(&out, "version", ms_str_of("2.1.0"));
    ms_json_out_key(&out, "runs");
    ms_json_out_begin_array(&out);
    ms_json_out_begin_object(&out);
    ms_json_out_key(&out, "tool");
    ms_json_out_begin_object(&out);
    ms_json_out_key(&out, "driver");
    ms_json_out_begin_object(&out);
    ms_json_put_word(&out, "name", ms_str_of("moescope"));
    ms_json_put_word(&out, "version", ms_str_of(MS_VERSION));
    put_rules(&out, &verify->findings, &rules);
    ms_json_out_end(&out);
    ms_json_out_end(&out);
    put_results(&out, &verify->findings, &rules);
    ms_json_out_end(&out);
    ms_json_out_end(&out);
    ms_json_out_end(&out);
    ms_buf_put_char(&buf, '\n');
    ms_map_free(&rules);
    return ms_cli_put_and_free(cli, &buf, "the findings", err);
}
