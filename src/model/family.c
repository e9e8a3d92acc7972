#include "family.h"

#include "vec.h"

enum { MAX_NAME = 512, KEY_HEAD = 2 };

const char *ms_role_name(ms_role role) {
    static const char *const names[MS_ROLE_COUNT] = {"other",      "expert",      "shared_expert", "router",
                                                     "router_aux", "shared_gate", "dense_ffn",     "attention",
                                                     "embedding",  "norm",        "quant_aux",     "expert_bias"};
    return role < MS_ROLE_COUNT ? names[role] : "other";
}

const char *ms_proj_name(ms_proj proj) {
    static const char *const names[MS_PROJ_COUNT] = {"", "gate_proj", "up_proj", "down_proj", "gate_up_proj", "router"};
    return proj < MS_PROJ_COUNT ? names[proj] : "";
}

/* ---- the rows by name ---- */

typedef struct ms_entry { /* a row, found by its module with {e} written as {} */
    const ms_family *family;
    const ms_family_row *row; /* NULL: a telltale */
    int expert_ordinal;       /* which {} of the module is the expert; -1 none */
    size_t next;              /* another row of the same module; SIZE_MAX: none */
} ms_entry;

typedef struct ms_numbers {
    int32_t items[MS_PATTERN_MAX_NUMBERS];
} ms_numbers;

typedef struct ms_classifier {
    ms_checkpoint *ckpt;
    ms_arena arena; /* dies with the classifier */
    ms_map rows;    /* module -> first entry */
    MS_VEC(ms_entry) entries;
    MS_VEC(ms_pattern) patterns;
    ms_map by_key;       /* rank, dtype, text -> pattern */
    ms_map by_text;      /* text -> the first pattern of that text */
    ms_map parents;      /* parent of expert modules -> projections present, a bit each */
    ms_numbers *numbers; /* [n_tensors] */
    uint64_t told;       /* bit f: a telltale proves family f */
} ms_classifier;

/* "{moe}.experts.{e}.w1" -> "{moe}.experts.{}.w1", and the place of {e} among the numbers. */
static bool add_entry(ms_classifier *c, const char *module, const ms_family *family, const ms_family_row *row) {
    const ms_str text = ms_arena_copy(&c->arena, ms_str_of(module));
    if (!text.text) return false;
    char *const bytes = (char *)text.text;
    size_t n = 0;
    int ordinal = -1, seen = 0;
    for (size_t i = 0; i < text.size; i++) {
        const bool is_expert = text.text[i] == 'e' && i > 0 && text.text[i - 1] == '{' && text.text[i + 1] == '}';
        if (is_expert) ordinal = seen;
        else bytes[n++] = text.text[i];
        if (text.text[i] == '}' && n >= 2 && bytes[n - 2] == '{') seen++;
    }
    size_t *head;
    bool is_new;
    const size_t index = c->entries.n;
    if (!ms_map_add(&c->rows, (ms_str){bytes, n}, index, &head, &is_new)) return false;
    if (!MS_VEC_PUSH(&c->entries, (ms_entry){family, row, ordinal, SIZE_MAX})) return false;
    if (is_new) return true;
    size_t last = *head;
    while (c->entries.items[last].next != SIZE_MAX) last = c->entries.items[last].next;
    c->entries.items[last].next = index;
    return true;
}

static bool add_all_entries(ms_classifier *c) {
    for (size_t f = 0; ms_families[f]; f++) {
        const ms_family *const family = ms_families[f];
        for (size_t r = 0; r < family->n_rows; r++)
            if (!add_entry(c, family->rows[r].module, family, &family->rows[r])) return false;
        if (family->telltale && !add_entry(c, family->telltale, family, NULL)) return false;
    }
    return true;
}

/* ---- names to patterns ---- */

/* The number a component is ("12"), or ends with ("expert_12"): its first digit, or SIZE_MAX. At most 9 digits. */
static size_t number_in(const char *text, size_t from, size_t to) {
    static const char word[] = "expert_";
    const size_t n_word = sizeof word - 1;
    if (to > from + n_word && memcmp(text + from, word, n_word) == 0) from += n_word;
    if (from == to || to - from > 9) return SIZE_MAX;
    for (size_t i = from; i < to; i++)
        if (text[i] < '0' || text[i] > '9') return SIZE_MAX;
    return from;
}

