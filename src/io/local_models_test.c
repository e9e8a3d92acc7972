#include "local_models.h"

#include <stdio.h>

#include "files.h"
#include "test.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char home[300], elsewhere[300]; /* of the test that runs; elsewhere: "" for no OLLAMA_MODELS */

static const char *get(const char *name) {
    if (strcmp(name, "HOME") == 0) return home;
    return strcmp(name, "OLLAMA_MODELS") == 0 && *elsewhere ? elsewhere : NULL;
}

static void put(const char *path, const char *text) {
    ms_arena arena = {0};
    ms_err err = {0};
    const ms_str whole = ms_files_join(&arena, ms_str_of(home), ms_str_of(path));
    CHECK_OK(ms_files_make_folder(ms_arena_copy(&arena, ms_files_folder_of(whole)).text, &err), &err);
    CHECK_OK(ms_files_write(whole.text, text, strlen(text), MS_FILES_NO_SYNC, &err), &err);
    ms_arena_free(&arena);
}

static void begin(void) {
    snprintf(home, sizeof home, "%s", test_folder());
    *elsewhere = 0;
}

/* Where the name leads, behind the home folder; the text itself when it is none of ours. Lies in the arena. */
static ms_status find(const char **to, ms_arena *arena, const char *text, ms_err *err) {
    ms_hub_env env;
    ms_str out = MS_STR("");
    MS_TRY(ms_hub_env_read(&env, arena, get, err));
    MS_TRY(ms_local_models_find(&out, arena, ms_arena_copy(arena, ms_str_of(text)), &env, get, err));
    *to = ms_str_starts_with(out, ms_str_of(home)) ? out.text + strlen(home) + 1 : out.text;
    return MS_OK;
}

#define CHECK_LEADS(text, place)                       \
    do {                                               \
        ms_arena arena = {0};                          \
        ms_err err = {0};                              \
        const char *to = NULL;                         \
        CHECK_OK(find(&to, &arena, text, &err), &err); \
        CHECK_EQ_TEXT(to, place);                      \
        ms_arena_free(&arena);                         \
    } while (0)

#define CHECK_LEADS_NOWHERE(text, why, part)                         \
    do {                                                             \
        ms_arena arena = {0};                                        \
        ms_err err = {0};                                            \
        const char *to = NULL;                                       \
        CHECK_FAILS(find(&to, &arena, text, &err), why, &err, part); \
        ms_arena_free(&arena);                                       \
    } while (0)

static const char manifest[] =
    "{\"schemaVersion\": 2, \"layers\": ["
    "{\"mediaType\": \"application/vnd.ollama.image.template\", \"digest\": \"sha256:00\"},"
    "{\"mediaType\": \"application/vnd.ollama.image.model\", \"size\": 4, \"digest\": \"sha256:" HEX "\"}]}";

TEST(local_models_finds_what_ollama_pulled) {
    static const char blob[] = ".ollama/models/blobs/sha256-" HEX;
    begin();
    put(".ollama/models/manifests/registry.ollama.ai/library/tiny/latest", manifest);
    put(".ollama/models/manifests/registry.ollama.ai/ann/tiny/8x7b", manifest);
    put(".ollama/models/manifests/hf.co/ann/Tiny-GGUF/Q4_K_M", manifest);
    put(".ollama/models/manifests/localhost:5000/library/other/latest", manifest);
    put(blob, "GGUF");
    CHECK_LEADS("ollama:tiny", blob);
    CHECK_LEADS("ollama:tiny:latest", blob);
    CHECK_LEADS("ollama:library/tiny", blob);
    CHECK_LEADS("ollama:ann/tiny:8x7b", blob);
    CHECK_LEADS("ollama:hf.co/ann/Tiny-GGUF:Q4_K_M", blob);
    CHECK_LEADS("ollama:localhost:5000/library/other", blob);
    CHECK_LEADS("ollama:other", blob);
    CHECK_LEADS_NOWHERE("ollama:none", MS_ERR_NOT_FOUND, "ollama list");
    CHECK_LEADS_NOWHERE("ollama:tiny:q8", MS_ERR_NOT_FOUND, "no model");
    CHECK_LEADS_NOWHERE("ollama:hf.co/library/tiny", MS_ERR_NOT_FOUND, "no model");
    CHECK_LEADS_NOWHERE("ollama:../../x", MS_ERR_NOT_FOUND, "no model");
    CHECK_LEADS_NOWHERE("ollama:a/b/c/d", MS_ERR_NOT_FOUND, "no model");
    CHECK_LEADS_NOWHERE("ollama:", MS_ERR_NOT_FOUND, "no model");
    snprintf(elsewhere, sizeof elsewhere, "%.250s/moved", home);
    CHECK_LEADS_NOWHERE("ollama:tiny", MS_ERR_NOT_FOUND, "moved");
    put("moved/manifests/registry.ollama.ai/library/tiny/latest", manifest);
    put("moved/blobs/sha256-" HEX, "GGUF");
    CHECK_LEADS("ollama:tiny", "moved/blobs/sha256-" HEX);
}

