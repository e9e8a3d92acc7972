/* inspect --json: the schema is documented in docs/json-inspect.md; scripts rely on it. Unknown is null, never a guess. */
#include "inspect.h"
#include "json_put.h"
#include "table.h"

enum { FLUSH = 1 << 16 }; /* bytes: a million tensors are not held in memory */

static void put_pickle(ms_json_out *out, const ms_checkpoint *ckpt) {
    ms_str refused;
    const ms_ternary takes = ms_inspect_weights_only(ckpt, &refused);
    ms_json_out_key(out, "pickle");
    if (takes == MS_UNKNOWN) {
        ms_json_out_null(out);
        return;
    }
    ms_json_out_begin_object(out);
    ms_json_out_key(out, "weights_only");
    ms_json_out_bool(out, takes == MS_YES);
    ms_json_out_key(out, "refused");
    ms_json_out_raw(out, refused);
    ms_json_out_end(out);
}

static void put_extent(ms_json_out *out, int64_t n) {
    if (n < 0) ms_json_out_null(out);
    else ms_json_out_i64(out, n);
}

static void put_layer(ms_json_out *out, const ms_inspect_layer *l) {
    ms_json_out_begin_object(out);
    ms_json_put_count(out, "layer", l->layer->layer);
    if (l->layer->section[0]) ms_json_put_word(out, "section", ms_str_of(l->layer->section));
    ms_json_put_count(out, "experts", l->layer->experts);
    ms_json_put_count(out, "top_k", l->top_k);
    ms_json_put_count(out, "shared_experts", l->shared);
    ms_json_out_key(out, "expert_shapes");
    ms_json_out_begin_object(out);
    for (size_t s = 0; s < l->n_shapes; s++) {
        ms_json_out_key_str(out, l->shapes[s].proj);
        ms_json_out_begin_array(out);
        put_extent(out, l->shapes[s].rows), put_extent(out, l->shapes[s].cols);
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
    ms_json_out_end(out);
}

static void put_warnings(ms_json_out *out, const ms_notes *notes, ms_buf *text) {
    for (size_t i = 0; i < notes->n; i++) {
        const ms_note *const note = &notes->items[i];
        if (note->severity < MS_NOTE_WARNING) continue;
        ms_buf_clear(text);
        if (note->file.size) ms_buf_put_str(text, note->file), ms_buf_put_text(text, ": ");
        if (note->tensor.size)
            ms_buf_put_text(text, "tensor '"), ms_buf_put_str(text, note->tensor), ms_buf_put_text(text, "': ");
        if (note->offset >= 0) ms_buf_printf(text, "byte %lld: ", (long long)note->offset);
        ms_buf_put_str(text, note->message);
        ms_buf_printf(text, " [%s]", note->code);
        ms_json_out_str(out, ms_buf_str(text));
    }
}

static void put_tensor(ms_json_out *out, const ms_checkpoint *ckpt, const ms_tensor *t) {
    const ms_stored *const s = t->stored;
    ms_json_out_begin_object(out);
    ms_json_put_str(out, "name", s->name);
    ms_json_put_str(out, "dtype", s->dtype_name);
    ms_json_out_key(out, "shape");
    ms_json_out_begin_array(out);
    for (uint32_t i = 0; i < s->rank; i++) ms_json_out_u64(out, s->shape[i]);
    ms_json_out_end(out);
    ms_json_put_u64(out, "nbytes", s->n_bytes);
    ms_json_put_str(out, "file", ckpt->files[t->file].name);
    ms_json_put_u64(out, "offset", s->offset);
    ms_json_put_word(out, "role", ms_str_of(ms_role_name(t->role)));
    ms_json_put_count(out, "layer", t->layer);
    ms_json_put_count(out, "expert", t->expert);
    ms_json_put_word(out, "proj", ms_str_of(ms_inspect_proj(ckpt, t)));
    ms_json_put_word(out, "scheme", ms_str_of(ms_inspect_scheme(t).text));
    ms_json_out_end(out);
}

static ms_status flush(ms_cli *cli, ms_buf *buf, size_t least, ms_err *err) {
    if (buf->failed) return ms_err_memory(err, "the answer");
    if (buf->size < least) return MS_OK;
    ms_cli_put_buf(cli, buf);
    ms_buf_clear(buf);
    return MS_OK;
}

static ms_status put_all(ms_cli *cli, const ms_inspect *inspect, bool with_tensors, ms_json_out *out, ms_buf *text,
                         ms_err *err) {
    const ms_checkpoint *const ckpt = inspect->ckpt;
    ms_cli_begin_json(out, "inspect", 1);
    ms_json_put_word(out, "architecture", ckpt->model.architecture);
    ms_json_put_word(out, "family", ms_str_of(ckpt->family ? ckpt->family->name : NULL));
    ms_parameters_put(out, &inspect->parameters);
    put_pickle(out, ckpt);
    ms_json_out_key(out, "layers");
    ms_json_out_begin_array(out);
    for (size_t i = 0; i < inspect->n_layers; i++) {
        put_layer(out, &inspect->layers[i]);
        MS_TRY(flush(cli, out->buf, FLUSH, err));
    }
    ms_json_out_end(out);
    ms_json_out_key(out, "warnings");
    ms_json_out_begin_array(out);
    put_warnings(out, &ckpt->notes, text);
    put_warnings(out, &inspect->banks.notes, text);
    ms_json_out_end(out);
    if (with_tensors) {
        ms_json_out_key(out, "tensors");
        ms_json_out_begin_array(out);
        for (size_t i = 0; i < ckpt->n_tensors && !ms_cli_out_failed(cli); i++) {
            put_tensor(out, ckpt, &ckpt->tensors[i]);
            MS_TRY(flush(cli, out->buf, FLUSH, err));
        }
        ms_json_out_end(out);
    }
    ms_json_out_end(out);
    ms_buf_put_char(out->buf, '\n');
    return flush(cli, out->buf, 0, err);
}

ms_status ms_inspect_json(ms_cli *cli, const ms_inspect *inspect, bool with_tensors, ms_err *err) {
    ms_buf buf = {0}, text = {0};
    ms_json_out out = {.buf = &buf, .indent = 2};
    const ms_status status = put_all(cli, inspect, with_tensors, &out, &text, err);
    ms_buf_free(&buf), ms_buf_free(&text);
    return status;
}

/* ---- CSV: one line a tensor ---- */

static const ms_column_spec columns[] = {
    {"name", MS_COLUMN_STR, "", "name of the tensor"},
    {"dtype", MS_COLUMN_STR, "", "stored type"},
    {"shape", MS_COLUMN_I64_LIST, "", "stored shape"},
    {"nbytes", MS_COLUMN_I64, "bytes", "stored size"},
    {"file", MS_COLUMN_STR, "", "file, relative to the model"},
    {"offset", MS_COLUMN_I64, "bytes", "of the first byte in the file"},
    {"role", MS_COLUMN_STR, "", "what it is for"},
    {"layer", MS_COLUMN_I64, "", "number of the layer"},
    {"expert", MS_COLUMN_I64, "", "number of the expert"},
    {"proj", MS_COLUMN_STR, "", "projection"},
    {"scheme", MS_COLUMN_STR, "", "how it is quantised"},
};

static ms_status add_row(ms_table *table, const ms_checkpoint *ckpt, const ms_tensor *t, ms_err *err) {
    const ms_stored *const s = t->stored;
    const char *const proj = ms_inspect_proj(ckpt, t);
    const ms_inspect_scheme_name scheme = ms_inspect_scheme(t);
    int64_t shape[16];
    for (uint32_t i = 0; i < s->rank && i < 16; i++) shape[i] = (int64_t)s->shape[i];
    ms_table_str(table, 0, s->name);
    ms_table_str(table, 1, s->dtype_name);
    ms_table_list(table, 2, shape, s->rank < 16 ? s->rank : 16);
    ms_table_i64(table, 3, (int64_t)s->n_bytes);
    ms_table_str(table, 4, ckpt->files[t->file].name);
    ms_table_i64(table, 5, (int64_t)s->offset);
    ms_table_str(table, 6, ms_str_of(ms_role_name(t->role)));
    if (t->layer >= 0) ms_table_i64(table, 7, t->layer);
    if (t->expert >= 0) ms_table_i64(table, 8, t->expert);
    if (proj) ms_table_str(table, 9, ms_str_of(proj));
    if (scheme.text[0]) ms_table_str(table, 10, ms_str_of(scheme.text));
    return ms_table_end_row(table, err);
}

ms_status ms_inspect_csv(ms_cli *cli, const ms_inspect *inspect, ms_err *err) {
    const ms_checkpoint *const ckpt = inspect->ckpt;
    ms_table *table;
    ms_buf text = {0};
    MS_TRY(ms_table_create(&table, columns, sizeof columns / sizeof columns[0], err));
    ms_status status = MS_OK;
    for (size_t i = 0; i < ckpt->n_tensors && status == MS_OK; i++) status = add_row(table, ckpt, &ckpt->tensors[i], err);
    if (status == MS_OK) status = ms_table_to_csv(table, &text, err);
    if (status == MS_OK) ms_cli_put_buf(cli, &text);
    ms_buf_free(&text);
    ms_table_destroy(table);
    return status;
}