/* The decimal number that a component ends with. */
static int32_t value_of(ms_str name, size_t digits, size_t to) {
    int32_t value = 0;
    for (size_t i = digits; i < to; i++) value = value * 10 + (name.text[i] - '0');
    return value;
}

static size_t component_end(ms_str name, size_t from) {
    const char *const dot = from < name.size ? memchr(name.text + from, '.', name.size - from) : NULL;
    return dot ? (size_t)(dot - name.text) : name.size;
}

/* Writes the name with its numbers as {} after the two bytes of rank and dtype. Returns the size of the key. */
static size_t write_key(const ms_stored *stored, char key[static MAX_NAME], ms_numbers *numbers) {
    const ms_str name = stored->name;
    size_t n = 0, n_numbers = 0;
    *numbers = (ms_numbers){{-1, -1, -1, -1}};
    key[n++] = (char)(stored->rank < 255 ? stored->rank : 255);
    key[n++] = (char)stored->dtype;
    for (size_t from = 0;;) {
        const size_t to = component_end(name, from), digits = number_in(name.text, from, to);
        const size_t end = digits == SIZE_MAX ? to : digits;
        if (end > from) memcpy(key + n, name.text + from, end - from);
        n += end - from;
        if (digits != SIZE_MAX) {
            if (n_numbers < MS_PATTERN_MAX_NUMBERS) numbers->items[n_numbers++] = value_of(name, digits, to);
            key[n++] = '{', key[n++] = '}';
        }
        if (to >= name.size) return n;
        key[n++] = '.';
        from = to + 1;
    }
}

void ms_pattern_numbers(ms_str name, int32_t numbers[static MS_PATTERN_MAX_NUMBERS]) {
    size_t n = 0;
    for (size_t i = 0; i < MS_PATTERN_MAX_NUMBERS; i++) numbers[i] = -1;
    for (size_t from = 0; from < name.size && n < MS_PATTERN_MAX_NUMBERS && name.size <= MAX_NAME / 2;) {
        const size_t to = component_end(name, from), digits = number_in(name.text, from, to);
        if (digits != SIZE_MAX) numbers[n++] = value_of(name, digits, to);
        from = to + 1;
    }
}

static bool add_to_pattern(ms_classifier *c, size_t t) {
    ms_tensor *const tensor = &c->ckpt->tensors[t];
    const ms_stored *const stored = tensor->stored;
    char key[MAX_NAME * 2];
    ms_str text;
    if (stored->name.size > MAX_NAME / 2) { /* too long for any row: a pattern of its own */
        c->numbers[t] = (ms_numbers){{-1, -1, -1, -1}};
        text = stored->name;
    } else {
        text = (ms_str){key, write_key(stored, key, &c->numbers[t])};
    }
    size_t *slot = ms_map_find(&c->by_key, text);
    if (!slot) {
        ms_str kept = ms_arena_copy(&c->ckpt->arena, text);
        const ms_str shown = text.text == key ? ms_str_sub(kept, KEY_HEAD, kept.size) : kept;
        const ms_pattern fresh = {.text = shown,
                                  .module = shown,
                                  .dtype = stored->dtype,
                                  .rank = stored->rank,
                                  .section = "",
                                  .scheme = "",
                                  .layer_number = -1,
                                  .expert_number = -1,
                                  .first_tensor = t};
        if (!kept.text || !ms_map_add(&c->by_key, kept, c->patterns.n, &slot, NULL)) return false;
        if (!ms_map_add(&c->by_text, shown, c->patterns.n, NULL, NULL)) return false;
        if (!MS_VEC_PUSH(&c->patterns, fresh)) return false;
    }
    tensor->pattern = (uint32_t)*slot;
    c->patterns.items[*slot].n_tensors++;
    return true;
}

/* ---- reading a pattern ---- */

