/* Any bytes as an npy file: the rules of fuzz_reader.h, and the header that we write for what is read reads the same. */
#include "fuzz_reader.h"
#include "npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_reader *const reader = fuzz_read(data, size, "fuzz.npy");
    if (reader && strcmp(reader->format->name, "npy") == 0) {
        const ms_stored *const t = &reader->tensors[0];
        ms_buf file = {0};
        if (t->dtype != MS_DTYPE_UNKNOWN && t->rank < 1000) {
            FUZZ_CHECK(ms_npy_put_header(&file, t->dtype, t->column_major, t->rank, t->shape, NULL) == MS_OK);
            FUZZ_CHECK(file.size % 64 == 0);
            ms_buf_put(&file, data + t->offset, (size_t)t->n_bytes);
            ms_reader *const again = fuzz_read((const uint8_t *)file.bytes, file.size, "fuzz.npy");
            FUZZ_CHECK(again && again->tensors[0].dtype == t->dtype && again->tensors[0].n_bytes == t->n_bytes);
            FUZZ_CHECK(again->tensors[0].column_major == t->column_major && again->tensors[0].rank == t->rank);
            ms_reader_close(again);
        }
        ms_buf_free(&file);
    }
    ms_reader_close(reader);
    return 0;
}
