/*
 * checked: arithmetic on numbers that a file gave. False means overflow; *out is then unspecified.
 *
 *     size_t n_bytes;
 *     MS_FAIL_IF(!ms_mul_size(n_rows, row_size, &n_bytes), MS_ERR_DAMAGED, err, "shape [%zu, ...] overflows", n_rows);
 */
#ifndef MS_CHECKED_H
#define MS_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ms_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool ms_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool ms_mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool ms_add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool ms_mul_i64(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool ms_add_i64(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* [begin, begin + n) lies inside [0, size). Never overflows. */
static inline bool ms_range_inside(uint64_t begin, uint64_t n, uint64_t size) { return begin <= size && n <= size - begin; }

#endif