static bool in_list(ms_str word, const char *const *list) {
    for (size_t i = 0; list[i]; i++)
        if (ms_str_is(word, list[i])) return true;
    return false;
}

typedef struct ms_parts { /* of a pattern's text */
    ms_str suffix;        /* what follows the layer's number, or all of it */
    int layer_number;     /* which {}; -1: no layer */
    int first_number;     /* how many {} lie before the suffix */
    const char *section;
} ms_parts;

static const char *section_of(ms_str component) {
    for (size_t i = 0; ms_family_sections[i].component; i++)
        if (ms_str_is(component, ms_family_sections[i].component)) return ms_family_sections[i].section;
    return NULL;
}

static ms_parts split(ms_str text) {
    ms_parts parts = {.suffix = text, .layer_number = -1, .section = ""};
    int n_numbers = 0;
    bool after_word = false;
    for (ms_str rest = text; rest.text;) {
        const ms_str component = ms_str_cut(&rest, '.');
        const char *const section = parts.section[0] ? NULL : section_of(component);
        if (section) parts.section = section;
        const bool is_number = ms_str_is(component, "{}");
        if (is_number && after_word) {
            parts.layer_number = n_numbers;
            parts.first_number = n_numbers + 1;
            parts.suffix = rest.text ? rest : MS_STR("");
            break;
        }
        n_numbers += is_number;
        after_word = in_list(component, ms_family_layer_words);
    }
    if (parts.layer_number >= 0 && ms_str_starts_with(parts.suffix, MS_STR("layer.{}."))) { /* T5: block.N.layer.1.mlp */
        parts.suffix = ms_str_sub(parts.suffix, sizeof "layer.{}." - 1, parts.suffix.size);
        parts.first_number++;
    }
    return parts;
}

/* Writes the module with shared experts as {shared}, and after `block`, which is cut off, as {moe}. */
static ms_str canonical(ms_str module, size_t block, char out[static MAX_NAME * 2]) {
    size_t n = 0;
    if (block != SIZE_MAX) {
        memcpy(out, "{moe}", 5);
        n = 5;
    }
    ms_str rest = block == SIZE_MAX || block == 0 ? module : ms_str_sub(module, block, module.size);
    bool after_shared = false;
    while (rest.text) {
        ms_str component = ms_str_cut(&rest, '.');
        const bool is_shared = in_list(component, ms_family_shared);
        const bool skipped = after_shared && ms_str_is(component, "{}");
        after_shared = is_shared;
        if (skipped) continue;
        if (is_shared) component = MS_STR("{shared}");
        if (n) out[n++] = '.';
        memcpy(out + n, component.text, component.size);
        n += component.size;
    }
    return (ms_str){out, n};
}

/* The rows of a module: as it is, after a block's name, and without one. SIZE_MAX: none. */
static size_t find_rows(const ms_classifier *c, ms_str module) {
    char text[MAX_NAME * 2];
    if (module.size == 0 || module.size > MAX_NAME) return SIZE_MAX;
    const size_t *found = ms_map_find(&c->rows, canonical(module, SIZE_MAX, text));
    for (size_t b = 0; ms_family_blocks[b] && !found; b++) {
        const ms_str block = ms_str_of(ms_family_blocks[b]);
        if (!ms_str_starts_with(module, block) || module.size <= block.size || module.text[block.size] != '.') continue;
        found = ms_map_find(&c->rows, canonical(module, block.size + 1, text));
    }
    if (!found) found = ms_map_find(&c->rows, canonical(module, 0, text));
    return found ? *found : SIZE_MAX;
}

/* ---- choosing a row ---- */

static bool row_fits(const ms_family_row *row, const ms_pattern *p) {
    const bool is_weight = !p->leaf || p->leaf->kind == MS_LEAF_WEIGHT;
    if ((row->layout & MS_LAY_BARE) && p->leaf) return false;
    if (!is_weight) return true;
    if (row->layout & MS_LAY_STACKED) return p->rank >= 3;
    if (row->layout & (MS_LAY_ROW_STACKED | MS_LAY_COL_STACKED)) return p->rank == 2;
    switch (row->role) {
    case MS_ROLE_EXPERT: return p->rank >= 2;
    case MS_ROLE_SHARED_EXPERT: return p->rank == 2 || (p->rank == 3 && p->dtype == MS_DTYPE_U8); /* blocks */
    case MS_ROLE_ROUTER: return p->rank == 2;
    case MS_ROLE_DENSE_FFN: return p->rank <= 2 || p->dtype == MS_DTYPE_U8;
    default: return true;
    }
}

