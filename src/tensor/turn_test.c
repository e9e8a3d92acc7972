#include "turn.h"

#include "mem.h"
#include "test.h"

/* Any shape, pitch, step, size and alignment; the input ends where its last element does. */
PROPERTY(turn_is_its_scalar_twin, 400) {
    static const size_t sizes[] = {1, 2, 2, 2, 4, 8};
    const size_t size = sizes[gen_below(g, 6)], step = 1 + gen_below(g, 3), n_rows = gen_below(g, 40),
                 n_cols = gen_below(g, 40);
    const size_t in_pitch = n_rows * step + gen_below(g, 4) + 1, out_pitch = n_cols + gen_below(g, 3);
    const size_t n_in = n_rows && n_cols ? ((n_cols - 1) * in_pitch + (n_rows - 1) * step + 1) * size : 0;
    const size_t n_out = (n_rows * out_pitch + 1) * size;
    uint8_t *const in = ms_mem_alloc(n_in), *const got = ms_mem_zalloc(n_out), *const want = ms_mem_zalloc(n_out);
    for (size_t i = 0; i < n_in; i++) in[i] = (uint8_t)gen_u64(g);
    ms_turn_scalar(want, out_pitch, in, in_pitch, step, n_rows, n_cols, size);
    ms_turn(got, out_pitch, in, in_pitch, step, n_rows, n_cols, size);
    CHECK_MSG(memcmp(got, want, n_out) == 0, "%zu x %zu, step %zu, size %zu", n_rows, n_cols, step, size);
    ms_mem_free(in), ms_mem_free(got), ms_mem_free(want);
}
