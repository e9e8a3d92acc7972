#include "dump.h"

#include <stdio.h>

#include "checked.h"
#include "decoders.h"
#include "npy.h"
#include "scheme.h"

enum { CHUNK = 1 << 20 }; /* elements decoded at a time */

/* ---- names ---- */

/* How much of the longer one of two names they have in common at both ends, in percent. */
static size_t likeness(ms_str a, ms_str b) {
    const size_t shorter = a.size < b.size ? a.size : b.size, longer = a.size < b.size ? b.size : a.size;
    size_t front = 0, back = 0;
    while (front < shorter && a.text[front] == b.text[front]) front++;
    while (back < shorter - front && a.text[a.size - 1 - back] == b.text[b.size - 1 - back]) back++;
    return longer ? 100 * (front + back) / longer : 0;
}

/* The name that was probably meant; text NULL when none is close. */
static ms_str closest_name(const ms_checkpoint *ckpt, ms_str typed) {
    size_t best = 75;
    ms_str found = MS_STR_NONE;
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_str own = ckpt->tensors[i].stored->name;
        const size_t here = likeness(typed, own);
        if (here > best) best = here, found = own;
    }
    return found;
}

/* Up to three names that hold the text, for those who typed half of one; else the one that is spelled nearly so. */
static ms_status no_such_tensor(const ms_checkpoint *ckpt, const char *name, ms_err *err) {
    enum { MOST = 3 };
    char list[MOST * 300] = "";
    size_t n = 0, used = 0;
    for (size_t i = 0; i < ckpt->n_tensors; i++) {
        const ms_str own = ckpt->tensors[i].stored->name;
        if (!ms_str_contains_nocase(own, ms_str_of(name)) || n++ >= MOST) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", n > 1 ? ", " : "", ms_str_shown(own).text);
    }
    const ms_str near = n == 0 ? closest_name(ckpt, ms_str_of(name)) : MS_STR_NONE;
    if (near.text) n = 1, snprintf(list, sizeof list, "'%s'", ms_str_shown(near).text);
    const ms_shown shown = ms_str_shown(ms_str_of(name));
    if (n == 0)
        return ms_err_set(err, MS_ERR_USAGE, "no tensor '%s' in the model ('moescope inspect MODEL --tensors' lists them)",
                          shown.text);
    if (n == 1) return ms_err_set(err, MS_ERR_USAGE, "no tensor '%s' in the model; did you mean %s?", shown.text, list);
    return ms_err_set(err, MS_ERR_USAGE, "no tensor '%s' in the model; %zu names hold that: %s%s", shown.text, n, list,
                      n > MOST ? ", ..." : "");
}

/* "gate" stands for "gate_proj", and so on; what the model calls it stands for itself. */
static bool is_proj(ms_str own, const char *wanted) {
    if (!wanted || ms_str_is(own, wanted)) return true;
    const size_t n = strlen(wanted);
    return own.size == n + 5 && ms_str_starts_with(own, ms_str_of(wanted)) && ms_str_ends_with(own, MS_STR("_proj"));
}

/* ---- choosing matrices ---- */

static bool bank_fits(const ms_bank *bank, const ms_dump_wanted *w) {
    if (w->layer >= 0 && bank->layer != w->layer) return false;
    if (w->section && strcmp(bank->section, w->section) != 0) return false;
    if (w->shared ? bank->role != MS_ROLE_SHARED_EXPERT : bank->role == MS_ROLE_SHARED_EXPERT) return false;
    return is_proj(bank->proj, w->proj);
}

static bool matrix_fits(const ms_dump *d, const ms_matrix *m, const ms_dump_wanted *w) {
    if (w->expert >= 0 && m->expert != w->expert) return false;
    if (!w->tensor) return true;
    return ms_str_is(d->ckpt->tensors[m->tensor].stored->name, w->tensor);
}

/* "layer 3 gate_proj", with what tells it from others. */
static void describe_bank(char *out, size_t size, const ms_bank *bank) {
    snprintf(out, size, "%s%slayer %d %s", bank->section, *bank->section ? " " : "", (int)bank->layer,
             ms_str_shown(bank->proj).text);
}

