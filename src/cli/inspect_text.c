/* inspect for people: the answer in a few lines, where the parameters are, then the tensors, folded, then the warnings. */
#include <stdio.h>

#include "family.h"
#include "human.h"
#include "inspect.h"
#include "width.h"

enum { FLUSH = 1 << 16, LABEL = 13, BAR = 24, MAX_DTYPES = MS_DTYPE_COUNT, MAX_GROUPS = 2000 };

typedef struct ms_page { /* where text goes */
    ms_cli *cli;
    const ms_inspect *inspect;
    ms_buf *buf;
} ms_page;

static void style(ms_page *p, ms_style s) { ms_buf_put_text(p->buf, ms_cli_style(p->cli, s)); }

static void label(ms_page *p, const char *text) {
    style(p, MS_STYLE_DIM);
    ms_buf_printf(p->buf, "  %-*s", LABEL, text);
    style(p, MS_STYLE_PLAIN);
}

static void heading(ms_page *p, const char *text) {
    ms_buf_put_char(p->buf, '\n');
    style(p, MS_STYLE_BOLD);
    ms_buf_put_text(p->buf, text);
    style(p, MS_STYLE_PLAIN);
    ms_buf_put_char(p->buf, '\n');
}

static void pad(ms_buf *buf, size_t n) {
    for (size_t i = 0; i < n; i++) ms_buf_put_char(buf, ' ');
}

static void put_left(ms_buf *buf, ms_str s, size_t width) {
    ms_buf_put_str(buf, s);
    pad(buf, width > ms_width_of(s) ? width - ms_width_of(s) : 0);
}

