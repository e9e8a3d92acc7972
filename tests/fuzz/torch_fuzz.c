/* Any bytes as a PyTorch file: zip of a pickle and storages, or the old stack of pickles; the rules of fuzz_reader.h. */
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_reader_close(fuzz_read(data, size, "fuzz.pt"));
    return 0;
}