/* Takes the matrices of the bank that fit; *n counts them. */
static ms_status take_matrices(ms_dump *d, const ms_bank *bank, const ms_dump_wanted *w, size_t *n, ms_err *err) {
    *n = 0;
    for (size_t i = 0; i < bank->n_matrices; i++) {
        const ms_matrix *const m = &d->banks.matrices.items[bank->first_matrix + i];
        if (!matrix_fits(d, m, w)) continue;
        if (!MS_VEC_PUSH(&d->matrices, *m)) return ms_err_memory(err, "the list of matrices");
        ++*n;
    }
    return MS_OK;
}

/* No bank anywhere has that projection: those that there are. False when one has it. */
static bool list_projections(const ms_banks *banks, const char *wanted, char *list, size_t size) {
    enum { MOST = 12 };
    ms_str seen[MOST];
    size_t n = 0, used = 0;
    for (size_t b = 0; b < banks->n; b++) {
        const ms_str own = banks->items[b].proj;
        size_t i = 0;
        if (is_proj(own, wanted)) return false;
        while (i < n && !ms_str_equal(seen[i], own)) i++;
        if (i < n || n == MOST || used >= size) continue;
        seen[n++] = own;
        used += (size_t)snprintf(list + used, size - used, "%s%s", n > 1 ? ", " : "", ms_str_shown(own).text);
    }
    return true;
}

/* Whether the wanted matrix would come from this tensor. */
static bool would_hold(const ms_tensor *t, const ms_dump_wanted *w) {
    if (t->role != (w->shared ? MS_ROLE_SHARED_EXPERT : MS_ROLE_EXPERT) || t->shadowed) return false;
    if ((w->layer >= 0 && t->layer != w->layer) || (w->section && strcmp(t->section, w->section) != 0)) return false;
    if ((w->expert >= 0 && t->expert >= 0 && t->expert != w->expert) || (w->tensor && !ms_str_is(t->stored->name, w->tensor)))
        return false;
    const bool halves = t->proj == MS_PROJ_GATE_UP && (is_proj(ms_str_of(ms_proj_name(MS_PROJ_GATE)), w->proj) ||
                                                       is_proj(ms_str_of(ms_proj_name(MS_PROJ_UP)), w->proj));
    return halves || is_proj(ms_str_of(ms_proj_name(t->proj)), w->proj);
}

/* It is there, but no bank took it: MS_ERR_UNSUPPORTED, saying why. */
static ms_status refuse_undecoded(const ms_dump *d, const ms_dump_wanted *w, ms_err *err) {
    for (size_t i = 0; i < d->ckpt->n_tensors; i++) {
        const ms_tensor *const t = &d->ckpt->tensors[i];
        if (!would_hold(t, w)) continue;
        MS_TRY(ms_decoders_check(t, err));
        MS_FAIL_IF(ms_logical_shape(d->ckpt, t).rank == 0, MS_ERR_UNSUPPORTED, err,
                   "tensor '%s': quantised as %s, but its unpacked shape cannot be told", ms_str_shown(t->stored->name).text,
                   t->scheme);
    }
    return MS_OK;
}

/* Nothing fits: say what there is. */
static ms_status nothing_fits(const ms_dump *d, const ms_dump_wanted *w, ms_err *err) {
    MS_TRY(refuse_undecoded(d, w, err));
    int32_t least = INT32_MAX, most = -1, most_expert = -1;
    size_t n_banks = 0;
    ms_dump_wanted other = *w;
    other.expert = -1;
    for (size_t b = 0; b < d->banks.n; b++) {
        const ms_bank *const bank = &d->banks.items[b];
        if (bank->layer < least) least = bank->layer;
        if (bank->layer > most) most = bank->layer;
        if (!bank_fits(bank, w)) continue;
        n_banks++;
        for (size_t i = 0; i < bank->n_matrices; i++) {
            const ms_matrix *const m = &d->banks.matrices.items[bank->first_matrix + i];
            if (matrix_fits(d, m, &other) && m->expert > most_expert) most_expert = m->expert;
        }
    }
    if (d->banks.n == 0)
        return ms_err_set(err, MS_ERR_USAGE, "no expert matrices were found in the model; name a tensor instead");
    if (n_banks > 0 && w->expert >= 0 && most_expert >= 0)
        return ms_err_set(err, MS_ERR_USAGE, "no expert %lld there: the last one is %d", (long long)w->expert,
                          (int)most_expert);
    if (w->tensor)
        return ms_err_set(err, MS_ERR_USAGE,
                          "tensor '%s' holds no such matrix; without --expert and --proj all of it is written",
                          ms_str_shown(ms_str_of(w->tensor)).text);
    char list[400] = "";
    if (w->proj && list_projections(&d->banks, w->proj, list, sizeof list))
        return ms_err_set(err, MS_ERR_USAGE, "no projection '%s' in the model: it has %s",
                          ms_str_shown(ms_str_of(w->proj)).text, list);
    return ms_err_set(err, MS_ERR_USAGE, "no such matrix: layers %d to %d have expert matrices or routers%s", (int)least,
                      (int)most, w->shared ? ", some perhaps no shared experts" : "");
}

