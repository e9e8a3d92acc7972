#include <math.h>
#include <stdio.h>

#include "mem.h"
#include "moescope.h"
#include "test.h"

static const char example[] = MS_SOURCE_DIR "/examples/tiny-qwen2-moe";

static bool is(ms_catalog_text t, const char *text) { return t.size == strlen(text) && memcmp(t.text, text, t.size) == 0; }

TEST(catalog_of_the_example_knows_model_tensors_and_matrices) {
    ms_catalog *catalog;
    ms_catalog_error error;
    CHECK_MSG(ms_catalog_open(&catalog, example, &error) == 0, "%s", error.text);
    if (!catalog) return;
    ms_catalog_model model;
    ms_catalog_get_model(catalog, &model);
    CHECK(is(model.architecture, "Qwen2MoeForCausalLM") && strcmp(model.family, "per-expert") == 0);
    CHECK(model.layers == 6 && model.experts == 16 && model.top_k == 4);
    CHECK(model.parameters == 3489664 && model.active_parameters == 1720192);
    CHECK_EQ_I64(ms_catalog_tensor_count(catalog), 375);
    CHECK_EQ_I64(ms_catalog_matrix_count(catalog), 6 * (3 * 16 + 3 + 1));
    ms_catalog_matrix m;
    ms_catalog_get_matrix(catalog, 2, &m);
    CHECK(is(m.proj, "gate_proj") && m.layer == 0 && m.expert == 2 && m.rows == 64 && m.cols == 128);
    ms_catalog_tensor t;
    ms_catalog_get_tensor(catalog, m.tensor, &t);
    CHECK(is(t.name, "model.layers.0.mlp.experts.2.gate_proj.weight") && strcmp(t.dtype, "bfloat16") == 0);
    CHECK(t.rank == 2 && t.shape[0] == 64 && t.shape[1] == 128 && t.n_bytes == 64 * 128 * 2 && strcmp(t.role, "expert") == 0);
    ms_catalog_close(catalog);
}

TEST(catalog_reads_rows_and_says_what_is_not_there) {
    ms_catalog *catalog;
    ms_catalog_error error;
    CHECK_MSG(ms_catalog_open(&catalog, example, &error) == 0, "%s", error.text);
    if (!catalog) return;
    float whole[64 * 128], part[2 * 128];
    CHECK(ms_catalog_read(catalog, 0, 0, 64, whole, &error) == 0);
    CHECK(ms_catalog_read(catalog, 0, 62, 2, part, &error) == 0 && error.code == 0 && !error.text[0]);
    CHECK(memcmp(part, whole + 62 * 128, sizeof part) == 0);
    double size = 0;
    for (size_t i = 0; i < 64 * 128; i++) size += (double)whole[i] * whole[i];
    CHECK(sqrt(size / (64 * 128)) > 0.03 && sqrt(size / (64 * 128)) < 0.1);
    CHECK(ms_catalog_read(catalog, 0, 63, 2, part, &error) == 2 && strstr(error.text, "64 rows"));
    CHECK(ms_catalog_read(catalog, 0, UINT64_MAX, 2, part, NULL) == 2);
    CHECK(ms_catalog_read(catalog, 1 << 20, 0, 1, part, &error) == 2 && error.code == 2);
    ms_catalog_close(catalog);
    CHECK(ms_catalog_open(&catalog, "/nowhere/at/all", &error) == 5 && !catalog && strstr(error.text, "/nowhere/at/all"));
    ms_catalog_close(catalog);
}

TEST(catalog_survives_each_failing_allocation) {
    bool went_well = false;
    for (size_t n = 1; n < 20000 && !went_well; n += 1 + n / 20) {
        ms_catalog *catalog;
        ms_catalog_error error;
        ms_mem_fail_at((int64_t)n);
        const int code = ms_catalog_open(&catalog, example, &error);
        ms_mem_fail_at(0);
        went_well = code == 0;
        CHECK_MSG(code == 0 || code == 7, "%d: %s", code, error.text);
        ms_catalog_close(catalog);
    }
    CHECK(went_well);
}
