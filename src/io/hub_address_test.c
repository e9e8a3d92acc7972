#include "hub_address.h"

#include "test.h"

#define ENDPOINT MS_STR("https://huggingface.co")

static ms_status parse(ms_hub_address *out, ms_arena *arena, const char *text) {
    return ms_hub_address_parse(out, arena, ms_str_of(text), MS_STR("https://mirror.example/hub"), NULL);
}

TEST(hub_address_takes_every_form_of_one_name) {
    static const struct {
        const char *text, *repo, *revision, *path;
        ms_hub_kind kind;
    } cases[] = {
        {"hf://Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B", "main", "", MS_HUB_MODEL},
        {"hf:Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B", "main", "", MS_HUB_MODEL},
        {"Qwen/Qwen3-30B-A3B@v1.0", "Qwen/Qwen3-30B-A3B", "v1.0", "", MS_HUB_MODEL},
        {"hf://models/a/b/", "a/b", "main", "", MS_HUB_MODEL},
        {"hf://datasets/a/b@x/y/z.npz", "a/b", "x", "y/z.npz", MS_HUB_DATASET},
        {"hf://spaces/a/b", "a/b", "main", "", MS_HUB_SPACE},
        {"hf://a/b@refs/pr/3/dir/m.gguf", "a/b", "refs/pr/3", "dir/m.gguf", MS_HUB_MODEL},
        {"hf://a/b@refs/convert/parquet", "a/b", "refs/convert/parquet", "", MS_HUB_MODEL},
        {"hf://a/b@refs/convert/x%2Fy/z", "a/b", "refs/convert/x/y", "z", MS_HUB_MODEL},
        {"hf://a/b@feature%2Fx/m.gguf", "a/b", "feature/x", "m.gguf", MS_HUB_MODEL},
        {"hf://a/b@refs%2Fpr%2F12", "a/b", "refs/pr/12", "", MS_HUB_MODEL},
        {"hf://a/b/file@2.gguf", "a/b", "main", "file@2.gguf", MS_HUB_MODEL},
        {"hf://a//b", "a/b", "main", "", MS_HUB_MODEL},
        {"hf:///a/b//x//y/", "a/b", "main", "x/y", MS_HUB_MODEL},
        {"hf://kernels/a/b", "a/b", "main", "", MS_HUB_KERNEL},
        {"hf://gpt2", "gpt2", "main", "", MS_HUB_MODEL},
        {"hf://gpt2@dev/model.safetensors", "gpt2", "dev", "model.safetensors", MS_HUB_MODEL},
        {"hf://datasets/squad", "squad", "main", "", MS_HUB_DATASET},
        {"https://hf.co/a/b/resolve/main/x.safetensors", "a/b", "main", "x.safetensors", MS_HUB_MODEL},
        {"https://huggingface.co/a/b?library=transformers", "a/b", "main", "", MS_HUB_MODEL},
        {"https://huggingface.co/a/b#files", "a/b", "main", "", MS_HUB_MODEL},
        {"https://mirror.example/hub/a/b/raw/v1/x.json", "a/b", "v1", "x.json", MS_HUB_MODEL},
        {"https://huggingface.co/a/b", "a/b", "main", "", MS_HUB_MODEL},
        {"https://huggingface.co/a/b/tree/dev", "a/b", "dev", "", MS_HUB_MODEL},
        {"https://huggingface.co/datasets/a/b/blob/main/x%20y.npz?download=true", "a/b", "main", "x y.npz", MS_HUB_DATASET},
        {"https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/m.gguf", "a/b", "refs/pr/1", "m.gguf", MS_HUB_MODEL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_arena arena = {0};
        ms_hub_address a, again;
        CHECK_EQ_I64(parse(&a, &arena, cases[i].text), MS_OK);
        CHECK(ms_str_is(a.repo, cases[i].repo));
        CHECK(ms_str_is(a.revision, cases[i].revision));
        CHECK(ms_str_is(a.path, cases[i].path));
        CHECK_EQ_I64(a.kind, cases[i].kind);
        CHECK_EQ_I64(parse(&again, &arena, ms_hub_address_text(&arena, &a).text), MS_OK);
        CHECK(ms_str_equal(again.repo, a.repo) && ms_str_equal(again.revision, a.revision) && ms_str_equal(again.path, a.path));
        ms_arena_free(&arena);
    }
}

TEST(hub_address_refuses_what_the_hub_has_no_name_for) {
    static const char *const cases[] = {
        "hf://",
        "hf:",
        "hf://a/b@",
        "hf://a/b@/x",
        "hf://a/b/../x",
        "hf://a/b/./x",
        "hf://-a/b",
        "hf://a/b.",
        "hf://a/b--c",
        "hf://a/b..c",
        "hf://a/b.git",
        "hf://a b/c",
        "hf://a/b@..",
        "hf://a/b@x%2",
        "hf://a/b@%2E%2E%2Fx",
        "hf://a/b@%00",
        "hf://a/b@x y",
        "hf://buckets/a/b",
        "hf://a/b/x\\..\\y",
        "hf://\xff/b",
        "https://huggingface.co/a/b/settings",
        "https://huggingface.co/",
        "hf:////",
        "hf://gpt2@",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_arena arena = {0};
        ms_hub_address a;
        CHECK(parse(&a, &arena, cases[i]) != MS_OK);
        ms_arena_free(&arena);
    }
}

TEST(hub_address_knows_pages_of_the_hub) {
    CHECK(ms_hub_address_is_web(MS_STR("https://huggingface.co/a/b"), ENDPOINT));
    CHECK(ms_hub_address_is_web(MS_STR("https://huggingface.co/a/b"), MS_STR("https://mirror.example")));
    CHECK(!ms_hub_address_is_web(MS_STR("https://huggingface.com/a/b"), ENDPOINT));
    CHECK(!ms_hub_address_is_web(MS_STR("https://huggingface.co.example/a/b"), ENDPOINT));
    CHECK(!ms_hub_address_is_web(MS_STR("a/b"), ENDPOINT));
}

TEST(hub_address_bare_names_are_told_from_paths) {
    CHECK(ms_hub_address_is_bare(MS_STR("Qwen/Qwen3-30B-A3B")));
    CHECK(ms_hub_address_is_bare(MS_STR("Qwen/Qwen2.5-7B@main")));
    CHECK(!ms_hub_address_is_bare(MS_STR("models/tiny.gguf")));
    CHECK(!ms_hub_address_is_bare(MS_STR("./models")));
    CHECK(!ms_hub_address_is_bare(MS_STR("/a/b")));
    CHECK(!ms_hub_address_is_bare(MS_STR("a/b/c")));
    CHECK(!ms_hub_address_is_bare(MS_STR("gpt2")));
    CHECK(!ms_hub_address_is_bare(MS_STR("runs/model-00001-of-00002.safetensors")));
}

/* Whatever comes in, nothing outside of the repository comes out. */
PROPERTY(hub_address_never_leaves_its_repository, 500) {
    static const char alphabet[] = "ab/.@%2F-_:\\ \x01rfsp";
    char text[40] = "hf:";
    const size_t n = 3 + gen_below(g, 30);
    for (size_t i = 3; i < n; i++) text[i] = alphabet[gen_below(g, sizeof alphabet - 1)];
    ms_arena arena = {0};
    ms_hub_address a;
    if (ms_hub_address_parse(&a, &arena, (ms_str){text, n}, ENDPOINT, NULL) == MS_OK) {
        CHECK(a.path.size == 0 || ms_hub_path_is_inside(a.path));
        CHECK(ms_hub_path_is_inside(a.repo));
        CHECK(ms_hub_path_is_inside(a.revision));
    }
    ms_arena_free(&arena);
}
