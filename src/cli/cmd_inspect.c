/* moescope inspect: what is in a model; reads headers only. */
#include "inspect.h"
#include "models.h"

static ms_status show(ms_cli *cli, const ms_checkpoint *ckpt, ms_err *err) {
    const bool with_tensors = ms_args_flag(&cli->args, "tensors");
    ms_inspect inspect;
    MS_TRY(ms_inspect_gather(&inspect, ckpt, err));
    const ms_status status = cli->format == MS_FORMAT_JSON  ? ms_inspect_json(cli, &inspect, with_tensors, err)
                             : cli->format == MS_FORMAT_CSV ? ms_inspect_csv(cli, &inspect, err)
                                                            : ms_inspect_text(cli, &inspect, with_tensors, err);
    ms_inspect_free(&inspect);
    return status;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    const ms_open_options open = {.lenient = ms_args_flag(&cli->args, "lenient"),
                                  .expert_widths = ms_str_of(ms_args_text(&cli->args, "expert-widths"))};
    ms_checkpoint *ckpt;
    MS_TRY(ms_checkpoint_open(&ckpt, ms_args_argument(&cli->args, 0), &open, err));
    const ms_status status = show(cli, ckpt, err);
    ms_checkpoint_close(ckpt);
    return status;
}

static const ms_positional positionals[] = {
    {.name = "MODEL", .help = "a folder, a file, any shard, or an index", .min = 1, .max = 1, .complete = MS_COMPLETE_MODEL},
    {0},
};

static const ms_opt options[] = {
    {.name = "tensors", .letter = 't', .help = "list every tensor, not folded by pattern"},
    MS_OPT_EXPERT_WIDTHS,
    {.name = "lenient", .help = "report broken rules of the format and go on"},
    {0},
};

static const ms_example examples[] = {
    {"inspect examples/tiny-qwen2-moe", "architecture, experts, parameters, tensors, warnings"},
    {"inspect model-00001-of-00003.safetensors", "a shard stands for its whole model"},
    {"inspect model --json", "the same for scripts"},
    {"inspect model --tensors --csv", "one line a tensor, with its role, layer and expert"},
    {0},
};

const ms_command ms_cmd_inspect = {
    .name = "inspect",
    .section = "Look",
    .summary = "what is in a model: architecture, experts, sizes, tensors, warnings",
    .description =
        "Reads the headers of the files, not the weights. Tensors whose names differ in numbers only are shown as one line, "
        "with the numbers as sets: layers.{0..5}. What the files and the config disagree about is listed as warnings.\n\n"
        "Active parameters are those that work on one token: all that are not routed, plus the chosen share of each layer's "
        "experts.",
    .examples = examples,
    .positionals = positionals,
    .options = options,
    .takes = MS_TAKES_FORMAT | MS_TAKES_JAIL,
    .run = run,
};