/* The bank that fits, its matrices taken; NULL when none does, MS_ERR_USAGE when several do. */
static ms_status choose_bank(ms_dump *d, const ms_dump_wanted *w, const ms_bank **chosen, ms_err *err) {
    enum { MOST = 4 };
    char list[MOST * 110] = "";
    size_t n_fitting = 0, used = 0;
    *chosen = NULL;
    for (size_t b = 0; b < d->banks.n; b++) {
        const ms_bank *const bank = &d->banks.items[b];
        size_t n;
        if (!bank_fits(bank, w)) continue;
        MS_TRY(take_matrices(d, bank, w, &n, err));
        if (n == 0) continue;
        *chosen = *chosen ? *chosen : bank;
        if (n_fitting++ >= MOST) continue;
        char text[160];
        describe_bank(text, sizeof text, bank);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.100s", n_fitting > 1 ? ", " : "", text);
    }
    MS_FAIL_IF(n_fitting > 1, MS_ERR_USAGE, err, "%zu kinds of matrices fit: %s%s; say which with --layer, --proj or --section",
               n_fitting, list, n_fitting > MOST ? ", ..." : "");
    return MS_OK;
}

static ms_status choose_matrices(ms_dump *d, const ms_dump_wanted *w, ms_err *err) {
    const ms_bank *chosen;
    ms_dump_wanted in_main = *w; /* the main model first, unless another section was named */
    in_main.section = w->section ? w->section : "";
    MS_TRY(choose_bank(d, &in_main, &chosen, err));
    if (!chosen && !w->section) MS_TRY(choose_bank(d, w, &chosen, err));
    if (!chosen) return nothing_fits(d, w, err);

    const ms_matrix *const first = &d->matrices.items[0];
    for (size_t i = 1; i < d->matrices.n; i++) {
        const ms_matrix *const m = &d->matrices.items[i];
        MS_FAIL_IF(
            m->rows != first->rows || m->cols != first->cols, MS_ERR_USAGE, err,
            "experts %d and %d differ in size ([%llu, %llu] and [%llu, %llu]) and make no stack: choose one with --expert",
            (int)first->expert, (int)m->expert, (unsigned long long)first->rows, (unsigned long long)first->cols,
            (unsigned long long)m->rows, (unsigned long long)m->cols);
    }
    return MS_OK;
}

/* ---- shapes ---- */

static ms_status set_shape(ms_dump *d, ms_dtype dtype, uint32_t rank, const uint64_t *shape, ms_err *err) {
    uint64_t n = 1;
    uint64_t *const copy = ms_arena_alloc_array(&d->arena, rank ? rank : 1, sizeof *copy);
    if (!copy) return ms_err_memory(err, "a shape");
    for (uint32_t i = 0; i < rank; i++) {
        copy[i] = shape[i];
        MS_FAIL_IF(!ms_mul_u64(n, shape[i], &n), MS_ERR_DAMAGED, err, "the shape overflows");
    }
    MS_FAIL_IF(!ms_dtype_n_bytes(dtype, n, &d->n_bytes), MS_ERR_UNSUPPORTED, err, "an array of %s of that size",
               ms_dtype_info_of(dtype)->name);
    d->dtype = dtype;
    d->rank = rank;
    d->shape = copy;
    return MS_OK;
}

