#include "file_set.h"

#include "files.h"
#include "hub.h"
#include "pieces.h"

/* Formats a folder may hold, the most telling first, and what a file's name must begin with: arrays that are not called weights
 * may be results beside a checkpoint, as *.bin may be anything. Split sets of all of them are named NAME-00001-of-00003.EXT. */
static const struct choice {
    const char *extension, *begin;
} choices[] = {{".safetensors", ""}, {".gguf", ""}, {".npz", "weights"}, {".npz", "model"},
               {".pt", ""},          {".pth", ""},  {".ckpt", ""},       {".bin", "pytorch_model"},
               {".npz", ""},         {".npy", ""},  {".bin", ""}};

static bool has_extension(ms_str name, const char *extension) {
    const size_t n = strlen(extension);
    return name.size > n && ms_str_equal_nocase(ms_str_sub(name, name.size - n, name.size), ms_str_of(extension));
}

/* Of safetensors shards, or of PyTorch's .bin ones. */
static bool is_index_of(ms_str name, const char *shards) {
    return has_extension(name, ".json") && ms_str_contains(name, ms_str_of(shards));
}

static bool is_index(ms_str name) { return is_index_of(name, ".safetensors.index"); }
static bool is_torch_index(ms_str name) { return is_index_of(name, ".bin.index"); }

ms_status ms_file_set_add(ms_file_set *set, ms_str name, ms_arena *arena, ms_err *err) {
    const ms_set_file file = {.path = ms_files_join(arena, set->folder, name), .name = ms_arena_copy(arena, name)};
    if (!file.path.text || !file.name.text || !MS_VEC_PUSH(&set->files, file)) return ms_err_memory(err, "the list of files");
    return MS_OK;
}

/* ---- names of a set: STEM-00001-of-00003.EXT ---- */

static bool digits_before(ms_str s, size_t end, size_t *begin) {
    *begin = end;
    while (*begin > 0 && s.text[*begin - 1] >= '0' && s.text[*begin - 1] <= '9') --*begin;
    return *begin < end && end - *begin <= 9;
}

bool ms_file_set_part_name(ms_str name, ms_part_name *out) {
    size_t dot = name.size, count_at, part_at;
    while (dot > 0 && name.text[dot - 1] != '.') dot--;
    if (dot < 2) return false;
    dot--;
    if (!digits_before(name, dot, &count_at) || count_at < 4) return false;
    if (!ms_str_is(ms_str_sub(name, count_at - 4, count_at), "-of-")) return false;
    if (!digits_before(name, count_at - 4, &part_at) || part_at == 0 || name.text[part_at - 1] != '-') return false;
    out->stem = ms_str_sub(name, 0, part_at - 1);
    out->extension = ms_str_sub(name, dot, name.size);
    return ms_str_to_i64(ms_str_sub(name, count_at, dot), &out->n_parts) &&
           ms_str_to_i64(ms_str_sub(name, part_at, count_at - 4), &out->part);
}

static bool same_set(const ms_part_name *a, const ms_part_name *b) {
    return ms_str_equal(a->stem, b->stem) && ms_str_equal(a->extension, b->extension) && a->n_parts == b->n_parts;
}

/* All parts that are there, and a note when some are not. */
static ms_status add_parts(ms_file_set *set, const ms_files_list *list, const ms_part_name *wanted, ms_arena *arena,
                           ms_notes *notes, ms_err *err) {
    int64_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        ms_part_name part;
        if (!list->items[i].is_regular || !ms_file_set_part_name(list->items[i].name, &part) || !same_set(&part, wanted))
            continue;
        MS_TRY(ms_file_set_add(set, list->items[i].name, arena, err));
        n++;
    }
    if (n < wanted->n_parts)
        ms_notes_add(notes, MS_NOTE_WARNING, "files.missing_part", set->folder, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "'%s-...%s' should be %lld files, %lld are here; what follows lacks the rest",
                     ms_str_shown(wanted->stem).text, ms_str_shown(wanted->extension).text, (long long)wanted->n_parts,
                     (long long)n);
    return MS_OK;
}

/* All pieces of tensors that have this in front of their numbers. */
static ms_status add_pieces(ms_file_set *set, const ms_files_list *list, ms_str stem, ms_arena *arena, ms_err *err) {
    ms_str other;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && ms_pieces_is_name(list->items[i].name, &other) && ms_str_equal(stem, other))
            MS_TRY(ms_file_set_add(set, list->items[i].name, arena, err));
    return MS_OK;
}

