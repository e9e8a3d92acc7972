#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ms_status ms_err_set(ms_err *err, ms_status status, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

ms_status ms_err_within(ms_err *err, ms_status status, const char *where, ...) {
    if (!err) return status;
    char text[sizeof err->text];
    va_list args;
    va_start(args, where);
    const int n_where = vsnprintf(text, sizeof text, where, args);
    va_end(args);
    if (n_where < 0) return status;
    const size_t used = (size_t)n_where < sizeof text ? (size_t)n_where : sizeof text - 1;
    snprintf(text + used, sizeof text - used, ": %s", err->text);
    memcpy(err->text, text, sizeof text);
    err->status = status;
    return status;
}

ms_status ms_err_memory(ms_err *err, const char *what) { return ms_err_set(err, MS_ERR_MEMORY, "out of memory for %s", what); }

const char *ms_status_name(ms_status status) {
    switch (status) {
    case MS_OK: return "done";
    case MS_ERR_FINDING: return "finding";
    case MS_ERR_USAGE: return "usage";
    case MS_ERR_DAMAGED: return "damaged";
    case MS_ERR_UNSUPPORTED: return "unsupported";
    case MS_ERR_NOT_FOUND: return "not found";
    case MS_ERR_IO: return "input/output";
    case MS_ERR_MEMORY: return "out of memory";
    case MS_ERR_NETWORK: return "network";
    case MS_ERR_PARTIAL: return "partial";
    case MS_ERR_INTERRUPTED: return "interrupted";
    }
    return "unknown";
}