static void put_right(ms_buf *buf, ms_str s, size_t width) {
    pad(buf, width > ms_width_of(s) ? width - ms_width_of(s) : 0);
    ms_buf_put_str(buf, s);
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

static ms_status flush(ms_page *p, size_t least, ms_err *err) {
    if (p->buf->failed) return ms_err_memory(err, "the text");
    if (p->buf->size < least) return MS_OK;
    ms_cli_put_buf(p->cli, p->buf);
    ms_buf_clear(p->buf);
    return MS_OK;
}

/* ---- facts ---- */

typedef struct ms_span { /* least and most of a number over the layers; unknown values apart */
    int64_t least, most;
    bool some_unknown;
} ms_span;

static void stretch(ms_span *span, int64_t value) {
    if (value < 0) {
        span->some_unknown = true;
        return;
    }
    if (span->least < 0 || value < span->least) span->least = value;
    if (value > span->most) span->most = value;
}

static void put_span(ms_buf *buf, const ms_span *span) {
    if (span->least < 0) ms_buf_put_text(buf, "?");
    else if (span->least == span->most) ms_buf_printf(buf, "%lld", (long long)span->least);
    else ms_buf_printf(buf, "%lld to %lld", (long long)span->least, (long long)span->most);
}

/* Layers of the model itself: the config's number, else one more than the largest seen. */
static int64_t n_layers(const ms_checkpoint *ckpt) {
    const int64_t stated = ms_config_at(&ckpt->model.layers, 0, -1);
    int64_t n = 0;
    for (size_t i = 0; stated < 0 && i < ckpt->n_tensors; i++)
        if (ckpt->tensors[i].section[0] == 0 && ckpt->tensors[i].layer >= n) n = ckpt->tensors[i].layer + 1;
    return stated < 0 ? n : stated;
}

static void put_layers(ms_page *p) {
    const ms_inspect *const in = p->inspect;
    const int64_t n = n_layers(in->ckpt);
    size_t with = 0, mtp = 0, ranges = 0;
    for (size_t i = 0; i < in->n_layers; i++) {
        with += in->layers[i].layer->section[0] == 0;
        mtp += strcmp(in->layers[i].layer->section, "mtp") == 0;
    }
    label(p, "layers");
    if (n > 0) ms_buf_printf(p->buf, "%lld", (long long)n);
    else ms_buf_put_text(p->buf, "?");
    if (with == 0) ms_buf_put_text(p->buf, ", none with experts");
    else if ((int64_t)with == n) ms_buf_put_text(p->buf, n == 1 ? ", with experts" : ", all with experts");
    else ms_buf_printf(p->buf, ", %zu with experts:", with);
    for (size_t i = 0; i < in->n_layers && with && (int64_t)with != n; i++) {
        if (in->layers[i].layer->section[0] != 0) continue;
        size_t to = i;
        while (to + 1 < in->n_layers && in->layers[to + 1].layer->section[0] == 0 &&
               in->layers[to + 1].layer->layer == in->layers[to].layer->layer + 1)
            to++;
        if (ranges++ == 8) {
            ms_buf_put_text(p->buf, ", ...");
            break;
        }
        ms_buf_printf(p->buf, "%s%d", ranges == 1 ? " " : ", ", in->layers[i].layer->layer);
        if (to > i) ms_buf_printf(p->buf, "-%d", in->layers[to].layer->layer);
        i = to;
    }
    if (mtp) ms_buf_printf(p->buf, "; %zu for multi-token prediction", mtp);
    ms_buf_put_char(p->buf, '\n');
}

static void put_experts(ms_page *p) {
    const ms_inspect *const in = p->inspect;
    ms_span experts = {-1, -1, false}, top_k = experts, shared = experts;
    for (size_t i = 0; i < in->n_layers; i++) {
        stretch(&experts, in->layers[i].layer->experts);
        stretch(&top_k, in->layers[i].top_k);
        stretch(&shared, in->layers[i].shared);
    }
    if (in->n_layers == 0) return;
    label(p, "experts");
    put_span(p->buf, &experts);
    ms_buf_put_text(p->buf, " in each layer, ");
    if (top_k.some_unknown) ms_buf_put_text(p->buf, "how many a token uses is not known");
    else put_span(p->buf, &top_k), ms_buf_put_text(p->buf, " chosen for a token");
    if (shared.some_unknown) ms_buf_put_text(p->buf, ", some shared");
    else if (shared.most > 0) ms_buf_put_text(p->buf, ", "), put_span(p->buf, &shared), ms_buf_put_text(p->buf, " shared");
    ms_buf_put_char(p->buf, '\n');

    const ms_inspect_layer *const first = &in->layers[0];
    label(p, "an expert");
    for (size_t s = 0; s < first->n_shapes; s++) {
        ms_buf_printf(p->buf, "%s%s [", s ? ", " : "", ms_str_shown(first->shapes[s].proj).text);
        if (first->shapes[s].rows < 0) ms_buf_put_text(p->buf, "varies,");
        else ms_buf_printf(p->buf, "%lld,", (long long)first->shapes[s].rows);
        if (first->shapes[s].cols < 0) ms_buf_put_text(p->buf, "varies]");
        else ms_buf_printf(p->buf, "%lld]", (long long)first->shapes[s].cols);
    }
    ms_buf_put_char(p->buf, '\n');
}

static void put_parameters(ms_page *p) {
    const ms_parameters *const n = &p->inspect->parameters;
    label(p, "parameters");
    style(p, MS_STYLE_ACCENT);
    ms_buf_put_text(p->buf, ms_human_short_count(n->total).text);
    style(p, MS_STYLE_PLAIN);
    if (n->active_known)
        ms_buf_printf(p->buf, ", %s active for a token (%s)", ms_human_short_count(n->active).text,
                      ms_human_percent(n->total ? (double)n->active / (double)n->total : 0).text);
    else ms_buf_put_text(p->buf, "; how many are active for a token is not known");
    ms_buf_put_char(p->buf, '\n');
}

static void put_storage(ms_page *p) {
    const ms_checkpoint *const ckpt = p->inspect->ckpt;
    uint64_t by_dtype[MAX_DTYPES] = {0}, all = 0, files = 0;
    const ms_stored *example[MAX_DTYPES] = {NULL};
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_stored *const s = ckpt->tensors[i].stored;
        by_dtype[s->dtype] += s->n_bytes, all += s->n_bytes;
        example[s->dtype] = s;
    }
    for (size_t f = 0; f < ckpt->n_files; f++) files += ckpt->files[f].n_bytes;
    label(p, "stored");
    ms_buf_printf(p->buf, "%s in %zu file%s, %zu tensor%s", ms_human_bytes(files).text, ckpt->n_files, plural(ckpt->n_files),
                  ckpt->n_tensors, plural(ckpt->n_tensors));
    for (size_t shown = 0; shown < MAX_DTYPES; shown++) {
        size_t most = 0;
        for (size_t d = 0; d < MAX_DTYPES; d++)
            if (by_dtype[d] > by_dtype[most]) most = d;
        if (by_dtype[most] == 0) break;
        const double share = (double)by_dtype[most] / (double)all;
        ms_buf_printf(p->buf, "%s%s", shown ? ", " : ": ", ms_str_shown(example[most]->dtype_name).text);
        if (share < 1) ms_buf_printf(p->buf, " %s", ms_human_percent(share).text);
        by_dtype[most] = 0;
    }
    ms_buf_put_char(p->buf, '\n');
}