/* The model type first, then a telltale, then the order of the list. */
static const ms_entry *choose(const ms_classifier *c, size_t first, const ms_pattern *p) {
    const ms_entry *best = NULL;
    int best_told = 0;
    for (size_t i = first; i != SIZE_MAX; i = c->entries.items[i].next) {
        const ms_entry *const entry = &c->entries.items[i];
        if (!entry->row || !row_fits(entry->row, p)) continue;
        size_t f = 0;
        while (ms_families[f] != entry->family) f++;
        const int told = ms_model_config_is_type(&c->ckpt->model, entry->family->types) ? 2 : (int)(c->told >> f & 1);
        if (entry->family->only_when_told && !told) continue;
        if (!best || told > best_told) best = entry, best_told = told;
    }
    return best;
}

/* ---- tensors that no row explains ---- */

static ms_str last_component(ms_str text) {
    size_t from = text.size;
    while (from > 0 && text.text[from - 1] != '.') from--;
    return ms_str_sub(text, from, text.size);
}

/* The last component that is no number: "input_layernorm" of "input_layernorm.{}". */
static ms_str last_word(ms_str text) {
    ms_str last = last_component(text);
    while (ms_str_is(last, "{}") && text.size > last.size) {
        text = ms_str_sub(text, 0, text.size - last.size - 1);
        last = last_component(text);
    }
    return last;
}

static bool is_norm(ms_str component) {
    return ms_str_contains_nocase(component, MS_STR("norm")) || ms_str_starts_with(component, MS_STR("ln_")) ||
           ms_str_is(component, "ln") || ms_str_is(component, "ln1") || ms_str_is(component, "ln2");
}

static bool is_mixer(ms_str suffix) {
    for (ms_str rest = suffix; rest.text;) {
        const ms_str component = ms_str_cut(&rest, '.');
        if (ms_str_contains_nocase(component, MS_STR("attn")) || ms_str_contains_nocase(component, MS_STR("attention")) ||
            ms_str_starts_with(component, MS_STR("ssm_")) || in_list(component, ms_family_mixers))
            return true;
    }
    return false;
}

static ms_role role_by_words(const ms_pattern *p, const ms_parts *parts, ms_str module) {
    const ms_str last = last_word(module), leafless = last_word(p->text);
    if (p->rank <= 1 && (is_norm(last) || is_norm(leafless))) return MS_ROLE_NORM;
    /* Layers for multi-token prediction bring their own: model.layers.61.embed_tokens, .shared_head.head */
    const bool at_the_ends = parts->layer_number < 0 || ms_str_is(ms_str_of(parts->section), "mtp") ||
                             ms_str_is(last, "embed_tokens") || ms_str_contains(parts->suffix, MS_STR("shared_head."));
    if (at_the_ends && in_list(last, ms_family_embeddings) && p->rank <= 2) return MS_ROLE_EMBEDDING;
    if (is_mixer(parts->suffix)) return MS_ROLE_ATTENTION;
    return MS_ROLE_OTHER;
}

/* ---- resolving ---- */

/* The longest leaf that the text ends with; one that begins with '_' counts only when what is left names a row. */
static const ms_leaf *find_leaf(const ms_classifier *c, ms_str text, ms_str suffix) {
    const ms_leaf *best = NULL;
    for (const ms_leaf *leaf = ms_leaves; leaf->text; leaf++) {
        const ms_str tail = ms_str_of(leaf->text);
        if ((best && strlen(best->text) >= tail.size) || !ms_str_ends_with(text, tail) || suffix.size <= tail.size) continue;
        if (tail.text[0] == '_' && find_rows(c, ms_str_sub(suffix, 0, suffix.size - tail.size)) == SIZE_MAX) continue;
        best = leaf;
    }
    return best;
}

