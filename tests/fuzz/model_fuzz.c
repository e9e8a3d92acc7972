/* A config and a file: two bytes give the config's length, then come the config and any file. Everything that is read from
 * names and shapes alone, and a row of each matrix. */
#include "bank.h"
#include "family.h"
#include "fuzz.h"
#include "groups.h"
#include "parameters.h"

static void read_some(const ms_checkpoint *ckpt, const ms_banks *banks) {
    ms_scratch scratch = {0};
    for (size_t i = 0; i < banks->matrices.n && i < 64; i++) {
        const ms_matrix *const m = &banks->matrices.items[i];
        FUZZ_CHECK(m->bank < banks->n && m->tensor < ckpt->n_tensors);
        if (m->rows == 0 || m->cols == 0 || m->cols > 4096) continue;
        float row[4096];
        const int64_t last = (int64_t)(m->rows * m->cols - 1);
        if (ms_matrix_rows(ckpt, m, m->rows - 1, 1, &scratch, row, NULL) != MS_OK) continue;
        float corner;
        FUZZ_CHECK(ms_matrix_gather(ckpt, m, &last, 1, &scratch, &corner, NULL) == MS_OK);
    }
    ms_scratch_free(&scratch);
}

static void look_at(const ms_checkpoint *ckpt) {
    ms_banks banks;
    ms_groups groups;
    ms_parameters n;
    if (ms_banks_from_family(&banks, ckpt, NULL) == MS_OK) {
        read_some(ckpt, &banks);
        ms_banks_free(&banks);
    }
    if (ms_groups_build(&groups, ckpt, NULL) == MS_OK) {
        size_t n_tensors = 0;
        for (size_t i = 0; i < groups.n; i++) n_tensors += groups.items[i].n;
        FUZZ_CHECK(n_tensors == ckpt->n_tensors);
        ms_groups_free(&groups);
    }
    FUZZ_CHECK(ms_parameters_count(&n, ckpt, NULL) != MS_OK || n.total >= n.routed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_source *source;
    ms_reader *reader;
    ms_checkpoint *ckpt;
    ms_notes notes = {0};
    if (size < 2) return 0;
    size_t n_config = (size_t)data[0] | (size_t)data[1] << 8;
    if (n_config > size - 2) n_config = size - 2;
    const ms_str config = {n_config ? (const char *)data + 2 : NULL, n_config};
    if (ms_source_over_memory(&source, data + 2 + n_config, size - 2 - n_config, "fuzz", NULL) != MS_OK) return 0;
    const ms_status status = ms_reader_open(&reader, source, &(ms_read_options){.lenient = true}, &notes, NULL);
    ms_notes_free(&notes);
    if (status != MS_OK || ms_checkpoint_over(&ckpt, &reader, 1, config, NULL, NULL) != MS_OK) return 0;
    look_at(ckpt);
    ms_checkpoint_close(ckpt);
    return 0;
}