/* As stored. A type that NumPy has not (half bytes, blocks, unknown ones) becomes bytes: along the last axis where rows are
 * whole bytes, else in one row. */
static ms_status set_raw_shape(ms_dump *d, ms_dtype dtype, uint32_t rank, const uint64_t *shape, uint64_t n_bytes,
                               ms_err *err) {
    ms_buf header = {0};
    const ms_status known = ms_npy_put_header(&header, dtype, d->column_major, rank, shape, NULL);
    ms_buf_free(&header);
    if (known == MS_OK) return set_shape(d, dtype, rank, shape, err);
    if (known != MS_ERR_UNSUPPORTED) return ms_err_memory(err, "a header");
    const bool column_major = d->column_major;
    d->column_major = false;
    uint64_t row_bytes = 0;
    const bool by_rows = rank > 0 && !column_major && ms_dtype_n_bytes(dtype, shape[rank - 1], &row_bytes);
    if (!by_rows) return set_shape(d, MS_DTYPE_U8, 1, &n_bytes, err);
    uint64_t *const in_bytes = ms_arena_alloc_array(&d->arena, rank, sizeof *in_bytes);
    if (!in_bytes) return ms_err_memory(err, "a shape");
    memcpy(in_bytes, shape, rank * sizeof *in_bytes);
    in_bytes[rank - 1] = row_bytes;
    return set_shape(d, MS_DTYPE_U8, rank, in_bytes, err);
}

static ms_status whole_tensor(ms_dump *d, ms_err *err) {
    const ms_tensor *const t = d->tensor;
    const ms_stored *const s = t->stored;
    d->column_major = s->column_major;
    if (d->raw) return set_raw_shape(d, s->dtype, s->rank, s->shape, s->n_bytes, err);
    const ms_status decodable = ms_decoders_check(t, err);
    if (decodable == MS_ERR_UNSUPPORTED && err) {
        const size_t n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, "; --raw writes it as stored");
    }
    MS_TRY(decodable);
    if (ms_tensor_is_plain(t)) return set_shape(d, MS_DTYPE_F32, s->rank, s->shape, err);
    const ms_logical logical = ms_logical_shape(d->ckpt, t);
    MS_FAIL_IF(logical.rank == 0, MS_ERR_UNSUPPORTED, err,
               "tensor '%s': its shape once decoded cannot be told; --raw writes it as stored", ms_str_shown(s->name).text);
    return set_shape(d, MS_DTYPE_F32, logical.rank, logical.shape, err);
}

static ms_status matrices(ms_dump *d, const ms_dump_wanted *w, ms_err *err) {
    MS_TRY(choose_matrices(d, w, err));
    const ms_matrix *const first = &d->matrices.items[0];
    const ms_tensor *const t = &d->ckpt->tensors[first->tensor];
    const ms_bank *const bank = &d->banks.items[first->bank];
    const bool stack = w->expert < 0 && bank->role == MS_ROLE_EXPERT;
    const uint64_t shape[3] = {d->matrices.n, first->rows, first->cols};
    MS_FAIL_IF(!stack && d->matrices.n > 1, MS_ERR_USAGE, err,
               "%zu matrices fit, and they are no stack of experts: name the tensor", d->matrices.n);
    const uint32_t rank = stack ? 3 : 2;
    if (!d->raw) return set_shape(d, MS_DTYPE_F32, rank, shape + 3 - rank, err);

    const void *bytes; /* is it one piece as stored? One row tells. */
    MS_TRY(ms_matrix_stored_rows(d->ckpt, first, 0, first->rows > 1 ? 2 : first->rows, &d->scratch, &bytes, err));
    MS_FAIL_IF(!bytes, MS_ERR_UNSUPPORTED, err,
               "tensor '%s' does not hold this matrix in one piece (it is packed, transposed or interleaved); "
               "without --raw it is decoded",
               ms_str_shown(t->stored->name).text);
    uint64_t row_bytes, n_bytes;
    MS_FAIL_IF(!ms_dtype_n_bytes(t->stored->dtype, first->cols, &row_bytes) || !ms_mul_u64(row_bytes, first->rows, &n_bytes),
               MS_ERR_UNSUPPORTED, err, "tensor '%s': rows are no whole bytes; without --raw the matrix is decoded",
               ms_str_shown(t->stored->name).text);
    return set_raw_shape(d, t->stored->dtype, rank, shape + 3 - rank, n_bytes * (stack ? d->matrices.n : 1), err);
}

