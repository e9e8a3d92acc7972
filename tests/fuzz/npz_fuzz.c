/* Any bytes as an npz archive: the rules of fuzz_reader.h; packed members are unpacked. */
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ms_reader_close(fuzz_read(data, size, "fuzz.npz"));
    return 0;
}
