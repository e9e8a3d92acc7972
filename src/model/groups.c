#include "groups.h"

#include <stdlib.h>

#include "checked.h"
#include "family.h"
#include "scheme.h"
#include "vec.h"

enum { LARGEST_NUMBER = 1 << 16, MOST_RANGES = 6 };
static const size_t bits_budget = (size_t)64 << 20; /* bytes of all sets together; beyond it only their ends are kept */

typedef struct ms_numbers_set {
    int32_t least, most;
    uint64_t *bits; /* [n_words]; NULL while there is one number, or when only the ends are kept */
    size_t n_words;
    bool ends_only;
} ms_numbers_set;

typedef struct ms_folding { /* one group, under construction */
    ms_group group;
    ms_numbers_set sets[MS_PATTERN_MAX_NUMBERS]; /* least < 0: no number there */
} ms_folding;

typedef struct ms_folder {
    const ms_checkpoint *ckpt;
    ms_arena arena; /* keys and bits */
    ms_map by_key;
    MS_VEC(ms_folding) items;
    uint32_t *recent; /* [n_patterns] the group that tensors of the pattern went to last */
} ms_folder;

/* ---- sets of numbers ---- */

static bool grow_bits(ms_folder *f, ms_numbers_set *set, int32_t number) {
    size_t wanted = set->n_words ? set->n_words * 2 : 4;
    while (wanted * 64 <= (size_t)number) wanted *= 2;
    set->ends_only = number >= LARGEST_NUMBER || f->arena.n_bytes + wanted * 8 > bits_budget;
    if (set->ends_only) return true;
    uint64_t *const bits = ms_arena_zalloc(&f->arena, wanted * sizeof *bits);
    if (!bits) return false;
    if (set->bits) memcpy(bits, set->bits, set->n_words * sizeof *bits);
    set->bits = bits, set->n_words = wanted;
    return true;
}

static bool add_number(ms_folder *f, ms_numbers_set *set, int32_t number) {
    if (number < 0 || (set->least == number && set->most == number)) return true;
    if (set->least < 0) {
        set->least = set->most = number;
        return true;
    }
    const bool was_single = !set->bits && !set->ends_only;
    const int32_t single = set->least;
    if (number < set->least) set->least = number;
    if (number > set->most) set->most = number;
    if (!set->ends_only && (size_t)set->most >= set->n_words * 64 && !grow_bits(f, set, set->most)) return false;
    if (set->ends_only) return true;
    if (was_single) set->bits[single / 64] |= UINT64_C(1) << single % 64;
    set->bits[number / 64] |= UINT64_C(1) << number % 64;
    return true;
}

static bool holds(const ms_numbers_set *set, int32_t number) {
    return set->bits && number <= set->most && (set->bits[number / 64] >> number % 64 & 1);
}

static size_t count(const ms_numbers_set *set) {
    size_t n = 0;
    if (set->least < 0 || set->least == set->most) return 1;
    if (set->ends_only) return (size_t)(set->most - set->least) + 1;
    for (size_t i = 0; i < set->n_words; i++) n += (size_t)__builtin_popcountll(set->bits[i]);
    return n;
}

static void put_set(ms_buf *out, const ms_numbers_set *set) {
    if (set->least < 0) {
        ms_buf_put_text(out, "{}");
        return;
    }
    if (set->least == set->most || set->ends_only) {
        ms_buf_printf(out, set->least == set->most ? "%d" : "{%d..%d}", set->least, set->most);
        return;
    }
    ms_buf_put_char(out, '{');
    size_t n_ranges = 0;
    for (int32_t from = set->least; from <= set->most;) {
        int32_t to = from;
        while (holds(set, to + 1)) to++;
        if (n_ranges++ == MOST_RANGES) {
            ms_buf_printf(out, ",...,%d", set->most);
            break;
        }
        ms_buf_printf(out, "%s%d", n_ranges > 1 ? "," : "", from);
        if (to > from) ms_buf_printf(out, to == from + 1 ? ",%d" : "..%d", to);
        for (from = to + 1; from <= set->most && !holds(set, from);) from++;
    }
    ms_buf_put_char(out, '}');
}

/* ---- folding ---- */

