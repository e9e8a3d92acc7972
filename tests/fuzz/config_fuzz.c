/* Any JSON as a config: whatever is asked for any layer has an answer, and notes are text. */
#include "fuzz.h"
#include "model_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_arena arena = {0};
    ms_notes notes = {0};
    const ms_json_value *root = NULL;
    if (ms_json_parse(&root, data, size, &arena, NULL) == MS_OK) {
        ms_model_config config = {0};
        FUZZ_CHECK(ms_model_config_read(&config, root, &arena, &notes, MS_STR("config.json"), NULL) == MS_OK);
        for (int64_t layer = -1; layer < 40; layer++) {
            const int64_t experts = ms_config_at(&config.experts, layer, -1);
            FUZZ_CHECK(experts == ms_config_at(&config.experts, layer, -1));
            (void)ms_config_at(&config.shared_experts, layer, -1);
        }
        for (size_t i = 0; i < notes.n; i++) FUZZ_CHECK(ms_str_is_utf8(notes.items[i].message, NULL));
    }
    ms_notes_free(&notes);
    ms_arena_free(&arena);
    return 0;
}
