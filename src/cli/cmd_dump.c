/* moescope dump: a tensor or an expert's matrix as a .npy file, decoded or as stored. */
#include <math.h>
#include <stdio.h>

#include "cli.h"
#include "dump.h"
#include "files.h"
#include "human.h"
#include "json_put.h"
#include "models.h"
#include "npy.h"

/* Where it goes: a file that appears whole or not at all, or standard output. */
typedef struct sink {
    ms_cli *cli;
    bool to_stdout;
    ms_files_writer file;
} sink;

static ms_status put(sink *s, const void *bytes, size_t n, ms_err *err) {
    if (!s->to_stdout) return ms_files_writer_put(&s->file, bytes, n, err);
    ms_cli_put(s->cli, bytes, n);
    return ms_cli_out_failed(s->cli) ? MS_ERR_IO : MS_OK; /* the frame says why */
}

static ms_status write_array(sink *s, ms_dump *dump, ms_err *err) {
    ms_buf header = {0};
    ms_status status = ms_npy_put_header(&header, dump->dtype, dump->column_major, dump->rank, dump->shape, err);
    if (status == MS_OK && header.failed) status = ms_err_memory(err, "a header");
    if (status == MS_OK) status = put(s, header.bytes, header.size, err);
    ms_buf_free(&header);

    const atomic_bool *const cancel = ms_interrupt_cancel();
    ms_progress_begin(&s->cli->progress, "dump", dump->n_bytes);
    while (status == MS_OK && ms_dump_more(dump)) {
        const void *bytes = NULL;
        size_t n = 0;
        if (atomic_load(cancel)) status = ms_err_set(err, MS_ERR_INTERRUPTED, "interrupted; no file was written");
        if (status == MS_OK) status = ms_dump_next(dump, &bytes, &n, err);
        if (status == MS_OK) status = put(s, bytes, n, err);
        ms_progress_add(&s->cli->progress, n);
    }
    ms_progress_end(&s->cli->progress);
    return status == MS_OK ? ms_checkpoint_unchanged(dump->ckpt, err) : status;
}

/* A slip of the completion must not cost a model: only a .npy file, or an empty one, is written over. */
static ms_status refuse_other_files(const char *path, ms_err *err) {
    static const char magic[] = "\x93NUMPY";
    char head[sizeof magic - 1];
    FILE *const file = ms_files_is_regular(path) ? fopen(path, "rb") : NULL;
    if (!file) return MS_OK; /* not there, or the writer says what is wrong with it */
    const size_t n = fread(head, 1, sizeof head, file);
    fclose(file);
    MS_FAIL_IF(n > 0 && (n < sizeof head || memcmp(head, magic, sizeof head) != 0), MS_ERR_USAGE, err,
               "%s exists and is no .npy file: give another name, or remove it first", ms_str_shown(ms_str_of(path)).text);
    return MS_OK;
}

static void put_shape(ms_buf *out, const ms_dump *dump) {
    ms_buf_put_char(out, '[');
    for (uint32_t i = 0; i < dump->rank; i++) ms_buf_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)dump->shape[i]);
    ms_buf_put_char(out, ']');
}

static ms_status answer(ms_cli *cli, const ms_dump *dump, const char *path, ms_err *err) {
    const char *const type = ms_dtype_info_of(dump->dtype)->numpy_name;
    ms_buf text = {0};
    if (cli->format != MS_FORMAT_JSON) {
        put_shape(&text, dump);
        if (!text.failed)
            ms_cli_say(cli, "%s: %s %s, %s", ms_str_shown(ms_str_of(path)).text, type, text.bytes,
                       ms_human_bytes(dump->n_bytes).text);
        ms_buf_free(&text);
        return MS_OK;
    }
    ms_json_out out = {.buf = &text, .indent = 2};
    ms_cli_begin_json(&out, "dump", 1);
    ms_json_put_text(&out, "path", path);
    ms_json_put_text(&out, "dtype", type);
    ms_json_out_key(&out, "shape");
    ms_json_out_begin_array(&out);
    for (uint32_t i = 0; i < dump->rank; i++) ms_json_out_u64(&out, dump->shape[i]);
    ms_json_out_end(&out);
    ms_json_put_u64(&out, "nbytes", dump->n_bytes);
    ms_json_out_key(&out, "experts");
    ms_json_out_begin_array(&out);
    for (size_t i = 0; i < dump->matrices.n; i++) ms_json_out_i64(&out, dump->matrices.items[i].expert);
    ms_json_out_end(&out);
    return ms_cli_end_json(cli, &out, err);
}

static ms_status write_file(ms_cli *cli, ms_dump *dump, const char *path, ms_err *err) {
    sink s = {.cli = cli, .to_stdout = strcmp(path, "-") == 0};
    if (s.to_stdout) return write_array(&s, dump, err);
    MS_TRY(refuse_other_files(path, err));
    MS_TRY(ms_files_writer_open(&s.file, path, err));
    ms_status status = write_array(&s, dump, err);
    if (status == MS_OK) status = ms_files_writer_commit(&s.file, MS_FILES_NO_SYNC, err);
    ms_files_writer_abort(&s.file);
    return status == MS_OK ? answer(cli, dump, path, err) : status;
}

