#include "checkpoint.h"

#include "embedded_config.h"
#include "expert_widths.h"
#include "family.h"
#include "file_set.h"
#include "files.h"
#include "guard.h"
#include "hub.h"
#include "index_check.h"
#include "pieces.h"
#include "pool.h"
#include "quant_file.h"

enum {
    FILES_PER_THREAD = 4,
    FAR_THREADS = 16, /* that wait for the network */
    ENTRY_BYTES = 92, /* of a tensor in a safetensors header, beside its name: a little more than most have */
    NAMES_AT_ONCE = 256,
};
static const uint64_t max_config_bytes = UINT64_C(64) << 20;

/* ---- config ---- */

static void note_config(ms_checkpoint *ckpt, const char *code, const char *what) {
    ms_notes_add(&ckpt->notes, MS_NOTE_WARNING, code, ckpt->config_path, MS_STR(""), MS_NOTE_NO_OFFSET,
                 "%s; what only the config tells (the number of experts per token, for one) stays unknown", what);
}

/* Whatever is wrong with a config is a note: tensors tell most of what it would. */
static ms_status parse_config(ms_checkpoint *ckpt, ms_str text, ms_err *err) {
    ms_err why = {0};
    const ms_json_value *root = NULL;
    if (text.size == 0) {
        note_config(ckpt, "config.empty", "the file is empty");
    } else if (ms_json_parse(&root, text.text, text.size, &ckpt->arena, &why) != MS_OK) {
        if (why.status == MS_ERR_MEMORY) return ms_err_memory(err, "the config");
        note_config(ckpt, "config.invalid", why.text);
    } else if (root->kind != MS_JSON_OBJECT) {
        note_config(ckpt, "config.invalid", "the file holds no JSON object");
    } else {
        const ms_json_value *const inner = ms_json_get(root, "model_config"); /* of meta_000100.json */
        ckpt->config = inner && inner->kind == MS_JSON_OBJECT ? inner : root;
    }
    return MS_OK;
}

/* nanochat and nanoMoEchat: meta_000100.json beside model_000100.pt; its model_config is what others have in config.json. */
static ms_status find_meta(ms_checkpoint *ckpt, ms_err *err) {
    if (ckpt->n_files != 1) return MS_OK;
    const ms_str name = ckpt->files[0].name;
    if (!ms_str_starts_with(name, MS_STR("model_")) || !ms_str_ends_with(name, MS_STR(".pt"))) return MS_OK;
    const ms_str meta = ms_arena_printf(&ckpt->arena, "meta_%.*s.json", (int)(name.size - 9), name.text + 6);
    const ms_str path = meta.text ? ms_files_join(&ckpt->arena, ckpt->folder, meta) : MS_STR_NONE;
    if (!path.text) return ms_err_memory(err, "a path");
    if (ms_files_is_regular(path.text)) ckpt->config_path = path;
    return MS_OK;
}

/* config.json, or params.json of Mistral's own files. */
static ms_status read_config(ms_checkpoint *ckpt, ms_err *err) {
    static const char *const names[] = {"config.json", "params.json"};
    ms_err why = {0};
    for (size_t i = 0; i < 2 && ckpt->config_path.size == 0 && ckpt->folder.text; i++) {
        const ms_str path = ms_files_join(&ckpt->arena, ckpt->folder, ms_str_of(names[i]));
        if (!path.text) return ms_err_memory(err, "a path");
        if (ms_files_is_regular(path.text)) ckpt->config_path = path;
    }
    if (ckpt->config_path.size == 0 && ckpt->folder.text) MS_TRY(find_meta(ckpt, err));
    if (ckpt->config_path.size == 0) return MS_OK;
    const ms_status status = ms_files_read(&ckpt->config_text, ckpt->config_path.text, max_config_bytes, &why);
    if (status == MS_ERR_MEMORY) return ms_err_memory(err, "the config");
    if (status == MS_OK) return parse_config(ckpt, ms_buf_str(&ckpt->config_text), err);
    const ms_str path = ckpt->config_path; /* stands before the note already */
    const bool twice = ms_str_starts_with(ms_str_of(why.text), path) && strncmp(why.text + path.size, ": ", 2) == 0;
    note_config(ckpt, "config.unreadable", why.text + (twice ? path.size + 2 : 0));
    return MS_OK;
}

