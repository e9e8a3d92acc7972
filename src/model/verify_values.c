/*
 * Every weight read once: NaN and infinities counted. They break no rule of any format, so they are warnings.
 *
 * Types of 16, 32 and 64 bits are looked at as integers (all bits of the exponent set); the others are decoded.
 */
#include <stdio.h>

#include "decode.h"
#include "family.h"
#include "guard.h"
#include "lookahead.h"
#include "pool.h"
#include "verify.h"

enum { CHUNK = 1 << 20, PIECE = 1 << 14 }; /* elements of a work item; decoded at a time. Multiples of every block. */
enum { LEAST_SLICE = 1 << 10, NAMED = 8 }; /* elements of an expert to be looked at apart; experts named one by one */

typedef struct ms_seen {
    uint64_t n_nan, n_inf, n_zero;
    uint64_t first; /* element of the tensor, UINT64_MAX: none */
} ms_seen;

typedef struct ms_part { /* one work item */
    uint32_t tensor;
    uint64_t first, n; /* elements */
    uint64_t offset, n_bytes, skip;
    uint64_t before; /* bytes of the plan */
    ms_seen seen;
} ms_part;

typedef struct ms_values {
    const ms_checkpoint *ckpt;
    const ms_verify_options *options;
    MS_VEC(ms_part) parts;
    ms_lookahead *ahead;
} ms_values;

/* bits: the value's; exponent, mantissa: masks. A loop without branches, so that compilers make vectors of it. */
#define COUNT_BITS(type, exponent, mantissa)                                     \
    for (uint64_t i = 0; i < n; i++) {                                           \
        type bits;                                                               \
        memcpy(&bits, p + i * sizeof bits, sizeof bits);                         \
        const bool special = (bits & (type)(exponent)) == (type)(exponent);      \
        const bool inf = special & ((bits & (type)(mantissa)) == 0);             \
        n_special += special, n_inf += inf;                                      \
        n_zero += (bits & ((type)(exponent) | (type)(mantissa))) == 0;           \
    }                                                                            \
    for (uint64_t i = 0; n_special && seen->first == UINT64_MAX && i < n; i++) { \
        type bits;                                                               \
        memcpy(&bits, p + i * sizeof bits, sizeof bits);                         \
        if ((bits & (type)(exponent)) == (type)(exponent)) seen->first = at + i; \
    }

/* p: [n] elements of a plain floating type, the first being number `at` of the tensor. */
static void count_plain(ms_dtype dtype, const uint8_t *p, uint64_t n, uint64_t at, ms_seen *seen) {
    uint64_t n_special = 0, n_inf = 0, n_zero = 0;
    if (dtype == MS_DTYPE_BF16) {
        COUNT_BITS(uint16_t, 0x7F80, 0x007F)
    } else if (dtype == MS_DTYPE_F16) {
        COUNT_BITS(uint16_t, 0x7C00, 0x03FF)
    } else if (dtype == MS_DTYPE_F64) {
        COUNT_BITS(uint64_t, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF)
    } else { /* F32, and the decoded ones */
        COUNT_BITS(uint32_t, 0x7F800000, 0x007FFFFF)
    }
    seen->n_nan += n_special - n_inf;
    seen->n_inf += n_inf;
    seen->n_zero += n_zero;
}

static bool is_plain(ms_dtype dtype) {
    return dtype == MS_DTYPE_BF16 || dtype == MS_DTYPE_F16 || dtype == MS_DTYPE_F32 || dtype == MS_DTYPE_F64;
}

static bool is_looked_at(ms_dtype dtype) {
    const ms_dtype_info *const info = ms_dtype_info_of(dtype);
    return is_plain(dtype) || ((info->is_small_float || info->block || dtype == MS_DTYPE_C64) && info->decodable);
}

static ms_status count_part(const ms_stored *t, ms_part *part, const uint8_t *bytes, ms_err *err) {
    if (is_plain(t->dtype)) {
        count_plain(t->dtype, bytes, part->n, part->first, &part->seen);
        return MS_OK;
    }
    float values[PIECE];
    for (uint64_t at = 0; at < part->n; at += PIECE) {
        const size_t n = part->n - at < PIECE ? (size_t)(part->n - at) : PIECE;
        uint64_t offset, n_bytes, skip;
        if (!ms_dtype_range(t->dtype, part->skip + at, n, &offset, &n_bytes, &skip))
            return ms_err_set(err, MS_ERR_UNSUPPORTED, "its elements cannot be told apart");
        MS_TRY(ms_decode_f32(t->dtype, bytes + offset, (size_t)skip, n, values, err));
        count_plain(MS_DTYPE_F32, (const uint8_t *)values, n, part->first + at, &part->seen);
    }
    return MS_OK;
}