/* ---- folders ---- */

static const ms_files_entry *find_entry(const ms_files_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && ms_str_is(list->items[i].name, name)) return &list->items[i];
    return NULL;
}

static bool holds_any(const ms_files_list *list, const char *extension) {
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && has_extension(list->items[i].name, extension)) return true;
    return false;
}

/* pytorch_model.bin.index.json, where neither safetensors nor GGUF is: people keep both, and those are what loaders take. */
static const ms_files_entry *find_torch_index(const ms_files_list *list) {
    if (holds_any(list, ".safetensors") || holds_any(list, ".gguf")) return NULL;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && is_torch_index(list->items[i].name)) return &list->items[i];
    return NULL;
}

/* model.safetensors.index.json, else the first by name that is none of a twin; else PyTorch's. */
static const ms_files_entry *find_index(const ms_files_list *list) {
    const ms_files_entry *found = find_entry(list, "model.safetensors.index.json"), *twin = NULL;
    for (size_t i = 0; i < list->n && !found; i++) {
        const ms_files_entry *const entry = &list->items[i];
        if (!entry->is_regular || !is_index(entry->name)) continue;
        if (!ms_str_starts_with(entry->name, MS_STR("consolidated"))) found = entry;
        else if (!twin) twin = entry;
    }
    return found ? found : twin ? twin : find_torch_index(list);
}

/* Does the index name this shard? By its text: as a whole name, or after a slash. */
static bool mentions(const char *path, ms_str name) {
    ms_buf text = {0};
    bool found = false;
    if (ms_files_read(&text, path, UINT64_C(1) << 30, NULL) == MS_OK) {
        const ms_str s = ms_buf_str(&text);
        for (size_t at = ms_str_find(s, name, 0); at != SIZE_MAX && !found; at = ms_str_find(s, name, at + 1)) {
            const char before = at ? s.text[at - 1] : 0, after = at + name.size < s.size ? s.text[at + name.size] : 0;
            found = after == '"' && (before == '"' || before == '/' || before == '\\');
        }
    }
    ms_buf_free(&text);
    return found;
}

/* Files beside a model that are none of its parts, unless they are alone: twins in another naming, adapters, what training and
 * other tools leave. */
static bool is_aside(ms_str name) {
    static const char *const heads[] = {"consolidated", "adapter_model", "training_args", "optim",         "scheduler",
                                        "rng_state",    "scaler",        "random_states", "trainer_state", "mtp-"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (ms_str_starts_with(name, ms_str_of(heads[i]))) return true;
    return ms_str_contains_nocase(name, MS_STR("mmproj")) || ms_str_contains_nocase(name, MS_STR("imatrix"));
}

/* Formats whose files are models of their own, but for split sets. */
static bool is_whole_model(const char *extension) {
    return strcmp(extension, ".safetensors") != 0 && strcmp(extension, ".npz") != 0 && strcmp(extension, ".npy") != 0;
}

static bool has_choice(const ms_files_list *list, const struct choice *c) {
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].is_regular && has_extension(list->items[i].name, c->extension) &&
            ms_str_starts_with(list->items[i].name, ms_str_of(c->begin)))
            return true;
    return false;
}

/* All files of one format, without those aside when there are others. */
static ms_status add_all(ms_file_set *set, const ms_files_list *list, const char *extension, ms_arena *arena, ms_notes *notes,
                         ms_err *err) {
    size_t n_main = 0, n_left = 0;
    for (size_t i = 0; i < list->n; i++) {
        const ms_str name = list->items[i].name;
        n_main += list->items[i].is_regular && has_extension(name, extension) && !is_aside(name);
    }
    for (size_t i = 0; i < list->n; i++) {
        const ms_str name = list->items[i].name;
        if (!list->items[i].is_regular || !has_extension(name, extension)) continue;
        const bool is_left = n_main && is_aside(name);
        n_left += is_left;
        if (!is_left) MS_TRY(ms_file_set_add(set, name, arena, err));
    }
    if (n_left)
        ms_notes_add(notes, MS_NOTE_INFO, "files.twins", set->folder, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%zu files that look like twins, adapters or by-products are left out; open them by their own path",
                     n_left);
    return MS_OK;
}

