/* A table as JSON: an array of objects, one a row, members in column order; null and NaN are null, as are infinities. */
#include "json.h"
#include "table_impl.h"

static void put_cell(ms_json_out *out, const ms_table_cells *column, size_t row) {
    if (column->is_null[row]) {
        ms_json_out_null(out);
        return;
    }
    switch (column->spec.type) {
    case MS_COLUMN_I64: ms_json_out_i64(out, column->i64[row]); break;
    case MS_COLUMN_F64: ms_json_out_f64(out, column->f64[row]); break;
    case MS_COLUMN_BOOL: ms_json_out_bool(out, column->boolean[row]); break;
    case MS_COLUMN_STR: ms_json_out_str(out, column->str[row]); break;
    case MS_COLUMN_I64_LIST:
        ms_json_out_begin_array(out);
        for (size_t i = 0; i < column->list[row].n; i++) ms_json_out_i64(out, column->list[row].items[i]);
        ms_json_out_end(out);
        break;
    }
}

ms_status ms_table_to_json(const ms_table *table, ms_buf *out, ms_err *err) {
    ms_json_out json = {.buf = out};
    ms_buf_put_char(out, '[');
    for (size_t row = 0; row < table->n_rows; row++) {
        ms_buf_put_text(out, row > 0 ? ",\n" : "\n");
        ms_json_out_begin_object(&json);
        for (size_t c = 0; c < table->n_columns; c++) {
            ms_json_out_key(&json, table->columns[c].spec.name);
            put_cell(&json, &table->columns[c], row);
        }
        ms_json_out_end(&json);
    }
    ms_buf_put_text(out, table->n_rows > 0 ? "\n]\n" : "]\n");
    return out->failed ? ms_err_memory(err, "a table as JSON") : MS_OK;
}