static ms_status count_item(void *context, size_t item, int worker, ms_err *err) {
    (void)worker;
    ms_values *const all = context;
    ms_part *const part = &all->parts.items[item];
    const ms_stored *const t = all->ckpt->tensors[part->tensor].stored;
    ms_scratch scratch = {0};
    const void *bytes;
    ms_lookahead_move(all->ahead, part->before);
    ms_guard guard = ms_guard_begin();
    ms_status status = ms_source_view(t->source, t->offset + part->offset, (size_t)part->n_bytes, &scratch, &bytes, err);
    if (status == MS_OK) status = count_part(t, part, bytes, err);
    status = ms_guard_end(&guard, status, err);
    ms_scratch_free(&scratch);
    if (all->options->advance) all->options->advance(all->options->context, part->n_bytes);
    return status;
}

/* ---- the plan ---- */

static uint64_t n_elements(const ms_stored *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= t->shape[i]; /* the reader has checked the product */
    return n;
}

/* Elements of one expert in a tensor that holds many, one after the other; else all of the tensor. */
static uint64_t slice_of(const ms_checkpoint *ckpt, const ms_tensor *t) {
    const uint64_t n = n_elements(t->stored);
    const bool has_many = t->role == MS_ROLE_EXPERT && t->expert < 0 && t->stored->rank >= 2;
    const ms_layer *const layer = has_many ? ms_layers_find(ckpt, t->section, t->layer) : NULL;
    if (!layer || layer->experts < 2 || t->stored->shape[0] % (uint64_t)layer->experts) return n;
    const uint64_t slice = n / (uint64_t)layer->experts;
    const uint32_t block = ms_dtype_info_of(t->stored->dtype)->block;
    return slice < LEAST_SLICE || slice % (block ? block : 2) ? n : slice;
}

static ms_status plan(ms_values *all, uint64_t *total, ms_err *err) {
    *total = 0;
    for (size_t i = 0; i < all->ckpt->n_tensors; i++) {
        const ms_stored *const t = all->ckpt->tensors[i].stored;
        const uint64_t n = n_elements(t);
        if (!is_looked_at(t->dtype)) continue;
        const uint64_t slice = slice_of(all->ckpt, &all->ckpt->tensors[i]);
        for (uint64_t at = 0, step; at < n; at += step) {
            const uint64_t left = slice - at % slice;
            step = left < CHUNK ? left : CHUNK;
            ms_part part = {.tensor = (uint32_t)i, .first = at, .n = step, .before = *total};
            part.seen.first = UINT64_MAX;
            if (!ms_dtype_range(t->dtype, at, part.n, &part.offset, &part.n_bytes, &part.skip)) break;
            if (part.n_bytes > t->n_bytes || part.offset > t->n_bytes - part.n_bytes)
                break; /* lenient: shorter than its shape */
            *total += part.n_bytes;
            if (!MS_VEC_PUSH(&all->parts, part)) return ms_err_memory(err, "the plan of reading");
        }
    }
    return MS_OK;
}

static ms_status look_ahead(ms_values *all, ms_err *err) {
    ms_range *const ranges = ms_mem_alloc_array(all->parts.n, sizeof *ranges);
    if (!ranges) return ms_err_memory(err, "the plan of reading");
    for (size_t i = 0; i < all->parts.n; i++) {
        const ms_part *const part = &all->parts.items[i];
        const ms_stored *const t = all->ckpt->tensors[part->tensor].stored;
        ranges[i] = (ms_range){t->source, t->offset + part->offset, part->n_bytes};
    }
    const ms_status status = ms_lookahead_create(&all->ahead, ranges, all->parts.n, NULL, err);
    ms_mem_free(ranges);
    return status;
}

/* ---- findings ---- */

static void report(ms_verify *v, const ms_checkpoint *ckpt, uint32_t tensor, const ms_seen *seen) {
    const ms_stored *const t = ckpt->tensors[tensor].stored;
    const ms_str file = ckpt->files[ckpt->tensors[tensor].file].path;
    uint64_t offset = 0, n_bytes, skip;
    const uint64_t n = n_elements(t);
    if (seen->n_nan + seen->n_inf) {
        const uint64_t block = ms_dtype_info_of(t->dtype)->block ? ms_dtype_info_of(t->dtype)->block : 1;
        const uint64_t even = ms_dtype_info_of(t->dtype)->bits == 4 ? 2 : block; /* what begins a byte */
        const bool known = ms_dtype_range(t->dtype, seen->first / even * even, block, &offset, &n_bytes, &skip);
        const int64_t place = known && t->source == ckpt->files[ckpt->tensors[tensor].file].reader->source
                                  ? (int64_t)(t->offset + offset)
                                  : MS_NOTE_NO_OFFSET;
        ms_notes_add(&v->findings, MS_NOTE_WARNING, seen->n_nan ? "values.nan" : "values.inf", file, t->name, place,
                     "%llu NaN and %llu infinities among %llu values, the first is number %llu",
                     (unsigned long long)seen->n_nan, (unsigned long long)seen->n_inf, (unsigned long long)n,
                     (unsigned long long)seen->first);
    }
    if (t->rank >= 2 && n > 1 && seen->n_zero == n)
        ms_notes_add(&v->findings, MS_NOTE_INFO, "values.zero", file, t->name, (int64_t)t->offset,
                     "all %llu values are zero; a part of the file may never have been written", (unsigned long long)n);
}

