/* The writing half of npy.h. */
#include "files.h"
#include "npy.h"

/* NumPy's spelling; NULL for types without whole bytes. */
static const char *descr_of(ms_dtype dtype) {
    switch (dtype) {
    case MS_DTYPE_BOOL: return "|b1";
    case MS_DTYPE_U8: return "|u1";
    case MS_DTYPE_I8: return "|i1";
    case MS_DTYPE_F8_E5M2:
    case MS_DTYPE_F8_E4M3:
    case MS_DTYPE_F8_E8M0:
    case MS_DTYPE_F8_E4M3FNUZ:
    case MS_DTYPE_F8_E5M2FNUZ: return "|V1";
    case MS_DTYPE_I16: return "<i2";
    case MS_DTYPE_U16: return "<u2";
    case MS_DTYPE_F16: return "<f2";
    case MS_DTYPE_BF16: return "<V2";
    case MS_DTYPE_I32: return "<i4";
    case MS_DTYPE_U32: return "<u4";
    case MS_DTYPE_F32: return "<f4";
    case MS_DTYPE_C64: return "<c8";
    case MS_DTYPE_F64: return "<f8";
    case MS_DTYPE_I64: return "<i8";
    case MS_DTYPE_U64: return "<u8";
    default: return NULL;
    }
}

static int n_digits(uint64_t x) {
    int n = 1;
    while (x >= 10) x /= 10, n++;
    return n;
}

/* As NumPy: blanks for the axis that may grow to 21 digits, then to a multiple of 64, the last byte a newline. */
ms_status ms_npy_put_header(ms_buf *out, ms_dtype dtype, bool column_major, uint32_t rank, const uint64_t *shape, ms_err *err) {
    enum { GROWTH_DIGITS = 21, ALIGNMENT = 64, PREFIX_BYTES = 10, MOST = 65535 };
    const char *const descr = descr_of(dtype);
    MS_FAIL_IF(!descr, MS_ERR_UNSUPPORTED, err, "elements of type %s cannot be written as npy", ms_dtype_info_of(dtype)->name);
    ms_buf text = {0};
    ms_buf_printf(&text, "{'descr': '%s', 'fortran_order': %s, 'shape': (", descr, column_major ? "True" : "False");
    for (uint32_t i = 0; i < rank; i++) ms_buf_printf(&text, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    ms_buf_put_text(&text, rank == 1 ? ",), }" : "), }");
    const int n_growth = rank > 0 ? GROWTH_DIGITS - n_digits(shape[column_major ? rank - 1 : 0]) : 0;
    for (int i = 0; i < n_growth; i++) ms_buf_put_char(&text, ' ');
    /* never without padding: NumPy adds 64 where none were needed */
    size_t n_padding = ALIGNMENT - (PREFIX_BYTES + text.size + 1) % ALIGNMENT;
    for (; n_padding > 0; n_padding--) ms_buf_put_char(&text, ' ');
    ms_buf_put_char(&text, '\n');

    const bool fits = text.size <= MOST;
    if (fits) {
        const uint8_t prefix[PREFIX_BYTES] = {
            0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)text.size, (uint8_t)(text.size >> 8)};
        ms_buf_put(out, prefix, sizeof prefix);
        ms_buf_put_str(out, ms_buf_str(&text));
    }
    const bool failed = text.failed || out->failed;
    ms_buf_free(&text);
    if (failed) return ms_err_memory(err, "an npy header");
    MS_FAIL_IF(!fits, MS_ERR_UNSUPPORTED, err, "an array of rank %u cannot be written as npy", rank);
    return MS_OK;
}

static ms_status write_array(ms_files_writer *w, ms_dtype dtype, uint32_t rank, const uint64_t *shape, const void *bytes,
                             ms_err *err) {
    ms_buf header = {0};
    ms_status status = ms_npy_put_header(&header, dtype, false, rank, shape, err);
    if (status == MS_OK) status = ms_files_writer_put(w, header.bytes, header.size, err);
    ms_buf_free(&header);
    size_t n = ms_dtype_info_of(dtype)->bits / 8;
    for (uint32_t i = 0; i < rank; i++) n *= shape[i];
    if (status == MS_OK) status = ms_files_writer_put(w, bytes, n, err);
    return status == MS_OK ? ms_files_writer_commit(w, MS_FILES_NO_SYNC, err) : status;
}

ms_status ms_npy_write(const char *path, ms_dtype dtype, uint32_t rank, const uint64_t *shape, const void *bytes, ms_err *err) {
    ms_files_writer w;
    MS_TRY(ms_files_writer_open(&w, path, err));
    const ms_status status = write_array(&w, dtype, rank, shape, bytes, err);
    ms_files_writer_abort(&w);
    return status;
}
