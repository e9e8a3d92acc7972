/* Any bytes as safetensors: the rules of fuzz_reader.h, and what is read is written and read again the same. */
#include "fuzz_reader.h"
#include "mem.h"
#include "safetensors_write.h"

static void check_round_trip(const ms_reader *reader, const uint8_t *data) {
    ms_safetensors_tensor *const tensors = ms_mem_zalloc_array(reader->n_tensors, sizeof *tensors);
    FUZZ_CHECK(tensors);
    for (size_t i = 0; i < reader->n_tensors; i++) {
        const ms_stored *const t = &reader->tensors[i];
        tensors[i] = (ms_safetensors_tensor){t->name, t->dtype, t->rank, t->shape, data + t->offset};
    }
    ms_buf file = {0};
    ms_err err = {0};
    FUZZ_CHECK(ms_safetensors_write(&file, tensors, reader->n_tensors, reader->metadata, reader->n_metadata, &err) == MS_OK);
    ms_reader *const again = fuzz_read((const uint8_t *)file.bytes, file.size, "again.safetensors");
    FUZZ_CHECK(again && again->n_tensors == reader->n_tensors);
    uint64_t n_bytes = 0, n_again = 0;
    for (size_t i = 0; i < reader->n_tensors; i++) n_bytes += reader->tensors[i].n_bytes, n_again += again->tensors[i].n_bytes;
    FUZZ_CHECK(n_bytes == n_again && again->header_bytes % 8 == 0);
    ms_reader_close(again);
    ms_buf_free(&file);
    ms_mem_free(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_reader *const reader = fuzz_read(data, size, "fuzz.safetensors");
    if (reader && strcmp(reader->format->name, "safetensors") == 0) check_round_trip(reader, data);
    ms_reader_close(reader);
    return 0;
}