static ms_status read_wanted(const ms_args *args, ms_dump_wanted *out, ms_err *err) {
    *out = (ms_dump_wanted){
        .tensor = ms_args_argument(args, 1),
        .proj = ms_args_text(args, "proj"),
        .section = ms_args_text(args, "section"),
        .layer = ms_args_given(args, "layer") ? ms_args_int(args, "layer") : -1,
        .expert = ms_args_given(args, "expert") ? ms_args_int(args, "expert") : -1,
        .shared = ms_args_flag(args, "shared"),
        .raw = ms_args_flag(args, "raw"),
    };
    MS_FAIL_IF(!out->tensor && (out->layer < 0 || !out->proj), MS_ERR_USAGE, err,
               "name a TENSOR ('moescope inspect MODEL --tensors' lists them), or give --layer and --proj");
    const bool json_too = strcmp(ms_args_text(args, "output"), "-") == 0 && ms_args_flag(args, "json");
    MS_FAIL_IF(json_too, MS_ERR_USAGE, err, "the array and --json cannot both go to standard output");
    return MS_OK;
}

static ms_status run(ms_cli *cli, ms_err *err) {
    ms_dump_wanted wanted;
    MS_TRY(read_wanted(&cli->args, &wanted, err));
    const ms_open_options open = {.lenient = ms_args_flag(&cli->args, "lenient"),
                                  .expert_widths = ms_str_of(ms_args_text(&cli->args, "expert-widths"))};
    ms_checkpoint *ckpt;
    MS_TRY(ms_checkpoint_open(&ckpt, ms_args_argument(&cli->args, 0), &open, err));
    ms_dump dump;
    ms_status status = ms_dump_choose(&dump, ckpt, &wanted, err);
    if (status == MS_OK) status = write_file(cli, &dump, ms_args_text(&cli->args, "output"), err);
    ms_dump_free(&dump);
    ms_checkpoint_close(ckpt);
    return status;
}

static const ms_positional positionals[] = {
    {.name = "MODEL", .help = "a folder, a file, any shard, or an index", .min = 1, .max = 1, .complete = MS_COMPLETE_MODEL},
    {.name = "TENSOR", .help = "its name, as inspect --tensors shows it", .max = 1, .complete = MS_COMPLETE_TENSOR},
    {0},
};

static const ms_opt options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = MS_OPT_PATH,
     .value = "FILE.npy",
     .required = true,
     .help = "where to write; - is standard output"},
    {.name = "expert",
     .letter = 'e',
     .kind = MS_OPT_INT,
     .value = "E",
     .max = INFINITY,
     .help = "only this expert's matrix [out, in]; experts are counted from 0"},
    {.name = "layer",
     .letter = 'l',
     .kind = MS_OPT_INT,
     .value = "L",
     .max = INFINITY,
     .help = "a layer, instead of a tensor's name"},
    {.name = "proj",
     .letter = 'p',
     .kind = MS_OPT_TEXT,
     .value = "NAME",
     .help = "gate, up, down or router: with --layer, or to choose a part of a fused tensor"},
    {.name = "shared", .help = "the shared expert instead of the routed ones"},
    {.name = "section",
     .kind = MS_OPT_TEXT,
     .value = "NAME",
     .help = "part of the model (mtp, vision, ...), where it is not the main one"},
    {.name = "raw", .help = "as stored, not decoded: types that NumPy has not become bytes"},
    MS_OPT_EXPERT_WIDTHS,
    {.name = "lenient", .help = "go on where a file breaks the rules of its format"},
    {0},
};

static const ms_example examples[] = {
    {"dump model lm_head.weight -o head.npy", "a tensor, decoded to f32"},
    {"dump model --layer 3 --proj gate --expert 7 -o gate.npy", "an expert's matrix [out, in], however the model stores it"},
    {"dump model --layer 3 --proj down -o down.npy", "all experts of a layer as one array [expert, out, in]"},
    {"dump model model.norm.weight -o - | sha256sum", "to standard output"},
    {"dump model model.norm.weight --raw -o norm.npy", "the stored type"},
    {0},
};

const ms_command ms_cmd_dump = {
    .name = "dump",
    .section = "Look",
    .summary = "any tensor or expert matrix as a .npy file",
    .description = "Quantised weights are decoded with their scales, where the scheme has a decoder (else the exit code is 4); "
                   "values are f32. With --expert, "
                   "--proj or --layer "
                   "the matrices of experts are cut out of whatever tensor holds them (fused, stacked, transposed, "
                   "interleaved) and written "
                   "as [out, in], C order.\n\n"
                   "--raw writes the bytes as they lie in the file. NumPy reads bfloat16 and the 8-bit floats as plain bytes; "
                   "array.view(ml_dtypes.bfloat16) gives them their meaning.",
    .examples = examples,
    .positionals = positionals,
    .options = options,
    .takes = MS_TAKES_JSON,
    .run = run,
};
