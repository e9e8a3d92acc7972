/*
 * mlx_error_simd: the vector form of ms_mlx_error_block, written once over 16-wide vectors; no header guard, included by
 * mlx_error_avx2.c and mlx_error_avx512.c after their mlx_vec_*.h.
 *
 * A block is up to 16 groups of a row, in three passes over data that stays in the first-level cache:
 *   1  round the weights to T; minimum and maximum (affine) or maximum of |w| (fp) of each group: one element a group
 *   2  all scales and biases at once, and everything that is said about groups
 *   3  codes, values, errors; the sums go to the lanes
 * Every operation is the scalar form's, in the same order a lane, so the sums have the same bits. Blocks out of the ordinary
 * (range_fits, and sums that came out not finite) are given to the scalar form instead.
 *
 * `kind` is constant at every use, so each combination becomes a function of its own.
 */

typedef struct kind {
    ms_mlx_mode mode;
    ms_dtype compute; /* T */
    bool metal;
    int group_vectors; /* group_size / 16; 0: only known at run time */
} kind;

typedef struct block {
    _Alignas(64) float rounded[MS_MLX_LANES * MS_MLX_MAX_GROUP]; /* weights in T; unused when T is f32 */
    _Alignas(64) float low[16 * 16], high[16 * 16];              /* a row a group, to be reduced */
    /* What pass 3 needs, an element a group. */
    _Alignas(64) float divisor[16]; /* affine: s; mx: 2^-e; nvfp4: decoded byte, or on newer Metal k / byte */
    _Alignas(64) float offset[16];  /* affine: b */
    _Alignas(64) float scale[16], bias[16];
    _Alignas(64) float stored[16]; /* the scale as it is stored: without the global factor */
} block;

/* ---- pass 1 ---- */

FN void find_ranges(kind k, const float *w, size_t n_groups, int group_vectors, block *b) {
    for (size_t i = 0; i < n_groups; i++) {
        const float *const group = w + i * (size_t)group_vectors * 16;
        float *const rounded = b->rounded + i * (size_t)group_vectors * 16;
        vf low = vf_set(0), high = low;
        for (int v = 0; v < group_vectors; v++) {
            const vf x = round_to(k.compute, vf_load(group + 16 * v));
            if (k.compute != MS_DTYPE_F32) vf_store(rounded + 16 * v, x);
            const vf up = k.mode == MS_MLX_AFFINE ? x : vf_abs(x);
            low = v == 0 ? x : vf_min(low, x);
            high = v == 0 ? up : vf_max(high, up);
        }
        if (k.mode == MS_MLX_AFFINE) vf_store(b->low + 16 * i, low);
        vf_store(b->high + 16 * i, high);
    }
    for (size_t i = n_groups; i < 16; i++) vf_store(b->low + 16 * i, vf_set(0)), vf_store(b->high + 16 * i, vf_set(0));
}

/* ---- small floats ---- */

/* x to the nearest number of a format with `n_mantissa` bits whose smallest normal is 2^min_exponent, `largest` at most; ties
 * to even, or towards zero. */
FN vf round_small(vf x, int n_mantissa, int min_exponent, float largest, bool ties_down) {
    const vi exponent = vi_and(vi_of(x), vi_set(0x7F800000u));
    const vi octave = vi_max(exponent, vi_set((uint32_t)(min_exponent + 127) << 23));
    const vi step = vi_sub(octave, vi_set((uint32_t)n_mantissa << 23)), per_step = vi_sub(vi_set(254u << 23), step);
    const vf y = vf_mul(vf_abs(x), vf_of(per_step));
    const vf n = ties_down ? vf_ceil(vf_sub(y, vf_set(0.5F))) : vf_rint(y);
    return vf_with_sign(vf_min(vf_mul(n, vf_of(step)), vf_set(largest)), x);
}
FN vf round_e4m3(vf x) { return round_small(x, 3, -6, 448, false); }
FN vf round_unit(kind k, vf x) { /* what a code stands for, without the scale */
    return k.mode == MS_MLX_MXFP8 ? round_e4m3(x) : round_small(x, 1, 0, 6, !k.metal);
}

/* ---- pass 2 ---- */

typedef struct range { /* an element a group */
    vf low, high, max_abs;
} range;