/* ---- files ---- */

typedef struct ms_opening { /* one file, opened by whichever thread */
    ms_file *file;
    uint64_t n_header; /* bytes that its header has about, by the index; 0: unknown */
    ms_notes notes;
    ms_err err;
    ms_status status;
} ms_opening;

typedef struct ms_openings {
    ms_opening *items;
    ms_read_options options;
} ms_openings;

static ms_status open_one(void *context, size_t item, int worker, ms_err *err) {
    (void)worker, (void)err;
    ms_openings *const all = context;
    ms_opening *const o = &all->items[item];
    ms_source *source;
    o->status = ms_source_open_file(&source, o->file->path.text, &o->err);
    if (o->status != MS_OK) return MS_OK; /* the caller looks at every file */
    o->file->n_bytes = source->size;
    if (o->n_header && o->n_header < source->size) ms_source_will_need(source, 0, o->n_header);
    o->status = ms_reader_open(&o->file->reader, source, &all->options, &o->notes, &o->err);
    return MS_OK;
}

static void copy_notes(ms_notes *into, const ms_notes *from) {
    for (size_t i = 0; i < from->n; i++) {
        const ms_note *const n = &from->items[i];
        ms_notes_add(into, n->severity, n->code, n->file, n->tensor, n->offset, "%.*s", (int)n->message.size, n->message.text);
    }
    into->lost += from->lost;
}

/* Takes the files in order; the first that cannot be read ends it, unless lenient. */
static ms_status settle(ms_checkpoint *ckpt, ms_opening *items, bool lenient, ms_err *err) {
    size_t n_open = 0;
    const ms_opening *worst = NULL;
    for (size_t i = 0; i < ckpt->n_files; i++) {
        ms_opening *const o = &items[i];
        copy_notes(&ckpt->notes, &o->notes);
        if (o->status == MS_OK) {
            n_open++;
            continue;
        }
        o->file->reader = NULL;
        if (!worst) worst = o;
        if (o->status == MS_ERR_MEMORY) lenient = false;
        ms_notes_add(&ckpt->notes, MS_NOTE_ERROR, "file.unreadable", o->file->path, MS_STR(""), MS_NOTE_NO_OFFSET, "%s",
                     o->err.text);
    }
    if (!worst || (lenient && n_open > 0)) return MS_OK;
    return ms_err_set(err, worst->status, "%s", worst->err.text);
}

/* The shard of that name, or n_shards; they are sorted. */
static size_t find_shard(const ms_index *index, ms_str name) {
    size_t low = 0, high = index->n_shards;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (ms_str_compare(index->shards[middle], name) < 0) low = middle + 1;
        else high = middle;
    }
    return low < index->n_shards && ms_str_equal(index->shards[low], name) ? low : index->n_shards;
}

/* How long the headers of far files are, for what is asked for at once need not be asked for twice. */
static ms_status guess_headers(const ms_checkpoint *ckpt, ms_opening *items, ms_err *err) {
    const ms_index *const index = ckpt->index;
    if (!index || !ms_hub_is(ckpt->folder.text)) return MS_OK;
    uint64_t *const n_header = ms_mem_zalloc_array(index->n_shards + 1, sizeof *n_header); /* the last: of no shard */
    if (!n_header) return ms_err_memory(err, "the files");
    for (size_t i = 0; i < index->n_entries; i++)
        n_header[index->entries[i].shard] += index->entries[i].tensor.size + ENTRY_BYTES;
    for (size_t i = 0; i < ckpt->n_files; i++) items[i].n_header = n_header[find_shard(index, items[i].file->name)];
    ms_mem_free(n_header);
    return MS_OK;
}

/* Far files are waited for side by side, however few processors there are. 0: as many threads as processors. */
static int threads_for(const ms_checkpoint *ckpt) {
    const size_t n = ckpt->n_files, n_useful = n / FILES_PER_THREAD;
    if (n > 1 && ms_hub_is(ckpt->files[0].path.text)) return n < FAR_THREADS ? (int)n : FAR_THREADS;
    if (n < 2 * FILES_PER_THREAD) return 1;
    return n_useful < 16 ? (int)n_useful : 0;
}