static bool same_shape(const ms_stored *a, const ms_stored *b) {
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static bool find_group(ms_folder *f, size_t i, uint32_t *out) {
    const ms_tensor *const t = &f->ckpt->tensors[i];
    const ms_stored *const s = t->stored;
    uint32_t *const recent = &f->recent[t->pattern];
    *out = *recent;
    if (*out != UINT32_MAX && same_shape(f->ckpt->tensors[f->items.items[*out].group.first].stored, s)) return true;
    const size_t n_key = sizeof t->pattern + s->rank * sizeof *s->shape;
    char *const key = ms_arena_alloc(&f->arena, n_key);
    if (!key) return false;
    memcpy(key, &t->pattern, sizeof t->pattern);
    if (s->rank) memcpy(key + sizeof t->pattern, s->shape, s->rank * sizeof *s->shape);
    size_t *slot;
    bool is_new;
    if (!ms_map_add(&f->by_key, (ms_str){key, n_key}, f->items.n, &slot, &is_new)) return false;
    ms_folding fresh = {.group = {.pattern = t->pattern, .first = (uint32_t)i}};
    for (int k = 0; k < MS_PATTERN_MAX_NUMBERS; k++) fresh.sets[k].least = fresh.sets[k].most = -1;
    if (is_new && !MS_VEC_PUSH(&f->items, fresh)) return false;
    *out = *recent = (uint32_t)*slot;
    return true;
}

static bool fold(ms_folder *f) {
    for (size_t i = 0; i < f->ckpt->n_tensors; i++) {
        const ms_tensor *const t = &f->ckpt->tensors[i];
        int32_t numbers[MS_PATTERN_MAX_NUMBERS];
        uint32_t g;
        if (!find_group(f, i, &g)) return false;
        ms_folding *const folding = &f->items.items[g];
        folding->group.n++;
        if (!ms_add_u64(folding->group.n_bytes, t->stored->n_bytes, &folding->group.n_bytes))
            folding->group.n_bytes = UINT64_MAX;
        const uint64_t n = t->shadowed ? 0 : ms_parameter_count(f->ckpt, t);
        if (!ms_add_u64(folding->group.n_weights, n, &folding->group.n_weights)) folding->group.n_weights = UINT64_MAX;
        ms_pattern_numbers(t->stored->name, numbers);
        for (int k = 0; k < MS_PATTERN_MAX_NUMBERS; k++)
            if (!add_number(f, &folding->sets[k], numbers[k])) return false;
    }
    return true;
}

/* The pattern's text with its numbers put back as sets. */
static bool write_text(ms_folding *folding, const ms_checkpoint *ckpt, ms_arena *arena, ms_buf *text) {
    const ms_str pattern = ckpt->patterns[folding->group.pattern].text;
    int k = 0;
    ms_buf_clear(text);
    folding->group.n_product = 1;
    for (size_t i = 0; i < pattern.size; i++) {
        const bool is_number = pattern.text[i] == '{' && i + 1 < pattern.size && pattern.text[i + 1] == '}';
        if (!is_number) {
            ms_buf_put_char(text, pattern.text[i]);
            continue;
        }
        i++;
        if (k >= MS_PATTERN_MAX_NUMBERS) {
            ms_buf_put_text(text, "{}");
            folding->group.n_product = folding->group.n;
            continue;
        }
        put_set(text, &folding->sets[k]);
        if (!ms_mul_size(folding->group.n_product, count(&folding->sets[k]), &folding->group.n_product))
            folding->group.n_product = SIZE_MAX;
        k++;
    }
    folding->group.text = ms_arena_copy(arena, ms_buf_str(text));
    return !text->failed && folding->group.text.text;
}

static int compare_groups(const void *a, const void *b) {
    const ms_group *const x = a, *const y = b;
    const int order = ms_str_compare_natural(x->text, y->text);
    return order ? order : (x->first > y->first) - (x->first < y->first);
}

static bool finish(ms_folder *f, ms_groups *out) {
    ms_buf text = {0};
    bool ok = MS_VEC_RESERVE(out, f->items.n);
    for (size_t i = 0; i < f->items.n && ok; i++) {
        ok = write_text(&f->items.items[i], f->ckpt, &out->arena, &text);
        out->items[out->n++] = f->items.items[i].group;
    }
    if (ok && out->n) qsort(out->items, out->n, sizeof *out->items, compare_groups);
    ms_buf_free(&text);
    return ok;
}

ms_status ms_groups_build(ms_groups *out, const ms_checkpoint *ckpt, ms_err *err) {
    ms_folder f = {.ckpt = ckpt, .recent = ms_mem_alloc_array(ckpt->n_patterns, sizeof *f.recent)};
    *out = (ms_groups){0};
    bool ok = f.recent != NULL;
    for (size_t p = 0; p < ckpt->n_patterns && ok; p++) f.recent[p] = UINT32_MAX;
    ok = ok && fold(&f) && finish(&f, out);
    MS_VEC_FREE(&f.items);
    ms_map_free(&f.by_key);
    ms_arena_free(&f.arena);
    ms_mem_free(f.recent);
    if (!ok) ms_groups_free(out);
    return ok ? MS_OK : ms_err_memory(err, "the folded list of tensors");
}

void ms_groups_free(ms_groups *groups) {
    MS_VEC_FREE(groups);
    ms_arena_free(&groups->arena);
}