/* Codes of affine: w: in T. */
FN vf affine_code(kind k, vf w, vf s, vf b, vf n_bins) {
    const vf x = vf_div(vf_sub(w, b), s);
    vf r = vf_rint(x);
    if (k.metal) r = vf_select(vm_eq(vf_sub(x, r), vf_set(0.5F)), vf_add(r, vf_set(1)), r); /* a tie that went down */
    return vf_min(vf_max(r, vf_set(0)), n_bins);
}

FN unsigned affine_scales(kind k, const ms_mlx_quantiser *q, const range *r, block *b) {
    const vf n_bins = vf_set(q->n_bins), zero = vf_set(0), least = vf_set(1e-7F);
    const vf low = r->low, high = k.metal ? vf_max(r->high, zero) : r->high;
    const vf step = vf_max(vf_div(vf_sub(high, low), n_bins), least);
    vf s = step, offset = low;
    if (q->codec.bits > 1) {
        const vm low_side = vm_lt(vf_abs(high), vf_abs(low));
        s = vf_select(low_side, step, vf_sub(vf_set(-0.0F), step));
        const vf edge = vf_select(low_side, low, high), x = vf_div(edge, s);
        vf q0 = vf_rint(x);
        if (k.metal) { /* halves away from zero */
            const vf beyond = vf_with_sign(vf_set(1), x), half = vf_with_sign(vf_set(0.5F), x);
            q0 = vf_select(vm_eq(vf_sub(x, q0), half), vf_add(q0, beyond), q0);
        }
        const vm at_zero = vm_eq(q0, zero);
        s = vf_select(at_zero, s, vf_div(edge, q0));
        offset = vf_select(at_zero, zero, edge);
    }
    vf_store(b->divisor, s), vf_store(b->offset, offset);
    const vf scale = round_to(k.compute, s);
    vf_store(b->scale, scale), vf_store(b->stored, scale), vf_store(b->bias, round_to(k.compute, offset));
    const vf from = vf_set(-0.5F), to = vf_add(n_bins, vf_set(0.5F));
    const vf x0 = vf_div(vf_sub(r->low, offset), s), x1 = vf_div(vf_sub(r->high, offset), s);
    return vm_bits(vm_or(vm_or(vm_lt(x0, from), vm_lt(x1, from)), vm_or(vm_lt(to, x0), vm_lt(to, x1))));
}

/* The weight that is rounded to a code, x: in T, divisor: of the block. */
FN vf scaled(kind k, const ms_mlx_quantiser *q, vf x, vf divisor, vf encode) {
    if (k.mode != MS_MLX_NVFP4) return vf_mul(x, divisor);
    if (k.metal) return q->profile == MS_MLX_METAL_0_32_0 ? vf_div(x, divisor) : vf_mul(x, divisor);
    return vf_mul(round_to(k.compute, vf_div(x, divisor)), encode);
}
FN vf fp_value(kind k, const ms_mlx_quantiser *q, vf x, vf scale) {
    const vf value = vf_mul(round_unit(k, x), scale);
    if (k.mode == MS_MLX_NVFP4) return round_to(q->codec.value, value);
    return q->codec.value == MS_DTYPE_F16 ? vf_round_f16(value) : value; /* exact in bf16: powers of two times few bits */
}

FN void mx_scales(kind k, const ms_mlx_quantiser *q, vf t, block *b) {
    const vi bits = vi_of(t), fraction = vi_and(bits, vi_set(0x7FFFFFu)), biased = vi_shr23(bits);
    const vi limit = vi_gather(q->exponent_step, vi_add(biased, vi_set((uint32_t)(-127 - MS_MLX_EXPONENT_MIN))));
    const vi up = vi_select(vm_gt_int(fraction, limit), vi_set(1), vi_set(0));
    const vi exponent = vi_add(biased, up); /* biased: 127 is 1.0 */
    const vm zero = vm_eq(t, vf_set(0));
    const vf scale = vf_of(vi_shl23(exponent)), inverse = vf_of(vi_sub(vi_set(254u << 23), vi_shl23(exponent)));
    const vf chosen = vf_select(zero, vf_set(k.metal ? 0x1p-127f : 1), scale);
    vf_store(b->scale, chosen), vf_store(b->stored, chosen);
    vf_store(b->divisor, vf_select(zero, vf_set(1), inverse));
}

