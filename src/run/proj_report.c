#include "proj_report.h"

#include "buf.h"

const char *ms_proj_context_name(ms_proj_context context) {
    return context == MS_PROJ_PACKED_SPLIT ? "packed_split" : "proj_group";
}

const char *ms_proj_action_name(ms_proj_action action) { return action == MS_PROJ_KEPT_RAW ? "kept_raw" : "dropped_strict"; }

/* Lengths first, so that no two keys look alike whatever is in the texts. */
static ms_str key_of(ms_proj_report *report, const ms_proj_issue *issue) {
    ms_buf b = {0};
    ms_buf_printf(&b, "%d %d %zu %zu ", (int)issue->context, (int)issue->action, issue->rule_name.size, issue->raw_proj.size);
    ms_buf_put_str(&b, issue->rule_name);
    ms_buf_put_str(&b, issue->raw_proj);
    ms_buf_put_str(&b, issue->resolved_proj);
    const ms_str key = b.failed ? MS_STR_NONE : ms_arena_copy(&report->arena, ms_buf_str(&b));
    ms_buf_free(&b);
    return key;
}

ms_status ms_proj_report_add(ms_proj_report *report, const ms_proj_issue *issue, const ms_proj_aliases *aliases, ms_err *err) {
    const ms_str key = key_of(report, issue);
    size_t *slot;
    bool is_new;
    if (!key.text || !MS_VEC_RESERVE(&report->rows, 1) || !ms_map_add(&report->by_key, key, report->rows.n, &slot, &is_new))
        return ms_err_memory(err, "the canonicalisation report");
    if (!is_new) {
        report->rows.items[*slot].count++;
        return MS_OK;
    }
    ms_proj_issue row = *issue;
    row.count = 1;
    MS_TRY(ms_proj_suggest(aliases, issue->raw_proj, &row.suggested_proj, &row.suggested_match, err));
    ms_str *const texts[] = {&row.rule_name,
                             &row.raw_proj,
                             &row.resolved_proj,
                             &row.example_file,
                             &row.example_source_tensor,
                             &row.example_derived_tensor,
                             &row.suggested_proj,
                             &row.suggested_match};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = ms_arena_copy(&report->arena, *texts[i]);
        if (!texts[i]->text) return ms_err_memory(err, "the canonicalisation report");
    }
    report->rows.items[report->rows.n++] = row; /* room was made above */
    return MS_OK;
}

ms_status ms_proj_report_count(const ms_proj_report *report, ms_proj_action action, ms_proj_counts *out, ms_err *err) {
    *out = (ms_proj_counts){0};
    ms_map seen = {0};
    for (size_t i = 0; i < report->rows.n; i++) {
        const ms_proj_issue *const row = &report->rows.items[i];
        if (row->action != action) continue;
        bool is_new;
        if (!ms_map_add(&seen, row->raw_proj, 0, NULL, &is_new)) {
            ms_map_free(&seen);
            return ms_err_memory(err, "the canonicalisation report");
        }
        out->unique += is_new;
        if (row->context == MS_PROJ_PACKED_SPLIT) out->packed_split += row->count;
        else out->proj_group += row->count;
    }
    ms_map_free(&seen);
    return MS_OK;
}

void ms_proj_report_free(ms_proj_report *report) {
    MS_VEC_FREE(&report->rows);
    ms_map_free(&report->by_key);
    ms_arena_free(&report->arena);
}