/* Files that are parts of different sets cannot be one model. */
static ms_status check_parts(const ms_file_set *set, ms_notes *notes, ms_err *err) {
    ms_part_name first = {0}, part;
    bool any = false;
    for (size_t i = 0; i < set->files.n; i++) {
        if (!ms_file_set_part_name(set->files.items[i].name, &part)) continue;
        if (any && !same_set(&first, &part))
            return ms_err_set(err, MS_ERR_UNSUPPORTED,
                              "%s: '%s' and '%s' belong to different sets; give the path of one file of the set to open",
                              ms_str_shown(set->folder).text, ms_str_shown(set->files.items[0].name).text,
                              ms_str_shown(set->files.items[i].name).text);
        first = part, any = true;
    }
    if (any && (int64_t)set->files.n < first.n_parts)
        ms_notes_add(notes, MS_NOTE_WARNING, "files.missing_part", set->folder, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "'%s-...%s' should be %lld files, %zu are here; what follows lacks the rest",
                     ms_str_shown(first.stem).text, ms_str_shown(first.extension).text, (long long)first.n_parts, set->files.n);
    return MS_OK;
}

/* Several files that are a model each: which one is meant? */
static ms_status check_single(const ms_file_set *set, const char *extension, ms_err *err) {
    ms_part_name part;
    bool all_parts = true;
    ms_str stem;
    for (size_t i = 0; i < set->files.n; i++)
        all_parts = all_parts && (ms_file_set_part_name(set->files.items[i].name, &part) ||
                                  ms_pieces_is_name(set->files.items[i].name, &stem));
    if (set->files.n < 2 || all_parts || !is_whole_model(extension)) return MS_OK;
    return ms_err_set(err, MS_ERR_UNSUPPORTED,
                      "%s: %zu *%s files, each a model of its own ('%s', '%s', ...); give the path of one",
                      ms_str_shown(set->folder).text, set->files.n, extension, ms_str_shown(set->files.items[0].name).text,
                      ms_str_shown(set->files.items[1].name).text);
}

/* A folder inside that holds weights: quantisations have one each, downloads keep "original". NULL: none of the first few. */
static const ms_files_entry *inner_model(const ms_file_set *set, const ms_files_list *list, ms_arena *arena) {
    enum { MOST_FOLDERS = 100 };
    const ms_files_entry *found = NULL;
    for (size_t i = 0; i < list->n && i < MOST_FOLDERS && !found; i++) {
        ms_files_list inner;
        const ms_str path = list->items[i].is_folder ? ms_files_join(arena, set->folder, list->items[i].name) : MS_STR_NONE;
        if (!path.text || ms_files_list_folder(&inner, path.text, NULL) != MS_OK) continue;
        for (size_t c = 0; c < sizeof choices / sizeof *choices && !found; c++)
            if (has_choice(&inner, &choices[c])) found = &list->items[i];
        if (ms_str_is(list->items[i].name, "snapshots")) found = &list->items[i]; /* a repository in the Hub's cache */
        ms_files_list_free(&inner);
    }
    return found;
}

/* Says what is there, so that one sees what is wrong. */
static ms_status nothing_usable(const ms_file_set *set, const ms_files_list *list, ms_arena *arena, ms_err *err) {
    ms_buf text = {0};
    const ms_files_entry *const inner = inner_model(set, list, arena);
    for (size_t i = 0, shown = 0; i < list->n && shown < 6; i++, shown++)
        ms_buf_printf(&text, "%s%s%s", shown ? ", " : "", ms_str_shown(list->items[i].name).text,
                      list->items[i].is_folder ? "/" : "");
    const ms_status status = ms_err_set(err, MS_ERR_NOT_FOUND,
                                        "%s: no model in this folder: it holds %s%s%s; wanted: *.safetensors (with or without "
                                        "an index), *.gguf, *.npz, *.npy, *.pt, *.pth or *.bin%s%s%s",
                                        ms_str_shown(set->folder).text, list->n ? "" : "nothing", text.bytes ? text.bytes : "",
                                        list->n > 6 ? ", ..." : "", inner ? "; perhaps you mean the folder '" : "",
                                        inner ? ms_str_shown(inner->name).text : "", inner ? "' inside it" : "");
    ms_buf_free(&text);
    return status;
}

/* The file of a model that is not cut, beside whose index it counts. */
static const ms_files_entry *find_single(const ms_files_list *list, const ms_files_entry *index) {
    return find_entry(list, index && is_torch_index(index->name) ? "pytorch_model.bin" : "model.safetensors");
}