static ms_status open_files(ms_checkpoint *ckpt, const ms_open_options *options, ms_err *err) {
    const size_t n = ckpt->n_files;
    ms_openings all = {.options = {.lenient = options->lenient, .inflate_budget = options->inflate_budget}};
    ms_status status = MS_OK;
    all.items = ms_mem_zalloc_array(n ? n : 1, sizeof *all.items);
    if (!all.items) return ms_err_memory(err, "the files");
    for (size_t i = 0; i < n; i++) all.items[i].file = &ckpt->files[i];
    const int n_threads = threads_for(ckpt);
    status = guess_headers(ckpt, all.items, err);
    if (status == MS_OK && n_threads == 1) {
        for (size_t i = 0; i < n; i++) open_one(&all, i, 0, err);
    } else if (status == MS_OK) {
        ms_pool *pool;
        status = ms_pool_create(&pool, n_threads, err);
        if (status == MS_OK) {
            status = ms_pool_run(pool, n, open_one, &all, NULL, err);
            ms_pool_destroy(pool);
        }
    }
    if (status == MS_OK) status = settle(ckpt, all.items, options->lenient, err);
    for (size_t i = 0; i < n; i++) ms_notes_free(&all.items[i].notes);
    ms_mem_free(all.items);
    return status;
}

/* ---- tensors ---- */

static ms_str name_of_tensor(const void *tensors, uint32_t number) { return ((const ms_tensor *)tensors)[number].stored->name; }

static ms_status index_names(ms_checkpoint *ckpt, ms_err *err) {
    ckpt->by_name = (ms_name_index){.list = ckpt->tensors, .name_of = name_of_tensor};
    const size_t n = ckpt->n_tensors;
    if (!ms_name_index_reserve(&ckpt->by_name, n)) return ms_err_memory(err, "the names of the tensors");
    for (size_t from = 0; from < n; from += NAMES_AT_ONCE) {
        bool is_new[NAMES_AT_ONCE];
        const size_t count = n - from < NAMES_AT_ONCE ? n - from : NAMES_AT_ONCE;
        if (!ms_name_index_add(&ckpt->by_name, (uint32_t)from, count, is_new))
            return ms_err_memory(err, "the names of the tensors");
        for (size_t i = 0; i < count; i++) ckpt->tensors[from + i].shadowed = !is_new[i];
    }
    return MS_OK;
}

static ms_status list_tensors(ms_checkpoint *ckpt, ms_err *err) {
    size_t n = 0;
    for (size_t f = 0; f < ckpt->n_files; f++) {
        ms_file *const file = &ckpt->files[f];
        file->first_tensor = n;
        file->n_tensors = file->reader ? file->reader->n_tensors : 0;
        n += file->n_tensors;
    }
    MS_FAIL_IF(n >= UINT32_MAX, MS_ERR_UNSUPPORTED, err, "%zu tensors: at most %u can be handled", n, UINT32_MAX - 1);
    ckpt->tensors = ms_mem_alloc_array(n, sizeof *ckpt->tensors);
    if (!ckpt->tensors) return ms_err_memory(err, "the list of tensors");
    for (size_t f = 0; f < ckpt->n_files; f++)
        for (size_t t = 0; t < ckpt->files[f].n_tensors; t++)
            ckpt->tensors[ckpt->n_tensors++] = (ms_tensor){.stored = &ckpt->files[f].reader->tensors[t],
                                                           .file = (uint32_t)f,
                                                           .layer = -1,
                                                           .expert = -1,
                                                           .section = "",
                                                           .scheme = ""};
    MS_TRY(ms_pieces_join(ckpt, err));
    return index_names(ckpt, err);
}

/* What the user says about the widths of experts wins over the config. */
static ms_status take_widths(ms_checkpoint *ckpt, ms_str text, ms_err *err) {
    ms_expert_widths widths;
    if (!text.text) return MS_OK;
    MS_TRY(ms_expert_widths_parse(&widths, text, &ckpt->arena, err));
    ckpt->model.expert_sizes = widths.items, ckpt->model.n_expert_sizes = widths.n;
    return MS_OK;
}

/* The index is done with then, but for its shards and what it says of itself. */
static ms_status check_against_index(ms_checkpoint *ckpt, ms_err *err) {
    ms_guard guard = ms_guard_begin();
    const ms_status status = ms_guard_end(&guard, ms_index_check(ckpt, err), err);
    if (ckpt->index) ms_index_forget_entries(ckpt->index);
    return status;
}