static void put_scheme(ms_page *p) {
    const ms_checkpoint *const ckpt = p->inspect->ckpt;
    const char *schemes[8] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < ckpt->n_patterns && n < 8; i++) {
        bool known = ckpt->patterns[i].scheme[0] == 0;
        for (size_t k = 0; k < n; k++) known = known || strcmp(schemes[k], ckpt->patterns[i].scheme) == 0;
        if (!known) schemes[n++] = ckpt->patterns[i].scheme;
    }
    if (n == 0) return;
    uint64_t bytes = 0;
    for (size_t i = 0; i < ckpt->n_tensors; i++) bytes += ckpt->tensors[i].stored->n_bytes;
    label(p, "quantised");
    for (size_t k = 0; k < n; k++) ms_buf_printf(p->buf, "%s%s", k ? ", " : "", schemes[k]);
    if (p->inspect->parameters.total)
        ms_buf_printf(p->buf, "; %s bits a weight over all",
                      ms_human_number(8.0 * (double)bytes / (double)p->inspect->parameters.total).text);
    ms_buf_put_char(p->buf, '\n');
}

static void put_family(ms_page *p) {
    const ms_checkpoint *const ckpt = p->inspect->ckpt;
    if (!ckpt->family) return;
    label(p, "family");
    ms_buf_printf(p->buf, "%s (%s)\n", ckpt->family->name, ckpt->family->models);
    pad(p->buf, LABEL + 2);
    style(p, MS_STYLE_DIM);
    ms_family_reason(ckpt, p->buf);
    style(p, MS_STYLE_PLAIN);
    ms_buf_put_char(p->buf, '\n');
}

static void put_pickle(ms_page *p) {
    const ms_ternary takes = ms_inspect_weights_only(p->inspect->ckpt, NULL);
    if (takes == MS_UNKNOWN) return;
    label(p, "torch.load");
    ms_buf_put_text(p->buf, takes == MS_YES ? "takes it with weights_only=True\n" : "refuses it with weights_only=True\n");
}

static void put_name(ms_page *p) {
    const ms_checkpoint *const ckpt = p->inspect->ckpt;
    ms_str name = ckpt->path;
    while (name.size > 1 && name.text[name.size - 1] == '/') name.size--;
    for (size_t i = name.size; i-- > 0;)
        if (name.text[i] == '/' && i + 1 < name.size) {
            name = ms_str_sub(name, i + 1, name.size);
            break;
        }
    style(p, MS_STYLE_BOLD);
    ms_buf_put_text(p->buf, ms_str_shown(name).text);
    style(p, MS_STYLE_PLAIN);
    ms_buf_put_text(p->buf, "\n\n");
    label(p, "architecture");
    if (ckpt->model.architecture.size) ms_buf_put_text(p->buf, ms_str_shown(ckpt->model.architecture).text);
    else ms_buf_put_text(p->buf, "not known");
    if (ckpt->model.model_type.size) ms_buf_printf(p->buf, " (%s)", ms_str_shown(ckpt->model.model_type).text);
    ms_buf_put_char(p->buf, '\n');
}

/* ---- parameters by role ---- */

static void put_bar(ms_page *p, double share) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int steps = (int)(share * (double)(BAR * 8) + 0.5);
    if (steps < (p->cli->unicode ? 1 : 8)) return;
    ms_buf_put_text(p->buf, "  ");
    style(p, MS_STYLE_ACCENT);
    for (int i = 0; i < steps / 8; i++) ms_buf_put_text(p->buf, p->cli->unicode ? "█" : "#");
    if (p->cli->unicode) ms_buf_put_text(p->buf, eighths[steps % 8]);
    style(p, MS_STYLE_PLAIN);
}