ms_status ms_dump_choose(ms_dump *out, const ms_checkpoint *ckpt, const ms_dump_wanted *wanted, ms_err *err) {
    *out = (ms_dump){.ckpt = ckpt, .raw = wanted->raw};
    const ms_tensor *const named = wanted->tensor ? ms_checkpoint_find(ckpt, ms_str_of(wanted->tensor)) : NULL;
    if (wanted->tensor && !named) return no_such_tensor(ckpt, wanted->tensor, err);
    const bool cut = wanted->expert >= 0 || wanted->proj || wanted->shared || wanted->layer >= 0;
    if (named && !cut) {
        out->tensor = named;
        return whole_tensor(out, err);
    }
    MS_TRY(ms_banks_from_family(&out->banks, ckpt, err));
    return matrices(out, wanted, err);
}

/* ---- reading ---- */

static ms_status reserve(ms_dump *d, size_t n, ms_err *err) {
    if (n <= d->n_decoded) return MS_OK;
    ms_mem_free(d->decoded);
    d->n_decoded = 0;
    d->decoded = ms_mem_alloc_array(n, sizeof *d->decoded);
    if (!d->decoded) return ms_err_memory(err, "decoded values");
    d->n_decoded = n;
    return MS_OK;
}

bool ms_dump_more(const ms_dump *d) {
    if (d->n_bytes == 0) return false;
    if (!d->tensor) return d->unit < d->matrices.n;
    return d->at < (d->raw ? d->n_bytes : d->n_bytes / sizeof(float));
}

static ms_status next_of_tensor(ms_dump *d, const void **bytes, size_t *n, ms_err *err) {
    const ms_stored *const s = d->tensor->stored;
    const uint64_t left = (d->raw ? d->n_bytes : d->n_bytes / sizeof(float)) - d->at;
    const size_t now = (size_t)(left < CHUNK ? left : CHUNK);
    if (d->raw) {
        MS_TRY(ms_source_view(s->source, s->offset + d->at, now, &d->scratch, bytes, err));
        *n = now;
    } else {
        MS_TRY(reserve(d, now, err));
        MS_TRY(ms_decoders_run(d->ckpt, d->tensor, d->at, now, &d->scratch, d->decoded, err));
        *bytes = d->decoded;
        *n = now * sizeof(float);
    }
    d->at += now;
    return MS_OK;
}

static ms_status next_of_matrix(ms_dump *d, const void **bytes, size_t *n, ms_err *err) {
    const ms_matrix *const m = &d->matrices.items[d->unit];
    const uint64_t high = m->cols < CHUNK ? CHUNK / m->cols : 1, left = m->rows - d->at, rows = left < high ? left : high;
    const uint64_t row_bytes = d->n_bytes / (d->matrices.n * m->rows);
    *n = (size_t)(rows * row_bytes);
    if (d->raw) {
        MS_TRY(ms_matrix_stored_rows(d->ckpt, m, d->at, rows, &d->scratch, bytes, err));
        MS_FAIL_IF(!*bytes, MS_ERR_UNSUPPORTED, err, "expert %d is stored in another way than the ones before it",
                   (int)m->expert);
    } else {
        MS_TRY(reserve(d, (size_t)(rows * m->cols), err));
        MS_TRY(ms_matrix_rows(d->ckpt, m, d->at, rows, &d->scratch, d->decoded, err));
        *bytes = d->decoded;
    }
    d->at += rows;
    if (d->at == m->rows) d->unit++, d->at = 0;
    return MS_OK;
}

ms_status ms_dump_next(ms_dump *d, const void **bytes, size_t *n, ms_err *err) {
    return d->tensor ? next_of_tensor(d, bytes, n, err) : next_of_matrix(d, bytes, n, err);
}

void ms_dump_free(ms_dump *d) {
    ms_banks_free(&d->banks);
    MS_VEC_FREE(&d->matrices);
    ms_arena_free(&d->arena);
    ms_scratch_free(&d->scratch);
    ms_mem_free(d->decoded);
    *d = (ms_dump){0};
}
