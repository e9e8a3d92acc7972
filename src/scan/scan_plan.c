#include "scan_plan.h"

#include <stdlib.h>

#include "checked.h"
#include "decoders.h"
#include "mem.h"
#include "panel.h"

enum { CHUNK = 1 << 18, ITEM = 1 << 22, MOST_CHUNKS = 4096 };

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b) {
        const uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

ms_scan_cut ms_scan_cut_of(uint64_t n, uint64_t unit) {
    ms_scan_cut cut = {.n = n, .n_items = 1, .per_item = 1};
    if (n == 0) return cut;
    uint64_t quantum = MS_PANEL_MAX; /* so that panels, too, are the same whatever the chunk */
    const bool fits = ms_mul_u64(quantum / gcd(quantum, unit), unit, &quantum) && quantum <= n;
    const uint64_t wanted = n / MOST_CHUNKS > CHUNK ? n / MOST_CHUNKS : CHUNK;
    cut.chunk = fits ? (wanted + quantum - 1) / quantum * quantum : n;
    if (cut.chunk > n) cut.chunk = n;
    cut.n_chunks = (n + cut.chunk - 1) / cut.chunk;
    cut.per_item = cut.chunk < ITEM ? ITEM / cut.chunk : 1;
    cut.n_items = (cut.n_chunks + cut.per_item - 1) / cut.per_item;
    return cut;
}

/* The bytes between the first and the last element of the matrix. For packed storage, whose elements are not where a stored
 * type would have them, that is not known: the k-th matrix of count gets that share of the tensor. */
static ms_range range_of(const ms_checkpoint *ckpt, const ms_matrix *m, uint64_t k, uint64_t count) {
    const ms_stored *const stored = ckpt->tensors[m->tensor].stored;
    ms_range range = {.source = stored->source, .offset = stored->offset};
    uint64_t offset, n_bytes, first;
    if (m->rows == 0 || m->cols == 0) return range;
    if (!ms_tensor_is_plain(&ckpt->tensors[m->tensor])) {
        range.offset += stored->n_bytes / count * k;
        range.n_bytes = k + 1 < count ? stored->n_bytes / count : stored->n_bytes - stored->n_bytes / count * k;
        return range;
    }
    const uint64_t n = (m->rows - 1) * m->row_stride + (m->cols - 1) * m->col_stride + 1;
    if (!ms_dtype_range(stored->dtype, m->first, n, &offset, &n_bytes, &first)) return range;
    if (!ms_range_inside(offset, n_bytes, stored->n_bytes)) return range;
    range.offset += offset;
    range.n_bytes = n_bytes;
    return range;
}

typedef struct placed {
    ms_range range;
    uint32_t file, matrix;
} placed;

static int by_place(const void *a, const void *b) {
    const placed *const x = a, *const y = b;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    if (x->range.offset != y->range.offset) return x->range.offset < y->range.offset ? -1 : 1;
    return (x->matrix > y->matrix) - (x->matrix < y->matrix);
}

/* How many matrices each tensor has. Those of a scan lie in few files, so their tensors have numbers close to each other. */
typedef struct matrix_counts {
    uint32_t least, n;       /* the tensors least .. least + n - 1 */
    uint32_t *counts, *seen; /* [n], zeroed; one block */
} matrix_counts;

static bool count_matrices(matrix_counts *out, const ms_matrix *matrices, size_t n) {
    uint32_t least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < n; i++) {
        if (matrices[i].tensor < least) least = matrices[i].tensor;
        if (matrices[i].tensor > most) most = matrices[i].tensor;
    }
    *out = (matrix_counts){.least = least, .n = n ? most - least + 1 : 0};
    out->counts = ms_mem_zalloc_array(out->n, 2 * sizeof *out->counts);
    if (!out->counts) return false;
    out->seen = out->counts + out->n;
    for (size_t i = 0; i < n; i++) out->counts[matrices[i].tensor - least]++;
    return true;
}

static void fill(ms_scan_plan *plan, placed *items, matrix_counts *of, const ms_checkpoint *ckpt, const ms_matrix *matrices,
                 size_t n, ms_scan_items_of *items_of, const void *context) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t t = matrices[i].tensor, k = t - of->least;
        items[i] = (placed){range_of(ckpt, &matrices[i], of->seen[k]++, of->counts[k]), ckpt->tensors[t].file, (uint32_t)i};
    }
    qsort(items, n, sizeof *items, by_place);
    plan->first_item[0] = plan->first_byte[0] = 0;
    for (size_t k = 0; k < n; k++) {
        plan->order[k] = items[k].matrix;
        plan->ranges[k] = items[k].range;
        plan->first_item[k + 1] = plan->first_item[k] + items_of(context, &matrices[items[k].matrix]);
        plan->first_byte[k + 1] = plan->first_byte[k] + items[k].range.n_bytes;
    }
}

ms_status ms_scan_plan_make(ms_scan_plan *out, const ms_checkpoint *ckpt, const ms_matrix *matrices, size_t n_matrices,
                            ms_scan_items_of *items_of, const void *context, ms_err *err) {
    MS_FAIL_IF(n_matrices >= UINT32_MAX, MS_ERR_UNSUPPORTED, err, "%zu matrices are more than a scan takes", n_matrices);
    *out = (ms_scan_plan){.n_matrices = n_matrices};
    out->order = ms_mem_alloc_array(n_matrices, sizeof *out->order);
    out->first_item = ms_mem_alloc_array(n_matrices + 1, sizeof *out->first_item);
    out->first_byte = ms_mem_alloc_array(n_matrices + 1, sizeof *out->first_byte);
    out->ranges = ms_mem_alloc_array(n_matrices, sizeof *out->ranges);
    placed *const items = ms_mem_alloc_array(n_matrices, sizeof *items);
    matrix_counts counts = {0};
    const bool fine = out->order && out->first_item && out->first_byte && out->ranges && items &&
                      count_matrices(&counts, matrices, n_matrices);
    if (fine) fill(out, items, &counts, ckpt, matrices, n_matrices, items_of, context);
    ms_mem_free(items);
    ms_mem_free(counts.counts);
    if (!fine) ms_scan_plan_free(out);
    return fine ? MS_OK : ms_err_memory(err, "the plan of a scan");
}

size_t ms_scan_plan_place(const ms_scan_plan *plan, uint64_t item) {
    size_t low = 0, high = plan->n_matrices; /* first_item[low] <= item < first_item[high] */
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (plan->first_item[middle] <= item) low = middle;
        else high = middle;
    }
    return low;
}

void ms_scan_plan_free(ms_scan_plan *plan) {
    ms_mem_free(plan->order);
    ms_mem_free(plan->first_item);
    ms_mem_free(plan->first_byte);
    ms_mem_free(plan->ranges);
    *plan = (ms_scan_plan){0};
}
