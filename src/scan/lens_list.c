#include <math.h>
#include <string.h>

#include "half.h"
#include "lens.h"

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
