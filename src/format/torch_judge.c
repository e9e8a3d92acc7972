#include "torch_judge.h"

#include <stdlib.h>

#include "map.h"

/* torch 2.15, torch._weights_only_unpickler._get_allowed_globals(), sorted by bytes; earlier releases have fewer types. */
static const char *const allowed[] = {
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.complex",
    "builtins.set",
    "collections.Counter",
    "collections.OrderedDict",
    "torch.BFloat16Storage",
    "torch.BFloat16Tensor",
    "torch.BoolStorage",
    "torch.BoolTensor",
    "torch.ByteStorage",
    "torch.ByteTensor",
    "torch.CharStorage",
    "torch.CharTensor",
    "torch.ComplexDoubleStorage",
    "torch.ComplexFloatStorage",
    "torch.DoubleStorage",
    "torch.DoubleTensor",
    "torch.FloatStorage",
    "torch.FloatTensor",
    "torch.HalfStorage",
    "torch.HalfTensor",
    "torch.IntStorage",
    "torch.IntTensor",
    "torch.LongStorage",
    "torch.LongTensor",
    "torch.QInt32Storage",
    "torch.QInt8Storage",
    "torch.QUInt2x4Storage",
    "torch.QUInt4x2Storage",
    "torch.QUInt8Storage",
    "torch.ShortStorage",
    "torch.ShortTensor",
    "torch.Size",
    "torch.Tensor",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_wrapper_subclass",
    "torch.bcomplex32",
    "torch.bfloat16",
    "torch.bits16",
    "torch.bits1x8",
    "torch.bits2x4",
    "torch.bits4x2",
    "torch.bits8",
    "torch.bool",
    "torch.complex128",
    "torch.complex32",
    "torch.complex64",
    "torch.cuda.BFloat16Storage",
    "torch.cuda.BFloat16Tensor",
    "torch.cuda.BoolStorage",
    "torch.cuda.BoolTensor",
    "torch.cuda.ByteStorage",
    "torch.cuda.ByteTensor",
    "torch.cuda.CharStorage",
    "torch.cuda.CharTensor",
    "torch.cuda.ComplexDoubleStorage",
    "torch.cuda.ComplexFloatStorage",
    "torch.cuda.DoubleStorage",
    "torch.cuda.DoubleTensor",
    "torch.cuda.FloatStorage",
    "torch.cuda.FloatTensor",
    "torch.cuda.HalfStorage",
    "torch.cuda.HalfTensor",
    "torch.cuda.IntStorage",
    "torch.cuda.IntTensor",
    "torch.cuda.LongStorage",
    "torch.cuda.LongTensor",
    "torch.cuda.ShortStorage",
    "torch.cuda.ShortTensor",
    "torch.cuda.sparse.BFloat16Tensor",
    "torch.cuda.sparse.ByteTensor",
    "torch.cuda.sparse.CharTensor",
    "torch.cuda.sparse.DoubleTensor",
    "torch.cuda.sparse.FloatTensor",
    "torch.cuda.sparse.HalfTensor",
    "torch.cuda.sparse.IntTensor",
    "torch.cuda.sparse.LongTensor",
    "torch.cuda.sparse.ShortTensor",
    "torch.device",
    "torch.float16",
    "torch.float32",
    "torch.float4_e2m1fn_x2",
    "torch.float64",
    "torch.float8_e4m3fn",
    "torch.float8_e4m3fnuz",
    "torch.float8_e5m2",
    "torch.float8_e5m2fnuz",
    "torch.float8_e8m0fnu",
    "torch.int1",
    "torch.int16",
    "torch.int2",
    "torch.int3",
    "torch.int32",
    "torch.int4",
    "torch.int5",
    "torch.int6",
    "torch.int64",
    "torch.int7",
    "torch.int8",
    "torch.nn.parameter.Parameter",
    "torch.per_channel_affine",
    "torch.per_channel_affine_float_qparams",
    "torch.per_channel_symmetric",
    "torch.per_tensor_affine",
    "torch.per_tensor_symmetric",
    "torch.qint32",
    "torch.qint8",
    "torch.quint2x4",
    "torch.quint4x2",
    "torch.quint8",
    "torch.serialization._get_layout",
    "torch.sparse.BFloat16Tensor",
    "torch.sparse.ByteTensor",
    "torch.sparse.CharTensor",
    "torch.sparse.DoubleTensor",
    "torch.sparse.FloatTensor",
    "torch.sparse.HalfTensor",
    "torch.sparse.IntTensor",
    "torch.sparse.LongTensor",
    "torch.sparse.ShortTensor",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
    "torch.uint1",
    "torch.uint16",
    "torch.uint2",
    "torch.uint3",
    "torch.uint32",
    "torch.uint4",
    "torch.uint5",
    "torch.uint6",
    "torch.uint64",
    "torch.uint7",
    "torch.uint8",
};