/* The first pattern that is the weight of a module, or NULL. */
static const ms_pattern *weight_of(const ms_classifier *c, ms_str module) {
    char text[MAX_NAME * 2];
    const size_t *found = ms_map_find(&c->by_text, module);
    for (const ms_leaf *leaf = ms_leaves; leaf->text && !found && module.size <= MAX_NAME; leaf++) {
        const size_t n = strlen(leaf->text);
        if (leaf->kind != MS_LEAF_WEIGHT) continue;
        memcpy(text, module.text, module.size);
        memcpy(text + module.size, leaf->text, n);
        found = ms_map_find(&c->by_text, (ms_str){text, module.size + n});
    }
    return found ? &c->patterns.items[*found] : NULL;
}

static ms_role role_of_leaf(ms_role role, const ms_leaf *leaf) {
    if (!leaf || leaf->kind == MS_LEAF_WEIGHT) return role;
    if (leaf->kind == MS_LEAF_AUX) return MS_ROLE_QUANT_AUX;
    return role == MS_ROLE_EXPERT ? MS_ROLE_EXPERT_BIAS : role == MS_ROLE_ROUTER ? MS_ROLE_ROUTER_AUX : role;
}

static void take_row(ms_pattern *p, const ms_parts *parts, const ms_entry *entry) {
    p->family = entry->family, p->row = entry->row;
    p->role = role_of_leaf(entry->row->role, p->leaf);
    p->proj = entry->row->proj;
    if (entry->row->section) p->section = entry->row->section;
    if (entry->expert_ordinal >= 0) p->expert_number = parts->first_number + entry->expert_ordinal;
}

static void resolve(ms_classifier *c, ms_pattern *p) {
    const ms_parts parts = split(p->text);
    p->section = parts.section;
    p->layer_number = parts.layer_number;
    /* A whole name that is a row ("mlp.experts.gate_up_proj", "mlp.expert_bias") has no leaf. */
    const size_t whole = find_rows(c, parts.suffix);
    const ms_entry *entry = whole == SIZE_MAX ? NULL : choose(c, whole, p);
    if (!entry) {
        p->leaf = find_leaf(c, p->text, parts.suffix);
        if (p->leaf) {
            const size_t n_leaf = strlen(p->leaf->text);
            p->module = ms_str_sub(p->text, 0, p->text.size - n_leaf);
            const size_t rows = find_rows(c, ms_str_sub(parts.suffix, 0, parts.suffix.size - n_leaf));
            if (rows != SIZE_MAX) entry = choose(c, rows, p);
        }
    }
    const bool is_companion = p->leaf && p->leaf->kind == MS_LEAF_AUX && (!p->leaf->needs_weight || weight_of(c, p->module));
    if (entry && p->leaf && p->leaf->kind == MS_LEAF_AUX && !is_companion) entry = NULL;
    if (entry) take_row(p, &parts, entry);
    else p->role = is_companion ? MS_ROLE_QUANT_AUX : role_by_words(p, &parts, p->module);
    if (p->dtype == MS_DTYPE_F8_E8M0) p->role = MS_ROLE_QUANT_AUX;
}

/* A bias fits rows that its weight does not (its rank says little): it follows the weight. */
static void follow_weight(ms_classifier *c, ms_pattern *p) {
    if (!p->row || !p->leaf || p->leaf->kind == MS_LEAF_WEIGHT || p->role == MS_ROLE_QUANT_AUX) return;
    const ms_pattern *const weight = weight_of(c, p->module);
    if (!weight || !weight->row || weight->row == p->row) return;
    p->family = weight->family, p->row = weight->row;
    p->role = role_of_leaf(weight->row->role, p->leaf);
    p->proj = weight->proj, p->section = weight->section, p->expert_number = weight->expert_number;
}

static void find_telltales(ms_classifier *c) {
    for (size_t i = 0; i < c->patterns.n; i++) {
        const size_t first = find_rows(c, split(c->patterns.items[i].text).suffix);
        for (size_t e = first; e != SIZE_MAX; e = c->entries.items[e].next) {
            if (c->entries.items[e].row) continue;
            size_t f = 0;
            while (ms_families[f] != c->entries.items[e].family) f++;
            c->told |= UINT64_C(1) << f;
        }
    }
}

