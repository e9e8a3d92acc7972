#include "decode_row.h"

#include "decode.h"
#include "test.h"

/* Every code of every type, at every alignment, in runs of every length. */
ISA_TEST(row_decoders_agree_with_the_scalar_ones) {
    static uint8_t bytes[65536 * 2 + 4];
    static float want[65536 * 2], got[65536 * 2];
    for (int dtype = 0; dtype < MS_DTYPE_COUNT; dtype++) {
        ms_decode_row *const row = ms_decode_row_of(isa, (ms_dtype)dtype);
        if (!row) continue;
        const size_t shift = gen_below(g, 4), size = ms_dtype_info_of((ms_dtype)dtype)->bits / 8u;
        for (size_t i = 0; i < 65536; i++) {
            bytes[shift + size * i] = (uint8_t)i;
            if (size == 2) bytes[shift + 2 * i + 1] = (uint8_t)(i >> 8);
        }
        const size_t n = gen_below(g, 2) ? 65536 : gen_below(g, 40);
        want[n] = got[n] = 7;
        ms_err err;
        /* the strided decoder is scalar, also for a stride of 1 */
        CHECK_OK(ms_decode_f32_strided((ms_dtype)dtype, bytes + shift, 0, 1, n, want, &err), &err);
        row(bytes + shift, n, got);
        for (size_t i = 0; i < n; i++) CHECK_EQ_F32(got[i], want[i]);
        CHECK(got[n] == 7);
    }
}
