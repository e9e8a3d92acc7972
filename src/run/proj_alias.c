#include "proj_alias.h"

#include "mem.h"
#include "vec.h"

enum { SUGGEST_MAX_TOKEN = 1024 }; /* bytes; longer tokens are no misspelled projection */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool is_word(char c) { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_'; }

static bool equal_at(ms_str name, size_t at, ms_str alias) {
    for (size_t k = 0; k < alias.size; k++)
        if (lower(name.text[at + k]) != lower(alias.text[k])) return false;
    return true;
}

static bool alias_hits(ms_str name, ms_str alias) {
    const bool dotted = alias.size > 0 && alias.text[0] == '.' && alias.text[alias.size - 1] == '.';
    for (size_t at = 0; at + alias.size <= name.size; at++) {
        const size_t end = at + alias.size;
        if (!dotted && ((at > 0 && is_word(name.text[at - 1])) || (end < name.size && is_word(name.text[end])))) continue;
        if (equal_at(name, at, alias)) return true;
    }
    return false;
}

ms_str ms_proj_infer(const ms_proj_aliases *map, ms_str name) {
    for (size_t i = 0; i < map->n; i++)
        for (size_t k = 0; k < map->items[i].n_aliases; k++)
            if (alias_hits(name, map->items[i].aliases[k])) return map->items[i].canonical;
    return MS_STR_NONE;
}

ms_str ms_proj_canonical(const ms_proj_aliases *map, ms_str token) {
    ms_str found = MS_STR_NONE; /* of two that differ in case only the last one counts */
    for (size_t i = 0; i < map->n; i++)
        if (ms_str_equal_nocase(map->items[i].canonical, token)) found = map->items[i].canonical;
    return found;
}

/* ---- likeness ---- */

typedef struct letters { /* the characters of a text, lower case when asked */
    uint32_t *code;      /* [n], owned */
    size_t n;
} letters;

static bool letters_of(letters *out, ms_str s) {
    *out = (letters){.code = ms_mem_alloc_array(s.size + 1, sizeof *out->code)};
    if (!out->code) return false;
    for (size_t i = 0; i < s.size;) {
        const unsigned char lead = (unsigned char)s.text[i++];
        uint32_t code = lead < 0x80 ? lead : lead < 0xE0 ? lead & 0x1Fu : lead < 0xF0 ? lead & 0x0Fu : lead & 0x07u;
        while (lead >= 0xC0 && i < s.size && ((unsigned char)s.text[i] & 0xC0u) == 0x80u)
            code = code << 6 | ((unsigned char)s.text[i++] & 0x3Fu);
        out->code[out->n++] = code;
    }
    return true;
}

typedef struct block { /* the longest match begins at a[i], b[j] */
    size_t i, j, n;
} block;

typedef struct span { /* a[a_from .. a_to) against b[b_from .. b_to) */
    size_t a_from, a_to, b_from, b_to;
} span;

typedef struct matcher {
    const uint32_t *a, *b;
    const bool *popular;    /* [n_b]: too frequent in b to begin a match */
    size_t *length, *above; /* [n_b + 1] each: of the match that ends at [i][j - 1], of this row and the one before */
} matcher;

/* Of the longest matches the one that begins first in a, then in b; then grown over popular characters beside it. */
static block longest_match(matcher *m, span s) {
    block best = {s.a_from, s.b_from, 0};
    for (size_t j = s.b_from; j <= s.b_to; j++) m->above[j] = 0;
    for (size_t i = s.a_from; i < s.a_to; i++) {
        m->length[s.b_from] = 0;
        for (size_t j = s.b_from; j < s.b_to; j++) {
            const size_t n = m->a[i] == m->b[j] && !m->popular[j] ? m->above[j] + 1 : 0;
            m->length[j + 1] = n;
            if (n > best.n) best = (block){i + 1 - n, j + 1 - n, n};
        }
        size_t *const row = m->above;
        m->above = m->length;
        m->length = row;
    }
    while (best.i > s.a_from && best.j > s.b_from && m->a[best.i - 1] == m->b[best.j - 1]) best.i--, best.j--, best.n++;
    while (best.i + best.n < s.a_to && best.j + best.n < s.b_to && m->a[best.i + best.n] == m->b[best.j + best.n]) best.n++;
    return best;
}

static bool sum_of_blocks(matcher *m, size_t n_a, size_t n_b, size_t *total) {
    MS_VEC(span) open = {0};
    bool fine = MS_VEC_PUSH(&open, (span){0, n_a, 0, n_b});
    *total = 0;
    while (fine && open.n > 0) {
        const span s = open.items[--open.n];
        const block found = longest_match(m, s);
        *total += found.n;
        if (found.n == 0) continue;
        if (s.a_from < found.i && s.b_from < found.j) fine = MS_VEC_PUSH(&open, (span){s.a_from, found.i, s.b_from, found.j});
        const size_t i_end = found.i + found.n, j_end = found.j + found.n;
        if (fine && i_end < s.a_to && j_end < s.b_to) fine = MS_VEC_PUSH(&open, (span){i_end, s.a_to, j_end, s.b_to});
    }
    MS_VEC_FREE(&open);
    return fine;
}

/* difflib's rule for long texts: what makes up more than 1 % of b (and one more) begins no match. */
static void mark_popular(bool *popular, letters b) {
    for (size_t j = 0; j < b.n; j++) {
        size_t count = 0;
        for (size_t k = 0; k < b.n; k++) count += b.code[k] == b.code[j];
        popular[j] = b.n >= 200 && count > b.n / 100 + 1;
    }
}

ms_status ms_text_ratio(ms_str a_text, ms_str b_text, double *ratio, ms_err *err) {
    ms_status status = MS_ERR_MEMORY;
    letters a = {0}, b = {0};
    bool *popular = NULL;
    size_t *rows = NULL;
    if (!letters_of(&a, a_text) || !letters_of(&b, b_text)) goto done;
    popular = ms_mem_alloc_array(b.n + 1, sizeof *popular);
    rows = ms_mem_zalloc_array(2 * (b.n + 1), sizeof *rows);
    if (!popular || !rows) goto done;
    mark_popular(popular, b);
    matcher m = {.a = a.code, .b = b.code, .popular = popular, .length = rows, .above = rows + b.n + 1};
    size_t total;
    if (!sum_of_blocks(&m, a.n, b.n, &total)) goto done;
    *ratio = a.n + b.n == 0 ? 1.0 : 2.0 * (double)total / (double)(a.n + b.n);
    status = MS_OK;
done:
    ms_mem_free(a.code);
    ms_mem_free(b.code);
    ms_mem_free(popular);
    ms_mem_free(rows);
    return status == MS_OK ? MS_OK : ms_err_memory(err, "comparing names");
}

/* ---- suggestion ---- */

typedef struct closest { /* so far */
    char *token;         /* the unknown token in lower case, owned */
    size_t n_token;
    double ratio;
    char *lowered; /* the best candidate in lower case, owned; NULL while there is none */
    ms_str match;  /* as the map spells it */
} closest;

static char *lowered_copy(ms_str s) {
    char *const copy = ms_mem_copy_text(s.size ? s.text : "", s.size);
    for (size_t i = 0; copy && i < s.size; i++) copy[i] = lower(copy[i]);
    return copy;
}

static ms_status consider(closest *best, ms_str candidate, ms_err *err) {
    char *const text = lowered_copy(candidate);
    if (!text) return ms_err_memory(err, "a suggestion");
    double ratio;
    const ms_status status = ms_text_ratio((ms_str){text, candidate.size}, (ms_str){best->token, best->n_token}, &ratio, err);
    bool better = false;
    if (status == MS_OK && ratio >= 0.6) {
        const int order =
            best->lowered ? ms_str_compare((ms_str){text, candidate.size}, (ms_str){best->lowered, best->match.size}) : 1;
        better = ratio > best->ratio || (ratio == best->ratio && order > 0); /* equal texts: the first one in the map */
    }
    if (better) {
        ms_mem_free(best->lowered);
        best->lowered = text;
        best->match = candidate;
        best->ratio = ratio;
    } else {
        ms_mem_free(text);
    }
    return status;
}

ms_status ms_proj_suggest(const ms_proj_aliases *map, ms_str token, ms_str *proj, ms_str *match, ms_err *err) {
    *proj = *match = MS_STR("");
    if (token.size > SUGGEST_MAX_TOKEN) return MS_OK;
    closest best = {.token = lowered_copy(token), .n_token = token.size};
    ms_status status = best.token ? MS_OK : ms_err_memory(err, "a suggestion");
    for (size_t i = 0; status == MS_OK && i < map->n; i++) {
        status = consider(&best, map->items[i].canonical, err);
        for (size_t k = 0; status == MS_OK && k < map->items[i].n_aliases; k++)
            status = consider(&best, map->items[i].aliases[k], err);
    }
    if (status == MS_OK && best.lowered) {
        *match = best.match;
        ms_str canonical = ms_proj_canonical(map, best.match);
        if (!canonical.text) canonical = ms_proj_infer(map, best.match);
        if (canonical.text) *proj = canonical;
    }
    ms_mem_free(best.token);
    ms_mem_free(best.lowered);
    return status;
}