static ms_status find_in_list(ms_file_set *set, const ms_files_list *list, ms_arena *arena, ms_notes *notes, ms_err *err) {
    const ms_files_entry *const index = find_index(list), *const single = find_single(list, index);
    const ms_str index_path = index ? ms_files_join(arena, set->folder, index->name) : MS_STR("");
    if (!index_path.text) return ms_err_memory(err, "a path");
    /* Where both are, transformers loads the single file. MLX writes an index beside a single file, too. */
    const bool stray = single && index && !mentions(index_path.text, single->name);
    if (stray)
        ms_notes_add(notes, MS_NOTE_WARNING, "files.single_and_index", set->folder, MS_STR(""), MS_NOTE_NO_OFFSET,
                     "%s is taken, as transformers does, not the shards of %s beside it; open the index by its path to see "
                     "those",
                     ms_str_shown(single->name).text, ms_str_shown(index->name).text);
    if (single && (stray || !index)) return ms_file_set_add(set, single->name, arena, err);
    if (index) {
        set->index_path = index_path;
        return MS_OK;
    }
    for (size_t c = 0; c < sizeof choices / sizeof *choices && set->files.n == 0; c++) {
        if (!has_choice(list, &choices[c])) continue;
        MS_TRY(add_all(set, list, choices[c].extension, arena, notes, err));
        MS_TRY(check_single(set, choices[c].extension, err));
    }
    if (set->files.n == 0) return nothing_usable(set, list, arena, err);
    return check_parts(set, notes, err);
}

static ms_status find_in_folder(ms_file_set *set, const char *path, ms_arena *arena, ms_notes *notes, ms_err *err) {
    ms_files_list list = {0};
    ms_status status = ms_files_list_folder(&list, path, err);
    if (status == MS_OK) status = find_in_list(set, &list, arena, notes, err);
    ms_files_list_free(&list);
    return status;
}

/* ---- files ---- */

/* A file alone, or the set that it is a part of. */
static ms_status find_around(ms_file_set *set, ms_str name, const ms_files_list *list, ms_arena *arena, ms_notes *notes,
                             ms_err *err) {
    ms_part_name part;
    ms_str stem;
    const bool of_torch = has_extension(name, ".bin");
    if (has_extension(name, ".safetensors") || of_torch)
        for (size_t i = 0; i < list->n; i++) {
            const ms_str other = list->items[i].name;
            if (!list->items[i].is_regular || !(of_torch ? is_torch_index(other) : is_index(other))) continue;
            const ms_str index_path = ms_files_join(arena, set->folder, list->items[i].name);
            if (!index_path.text) return ms_err_memory(err, "a path");
            if (!mentions(index_path.text, name)) continue;
            set->index_path = index_path;
            return MS_OK;
        }
    if (ms_file_set_part_name(name, &part) && part.n_parts > 1) return add_parts(set, list, &part, arena, notes, err);
    if (ms_pieces_is_name(name, &stem)) return add_pieces(set, list, stem, arena, err);
    return ms_file_set_add(set, name, arena, err);
}

ms_status ms_file_set_find(ms_file_set *out, const char *path, ms_arena *arena, ms_notes *notes, ms_err *err) {
    *out = (ms_file_set){.index_path = MS_STR("")};
    const ms_str given = ms_str_of(path);
    bool is_folder = ms_files_is_folder(path);
    uint64_t n_bytes;
    if (ms_hub_is(path)) MS_TRY(ms_hub_look(path, &is_folder, &n_bytes, err)); /* the network's own errors */
    else if (!is_folder) MS_TRY(ms_files_must_exist(path, err));
    ms_str name = ms_files_name_of(given);
    const bool stands_for_folder = is_folder || ms_str_is(name, "config.json");
    out->folder = ms_arena_copy(arena, is_folder ? given : ms_files_folder_of(given));
    if (!out->folder.text) return ms_err_memory(err, "a path");
    if (stands_for_folder) return find_in_folder(out, out->folder.text, arena, notes, err);
    if (has_extension(name, ".json")) {
        out->index_path = ms_arena_copy(arena, given);
        return out->index_path.text ? MS_OK : ms_err_memory(err, "a path");
    }
    ms_files_list list = {0};
    ms_status status = ms_files_list_folder(&list, out->folder.text, err);
    if (status == MS_OK) status = find_around(out, name, &list, arena, notes, err);
    ms_files_list_free(&list);
    return status;
}

void ms_file_set_free(ms_file_set *set) { MS_VEC_FREE(&set->files); }
