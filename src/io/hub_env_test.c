#include "hub_env.h"

#include "test.h"

typedef struct variable {
    const char *name, *value;
} variable;
static const variable *variables; /* of the test that runs */

static const char *get(const char *name) {
    for (const variable *v = variables; v->name; v++)
        if (strcmp(v->name, name) == 0) return v->value;
    return NULL;
}

#define GIVEN(...) (variables = (const variable[]){__VA_ARGS__, {0}})

TEST(hub_env_defaults_are_those_of_huggingface_hub) {
    ms_arena arena = {0};
    ms_hub_env env;
    ms_err err = {0};
    GIVEN({"HOME", "/users/ann"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.endpoint, "https://huggingface.co");
    CHECK_EQ_STR(env.cache, "/users/ann/.cache/huggingface/hub");
    CHECK_EQ_STR(env.token, "");
    CHECK(!env.offline && env.links);
    CHECK_EQ_I64(env.timeout_s, 10);
    ms_arena_free(&arena);
}

TEST(hub_env_folders_follow_their_variables) {
    static const struct {
        variable v[3];
        const char *cache;
    } cases[] = {
        {{{"XDG_CACHE_HOME", "/x"}}, "/x/huggingface/hub"},
        {{{"HF_HOME", "~/hf"}}, "/users/ann/hf/hub"},
        {{{"HF_HOME", "$HOME/a${HOME}"}}, "/users/ann/a/users/ann/hub"},
        {{{"HF_HOME", "/h"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}, "/old"},
        {{{"HF_HUB_CACHE", "/new"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}, "/new"},
        {{{"HF_HUB_CACHE", "/n$NONE/${"}}, "/n$NONE/${"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_arena arena = {0};
        ms_hub_env env;
        ms_err err = {0};
        GIVEN({"HOME", "/users/ann"}, cases[i].v[0], cases[i].v[1]);
        CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
        CHECK_EQ_STR(env.cache, cases[i].cache);
        ms_arena_free(&arena);
    }
}

TEST(hub_env_takes_tokens_in_their_order_and_refuses_broken_ones) {
    ms_arena arena = {0};
    ms_hub_env env;
    ms_err err = {0};
    GIVEN({"HF_TOKEN", " hf_a\n"}, {"HUGGING_FACE_HUB_TOKEN", "hf_b"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.token, "hf_a");
    GIVEN({"HF_TOKEN", ""}, {"HUGGING_FACE_HUB_TOKEN", "hf_b"}, {"HF_HUB_OFFLINE", "Yes"}, {"HF_HUB_DISABLE_SYMLINKS", "0"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.token, "hf_b");
    CHECK(env.offline && env.links);
    GIVEN({"HF_TOKEN", "hf_a"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "TRUE"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.token, "");
    GIVEN({"HF_TOKEN", "hf\r\nHost: x"});
    CHECK_FAILS(ms_hub_env_read(&env, &arena, get, &err), MS_ERR_USAGE, &err, "control character");
    GIVEN({"HF_ENDPOINT", "mirror.example//"});
    CHECK_FAILS(ms_hub_env_read(&env, &arena, get, &err), MS_ERR_USAGE, &err, "HF_ENDPOINT");
    GIVEN({"HF_ENDPOINT", "https://mirror.example//"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.endpoint, "https://mirror.example");
    ms_arena_free(&arena);
}

TEST(hub_env_trusts_whom_the_most_special_variable_names) {
    ms_arena arena = {0};
    ms_hub_env env;
    ms_err err = {0};
    GIVEN({"HOME", "/users/ann"}, {"SSL_CERT_FILE", "/general"}, {"CURL_CA_BUNDLE", "/curl"},
          {"REQUESTS_CA_BUNDLE", "/requests"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.ca_file, "/requests");
    CHECK_EQ_STR(env.ca_folder, "");
    GIVEN({"HOME", "/users/ann"}, {"SSL_CERT_FILE", "/general"}, {"SSL_CERT_DIR", "/many"});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.ca_file, "/general");
    CHECK_EQ_STR(env.ca_folder, "/many");
    const char *const folder = test_folder();
    GIVEN({"HOME", "/users/ann"}, {"REQUESTS_CA_BUNDLE", folder});
    CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
    CHECK_EQ_STR(env.ca_file, "");
    CHECK_EQ_STR(env.ca_folder, folder);
    ms_arena_free(&arena);
}

TEST(hub_env_is_offline_as_the_first_of_two_variables_says) {
    static const struct {
        const char *hub, *transformers;
        bool offline;
    } cases[] = {{"1", NULL, true}, {NULL, "yes", true}, {"", "ON", true},
                 {"0", "1", false}, {"1", "0", true},    {"off", NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_arena arena = {0};
        ms_hub_env env;
        ms_err err = {0};
        GIVEN({"HOME", "/users/ann"}, {"HF_HUB_OFFLINE", cases[i].hub}, {"TRANSFORMERS_OFFLINE", cases[i].transformers});
        CHECK_OK(ms_hub_env_read(&env, &arena, get, &err), &err);
        CHECK_EQ_I64(env.offline, cases[i].offline);
        ms_arena_free(&arena);
    }
}