/* Sets *clips to the groups that clip, *empty to those whose values are all zero. */
FN void fp_scales(kind k, const ms_mlx_quantiser *q, const ms_mlx_global *global, const range *r, vf shared, block *b,
                  unsigned *clips, unsigned *empty) {
    const vf encode = vf_set(global->encode);
    const vf t = round_to(k.metal ? MS_DTYPE_F32 : k.compute, vf_div(shared, vf_set(k.mode == MS_MLX_MXFP8 ? 448 : 6)));
    vm dead = vm_lt(t, t);
    if (k.mode == MS_MLX_NVFP4) {
        const vf decoded = round_e4m3(vf_mul(t, encode));
        dead = vm_eq(decoded, vf_set(0));
        vf divisor = decoded;
        if (k.metal && q->profile != MS_MLX_METAL_0_32_0) divisor = vf_div(encode, decoded);
        vf_store(b->divisor, vf_select(dead, vf_set(1), divisor));
        vf_store(b->scale, vf_mul(decoded, vf_set(global->decode))), vf_store(b->stored, decoded);
    } else {
        mx_scales(k, q, t, b);
    }
    vf_store(b->bias, vf_set(0));
    const vf x = scaled(k, q, r->max_abs, vf_load(b->divisor), encode), value = fp_value(k, q, x, vf_load(b->scale));
    *empty = vm_bits(vm_or(dead, vm_eq(value, vf_set(0))));
    *clips = vm_bits(vm_and(vm_lt(vf_set(k.mode == MS_MLX_MXFP8 ? 464 : 7), x), vm_not(dead)));
}

/* Maxima that a pair of groups shares. */
FN vf shared_max(vf max_abs, size_t n_groups) {
    _Alignas(64) float m[16], pair[16];
    vf_store(m, max_abs);
    for (size_t i = 0; i < 16; i++) pair[i] = (i ^ 1) < n_groups && m[i ^ 1] > m[i] ? m[i ^ 1] : m[i];
    return vf_load(pair);
}

/* False: a group has values near the ends of some range, where more care is needed than pass 2 and 3 take. */
FN bool range_fits(kind k, const range *r, const ms_mlx_global *global) {
    const bool half = k.compute == MS_DTYPE_F16;
    vm odd = vm_not(vm_lt(r->max_abs, vf_set(half ? 8192 : 1e30F)));
    if (k.mode == MS_MLX_MXFP4 || k.mode == MS_MLX_MXFP8) /* 0, or far from subnormal quotients */
        odd = vm_or(odd, vm_and(vm_lt(r->max_abs, vf_set(0x1p-90f)), vm_lt(vf_set(0), r->max_abs)));
    if (k.mode == MS_MLX_NVFP4) /* else scales saturate and codes overflow */
        odd = vm_or(odd, vm_not(vm_lt(vf_mul(r->max_abs, vf_set(global->encode)), vf_set(6 * 448))));
    return vm_bits(odd) == 0;
}

static bool any_weight(const float *w, int n) {
    for (int i = 0; i < n; i++)
        if (w[i] != 0) return true;
    return false;
}

/* Affine groups this small may have values that are all zero: bit i of the result, for bit i of candidates. */
static unsigned affine_empty(const ms_mlx_quantiser *q, const block *b, const float *rounded, unsigned candidates) {
    unsigned empty = 0;
    for (int i = 0; i < 16; i++) {
        bool all_zero = (candidates >> i & 1) != 0;
        const ms_mlx_group group = {.divisor = b->divisor[i], .offset = b->offset[i], .scale = b->scale[i], .bias = b->bias[i]};
        const float *const w = rounded + i * q->codec.group_size;
        for (int j = 0; all_zero && j < q->codec.group_size; j++)
            all_zero = ms_mlx_value(&q->codec, &group, ms_mlx_code(q, NULL, &group, w[j])) == 0;
        empty |= (unsigned)all_zero << i;
    }
    return empty;
}

