/* Any bytes as an index: entries name listed shards, shards are sorted, distinct and all named. */
#include "fuzz_reader.h"
#include "index.h"
#include "mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_index index;
    ms_err err = {0};
    const ms_status status = ms_index_parse(&index, data, size, &err);
    FUZZ_CHECK(fuzz_is_verdict(status, &err));
    if (status != MS_OK) return 0;
    bool *const named = ms_mem_zalloc_array(index.n_shards, sizeof *named);
    FUZZ_CHECK(named);
    for (size_t i = 0; i < index.n_entries; i++) {
        FUZZ_CHECK(index.entries[i].shard < index.n_shards && ms_str_is_utf8(index.entries[i].tensor, NULL));
        named[index.entries[i].shard] = true;
    }
    for (size_t i = 0; i < index.n_shards; i++) {
        FUZZ_CHECK(named[i] && (i == 0 || ms_str_compare(index.shards[i - 1], index.shards[i]) < 0));
        if (ms_index_shard_is_inside(index.shards[i]))
            FUZZ_CHECK(index.shards[i].text[0] != '/' && !ms_str_starts_with(index.shards[i], MS_STR("../")));
    }
    FUZZ_CHECK(index.metadata == NULL || index.metadata->kind == MS_JSON_OBJECT);
    ms_mem_free(named);
    ms_index_free(&index);
    return 0;
}