/* Where a projection's siblings are: "mlp.experts.{}." of "mlp.experts.{}.gate_proj", "blk.{}." of "blk.{}.ffn_gate.{}". */
static ms_str parent_of(ms_str module) {
    const ms_str last = last_component(module);
    if (ms_str_is(last, "{}") && module.size > last.size) module = ms_str_sub(module, 0, module.size - last.size - 1);
    return ms_str_sub(module, 0, module.size - last_component(module).size);
}

/* Experts without an up projection have no gate either: what was called gate is their first matrix (Nomic, GELU experts). */
static bool rename_lonely_gates(ms_classifier *c) {
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < c->patterns.n; i++) {
            ms_pattern *const p = &c->patterns.items[i];
            if (!p->row || p->row->role != MS_ROLE_EXPERT) continue;
            const ms_str parent = parent_of(p->module);
            size_t *bits;
            if (!ms_map_add(&c->parents, parent, 0, &bits, NULL)) return false;
            if (pass == 0) *bits |= (size_t)1 << p->row->proj;
            else if (p->proj == MS_PROJ_GATE && !(*bits & 1 << MS_PROJ_UP)) p->proj = MS_PROJ_UP;
        }
    return true;
}

/* "encoder" and "decoder" mean something only where there are both. */
static void merge_lonely_coders(ms_classifier *c) {
    bool encoder = false, decoder = false;
    for (size_t i = 0; i < c->patterns.n; i++) {
        if (c->patterns.items[i].layer_number < 0) continue;
        encoder = encoder || strcmp(c->patterns.items[i].section, "encoder") == 0;
        decoder = decoder || strcmp(c->patterns.items[i].section, "decoder") == 0;
    }
    for (size_t i = 0; i < c->patterns.n && !(encoder && decoder); i++) {
        const char **const section = &c->patterns.items[i].section;
        if (strcmp(*section, "encoder") == 0 || strcmp(*section, "decoder") == 0) *section = "";
    }
}

/* ---- tensors ---- */

static int32_t number_at(const ms_numbers *numbers, int which) {
    return which >= 0 && which < MS_PATTERN_MAX_NUMBERS ? numbers->items[which] : -1;
}

static void fill_tensors(ms_classifier *c) {
    ms_checkpoint *const ckpt = c->ckpt;
    const int64_t n_layers = ms_config_at(&ckpt->model.layers, 0, -1);
    for (size_t t = 0; t < ckpt->n_tensors; t++) {
        ms_tensor *const tensor = &ckpt->tensors[t];
        const ms_pattern *const p = &c->patterns.items[tensor->pattern];
        tensor->role = p->role, tensor->proj = p->proj, tensor->scheme = p->scheme, tensor->section = p->section;
        tensor->layer = number_at(&c->numbers[t], p->layer_number);
        tensor->expert = number_at(&c->numbers[t], p->expert_number);
        /* Multi-token-prediction layers are stored past the last layer of the model. */
        if (n_layers > 0 && tensor->layer >= n_layers && p->section[0] == 0) tensor->section = "mtp";
    }
}

/* By a word of its name, or as a stack with one matrix for each expert of the config. */
static bool looks_like_experts(const ms_checkpoint *ckpt, const ms_pattern *p) {
    const ms_stored *const s = ckpt->tensors[p->first_tensor].stored;
    const int64_t n = ms_config_at(&ckpt->model.experts, 0, -1);
    if (p->layer_number >= 0 && p->section[0] == 0 && s->rank == 3 && n > 1 && s->shape[0] == (uint64_t)n) return true;
    return ms_str_contains_nocase(p->text, MS_STR("expert")) || ms_str_contains_nocase(p->text, MS_STR("router")) ||
           ms_str_contains_nocase(p->text, MS_STR("moe"));
}