FN void add_groups(ms_mlx_error *e, kind k, const block *b, size_t n_groups) {
    const vm real = vm_first(n_groups);
    const vf zero = vf_set(0), none = vf_set(-__builtin_inff());
    const vf scale = vf_select(real, vf_load(b->scale), zero), bias = vf_select(real, vf_load(b->bias), zero),
             size = vf_abs(scale);
    vd_store(e->sum_scale, vd_add(vd_load(e->sum_scale), vd_of(scale)));
    vd_store(e->sum_scale_abs, vd_add(vd_load(e->sum_scale_abs), vd_of(size)));
    vd_store(e->sum_bias, vd_add(vd_load(e->sum_bias), vd_of(bias)));
    const double max_scale = vf_max_of(vf_select(real, scale, none)), max_size = vf_max_of(vf_select(real, size, none));
    const double max_bias = vf_max_of(vf_select(real, bias, none));
    if (max_scale > e->max_scale) e->max_scale = max_scale;
    if (max_size > e->max_scale_abs) e->max_scale_abs = max_size;
    if (max_bias > e->max_bias) e->max_bias = max_bias;
    const vf stored = vf_abs(vf_load(b->stored));
    float smallest = 0x1p-126f; /* normal number of the type of scales */
    if (k.mode == MS_MLX_AFFINE && k.compute == MS_DTYPE_F16) smallest = 0x1p-14f;
    if (k.mode == MS_MLX_NVFP4) smallest = 0x1p-6f;
    const vm small = vm_and(vm_lt(stored, vf_set(smallest)), vm_lt(zero, stored));
    e->subnormal_scale_groups += __builtin_popcount(vm_bits(vm_and(small, real)));
    e->n_groups += (int64_t)n_groups;
}

/* ---- pass 3 ---- */

typedef struct sums {
    vd error, weight, value, max_error;
    vf max_weight;
} sums;

FN void add_errors(sums *s, vf w, vf value) {
    const vd dw = vd_of(w), dv = vd_of(value), error = vd_sub(dv, dw);
    s->error = vd_fma(error, error, s->error);
    s->weight = vd_fma(dw, dw, s->weight);
    s->value = vd_fma(dv, dv, s->value);
    s->max_error = vd_max_abs(s->max_error, error);
    s->max_weight = vf_max(s->max_weight, vf_abs(w));
}

FN void add_values(kind k, const ms_mlx_quantiser *q, float encode, const float *w, size_t n_groups, int group_vectors,
                   const block *b, sums *s) {
    const vf n_bins = vf_set(q->n_bins);
    const float *const rounded = k.compute == MS_DTYPE_F32 ? w : b->rounded;
    for (size_t i = 0; i < n_groups; i++) {
        const vf divisor = vf_set(b->divisor[i]), offset = vf_set(b->offset[i]);
        const vf scale = vf_set(b->scale[i]), bias = vf_set(b->bias[i]);
        for (int v = 0; v < group_vectors; v++) {
            const size_t at = (i * (size_t)group_vectors + (size_t)v) * 16;
            const vf x = vf_load(rounded + at);
            vf value;
            if (k.mode == MS_MLX_AFFINE) {
                const vf product = round_to(k.compute, vf_mul(affine_code(k, x, divisor, offset, n_bins), scale));
                value = round_to(k.compute, vf_add(product, bias));
            } else {
                value = fp_value(k, q, scaled(k, q, x, divisor, vf_set(encode)), scale);
            }
            add_errors(s, vf_load(w + at), value);
        }
    }
}

/* ---- a block ---- */

FN bool add_block(kind k, ms_mlx_error *e, const float *w, size_t n_groups) {
    const ms_mlx_quantiser *const q = e->q;
    const int group_vectors = k.group_vectors ? k.group_vectors : q->codec.group_size / 16, g = group_vectors * 16;
    block b;
    range r;
    find_ranges(k, w, n_groups, group_vectors, &b);
    r.high = vf_max_rows(b.high);
    r.low = k.mode == MS_MLX_AFFINE ? vf_min_rows(b.low) : r.high;
    r.max_abs = k.mode == MS_MLX_AFFINE ? vf_max(vf_abs(r.low), vf_abs(r.high)) : r.high;
    if (!range_fits(k, &r, &e->global)) return false;

    unsigned clips, empty;
    if (k.mode == MS_MLX_AFFINE) {
        clips = affine_scales(k, q, &r, &b);
        const unsigned zero = vm_bits(vm_eq(r.max_abs, vf_set(0)));
        const unsigned tiny = vm_bits(vm_lt(r.max_abs, vf_set(1e-6F))) & ~zero & ((1u << n_groups) - 1);
        empty = zero | (tiny ? affine_empty(q, &b, k.compute == MS_DTYPE_F32 ? w : b.rounded, tiny) : 0);
    } else {
        const bool shares = k.metal && k.mode == MS_MLX_NVFP4 && q->profile == MS_MLX_METAL_0_32_0;
        fp_scales(k, q, &e->global, &r, shares ? shared_max(r.max_abs, n_groups) : r.max_abs, &b, &clips, &empty);
    }

    sums s = {vd_load(e->sum_sq_error), vd_load(e->sum_sq_weight), vd_load(e->sum_sq_value), vd_set(e->max_error),
              vf_set((float)e->max_weight)};
    add_values(k, q, e->global.encode, w, n_groups, group_vectors, &b, &s);
    if (!vd_is_finite(s.weight) || !vd_is_finite(s.value)) return false; /* a NaN that minimum and maximum passed over */

    vd_store(e->sum_sq_error, s.error), vd_store(e->sum_sq_weight, s.weight), vd_store(e->sum_sq_value, s.value);
    e->max_error = vd_max(s.max_error), e->max_weight = vf_max_of(s.max_weight);
    add_groups(e, k, &b, n_groups);
    const unsigned real = (1u << n_groups) - 1;
    e->clip_groups += __builtin_popcount(clips & real);
    for (unsigned left = empty & real; left; left &= left - 1)
        e->zero_groups += any_weight(w + (size_t)__builtin_ctz(left) * (size_t)g, g);
    e->n_weights += (int64_t)n_groups * g;
    return true;
}

