#include "quant_deltas.h"

#include "map.h"
#include "mem.h"
#include "summarize.h"
#include "vec.h"

enum { N_KEYS = 8, N_SHOWN = 7, NO_ROW = -1 };

/* What tells matrices apart; the first N_SHOWN are columns of the result too. */
static const char *const key_names[N_KEYS] = {"derived_tensor", "layer", "block4", "proj", "expert_id", "rows", "cols", "file"};

static const ms_column_spec columns[] = {
    {"derived_tensor", MS_COLUMN_STR, "", "the matrix"},
    {"layer", MS_COLUMN_I64, "", "-1: unknown"},
    {"block4", MS_COLUMN_I64, "", "layer / 4, rounded down; null when the layer is unknown"},
    {"proj", MS_COLUMN_STR, "", "projection"},
    {"expert_id", MS_COLUMN_I64, "", "-1: shared expert"},
    {"rows", MS_COLUMN_I64, "", "R"},
    {"cols", MS_COLUMN_I64, "", "C"},
    {"delta_name", MS_COLUMN_STR, "", "name of the pair"},
    {"delta_w_rel_fro", MS_COLUMN_F64, "ratio", "of a minus that of b"},
    {"delta_w_rel_max", MS_COLUMN_F64, "ratio", "of a minus that of b"},
};

typedef struct matrix_schemes { /* the rows of one matrix: one per scheme, or NO_ROW */
    size_t first_slot;          /* into slots */
    size_t row;                 /* one of them, for the keys */
} matrix_schemes;

typedef struct pivot {
    const ms_table *table;
    size_t key[N_KEYS];
    size_t n_keys; /* the file is not everywhere */
    size_t scheme, expert;
    ms_map schemes; /* name -> number */
    size_t n_schemes;
    size_t *number; /* owned; [n_rows] scheme of each row */
    int64_t *slots; /* owned; [matrices][n_schemes]: row */
    size_t n_slots, slot_capacity;
    MS_VEC(matrix_schemes) matrices;
} pivot;

static ms_status find_column(const ms_table *table, const char *name, ms_column_type type, size_t *out, ms_err *err) {
    const int64_t at = ms_table_find(table, name);
    MS_FAIL_IF(at < 0, MS_ERR_DAMAGED, err, "quant_sim has no column '%s'; run 'moescope collect' again", name);
    const ms_column_type found = ms_table_column(table, (size_t)at)->type;
    MS_FAIL_IF(found != type, MS_ERR_DAMAGED, err, "column '%s' of quant_sim is of another type than expected", name);
    *out = (size_t)at;
    return MS_OK;
}

static ms_status number_schemes(pivot *p, ms_err *err) {
    const size_t n = ms_table_n_rows(p->table);
    p->number = ms_mem_alloc_array(n + 1, sizeof *p->number);
    if (!p->number) return ms_err_memory(err, "the deltas");
    for (size_t i = 0; i < n; i++) {
        size_t *slot;
        bool is_new;
        if (!ms_map_add(&p->schemes, ms_table_get_str(p->table, i, p->scheme), p->n_schemes, &slot, &is_new))
            return ms_err_memory(err, "the deltas");
        p->number[i] = *slot;
        p->n_schemes += is_new;
    }
    return MS_OK;
}

static bool same_cell(const pivot *p, size_t a, size_t b, size_t column) {
    const bool null = ms_table_is_null(p->table, a, column);
    if (null || ms_table_is_null(p->table, b, column)) return null && ms_table_is_null(p->table, b, column);
    if (ms_table_column(p->table, column)->type == MS_COLUMN_STR)
        return ms_str_equal(ms_table_get_str(p->table, a, column), ms_table_get_str(p->table, b, column));
    return ms_table_get_i64(p->table, a, column) == ms_table_get_i64(p->table, b, column);
}

static bool same_matrix(const pivot *p, size_t a, size_t b) {
    for (size_t k = 0; k < p->n_keys; k++)
        if (!same_cell(p, a, b, p->key[k])) return false;
    return true;
}

static bool new_matrix(pivot *p, size_t row) {
    const size_t needed = p->n_slots + p->n_schemes;
    if (needed > p->slot_capacity) {
        const size_t capacity = needed + needed / 2;
        int64_t *const grown = ms_mem_grow_array(p->slots, p->n_slots, capacity, sizeof *grown);
        if (!grown) return false;
        p->slots = grown;
        p->slot_capacity = capacity;
    }
    if (!MS_VEC_PUSH(&p->matrices, (matrix_schemes){p->n_slots, row})) return false;
    for (size_t i = 0; i < p->n_schemes; i++) p->slots[p->n_slots++] = NO_ROW;
    return true;
}