static void put_roles(ms_page *p) {
    const ms_parameters *const n = &p->inspect->parameters;
    const struct {
        const char *name;
        uint64_t n;
    } rows[] = {{"routed", n->routed},       {"shared", n->shared},       {"router", n->router},
                {"attention", n->attention}, {"embedding", n->embedding}, {"other", n->other}};
    const size_t width = ms_width_of(ms_str_of(ms_human_count(n->total).text));
    if (n->total == 0) return;
    heading(p, "parameters");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const double share = (double)rows[i].n / (double)n->total;
        if (rows[i].n == 0) continue;
        ms_buf_printf(p->buf, "  %-*s", LABEL, rows[i].name);
        put_right(p->buf, ms_str_of(ms_human_count(rows[i].n).text), width);
        ms_buf_put_text(p->buf, "  ");
        put_right(p->buf, ms_str_of(ms_human_percent(share).text), 8);
        put_bar(p, share);
        ms_buf_put_char(p->buf, '\n');
    }
    ms_buf_printf(p->buf, "  %-*s", LABEL, "total");
    put_right(p->buf, ms_str_of(ms_human_count(n->total).text), width);
    ms_buf_put_char(p->buf, '\n');
}

/* ---- tensors ---- */

static void put_shape(ms_buf *buf, const ms_stored *s) {
    ms_buf_put_char(buf, '[');
    for (uint32_t i = 0; i < s->rank; i++) ms_buf_printf(buf, "%s%llu", i ? "," : "", (unsigned long long)s->shape[i]);
    ms_buf_put_char(buf, ']');
}

typedef struct ms_columns { /* widths, in cells */
    size_t name, shape, dtype, count;
} ms_columns;

static void widen(size_t *width, size_t n) {
    if (n > *width) *width = n;
}

static void measure(ms_columns *columns, const ms_stored *s, ms_str name, ms_buf *scratch) {
    ms_buf_clear(scratch);
    put_shape(scratch, s);
    widen(&columns->name, ms_width_of(ms_str_of(ms_str_shown(name).text)));
    widen(&columns->shape, scratch->size);
    widen(&columns->dtype, s->dtype_name.size);
}

/* The names get what the other columns leave of a terminal's width, but never less than half of it. */
static void fit(const ms_cli *cli, ms_columns *columns, size_t rest) {
    if (!cli->to_terminal) return;
    const size_t width = (size_t)cli->columns, taken = columns->shape + columns->dtype + rest;
    const size_t room = width > 2 * taken ? width - taken : width / 2;
    if (columns->name > room) columns->name = room;
}

static void put_tensor_name(ms_page *p, ms_str name, size_t width) {
    const ms_shown shown = ms_str_shown(name);
    const ms_str text = ms_str_of(shown.text);
    if (ms_width_of(text) <= width) {
        put_left(p->buf, text, width);
        return;
    }
    /* The middle goes: the head says where, the end says what. */
    size_t from = text.size;
    while (from > 0 && ms_width_of(ms_str_sub(text, from - 1, text.size)) <= (width - 3) * 2 / 3) from--;
    while (from < text.size && ((unsigned char)text.text[from] & 0xC0) == 0x80) from++;
    const ms_str tail = ms_str_sub(text, from, text.size), head = ms_width_cut(text, width - 3 - ms_width_of(tail));
    ms_buf_put_str(p->buf, head);
    ms_buf_put_text(p->buf, "...");
    put_left(p->buf, tail, width - 3 - ms_width_of(head));
}

/* Name, shape and dtype: how the line of a tensor, or of a group of them, begins. */
static void put_row_head(ms_page *p, const ms_columns *columns, ms_str name, const ms_stored *s, ms_buf *scratch) {
    ms_buf_put_text(p->buf, "  ");
    put_tensor_name(p, name, columns->name);
    ms_buf_clear(scratch);
    put_shape(scratch, s);
    ms_buf_put_char(p->buf, ' ');
    put_left(p->buf, ms_buf_str(scratch), columns->shape);
    ms_buf_put_char(p->buf, ' ');
    put_left(p->buf, s->dtype_name, columns->dtype);
}

/* ... and how it ends: what the tensor is. */
static void put_row_end(ms_page *p, const ms_tensor *t, const char *remark) {
    style(p, MS_STYLE_DIM);
    ms_buf_printf(p->buf, "  %s", ms_role_name(t->role));
    if (t->scheme[0]) ms_buf_printf(p->buf, ", %s", t->scheme);
    ms_buf_put_text(p->buf, remark);
    style(p, MS_STYLE_PLAIN);
    ms_buf_put_char(p->buf, '\n');
}

