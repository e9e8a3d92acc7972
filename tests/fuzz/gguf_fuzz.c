/* Any bytes as a GGUF file, strict and lenient; whatever is listed lies inside the file. */
#include <stdlib.h>

#include "fuzz.h"
#include "notes.h"
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    for (int lenient = 0; lenient < 2; lenient++) {
        ms_source *source;
        ms_reader *reader;
        ms_notes notes = {0};
        if (ms_source_over_memory(&source, bytes, n, "fuzz.gguf", NULL) != MS_OK) continue;
        const ms_read_options options = {.lenient = lenient};
        if (ms_reader_open(&reader, source, &options, &notes, NULL) == MS_OK) {
            for (size_t i = 0; i < reader->n_tensors; i++)
                if (reader->tensors[i].source->size == n &&
                    (reader->tensors[i].offset > n || reader->tensors[i].n_bytes > n - reader->tensors[i].offset))
                    abort();
            ms_reader_close(reader);
        }
        ms_notes_free(&notes);
    }
    return 0;
}