/* What code-running payloads use. A name of "" stands for the whole module and those inside it. builtins: see below. */
static const struct {
    const char *module, *name;
} dangerous[] = {
    {"_io", ""},
    {"_osx_support", ""},
    {"_pickle", ""},
    {"_posixsubprocess", ""},
    {"_pyio", ""},
    {"aiohttp", ""},
    {"asyncio", ""},
    {"bdb", ""},
    {"cProfile", ""},
    {"cloudpickle", ""},
    {"code", ""},
    {"commands", ""},
    {"ctypes", ""},
    {"dill", ""},
    {"distutils", ""},
    {"doctest", ""},
    {"ensurepip", ""},
    {"ftplib", ""},
    {"functools", "partial"},
    {"functools", "reduce"},
    {"http", ""},
    {"idlelib", ""},
    {"imaplib", ""},
    {"imp", ""},
    {"importlib", ""},
    {"inspect", ""},
    {"io", ""},
    {"joblib", ""},
    {"lib2to3", ""},
    {"linecache", ""},
    {"logging", ""},
    {"marshal", ""},
    {"multiprocessing", ""},
    {"nt", ""},
    {"numpy.distutils", ""},
    {"numpy.f2py", ""},
    {"numpy.testing", ""},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"os", ""},
    {"pdb", ""},
    {"pickle", ""},
    {"pip", ""},
    {"pkgutil", ""},
    {"platform", ""},
    {"posix", ""},
    {"profile", ""},
    {"pty", ""},
    {"pydoc", ""},
    {"requests", ""},
    {"runpy", ""},
    {"shelve", ""},
    {"shutil", ""},
    {"signal", ""},
    {"site", ""},
    {"smtplib", ""},
    {"socket", ""},
    {"ssl", ""},
    {"subprocess", ""},
    {"sys", ""},
    {"telnetlib", ""},
    {"tempfile", ""},
    {"threading", ""},
    {"timeit", ""},
    {"torch", "load"},
    {"torch._dynamo", ""},
    {"torch.cuda.jiterator", ""},
    {"torch.distributed.rpc", ""},
    {"torch.fx.experimental.symbolic_shapes.ShapeEnv", "evaluate_guards_expression"},
    {"torch.hub", ""},
    {"torch.jit.unsupported_tensor_ops", "execWrapper"},
    {"torch.serialization", "load"},
    {"torch.storage", "_load_from_bytes"},
    {"torch.utils._config_module", ""},
    {"torch.utils.collect_env", ""},
    {"torch.utils.cpp_extension", ""},
    {"trace", ""},
    {"types", "CodeType"},
    {"types", "FunctionType"},
    {"urllib", ""},
    {"uuid", "_get_command_stdout"},
    {"venv", ""},
    {"webbrowser", ""},
    {"zipimport", ""},
};

/* Those of builtins that only make a value. */
static const char *const plain_builtins[] = {"bool",   "bytes", "dict",  "float", "frozenset", "int", "list",
                                             "object", "range", "slice", "str",   "tuple",     "type"};

static int compare_paths(const void *key, const void *item) { return strcmp(key, *(const char *const *)item); }

/* "os" holds "os" and "os.path". */
static bool is_module(ms_str module, ms_str of) {
    return ms_str_starts_with(module, of) && (module.size == of.size || module.text[of.size] == '.');
}

static bool is_dangerous(ms_str module, ms_str name) {
    if (ms_str_is(module, "builtins")) {
        for (size_t i = 0; i < sizeof plain_builtins / sizeof plain_builtins[0]; i++)
            if (ms_str_is(name, plain_builtins[i])) return false;
        return true;
    }
    for (size_t i = 0; i < sizeof dangerous / sizeof dangerous[0]; i++) {
        const ms_str wanted = ms_str_of(dangerous[i].module);
        if (dangerous[i].name[0] ? ms_str_equal(module, wanted) && ms_str_is(name, dangerous[i].name)
                                 : is_module(module, wanted))
            return true;
    }
    return false;
}

ms_torch_danger ms_torch_judge_name(ms_str module, ms_str name) {
    char path[128];
    if (ms_str_is(module, "__builtin__")) module = MS_STR("builtins"); /* as torch reads pickles of Python 2 */
    if (module.size + name.size + 2 <= sizeof path && module.size && name.size && !memchr(name.text, 0, name.size)) {
        memcpy(path, module.text, module.size);
        path[module.size] = '.';
        memcpy(path + module.size + 1, name.text, name.size);
        path[module.size + 1 + name.size] = 0;
        if (bsearch(path, allowed, sizeof allowed / sizeof allowed[0], sizeof allowed[0], compare_paths))
            return MS_TORCH_ALLOWED;
    }
    return is_dangerous(module, name) ? MS_TORCH_DANGEROUS : MS_TORCH_UNKNOWN;
}

/* ---- a pickle ---- */