static ms_status put_groups(ms_page *p, ms_err *err) {
    const ms_checkpoint *const ckpt = p->inspect->ckpt;
    ms_groups groups;
    ms_columns columns = {0};
    ms_buf scratch = {0};
    MS_TRY(ms_groups_build(&groups, ckpt, err));
    const size_t shown = groups.n > MAX_GROUPS ? MAX_GROUPS : groups.n;
    for (size_t i = 0; i < shown; i++) {
        measure(&columns, ckpt->tensors[groups.items[i].first].stored, groups.items[i].text, &scratch);
        widen(&columns.count, (size_t)snprintf(NULL, 0, "%zu", groups.items[i].n));
    }
    fit(p->cli, &columns, columns.count + 24);
    heading(p, "tensors");
    ms_status status = MS_OK;
    for (size_t i = 0; i < shown && status == MS_OK && !ms_cli_out_failed(p->cli); i++) {
        const ms_group *const g = &groups.items[i];
        const ms_tensor *const t = &ckpt->tensors[g->first];
        put_row_head(p, &columns, g->text, t->stored, &scratch);
        ms_buf_printf(p->buf, "  %*zu  ", (int)columns.count, g->n);
        put_right(p->buf, ms_str_of(ms_human_bytes(g->n_bytes).text), 8);
        put_row_end(p, t, g->n < g->n_product ? ", not every combination" : "");
        status = flush(p, FLUSH, err);
    }
    if (shown < groups.n)
        ms_buf_printf(p->buf, "  ... and %zu more patterns; --tensors lists every tensor\n", groups.n - shown);
    ms_buf_free(&scratch);
    ms_groups_free(&groups);
    return status;
}

static ms_status put_tensors(ms_page *p, ms_err *err) {
    const ms_checkpoint *const ckpt = p->inspect->ckpt;
    ms_columns columns = {0};
    ms_buf scratch = {0};
    for (size_t i = 0; i < ckpt->n_tensors; i++)
        measure(&columns, ckpt->tensors[i].stored, ckpt->tensors[i].stored->name, &scratch);
    fit(p->cli, &columns, 18);
    heading(p, "tensors");
    ms_status status = MS_OK;
    for (size_t i = 0; i < ckpt->n_tensors && status == MS_OK && !ms_cli_out_failed(p->cli); i++) {
        const ms_tensor *const t = &ckpt->tensors[i];
        put_row_head(p, &columns, t->stored->name, t->stored, &scratch);
        put_row_end(p, t, "");
        status = flush(p, FLUSH, err);
    }
    ms_buf_free(&scratch);
    return status;
}

/* ---- warnings ---- */

static void put_notes(ms_page *p, const ms_notes *notes) {
    for (size_t i = 0; i < notes->n; i++) {
        const ms_note *const note = &notes->items[i];
        if (note->severity < MS_NOTE_WARNING) continue;
        style(p, MS_STYLE_ALERT);
        ms_buf_printf(p->buf, "  %s  ", note->severity == MS_NOTE_ERROR ? "error  " : "warning");
        style(p, MS_STYLE_PLAIN);
        if (note->file.size) ms_buf_printf(p->buf, "%s: ", ms_str_shown(note->file).text);
        if (note->tensor.size) ms_buf_printf(p->buf, "%s: ", ms_str_shown(note->tensor).text);
        if (note->offset >= 0) ms_buf_printf(p->buf, "byte %lld: ", (long long)note->offset);
        ms_buf_put_str(p->buf, note->message);
        ms_buf_put_char(p->buf, '\n');
    }
}

static void put_warnings(ms_page *p) {
    const ms_notes *const a = &p->inspect->ckpt->notes, *const b = &p->inspect->banks.notes;
    if (ms_notes_count(a, MS_NOTE_WARNING) + ms_notes_count(b, MS_NOTE_WARNING) == 0) return;
    heading(p, "warnings");
    put_notes(p, a);
    put_notes(p, b);
}

ms_status ms_inspect_text(ms_cli *cli, const ms_inspect *inspect, bool with_tensors, ms_err *err) {
    ms_buf buf = {0};
    ms_page page = {cli, inspect, &buf};
    put_name(&page);
    put_layers(&page);
    put_experts(&page);
    put_parameters(&page);
    put_storage(&page);
    put_scheme(&page);
    put_family(&page);
    put_pickle(&page);
    put_roles(&page);
    ms_status status = with_tensors ? put_tensors(&page, err) : put_groups(&page, err);
    put_warnings(&page);
    if (status == MS_OK) status = flush(&page, 0, err);
    ms_buf_free(&buf);
    return status;
}
