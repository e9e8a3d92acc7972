#include "broken.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct sentence {
    char text[sizeof((ms_err *)0)->text];
} sentence;

/* Puts where it was in front of the error: innermost place first. */
static ms_status placed(const ms_broken_rules *rules, ms_err *err, ms_status status, ms_str tensor, int64_t offset) {
    if (offset != MS_NOTE_NO_OFFSET) ms_err_within(err, status, "byte %lld", (long long)offset);
    if (tensor.text) ms_err_within(err, status, "tensor '%s'", ms_str_shown(tensor).text);
    return ms_err_within(err, status, "%s", ms_str_shown(ms_str_of(rules->path)).text);
}

static ms_status keep_note(const ms_broken_rules *rules, ms_err *err, ms_severity severity, const char *code, ms_str tensor,
                           int64_t offset, const sentence *message) {
    if (!rules->notes) return MS_OK;
    const size_t n_lost = rules->notes->lost;
    ms_notes_add(rules->notes, severity, code, ms_str_of(rules->path), tensor, offset, "%s", message->text);
    return rules->notes->lost == n_lost ? MS_OK : ms_err_memory(err, "a finding");
}

ms_status ms_broken(const ms_broken_rules *rules, ms_err *err, const char *code, ms_str tensor, int64_t offset,
                    const char *format, ...) {
    sentence message;
    va_list args;
    va_start(args, format);
    vsnprintf(message.text, sizeof message.text, format, args);
    va_end(args);
    if (!rules->lenient) {
        ms_err_set(err, MS_ERR_DAMAGED, "%s", message.text);
        return placed(rules, err, MS_ERR_DAMAGED, tensor, offset);
    }
    return keep_note(rules, err, MS_NOTE_ERROR, code, tensor, offset, &message);
}

ms_status ms_broken_remark(const ms_broken_rules *rules, ms_err *err, ms_severity severity, const char *code, ms_str tensor,
                           int64_t offset, const char *format, ...) {
    sentence message;
    va_list args;
    va_start(args, format);
    vsnprintf(message.text, sizeof message.text, format, args);
    va_end(args);
    return keep_note(rules, err, severity, code, tensor, offset, &message);
}

ms_status ms_broken_beyond_use(const ms_broken_rules *rules, ms_err *err, ms_status status, ms_str tensor, int64_t offset,
                               const char *format, ...) {
    sentence message;
    va_list args;
    va_start(args, format);
    vsnprintf(message.text, sizeof message.text, format, args);
    va_end(args);
    ms_err_set(err, status, "%s", message.text);
    return placed(rules, err, status, tensor, offset);
}