/* Tensors, index, families: what all ways of opening share, once the readers are there. */
static ms_status fill(ms_checkpoint *ckpt, const ms_open_options *options, ms_err *err) {
    MS_TRY(ms_embedded_config_read(ckpt, err));
    MS_TRY(ms_model_config_read(&ckpt->model, ckpt->config, &ckpt->arena, &ckpt->notes, ckpt->config_path, err));
    MS_TRY(ms_quant_file_read(ckpt, err));
    MS_TRY(take_widths(ckpt, options->expert_widths, err));
    MS_TRY(list_tensors(ckpt, err));
    MS_TRY(check_against_index(ckpt, err));
    return options->no_family ? MS_OK : ms_family_classify(ckpt, err);
}

static ms_status open_and_fill(ms_checkpoint *ckpt, const ms_open_options *options, ms_err *err) {
    MS_TRY(read_config(ckpt, err));
    MS_TRY(open_files(ckpt, options, err));
    return fill(ckpt, options, err);
}

static ms_status add_file(ms_checkpoint *ckpt, ms_str path, ms_str name, ms_err *err) {
    ms_file *const file = &ckpt->files[ckpt->n_files];
    *file = (ms_file){.path = ms_arena_copy(&ckpt->arena, path), .name = ms_arena_copy(&ckpt->arena, name)};
    if (!file->path.text || !file->name.text) return ms_err_memory(err, "the list of files");
    ckpt->n_files++;
    return MS_OK;
}

static ms_status read_index(ms_checkpoint *ckpt, ms_err *err) {
    ms_index *const index = ms_arena_zalloc(&ckpt->arena, sizeof *index);
    if (!index) return ms_err_memory(err, "the index");
    MS_TRY(ms_index_open(index, ckpt->index_path.text, err));
    const ms_status status = ms_index_read(index, err);
    if (status != MS_OK) return ms_err_within(err, status, "%s", ms_str_shown(ckpt->index_path).text);
    ckpt->index = index;
    return MS_OK;
}

static ms_status take_set(ms_checkpoint *ckpt, ms_file_set *set, ms_err *err) {
    ckpt->folder = set->folder;
    ckpt->index_path = set->index_path;
    if (set->index_path.size) {
        MS_TRY(read_index(ckpt, err));
        MS_TRY(ms_index_choose_shards(ckpt, set, err));
    }
    ckpt->files = ms_mem_zalloc_array(set->files.n ? set->files.n : 1, sizeof *ckpt->files);
    if (!ckpt->files) return ms_err_memory(err, "the list of files");
    for (size_t i = 0; i < set->files.n; i++) MS_TRY(add_file(ckpt, set->files.items[i].path, set->files.items[i].name, err));
    return MS_OK;
}

static ms_checkpoint *make(const char *path) {
    ms_checkpoint *const ckpt = ms_mem_zalloc(sizeof *ckpt);
    if (!ckpt) return NULL;
    ckpt->path = ms_arena_copy(&ckpt->arena, ms_str_of(path));
    ckpt->config_path = ckpt->index_path = MS_STR("");
    if (ckpt->path.text) return ckpt;
    ms_checkpoint_close(ckpt);
    return NULL;
}

static const ms_open_options defaults = {0};

ms_status ms_checkpoint_open(ms_checkpoint **out, const char *path, const ms_open_options *options, ms_err *err) {
    ms_file_set set = {0};
    *out = NULL;
    ms_checkpoint *const ckpt = make(path);
    if (!ckpt) return ms_err_memory(err, "the checkpoint");
    ms_status status = ms_file_set_find(&set, path, &ckpt->arena, &ckpt->notes, err);
    if (status == MS_OK) status = take_set(ckpt, &set, err);
    if (status == MS_OK) status = open_and_fill(ckpt, options ? options : &defaults, err);
    ms_file_set_free(&set);
    if (status == MS_OK) *out = ckpt;
    else ms_checkpoint_close(ckpt);
    return status;
}