/* Rows [begin, end) of the order are of one key: the k-th row of every scheme makes the k-th matrix. */
static ms_status add_group(pivot *p, const size_t *order, size_t begin, size_t end, ms_err *err) {
    const size_t first_matrix = p->matrices.n;
    for (size_t i = begin; i < end; i++) {
        const size_t row = order[i], scheme = p->number[row];
        size_t m = first_matrix;
        while (m < p->matrices.n && p->slots[p->matrices.items[m].first_slot + scheme] != NO_ROW) m++;
        const bool shared = ms_table_get_i64(p->table, row, p->expert) < 0;
        MS_FAIL_IF(m > first_matrix && !shared, MS_ERR_DAMAGED, err,
                   "quant_sim holds matrix '%s' twice under scheme '%s'; run 'moescope collect' again",
                   ms_str_shown(ms_table_get_str(p->table, row, p->key[0])).text,
                   ms_str_shown(ms_table_get_str(p->table, row, p->scheme)).text);
        if (m == p->matrices.n && !new_matrix(p, row)) return ms_err_memory(err, "the deltas");
        p->slots[p->matrices.items[m].first_slot + scheme] = (int64_t)row;
    }
    return MS_OK;
}

static ms_status build_pivot(pivot *p, ms_err *err) {
    p->n_keys = ms_table_find(p->table, key_names[N_SHOWN]) >= 0 ? N_KEYS : N_SHOWN;
    for (size_t k = 0; k < p->n_keys; k++)
        MS_TRY(find_column(p->table, key_names[k], k < N_SHOWN ? columns[k].type : MS_COLUMN_STR, &p->key[k], err));
    MS_TRY(find_column(p->table, "scheme", MS_COLUMN_STR, &p->scheme, err));
    p->expert = p->key[4];
    MS_TRY(number_schemes(p, err));
    const size_t n = ms_table_n_rows(p->table);
    size_t *const order = ms_mem_alloc_array(n + 1, sizeof *order);
    if (!order) return ms_err_memory(err, "the deltas");
    ms_status status = ms_summarize_order(p->table, p->key, p->n_keys, order, err);
    for (size_t begin = 0, end; status == MS_OK && begin < n; begin = end) {
        end = begin + 1;
        while (end < n && same_matrix(p, order[begin], order[end])) end++;
        status = add_group(p, order, begin, end, err);
    }
    ms_mem_free(order);
    return status;
}

/* ---- rows ---- */

static void put_keys(ms_table *out, const pivot *p, size_t row) {
    for (size_t k = 0; k < N_SHOWN; k++) {
        if (ms_table_is_null(p->table, row, p->key[k])) continue;
        if (columns[k].type == MS_COLUMN_STR) ms_table_str(out, k, ms_table_get_str(p->table, row, p->key[k]));
        else ms_table_i64(out, k, ms_table_get_i64(p->table, row, p->key[k]));
    }
}

static void put_difference(ms_table *out, size_t column, const pivot *p, const char *metric, int64_t a, int64_t b) {
    const int64_t at = ms_table_find(p->table, metric);
    if (at < 0 || a == NO_ROW || b == NO_ROW || ms_table_column(p->table, (size_t)at)->type != MS_COLUMN_F64) return;
    if (ms_table_is_null(p->table, (size_t)a, (size_t)at) || ms_table_is_null(p->table, (size_t)b, (size_t)at)) return;
    ms_table_f64(out, column,
                 ms_table_get_f64(p->table, (size_t)a, (size_t)at) - ms_table_get_f64(p->table, (size_t)b, (size_t)at));
}

static ms_status pair_rows(ms_table *out, const pivot *p, const ms_delta_pair *pair, ms_notes *warnings, ms_err *err) {
    const size_t *const a = ms_map_find(&p->schemes, pair->a), *const b = ms_map_find(&p->schemes, pair->b);
    if (!a || !b) {
        const ms_str missing = a ? pair->b : pair->a;
        ms_notes_add(warnings, MS_NOTE_WARNING, "delta.scheme", MS_STR(""), MS_STR(""), MS_NOTE_NO_OFFSET,
                     "[delta] pair '%s' left out: quant_sim has no rows of scheme '%s'", ms_str_shown(pair->name).text,
                     ms_str_shown(missing).text);
        return MS_OK;
    }
    for (size_t i = 0; i < p->matrices.n; i++) {
        const int64_t *const slots = p->slots + p->matrices.items[i].first_slot;
        put_keys(out, p, p->matrices.items[i].row);
        ms_table_str(out, N_SHOWN, pair->name);
        put_difference(out, N_SHOWN + 1, p, "w_rel_fro", slots[*a], slots[*b]);
        put_difference(out, N_SHOWN + 2, p, "w_rel_max", slots[*a], slots[*b]);
        MS_TRY(ms_table_end_row(out, err));
    }
    return MS_OK;
}

ms_status ms_quant_deltas(ms_table **out, const ms_table *quant_sim, const ms_delta_pair *pairs, size_t n_pairs,
                          ms_notes *warnings, ms_err *err) {
    pivot p = {.table = quant_sim};
    ms_table *table = NULL;
    ms_status status = build_pivot(&p, err);
    if (status == MS_OK) status = ms_table_create(&table, columns, sizeof columns / sizeof *columns, err);
    for (size_t i = 0; status == MS_OK && i < n_pairs; i++) status = pair_rows(table, &p, &pairs[i], warnings, err);
    if (status == MS_OK) *out = table;
    else ms_table_destroy(table);
    ms_map_free(&p.schemes);
    ms_mem_free(p.number);
    ms_mem_free(p.slots);
    MS_VEC_FREE(&p.matrices);
    return status;
}
