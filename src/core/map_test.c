#include "map.h"

#include <stdio.h>

#include "test.h"

/* Adding many at once is adding them one by one, duplicates and empty keys included. */
PROPERTY(map_add_many_is_add_again_and_again, 100) {
    char texts[200][8];
    ms_str keys[200];
    bool is_new[200];
    const size_t n = gen_below(g, 201);
    for (size_t i = 0; i < n; i++) {
        snprintf(texts[i], sizeof texts[i], "%zu", gen_below(g, 120));
        keys[i] = gen_below(g, 50) ? ms_str_of(texts[i]) : MS_STR_NONE;
    }
    ms_map one = {0}, many = {0};
    CHECK(ms_map_add_many(&many, keys, n, 7, is_new));
    for (size_t i = 0; i < n; i++) {
        bool fresh;
        CHECK(ms_map_add(&one, keys[i], 7 + i, NULL, &fresh));
        CHECK(fresh == is_new[i]);
    }
    CHECK_EQ_I64(many.n, one.n);
    for (size_t i = 0; i < n; i++) CHECK_EQ_I64(*ms_map_find(&many, keys[i]), *ms_map_find(&one, keys[i]));
    CHECK(!ms_map_find(&many, MS_STR("absent")));
    ms_map_free(&one), ms_map_free(&many);
}
