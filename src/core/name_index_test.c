#include "name_index.h"

#include <stdio.h>

#include "map.h"
#include "test.h"

static ms_str name_of(const void *list, uint32_t number) { return ((const ms_str *)list)[number]; }

/* It knows what a map knows, duplicates and empty names included, however the names came in. */
PROPERTY(name_index_is_a_map, 100) {
    char texts[200][8];
    ms_str names[200];
    bool is_new[200];
    const size_t n = gen_below(g, 201);
    for (size_t i = 0; i < n; i++) {
        snprintf(texts[i], sizeof texts[i], "%zu", gen_below(g, 120));
        names[i] = gen_below(g, 50) ? ms_str_of(texts[i]) : MS_STR_NONE;
    }
    ms_map map = {0};
    ms_name_index index = {.list = names, .name_of = name_of};
    for (size_t from = 0, count; from < n; from += count) {
        count = 1 + gen_below(g, n - from);
        CHECK(ms_name_index_add(&index, (uint32_t)from, count, is_new + from));
    }
    for (size_t i = 0; i < n; i++) {
        bool fresh;
        CHECK(ms_map_add(&map, names[i], i, NULL, &fresh));
        CHECK(fresh == is_new[i]);
    }
    CHECK_EQ_I64(index.n, map.n);
    for (size_t i = 0; i < n; i++) CHECK_EQ_I64(ms_name_index_find(&index, names[i]), *ms_map_find(&map, names[i]));
    CHECK_EQ_I64(ms_name_index_find(&index, MS_STR("absent")), MS_NO_NUMBER);
    ms_map_free(&map), ms_name_index_free(&index);
}

TEST(name_index_can_lead_to_another_number) {
    const ms_str names[] = {MS_STR("a"), MS_STR("b"), MS_STR("a")};
    ms_name_index index = {.list = names, .name_of = name_of};
    CHECK_EQ_I64(ms_name_index_find(&index, MS_STR("a")), MS_NO_NUMBER);
    CHECK(ms_name_index_add(&index, 0, 3, NULL));
    CHECK_EQ_I64(ms_name_index_find(&index, MS_STR("a")), 0);
    ms_name_index_replace(&index, 0, 2);
    CHECK_EQ_I64(ms_name_index_find(&index, MS_STR("a")), 2);
    CHECK_EQ_I64(ms_name_index_find(&index, MS_STR("b")), 1);
    ms_name_index_free(&index);
}
