/* Any bytes as Parquet, through a file in memory: refused or read, never worse. Most of what runs here is carquet. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buf.h"
#include "fuzz.h"
#include "table_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int handle = memfd_create("fuzz.parquet", MFD_CLOEXEC);
    if (handle < 0 || write(handle, data, size) != (ssize_t)size) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
    ms_table *table;
    ms_err err = {0};
    const ms_status status = ms_table_from_parquet(&table, path, NULL, 0, NULL, &err);
    FUZZ_CHECK((status == MS_OK) == (table != NULL));
    ms_buf text = {0};
    if (table && ms_table_n_rows(table) < 10000) FUZZ_CHECK(ms_table_to_csv(table, &text, NULL) == MS_OK);
    ms_buf_free(&text);
    ms_table_destroy(table);
    close(handle);
    return 0;
}
