/*
 * vec: typed growable arrays.
 *
 *     typedef MS_VEC(int64_t) ids;
 *     ids v = {0};
 *     if (!MS_VEC_PUSH(&v, 7)) return ms_err_memory(err, "ids");
 *     for (size_t i = 0; i < v.n; i++) use(v.items[i]);
 *     MS_VEC_FREE(&v);
 *
 * items is owned by the vector and moves when it grows: keep indexes, not pointers.
 */
#ifndef MS_VEC_H
#define MS_VEC_H

#include <stdbool.h>
#include <stddef.h>

#include "mem.h"

#define MS_VEC(type)        \
    struct {                \
        type *items;        \
        size_t n, capacity; \
    }

/* Room for one more: false when memory is short, the vector is unchanged then. */
static inline bool ms_vec_reserve_(void **items, size_t n, size_t *capacity, size_t n_more, size_t size) {
    if (n_more <= *capacity - n) return true;
    size_t wanted = *capacity ? *capacity + *capacity / 2 : 8;
    if (wanted < n + n_more) wanted = n + n_more;
    void *const grown = ms_mem_grow_array(*items, n, wanted, size);
    if (!grown) return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

#define MS_VEC_RESERVE(v, n_more) ms_vec_reserve_((void **)&(v)->items, (v)->n, &(v)->capacity, (n_more), sizeof *(v)->items)
#define MS_VEC_PUSH(v, ...) (MS_VEC_RESERVE(v, 1) ? ((v)->items[(v)->n++] = (__VA_ARGS__), true) : false)
#define MS_VEC_FREE(v) (ms_mem_free((v)->items), (v)->items = NULL, (v)->n = (v)->capacity = 0)

#endif
