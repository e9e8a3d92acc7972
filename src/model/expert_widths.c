#include "expert_widths.h"

#include "checked.h"

enum { MOST_WIDTH = 1 << 30 };

static ms_status refuse(ms_str text, ms_err *err) {
    return ms_err_set(
        err, MS_ERR_USAGE,
        "expert widths '%s': expected a list such as 4x2944,4x128 (four experts of 2944, four of 128), in the order "
        "of the experts",
        ms_str_shown(text).text);
}

/* "4x128" or "128" */
static bool read_item(ms_str item, int64_t *count, int64_t *width) {
    const size_t cross = ms_str_find(item, MS_STR("x"), 0);
    *count = 1;
    if (cross != SIZE_MAX && !ms_str_to_i64(ms_str_sub(item, 0, cross), count)) return false;
    if (!ms_str_to_i64(cross == SIZE_MAX ? item : ms_str_sub(item, cross + 1, item.size), width)) return false;
    return *count >= 1 && *count <= MS_EXPERT_WIDTHS_MOST && *width >= 1 && *width <= MOST_WIDTH;
}

ms_status ms_expert_widths_parse(ms_expert_widths *out, ms_str text, ms_arena *arena, ms_err *err) {
    size_t n = 0;
    int64_t count, width;
    *out = (ms_expert_widths){0};
    for (ms_str rest = text; rest.text;) {
        if (!read_item(ms_str_cut(&rest, ','), &count, &width)) return refuse(text, err);
        n += (size_t)count;
        if (n > MS_EXPERT_WIDTHS_MOST) return refuse(text, err);
    }
    int64_t *const items = ms_arena_alloc_array(arena, n, sizeof *items);
    if (!items) return ms_err_memory(err, "the widths of the experts");
    size_t at = 0;
    for (ms_str rest = text; rest.text;) {
        read_item(ms_str_cut(&rest, ','), &count, &width);
        while (count-- > 0) items[at++] = width;
    }
    *out = (ms_expert_widths){.items = items, .n = n};
    return MS_OK;
}

/* The buffer's tensor, or NULL: a vector of integers. */
static const ms_stored *buffer_of(const ms_checkpoint *ckpt, const ms_tensor *bank) {
    static const char last[] = "expert_size_blocks";
    char text[512];
    const ms_str name = bank->stored->name;
    size_t n = name.size;
    while (n > 0 && name.text[n - 1] != '.') n--;
    if (n + sizeof last > sizeof text) return NULL;
    memcpy(text, name.text, n);
    memcpy(text + n, last, sizeof last - 1);
    const ms_tensor *const found = ms_checkpoint_find(ckpt, (ms_str){text, n + sizeof last - 1});
    const ms_stored *const s = found ? found->stored : NULL;
    const bool usable = s && s->rank == 1 && s->shape[0] >= 1 && s->shape[0] <= MS_EXPERT_WIDTHS_MOST &&
                        (s->dtype == MS_DTYPE_I32 || s->dtype == MS_DTYPE_I64);
    return usable ? s : NULL;
}

ms_status ms_expert_widths_of_buffer(ms_expert_widths *out, const ms_checkpoint *ckpt, const ms_tensor *bank, ms_arena *arena,
                                     ms_err *err) {
    *out = (ms_expert_widths){0};
    const ms_stored *const s = buffer_of(ckpt, bank);
    if (!s) return MS_OK;
    const size_t n = (size_t)s->shape[0];
    const void *bytes = NULL;
    ms_scratch scratch = {0};
    int64_t *const items = ms_arena_alloc_array(arena, n, sizeof *items);
    ms_status status = items ? MS_OK : ms_err_memory(err, "the widths of the experts");
    if (status == MS_OK) status = ms_source_view(s->source, s->offset, (size_t)s->n_bytes, &scratch, &bytes, err);
    bool sound = status == MS_OK;
    for (size_t i = 0; i < n && sound; i++) {
        int32_t narrow;
        if (s->dtype == MS_DTYPE_I64) memcpy(&items[i], (const char *)bytes + i * sizeof *items, sizeof *items);
        else memcpy(&narrow, (const char *)bytes + i * sizeof narrow, sizeof narrow), items[i] = narrow;
        sound = items[i] >= 1 && items[i] <= MOST_WIDTH / MS_EXPERT_BLOCK;
        if (sound) items[i] *= MS_EXPERT_BLOCK;
    }
    ms_scratch_free(&scratch);
    if (sound) *out = (ms_expert_widths){.items = items, .n = n};
    return status;
}

static uint64_t sum_of(const ms_expert_widths *widths) {
    uint64_t sum = 0;
    for (size_t e = 0; e < widths->n; e++)
        if (!ms_add_u64(sum, ms_expert_width(widths, e), &sum)) return UINT64_MAX;
    return sum;
}

bool ms_expert_widths_fit(ms_expert_widths *widths, uint64_t length) {
    widths->rounded = false;
    if (sum_of(widths) == length) return true;
    widths->rounded = true;
    return sum_of(widths) == length;
}
