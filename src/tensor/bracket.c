#include "bracket.h"

/* Every key is written, the place moves on only for those that stay: no branch to mispredict. */
#define KERNEL(name, type, magnitude)                                                                       \
    static size_t name(const type *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, type *kept) { \
        const uint32_t lo = bracket->lo, width = bracket->hi - bracket->lo, tail = bracket->tail;           \
        uint64_t below = 0;                                                                                 \
        size_t n_kept = 0;                                                                                  \
        for (size_t i = 0; i < n; i++) {                                                                    \
            const uint32_t key = w[i] & (magnitude);                                                        \
            below += key < lo;                                                                              \
            kept[n_kept] = (type)key;                                                                       \
            n_kept += (key - lo < width) | (key >= tail);                                                   \
        }                                                                                                   \
        *n_below += below;                                                                                  \
        return n_kept;                                                                                      \
    }
KERNEL(bracket_u16, uint16_t, 0x7FFFu)
KERNEL(bracket_u32, uint32_t, 0x7FFFFFFFu)

const ms_bracket_kernels ms_bracket_scalar = {bracket_u16, bracket_u32};

const ms_bracket_kernels *ms_bracket_kernels_of(ms_isa isa) {
    static const ms_bracket_kernels *const kernels[MS_ISA_COUNT] = {
        [MS_ISA_SCALAR] = &ms_bracket_scalar,
#if defined(__x86_64__)
        [MS_ISA_AVX2] = &ms_bracket_avx2,
        [MS_ISA_AVX512] = &ms_bracket_avx512,
#endif
    };
#if defined(__x86_64__)
    if (isa == MS_ISA_AVX512 && ms_cpu_has_avx512_vbmi2()) return &ms_bracket_avx512_vbmi2;
#endif
    return kernels[isa];
}

size_t ms_bracket_u16(const uint16_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint16_t *kept) {
    return ms_bracket_kernels_of(ms_cpu_isa())->u16(w, n, bracket, n_below, kept);
}
size_t ms_bracket_u32(const uint32_t *w, size_t n, const ms_bracket *bracket, uint64_t *n_below, uint32_t *kept) {
    return ms_bracket_kernels_of(ms_cpu_isa())->u32(w, n, bracket, n_below, kept);
}