/* The opcodes that the restricted loader knows: those of protocol 2 that Python writes. */
static bool knows_opcode(int opcode) {
    static const uint8_t opcodes[] = {0x80, '.',  'c',  'R', 0x81, 'b',  'a', 'e', 's', 'u',  '(', 't',
                                      0x85, 0x86, 0x87, 'N', 0x88, 0x89, ')', ']', '}', 0x8F, 'J', 'K',
                                      'M',  'G',  'X',  'U', 'Q',  'h',  'j', 'q', 'r', 0x8A};
    return memchr(opcodes, opcode, sizeof opcodes) != NULL;
}

typedef struct judge {
    ms_torch_verdict *verdict;
    const ms_pickle *pickle;
    const ms_broken_rules *rules;
    uint64_t pickle_at; /* in the file */
    ms_err *err;
    ms_arena arena;
    ms_map said; /* names that have their note */
} judge;

static ms_status refuse_name(judge *j, const ms_pnode *node, ms_torch_danger danger) {
    const bool bad = danger == MS_TORCH_DANGEROUS;
    const uint64_t at = j->pickle_at + node->at;
    const ms_str module = node->global.module, name = node->global.name;
    const ms_str path = ms_arena_printf(&j->arena, "%.*s.%.*s", (int)module.size, module.text, (int)name.size, name.text);
    if (!path.text) return ms_err_memory(j->err, "the names of a pickle");
    ms_json_out *const out = &j->verdict->refused;
    ms_json_out_begin_object(out);
    ms_json_out_key(out, "name");
    ms_json_out_text(out, ms_str_shown(path).text);
    ms_json_out_key(out, "offset");
    ms_json_out_u64(out, at);
    ms_json_out_key(out, "dangerous");
    ms_json_out_bool(out, bad);
    ms_json_out_end(out);
    return ms_broken_remark(
        j->rules, j->err, bad ? MS_NOTE_ERROR : MS_NOTE_WARNING, bad ? "torch.dangerous_global" : "torch.unknown_global",
        MS_STR_NONE, (int64_t)at,
        bad ? "loading this file would import '%s', which can run code or open files; it was only read as data here"
            : "'%s' is not in the list that torch.load(weights_only=True) takes",
        ms_str_shown(path).text);
}

static ms_status judge_names(judge *j) {
    for (size_t i = 0; i < j->pickle->nodes.n; i++) {
        const ms_pnode *const node = &j->pickle->nodes.items[i];
        if (node->kind != MS_PNODE_GLOBAL) continue;
        const ms_str module = node->global.module, name = node->global.name;
        const ms_torch_danger danger = ms_torch_judge_name(module, name);
        if (danger == MS_TORCH_ALLOWED) continue;
        j->verdict->weights_only = false;
        bool is_new = true;
        const ms_str key =
            ms_arena_printf(&j->arena, "%zu %.*s%.*s", module.size, (int)module.size, module.text, (int)name.size, name.text);
        if (!key.text || !ms_map_add(&j->said, key, i, NULL, &is_new)) return ms_err_memory(j->err, "the names of a pickle");
        if (is_new) MS_TRY(refuse_name(j, node, danger));
    }
    return MS_OK;
}

static ms_status judge_opcodes(judge *j) {
    const size_t *const first_use = j->pickle->first_use;
    size_t first = SIZE_MAX;
    int which = -1;
    for (int opcode = 0; opcode < 256; opcode++)
        if (!knows_opcode(opcode) && first_use[opcode] < first) which = opcode, first = first_use[opcode];
    if (which < 0) return MS_OK;
    j->verdict->weights_only = false;
    return ms_broken_remark(j->rules, j->err, MS_NOTE_INFO, "torch.opcode", MS_STR_NONE, (int64_t)(j->pickle_at + first),
                            "opcode 0x%02X of pickle protocol %d; torch.load(weights_only=True) knows those of protocol 2 only",
                            (unsigned)which, j->pickle->protocol);
}

/* Only names are called: what came out of a call, say, is refused. */
static bool calls_names_only(const ms_pickle *pickle) {
    for (size_t i = 0; i < pickle->nodes.n; i++) {
        const ms_pnode *const node = &pickle->nodes.items[i];
        if (node->kind == MS_PNODE_CALL && ms_pickle_node(pickle, node->call.callee)->kind != MS_PNODE_GLOBAL) return false;
    }
    return true;
}

ms_status ms_torch_judge(ms_torch_verdict *verdict, const ms_pickle *pickle, const ms_broken_rules *rules, uint64_t pickle_at,
                         ms_err *err) {
    judge j = {.verdict = verdict, .pickle = pickle, .rules = rules, .pickle_at = pickle_at, .err = err};
    ms_status status = judge_names(&j);
    if (status == MS_OK) status = judge_opcodes(&j);
    if (!calls_names_only(pickle)) verdict->weights_only = false;
    ms_map_free(&j.said);
    ms_arena_free(&j.arena);
    return status;
}
