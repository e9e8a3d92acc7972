#include "index.h"

#include "make_file.h"
#include "torture.h"

static ms_status parse(ms_index *index, const char *text, ms_err *err) {
    return ms_index_parse(index, text, strlen(text), err);
}

TEST(an_index_maps_tensors_to_sorted_shards) {
    ms_index index;
    ms_err err;
    CHECK_OK(parse(&index,
                   "{\"metadata\": {\"total_size\": 12, \"x\": [1]}, \"other\": 1, \"weight_map\": {\"z\": \"b.safetensors\", "
                   "\"y\": \"sub\\\\a.safetensors\", \"\\u0078\": \"b.safetensors\", \"w\": \"sub/a.safetensors\"}}",
                   &err),
             &err);
    CHECK_EQ_I64(index.n_entries, 4);
    CHECK_EQ_I64(index.n_shards, 2);
    CHECK_EQ_STR(index.shards[0], "b.safetensors");
    CHECK_EQ_STR(index.shards[1], "sub/a.safetensors");
    static const char *const names[] = {"z", "y", "x", "w"};
    static const uint32_t shards[] = {0, 1, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ_STR(index.entries[i].tensor, names[i]);
        CHECK_EQ_I64(index.entries[i].shard, shards[i]);
    }
    CHECK(index.has_total_size && index.total_size == 12);
    CHECK_EQ_I64(ms_json_get(index.metadata, "x")->array.n, 1);
    ms_index_free(&index);
}

TEST(total_size_is_taken_as_it_is_met) {
    typedef struct size_case {
        const char *metadata;
        bool has;
        uint64_t size;
    } size_case;
    static const size_case cases[] = {
        {"{\"total_size\": 5}", true, 5},
        {"{\"total_size\": \"75944\"}", true, 75944},
        {"{\"total_size\": 5.0}", true, 5},
        {"{\"total_size\": 18446744073709551615}", true, UINT64_MAX},
        {"{\"total_size\": -5}", false, 0},
        {"{\"total_size\": \"5 GB\"}", false, 0},
        {"{\"total_size\": \"-5\"}", false, 0},
        {"{\"total_size\": \"+5\"}", false, 0},
        {"{\"total_size\": null}", false, 0},
        {"{\"total_size\": 1.5}", false, 0},
        {"{}", false, 0},
        {"[]", false, 0},
        {"null", false, 0},
        {"\"text\"", false, 0},
        {"{\"total_size\": \"\"}", false, 0},
        {"{\"total_size\": 1, \"total_size\": 2}", true, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        ms_err err;
        ms_index index;
        snprintf(text, sizeof text, "{\"weight_map\": {}, \"metadata\": %s}", cases[i].metadata);
        CHECK_OK(parse(&index, text, &err), &err);
        CHECK_MSG(index.has_total_size == cases[i].has && index.total_size == cases[i].size, "%s", text);
        CHECK((index.metadata != NULL) == (cases[i].metadata[0] == '{'));
        ms_index_free(&index);
    }
}

TEST(what_is_no_index_is_refused) {
    static const char *const cases[][2] = {
        {"", "byte 0"},
        {"[]", "expected an object"},
        {"{}", "there is no 'weight_map'"},
        {"{\"weight_map\": []}", "expected an object"},
        {"{\"weight_map\": null}", "expected an object"},
        {"{\"weight_map\": {\"a\": 1}}", "expected a string"},
        {"{\"weight_map\": {\"a\": \"b\"}} x", "byte 27"},
        {"{\"weight_map\": {\"a\": \"b\"}", "byte 25"},
        {"{\"weight_map\": {}, \"metadata\": {\"x\": 1e999}}", "the value of 'metadata' at byte 31: byte 6"},
    };
    ms_index index;
    ms_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(parse(&index, cases[i][0], &err), MS_ERR_DAMAGED, &err, cases[i][1]);
    CHECK_FAILS(parse(&index, "version https://git-lfs.github.com/spec/v1\n", &err), MS_ERR_UNSUPPORTED, &err, "git lfs pull");
}

TEST(a_repeated_weight_map_counts_from_its_last) {
    ms_index index;
    ms_err err;
    CHECK_OK(parse(&index, "{\"weight_map\": {\"a\": \"old\"}, \"weight_map\": {\"a\": \"new\"}}", &err), &err);
    CHECK_EQ_I64(index.n_entries, 1);
    CHECK_EQ_I64(index.n_shards, 1);
    CHECK_EQ_STR(index.shards[index.entries[0].shard], "new");
    ms_index_free(&index);
}

TEST(shards_stay_inside_their_folder) {
    static const char *const inside[] = {"a", "a.safetensors", "./a", "shards/a", "a..b", "...", "caf\xC3\xA9", "a b"};
    static const char *const outside[] = {"",     ".",  "./",    "/a",     "../a", "a/../b", "a/..",
                                          "a//b", "a/", "././a", "./../a", "a\nb", "\x7F"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        CHECK_MSG(ms_index_shard_is_inside(ms_str_of(inside[i])), "'%s'", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        CHECK_MSG(!ms_index_shard_is_inside(ms_str_of(outside[i])), "'%s'", outside[i]);
    CHECK(!ms_index_shard_is_inside(MS_STR("a\0b")));
}

static const char sound[] =
    "{\"metadata\":{\"total_size\":\"9\"},\"weight_map\":{\"a\\n\":\"s\\\\1\",\"b\":\"s2\",\"c\":\"s/1\"}}";

static ms_status parse_sound(void *context, ms_err *err) {
    (void)context;
    ms_index index;
    MS_TRY(parse(&index, sound, err));
    ms_index_free(&index);
    return MS_OK;
}

TEST(indexes_survive_every_failing_allocation) { CHECK_SURVIVES_MEMORY(parse_sound, NULL); }

PROPERTY(indexes_survive_mutation, 3000) {
    ms_buf text = {0};
    ms_buf_put_text(&text, sound);
    for (size_t i = 1 + gen_below(g, 3); i > 0; i--) make_mutation(g, &text);
    ms_index index;
    ms_err err = {0};
    const ms_status status = ms_index_parse(&index, text.bytes, text.size, &err);
    CHECK(status == MS_OK || (status == MS_ERR_DAMAGED && err.text[0]));
    for (size_t i = 0; status == MS_OK && i < index.n_entries; i++) CHECK(index.entries[i].shard < index.n_shards);
    for (size_t i = 1; status == MS_OK && i < index.n_shards; i++)
        CHECK(ms_str_compare(index.shards[i - 1], index.shards[i]) < 0);
    if (status == MS_OK) ms_index_free(&index);
    ms_buf_free(&text);
}
