#include "models.h"

#include "checkpoint.h"
#include "hub.h"
#include "interrupt.h"
#include "mem.h"

bool ms_models_are_taken(const ms_command *command) {
    for (const ms_positional *p = command->positionals; p && p->name; p++)
        if (p->complete == MS_COMPLETE_MODEL) return true;
    for (const ms_opt *o = command->options; o && o->name; o++)
        if (o->complete == MS_COMPLETE_MODEL) return true;
    return false;
}

static void watch(void *context, uint64_t n_came, uint64_t n_more) {
    ms_cli *const cli = context;
    if (n_more) ms_progress_begin(&cli->progress, "download", n_more);
    if (n_came) ms_progress_add(&cli->progress, n_came);
}

/* What belongs to the model is known once its headers are read. */
static ms_status download(ms_cli *cli, const char *path, ms_err *err) {
    ms_checkpoint *ckpt;
    if (!ms_hub_is(path)) return MS_OK;
    MS_TRY(ms_checkpoint_open(&ckpt, path, &(ms_open_options){.no_family = true, .lenient = true}, err));
    const char **const paths = ms_mem_alloc_array(ckpt->n_files, sizeof *paths);
    ms_status status = paths ? MS_OK : ms_err_memory(err, "the list of files");
    for (size_t i = 0; paths && i < ckpt->n_files; i++) paths[i] = ckpt->files[i].path.text;
    const ms_hub_watcher watcher = {.watch = watch, .context = cli, .cancel = ms_interrupt_cancel()};
    if (paths) status = ms_hub_download(paths, ckpt->n_files, ckpt->folder.text, &watcher, err);
    ms_progress_end(&cli->progress);
    if (status == MS_OK) ms_interrupt_release();
    ms_mem_free(paths);
    ms_checkpoint_close(ckpt);
    return status;
}

static ms_status resolve_one(ms_cli *cli, ms_arg_value *value, ms_arena *arena, ms_err *err) {
    ms_str path;
    if (!value->text || !*value->text) return MS_OK;
    MS_TRY(ms_hub_resolve(&path, arena, value->text, err));
    value->text = path.text;
    if (ms_opt_find(cli->args.tables, "download") && ms_args_flag(&cli->args, "download"))
        MS_TRY(download(cli, path.text, err));
    const ms_str remark = ms_hub_remark(path.text);
    if (remark.size) ms_cli_warn(cli, "%s", remark.text);
    return MS_OK;
}

ms_status ms_models_resolve(ms_cli *cli, ms_arena *arena, ms_err *err) {
    if (!ms_models_are_taken(cli->command)) return MS_OK;
    const ms_positional *p = cli->command->positionals;
    for (size_t i = 0, of_this = 0; p && p->name && i < cli->args.arguments.n; i++) {
        if (p->complete == MS_COMPLETE_MODEL) MS_TRY(resolve_one(cli, &cli->args.arguments.items[i], arena, err));
        if (++of_this >= (size_t)p->max) p++, of_this = 0;
    }
    for (size_t i = 0; i < cli->args.options.n; i++) {
        ms_arg_value *const value = &cli->args.options.items[i];
        if (value->opt && value->opt->complete == MS_COMPLETE_MODEL) MS_TRY(resolve_one(cli, value, arena, err));
    }
    return MS_OK;
}