/* ---- rows ---- */

FN void add_rows(kind k, ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols) {
    const size_t g = (size_t)e->q->codec.group_size, groups_per_row = n_cols / g;
    for (size_t row = 0; row < n_rows; row++)
        for (size_t i = 0; i < groups_per_row; i += 16) {
            const float *const w = rows + row * n_cols + i * g;
            const size_t n = groups_per_row - i < 16 ? groups_per_row - i : 16;
            if (!add_block(k, e, w, n)) ms_mlx_error_block(e, w, n);
        }
}

#define ROWS(name, mode, compute, metal, vectors)                                            \
    static void name(ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols) {     \
        add_rows((kind){mode, MS_DTYPE_##compute, metal, vectors}, e, rows, n_rows, n_cols); \
    }
#define ROWS_OF_MODE(name, mode, metal, vectors) \
    ROWS(name##_f32, mode, F32, metal, vectors)  \
    ROWS(name##_f16, mode, F16, metal, vectors)  \
    ROWS(name##_bf16, mode, BF16, metal, vectors)
ROWS_OF_MODE(affine_g32, MS_MLX_AFFINE, false, 2)
ROWS_OF_MODE(affine, MS_MLX_AFFINE, false, 0)
ROWS_OF_MODE(affine_metal, MS_MLX_AFFINE, true, 0)
ROWS_OF_MODE(mxfp4, MS_MLX_MXFP4, false, 2)
ROWS_OF_MODE(mxfp4_metal, MS_MLX_MXFP4, true, 2)
ROWS_OF_MODE(mxfp8, MS_MLX_MXFP8, false, 2)
ROWS_OF_MODE(mxfp8_metal, MS_MLX_MXFP8, true, 2)
ROWS_OF_MODE(nvfp4, MS_MLX_NVFP4, false, 1)
ROWS_OF_MODE(nvfp4_metal, MS_MLX_NVFP4, true, 1)

#define TRIPLE(name) {name##_f32, name##_f16, name##_bf16}

void KERNEL(ms_mlx_error *e, const float *rows, size_t n_rows, size_t n_cols) {
    static ms_mlx_error_rows *const by_mode[5][2][3] = {
        [MS_MLX_AFFINE] = {TRIPLE(affine), TRIPLE(affine_metal)},
        [MS_MLX_MXFP4] = {TRIPLE(mxfp4), TRIPLE(mxfp4_metal)},
        [MS_MLX_MXFP8] = {TRIPLE(mxfp8), TRIPLE(mxfp8_metal)},
        [MS_MLX_NVFP4] = {TRIPLE(nvfp4), TRIPLE(nvfp4_metal)},
    };
    static ms_mlx_error_rows *const affine_of_32[3] = TRIPLE(affine_g32);
    const ms_mlx_codec *const codec = &e->q->codec;
    const int type = e->q->compute == MS_DTYPE_F32 ? 0 : e->q->compute == MS_DTYPE_F16 ? 1 : 2;
    const bool usual = codec->mode == MS_MLX_AFFINE && !codec->metal && codec->group_size == 32;
    ms_mlx_error_rows *const run = usual ? affine_of_32[type] : by_mode[codec->mode][codec->metal][type];
    /* A global scale of zero, or one that is none, stays with the scalar form. */
    const bool fits = e->global.encode > 1e-30F && e->global.encode < 1e30F;
    (fits ? run : ms_mlx_error_rows_scalar)(e, rows, n_rows, n_cols);
}