static void note_unexplained(ms_classifier *c) {
    for (size_t i = 0; i < c->patterns.n; i++) {
        const ms_pattern *const p = &c->patterns.items[i];
        if (p->role != MS_ROLE_OTHER || !looks_like_experts(c->ckpt, p)) continue;
        const ms_stored *const first = c->ckpt->tensors[p->first_tensor].stored;
        ms_notes_add(&c->ckpt->notes, MS_NOTE_WARNING, "family.unexplained", MS_STR(""), first->name, MS_NOTE_NO_OFFSET,
                     "looks like a part of experts, but no family table knows this name; %zu such tensors are left out",
                     p->n_tensors);
    }
}

static void choose_family(ms_classifier *c) {
    size_t counts[64] = {0}, best = 0;
    for (size_t i = 0; i < c->patterns.n; i++) {
        const ms_pattern *const p = &c->patterns.items[i];
        size_t f = 0;
        if (p->role != MS_ROLE_EXPERT) continue;
        while (ms_families[f] != p->family) f++;
        counts[f] += p->n_tensors;
        if (counts[f] > best) best = counts[f], c->ckpt->family = p->family;
    }
}

static ms_status classify(ms_classifier *c, ms_err *err) {
    ms_checkpoint *const ckpt = c->ckpt;
    c->numbers = ms_mem_alloc_array(ckpt->n_tensors, sizeof *c->numbers);
    if (!c->numbers || !add_all_entries(c)) return ms_err_memory(err, "the family tables");
    for (size_t t = 0; t < ckpt->n_tensors; t++)
        if (!add_to_pattern(c, t)) return ms_err_memory(err, "the names of the tensors");
    find_telltales(c);
    for (size_t i = 0; i < c->patterns.n; i++) resolve(c, &c->patterns.items[i]);
    for (size_t i = 0; i < c->patterns.n; i++) follow_weight(c, &c->patterns.items[i]);
    if (!rename_lonely_gates(c)) return ms_err_memory(err, "the projections");
    merge_lonely_coders(c);
    for (size_t i = 0; i < c->patterns.n; i++) {
        ms_pattern *const p = &c->patterns.items[i];
        if (p->role != MS_ROLE_QUANT_AUX) p->scheme = ms_scheme_of_pattern(ckpt, p, c->patterns.items, &c->by_text);
    }
    fill_tensors(c);
    choose_family(c);
    note_unexplained(c);
    ckpt->patterns = ms_arena_alloc_array(&ckpt->arena, c->patterns.n, sizeof *ckpt->patterns);
    if (!ckpt->patterns) return ms_err_memory(err, "the patterns of the names");
    memcpy(ckpt->patterns, c->patterns.items, c->patterns.n * sizeof *ckpt->patterns);
    ckpt->n_patterns = c->patterns.n;
    ms_scheme_settle(ckpt);
    return ms_layers_build(ckpt, err);
}

ms_status ms_family_classify(ms_checkpoint *ckpt, ms_err *err) {
    if (ckpt->n_tensors == 0) return MS_OK;
    ms_classifier c = {.ckpt = ckpt};
    const ms_status status = classify(&c, err);
    ms_mem_free(c.numbers);
    MS_VEC_FREE(&c.entries);
    MS_VEC_FREE(&c.patterns);
    ms_map_free(&c.rows), ms_map_free(&c.by_key), ms_map_free(&c.by_text), ms_map_free(&c.parents);
    ms_arena_free(&c.arena);
    return status;
}

void ms_family_reason(const ms_checkpoint *ckpt, ms_buf *out) {
    const ms_pattern *most = NULL;
    for (size_t i = 0; i < ckpt->n_patterns; i++) {
        const ms_pattern *const p = &ckpt->patterns[i];
        if (p->role == MS_ROLE_EXPERT && p->family == ckpt->family && (!most || p->n_tensors > most->n_tensors)) most = p;
    }
    if (!ckpt->family || !most) return;
    ms_buf_printf(out, "%zu tensors are named like %s", most->n_tensors, ms_str_shown(most->text).text);
    if (ms_model_config_is_type(&ckpt->model, ckpt->family->types))
        ms_buf_printf(out, ", and the model type is %s", ms_str_shown(ckpt->model.text_model_type).text);
}
