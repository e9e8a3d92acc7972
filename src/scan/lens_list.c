#include <math.h>
#include <string.h>

#include "half.h"
#include "lens.h"
#include "select.h"

extern const ms_lens ms_lens_moments, ms_lens_sampled, ms_lens_exact, ms_lens_groups, ms_lens_quant;

const ms_lens *const ms_lenses[] = {
    &ms_lens_moments, &ms_lens_sampled, &ms_lens_groups, &ms_lens_exact, &ms_lens_quant, NULL,
};

/* ---- what lenses share ---- */

enum { NULL_PAYLOAD = 0x6e756c6c };
static const uint64_t null_bits = 0x7FF8000000000000u | NULL_PAYLOAD;

double ms_lens_null(void) {
    double d;
    memcpy(&d, &null_bits, sizeof d);
    return d;
}

bool ms_lens_is_null(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == null_bits;
}

bool ms_lens_put_columns(ms_lens_columns *out, const ms_lens_column *items, size_t n) {
    if (!MS_VEC_RESERVE(out, n)) return false;
    memcpy(out->items + out->n, items, n * sizeof *items);
    out->n += n;
    return true;
}

double ms_lens_key_value(const ms_lens_keys *keys, uint32_t key) {
    if (keys->dtype == MS_DTYPE_F16) return (double)ms_f32_from_f16((uint16_t)key);
    if (keys->dtype == MS_DTYPE_BF16) return (double)ms_f32_from_bf16((uint16_t)key);
    return (double)ms_f32_from_bits(key);
}

ms_lens_keys ms_lens_keys_of(ms_dtype dtype) {
    if (dtype == MS_DTYPE_BF16) return (ms_lens_keys){dtype, 15, 0x7F80};
    if (dtype == MS_DTYPE_F16) return (ms_lens_keys){dtype, 15, 0x7C00};
    return (ms_lens_keys){MS_DTYPE_F32, 31, 0x7F800000};
}

void ms_lens_keys_read(const ms_lens_keys *keys, const void *w, size_t n, uint32_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = ms_lens_key_at(keys, w, i);
}

size_t ms_lens_keys_finite(const ms_lens_keys *keys, uint32_t *items, size_t n) {
    size_t n_kept = 0;
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) most = items[i] > most ? items[i] : most;
    if (most < keys->limit) return n; /* nearly always; vectors find that out */
    for (size_t i = 0; i < n; i++) {
        const uint32_t key = items[i];
        items[n_kept] = key;
        n_kept += key < keys->limit;
    }
    return n_kept;
}

void ms_lens_percentiles_of_all(const ms_lens_matrix *matrix, const double *percents, int n, double *out) {
    const ms_lens_pilot *const all = &matrix->pilot;
    for (int i = 0; i < n && all->n > 0; i++) {
        uint64_t low, high;
        double fraction;
        ms_select_place(percents[i], all->n, &low, &high, &fraction);
        out[i] = ms_select_between(ms_lens_key_value(&matrix->keys, all->keys[low]),
                                   ms_lens_key_value(&matrix->keys, all->keys[high]), fraction);
    }
}

uint64_t ms_lens_mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