typedef struct ms_zeros { /* experts of one tensor that are nothing but zeros */
    uint64_t n, experts, first;
    char names[NAMED * 24];
    size_t n_text;
} ms_zeros;

static void add_zero_expert(ms_zeros *z, uint64_t expert) {
    if (z->n++ == 0) z->first = expert;
    if (z->n > NAMED) return;
    const int n =
        snprintf(z->names + z->n_text, sizeof z->names - z->n_text, "%s%llu", z->n > 1 ? ", " : "", (unsigned long long)expert);
    z->n_text += n > 0 ? (size_t)n : 0;
}

static void report_zero_experts(ms_verify *v, const ms_checkpoint *ckpt, uint32_t tensor, const ms_zeros *z, uint64_t slice) {
    const ms_tensor *const t = &ckpt->tensors[tensor];
    uint64_t offset = 0, n_bytes, skip;
    if (z->n == 0 || z->n == z->experts) return; /* a tensor of zeros is said as such */
    ms_dtype_range(t->stored->dtype, z->first * slice, slice, &offset, &n_bytes, &skip);
    ms_notes_add(&v->findings, MS_NOTE_WARNING, "values.zero_expert", ckpt->files[t->file].path, t->stored->name,
                 (int64_t)(t->stored->offset + offset),
                 "%llu of %llu experts are nothing but zeros: %s%s; they are dead, or a part of the file was never written",
                 (unsigned long long)z->n, (unsigned long long)z->experts, z->names, z->n > NAMED ? ", ..." : "");
}

/* The parts from *i on that belong to one tensor. */
static void report_tensor(ms_verify *v, const ms_values *all, size_t *i) {
    const ms_part *const parts = all->parts.items;
    const uint32_t tensor = parts[*i].tensor;
    const uint64_t slice = slice_of(all->ckpt, &all->ckpt->tensors[tensor]);
    ms_seen sum = {.first = UINT64_MAX};
    ms_zeros zeros = {0};
    uint64_t n_zero = 0;
    for (; *i < all->parts.n && parts[*i].tensor == tensor; ++*i) {
        const ms_part *const p = &parts[*i];
        sum.n_nan += p->seen.n_nan, sum.n_inf += p->seen.n_inf, sum.n_zero += p->seen.n_zero;
        if (sum.first == UINT64_MAX) sum.first = p->seen.first;
        n_zero += p->seen.n_zero;
        if ((p->first + p->n) % slice) continue;
        if (n_zero == slice) add_zero_expert(&zeros, p->first / slice);
        zeros.experts++;
        n_zero = 0;
    }
    report(v, all->ckpt, tensor, &sum);
    report_zero_experts(v, all->ckpt, tensor, &zeros, slice);
}

static void report_all(ms_verify *v, const ms_values *all) {
    for (size_t i = 0; i < all->parts.n;) report_tensor(v, all, &i);
}

ms_status ms_verify_values(ms_verify *v, const ms_checkpoint *ckpt, const ms_verify_options *options, ms_err *err) {
    ms_values all = {.ckpt = ckpt, .options = options};
    ms_pool *pool = NULL;
    uint64_t total;
    ms_status status = plan(&all, &total, err);
    if (status == MS_OK) status = look_ahead(&all, err);
    if (status == MS_OK) status = ms_pool_create(&pool, options->threads, err);
    if (status == MS_OK && options->begin) options->begin(options->context, total);
    ms_err why = {0};
    if (status == MS_OK) {
        status = ms_pool_run(pool, all.parts.n, count_item, &all, options->cancel, &why);
        if (status == MS_ERR_DAMAGED || status == MS_ERR_UNSUPPORTED) { /* of a member that does not unpack */
            ms_notes_add(&v->findings, MS_NOTE_ERROR, "values.unreadable", ckpt->path, MS_STR(""), MS_NOTE_NO_OFFSET, "%s",
                         why.text);
            status = MS_OK;
        } else if (status != MS_OK) {
            ms_err_set(err, status, "%s", why.text);
        }
    }
    if (status == MS_OK) report_all(v, &all);
    if (pool) ms_pool_destroy(pool);
    ms_lookahead_destroy(all.ahead);
    MS_VEC_FREE(&all.parts);
    return status;
}
