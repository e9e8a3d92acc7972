/* The library's own face (include/moescope.h), over checkpoint and bank. */
#include <stdio.h>
#include <string.h>

#include "bank.h"
#include "family.h"
#include "mem.h"
#include "moescope.h"
#include "parameters.h"

struct ms_catalog {
    ms_checkpoint *ckpt;
    ms_banks banks;
    ms_parameters parameters;
};

const char *ms_version(void) { return MS_VERSION; }

static int report(ms_status status, const ms_err *err, ms_catalog_error *error) {
    const int code = ms_status_exit_code(status);
    if (!error) return code;
    error->code = code;
    snprintf(error->text, sizeof error->text, "%s", status == MS_OK ? "" : err->text);
    return code;
}

static ms_status open_catalog(ms_catalog *catalog, const char *path, ms_err *err) {
    const ms_open_options options = {0};
    MS_TRY(ms_checkpoint_open(&catalog->ckpt, path, &options, err));
    MS_TRY(ms_banks_from_family(&catalog->banks, catalog->ckpt, err));
    return ms_parameters_count(&catalog->parameters, catalog->ckpt, err);
}

int ms_catalog_open(ms_catalog **out, const char *path, ms_catalog_error *error) {
    ms_err err = {0};
    *out = NULL;
    ms_catalog *const catalog = ms_mem_zalloc(sizeof *catalog);
    if (!catalog) return report(ms_err_memory(&err, "a catalog"), &err, error);
    const ms_status status = open_catalog(catalog, path, &err);
    if (status == MS_OK) *out = catalog;
    else ms_catalog_close(catalog);
    return report(status, &err, error);
}

void ms_catalog_close(ms_catalog *catalog) {
    if (!catalog) return;
    ms_banks_free(&catalog->banks);
    ms_checkpoint_close(catalog->ckpt);
    ms_mem_free(catalog);
}

static ms_catalog_text text_of(ms_str s) { return (ms_catalog_text){s.text ? s.text : "", s.size}; }

static int64_t first_of(const ms_config_ints *value) { return value->known && value->n > 0 ? value->items[0] : -1; }

void ms_catalog_get_model(const ms_catalog *catalog, ms_catalog_model *out) {
    const ms_checkpoint *const ckpt = catalog->ckpt;
    const ms_parameters *const p = &catalog->parameters;
    *out = (ms_catalog_model){.architecture = text_of(ckpt->model.architecture),
                              .family = ckpt->family ? ckpt->family->name : "",
                              .layers = (int64_t)ckpt->n_layers,
                              .experts = first_of(&ckpt->model.experts),
                              .top_k = first_of(&ckpt->model.top_k),
                              .parameters = p->total,
                              .active_parameters = p->active_known ? (int64_t)p->active : -1};
}

size_t ms_catalog_tensor_count(const ms_catalog *catalog) { return catalog->ckpt->n_tensors; }

void ms_catalog_get_tensor(const ms_catalog *catalog, size_t i, ms_catalog_tensor *out) {
    const ms_tensor *const t = &catalog->ckpt->tensors[i];
    const bool known = t->stored->dtype != MS_DTYPE_UNKNOWN;
    *out = (ms_catalog_tensor){.name = text_of(t->stored->name),
                               .file = text_of(catalog->ckpt->files[t->file].name),
                               .dtype = known ? ms_dtype_info_of(t->stored->dtype)->numpy_name : "",
                               .role = ms_role_name(t->role),
                               .scheme = t->scheme ? t->scheme : "",
                               .rank = (int)t->stored->rank,
                               .shape = t->stored->shape,
                               .n_bytes = t->stored->n_bytes,
                               .layer = t->layer,
                               .expert = t->expert};
}

size_t ms_catalog_matrix_count(const ms_catalog *catalog) { return catalog->banks.matrices.n; }

void ms_catalog_get_matrix(const ms_catalog *catalog, size_t i, ms_catalog_matrix *out) {
    const ms_matrix *const m = &catalog->banks.matrices.items[i];
    const ms_bank *const bank = &catalog->banks.items[m->bank];
    *out = (ms_catalog_matrix){.proj = text_of(bank->proj),
                               .role = ms_role_name(bank->role),
                               .section = bank->section ? bank->section : "",
                               .layer = bank->layer,
                               .expert = bank->role == MS_ROLE_EXPERT ? m->expert : -1,
                               .rows = m->rows,
                               .cols = m->cols,
                               .tensor = m->tensor};
}

int ms_catalog_read(const ms_catalog *catalog, size_t i, uint64_t row, uint64_t n, float *out, ms_catalog_error *error) {
    ms_err err = {0};
    ms_status status;
    const size_t n_matrices = catalog->banks.matrices.n;
    const ms_matrix *const m = i < n_matrices ? &catalog->banks.matrices.items[i] : NULL;
    if (!m) {
        status = ms_err_set(&err, MS_ERR_USAGE, "matrix %zu: there are %zu, counted from 0", i, n_matrices);
    } else if (row > m->rows || n > m->rows - row) {
        status = ms_err_set(&err, MS_ERR_USAGE, "matrix %zu has %llu rows: %llu from row %llu on are not there", i,
                            (unsigned long long)m->rows, (unsigned long long)n, (unsigned long long)row);
    } else {
        ms_scratch scratch = {0};
        status = n > 0 ? ms_matrix_rows(catalog->ckpt, m, row, n, &scratch, out, &err) : MS_OK;
        ms_scratch_free(&scratch);
    }
    return report(status, &err, error);
}