TEST(local_models_says_what_is_wrong_with_a_manifest) {
    static const char here[] = ".ollama/models/manifests/registry.ollama.ai/library/tiny/latest";
    begin();
    put(here, manifest);
    CHECK_LEADS_NOWHERE("ollama:tiny", MS_ERR_NOT_FOUND, "pull it again");
    put(".ollama/models/blobs/sha256-" HEX, "GGUF, longer");
    CHECK_LEADS_NOWHERE("ollama:tiny", MS_ERR_DAMAGED, "its manifest");
    put(here, "{\"layers\": [{\"mediaType\": \"application/vnd.ollama.image.tensor\", \"digest\": \"sha256:" HEX "\"}]}");
    CHECK_LEADS_NOWHERE("ollama:tiny", MS_ERR_UNSUPPORTED, "pull a GGUF form");
    static const char *const others[] = {
        "",
        "{",
        "[]",
        "{\"layers\": 5}",
        "{\"layers\": [5, {}, {\"mediaType\": []}]}",
        "{\"layers\": [{\"mediaType\": \"application/vnd.ollama.image.model\"}]}",
        ("{\"layers\": [{\"mediaType\": \"application/vnd.ollama.image.model\", "
         "\"digest\": \"sha256:../../../../../../../../../../../../../../../../../../../etc/passwd....\"}]}")};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put(here, others[i]);
        CHECK_LEADS_NOWHERE("ollama:tiny", MS_ERR_NOT_FOUND, "no model");
    }
}

TEST(local_models_finds_the_folders_of_lm_studio) {
    begin();
    put(".lmstudio/models/ann/tiny/tiny.gguf", "GGUF");
    put(".cache/lm-studio/models/ann/old/old.gguf", "GGUF");
    CHECK_LEADS("ann/tiny", ".lmstudio/models/ann/tiny");
    CHECK_LEADS("lmstudio:ann/tiny", ".lmstudio/models/ann/tiny");
    CHECK_LEADS("lmstudio:ann/tiny/tiny.gguf", ".lmstudio/models/ann/tiny/tiny.gguf");
    CHECK_LEADS("ann/old", ".cache/lm-studio/models/ann/old");
    CHECK_LEADS("ann/none", "ann/none");
    CHECK_LEADS_NOWHERE("lmstudio:ann/none", MS_ERR_NOT_FOUND, ".lmstudio/models");
    CHECK_LEADS_NOWHERE("lmstudio:../x", MS_ERR_NOT_FOUND, "no model");
    put("disk/ann/tiny/tiny.gguf", "GGUF");
    char settings[400];
    snprintf(settings, sizeof settings, "{\"downloadsFolder\": \"%.300s/disk\"}", home);
    put(".lmstudio/settings.json", settings);
    CHECK_LEADS("ann/tiny", "disk/ann/tiny");
    CHECK_LEADS("ann/old", ".cache/lm-studio/models/ann/old");
    put(".lmstudio/settings.json", "{\"downloadsFolder\": 7}");
    CHECK_LEADS("ann/tiny", ".lmstudio/models/ann/tiny");
}