ms_status ms_checkpoint_open_files(ms_checkpoint **out, const char *const *paths, size_t n_paths, const char *folder,
                                   const ms_open_options *options, ms_err *err) {
    *out = NULL;
    ms_checkpoint *const ckpt = make(folder ? folder : n_paths ? paths[0] : "");
    if (!ckpt) return ms_err_memory(err, "the checkpoint");
    ckpt->folder = folder ? ckpt->path : MS_STR_NONE;
    ckpt->files = ms_mem_zalloc_array(n_paths ? n_paths : 1, sizeof *ckpt->files);
    ms_status status = ckpt->files ? MS_OK : ms_err_memory(err, "the list of files");
    for (size_t i = 0; i < n_paths && status == MS_OK; i++) {
        const ms_str path = ms_str_of(paths[i]);
        const ms_str name = folder ? ms_files_relative(&ckpt->arena, path, ckpt->folder) : ms_files_name_of(path);
        status = name.text ? add_file(ckpt, path, name, err) : ms_err_memory(err, "a path");
    }
    if (status == MS_OK) status = open_and_fill(ckpt, options ? options : &defaults, err);
    if (status == MS_OK) *out = ckpt;
    else ms_checkpoint_close(ckpt);
    return status;
}

/* Gives the readers to the checkpoint; those it has no room for are closed. */
static ms_status take_readers(ms_checkpoint *ckpt, ms_reader **readers, size_t n, ms_err *err) {
    ckpt->files = ms_mem_zalloc_array(n ? n : 1, sizeof *ckpt->files);
    for (size_t i = 0; i < n; i++) {
        if (!ckpt->files) {
            ms_reader_close(readers[i]);
            continue;
        }
        const ms_str path = ms_str_of(readers[i]->source->path);
        ckpt->files[ckpt->n_files++] =
            (ms_file){.path = path, .name = ms_files_name_of(path), .reader = readers[i], .n_bytes = readers[i]->source->size};
    }
    return ckpt->files ? MS_OK : ms_err_memory(err, "the list of files");
}

ms_status ms_checkpoint_over(ms_checkpoint **out, ms_reader **readers, size_t n, ms_str config, const ms_open_options *options,
                             ms_err *err) {
    ms_checkpoint blank = {0};
    *out = NULL;
    ms_checkpoint *const ckpt = make(n ? readers[0]->source->path : "");
    ms_status status = take_readers(ckpt ? ckpt : &blank, readers, n, err);
    if (!ckpt) {
        for (size_t i = 0; i < blank.n_files; i++) ms_reader_close(blank.files[i].reader);
        ms_mem_free(blank.files);
        return ms_err_memory(err, "the checkpoint");
    }
    if (status == MS_OK && config.text) status = parse_config(ckpt, config, err);
    if (status == MS_OK) status = fill(ckpt, options ? options : &defaults, err);
    if (status == MS_OK) *out = ckpt;
    else ms_checkpoint_close(ckpt);
    return status;
}

void ms_checkpoint_close(ms_checkpoint *ckpt) {
    if (!ckpt) return;
    for (size_t i = 0; i < ckpt->joined.n; i++) ms_source_close(ckpt->joined.items[i]);
    MS_VEC_FREE(&ckpt->joined);
    for (size_t i = 0; i < ckpt->n_files; i++)
        if (ckpt->files[i].reader) ms_reader_close(ckpt->files[i].reader);
    ms_mem_free(ckpt->files);
    ms_mem_free(ckpt->tensors);
    ms_name_index_free(&ckpt->by_name);
    if (ckpt->index) ms_index_free(ckpt->index);
    ms_buf_free(&ckpt->config_text);
    ms_notes_free(&ckpt->notes);
    ms_arena_free(&ckpt->arena);
    ms_mem_free(ckpt);
}

ms_status ms_checkpoint_unchanged(const ms_checkpoint *ckpt, ms_err *err) {
    for (size_t i = 0; i < ckpt->n_files; i++)
        if (ckpt->files[i].reader) MS_TRY(ms_source_unchanged(ckpt->files[i].reader->source, err));
    return MS_OK;
}

const ms_tensor *ms_checkpoint_find(const ms_checkpoint *ckpt, ms_str name) {
    const uint32_t found = ms_name_index_find(&ckpt->by_name, name);
    return found != MS_NO_NUMBER ? &ckpt->tensors[found] : NULL;
}
