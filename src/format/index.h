/*
 * index: *.safetensors.index.json: which shard holds which tensor.
 *
 *     {"metadata": {"total_size": 123, ...}, "weight_map": {"tensor name": "model-00001-of-00002.safetensors", ...}}
 *
 * Valid means: a JSON object whose weight_map is an object of texts to texts; metadata that is no object counts as empty.
 * A backslash in a shard name becomes a slash. A million entries parse in a few tenths of a second.
 *
 *     ms_index index;
 *     MS_TRY(ms_index_open(&index, path, err));
 *     MS_TRY(ms_index_read(&index, err));
 *     ... index.entries ...
 *     ms_index_forget_entries(&index);                        // most of its memory; the shards and the metadata stay
 *     ms_index_free(&index);
 */
#ifndef MS_INDEX_H
#define MS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "json.h"
#include "source.h"
#include "str.h"

typedef struct ms_index_entry {
    ms_str tensor;  /* borrowed from the text, or from the arena */
    uint32_t shard; /* index into `shards` */
} ms_index_entry;

typedef struct ms_index {
    ms_arena arena;
    ms_index_entry *entries; /* [n_entries], in file order, a repeated tensor appears again; owned */
    size_t n_entries;
    ms_str *shards; /* [n_shards], distinct, sorted by bytes; owned by the arena */
    size_t n_shards;
    ms_source *source; /* owned; the text, until the entries are forgotten: mapped, or in scratch. NULL: someone else's */
    ms_scratch scratch;
    const ms_json_value *metadata; /* an object, or NULL */
    bool has_total_size;
    uint64_t total_size; /* metadata.total_size when it is an integer of 0 or more, or such in a text */
} ms_index;

/* Maps the file; errors name it. Then ms_index_read parses it: MS_ERR_DAMAGED with the reason, MS_ERR_IO when the file shrank
 * meanwhile. Nothing is left to free after an error of either. */
ms_status ms_index_open(ms_index *out, const char *path, ms_err *err);
ms_status ms_index_read(ms_index *index, ms_err *err);
/* The same from memory. text: [n] the whole file; must outlive the entries. */
ms_status ms_index_parse(ms_index *out, const void *text, size_t n, ms_err *err);

void ms_index_forget_entries(ms_index *index);
void ms_index_free(ms_index *index);

/* True when the name stays inside the model folder: relative, no "..", no empty or "." part but a leading "./", no NUL or
 * control character. */
bool ms_index_shard_is_inside(ms_str shard);

#endif
