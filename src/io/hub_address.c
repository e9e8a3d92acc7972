#include "hub_address.h"

enum { MAX_PART = 96, MAX_REVISION = 256, MAX_PATH = 4096 };

static const struct {
    const char *prefix, *plural;
} kinds[] = {{"", "models"}, {"datasets/", "datasets"}, {"spaces/", "spaces"}, {"kernels/", "kernels"}};

const char *ms_hub_kind_prefix(ms_hub_kind kind) { return kinds[kind].prefix; }
const char *ms_hub_kind_plural(ms_hub_kind kind) { return kinds[kind].plural; }

bool ms_hub_address_is(ms_str text) { return ms_str_starts_with(text, MS_STR("hf:")); }

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool ms_hub_is_commit(ms_str revision) {
    bool good = revision.size == 40;
    for (size_t i = 0; good && i < revision.size; i++) good = is_hex(revision.text[i]);
    return good;
}

/* The Hub's own rules for owners and names. */
static const char *fault_of_part(ms_str part) {
    if (part.size == 0) return "it is empty";
    if (part.size > MAX_PART) return "it is longer than 96 characters";
    for (size_t i = 0; i < part.size; i++)
        if (!is_word(part.text[i]) && part.text[i] != '-' && part.text[i] != '.')
            return "only letters, digits, '-', '_' and '.' may stand in it";
    if (!is_word(part.text[0]) || !is_word(part.text[part.size - 1])) return "it may not begin or end with '-' or '.'";
    if (ms_str_contains(part, MS_STR("--")) || ms_str_contains(part, MS_STR(".."))) return "'--' and '..' may not stand in it";
    if (ms_str_ends_with(part, MS_STR(".git"))) return "it may not end with '.git'";
    return NULL;
}

bool ms_hub_path_is_inside(ms_str path) {
    if (path.size == 0 || path.size > MAX_PATH) return false;
    for (size_t i = 0; i < path.size; i++)
        if ((unsigned char)path.text[i] < 0x20 || path.text[i] == 0x7F || path.text[i] == '\\') return false;
    for (ms_str rest = path; rest.text;) {
        const ms_str part = ms_str_cut(&rest, '/');
        if (part.size == 0 || ms_str_is(part, ".") || ms_str_is(part, "..")) return false;
    }
    return true;
}

/* What git allows in the name of a branch or tag, which is also a path below refs/ of the cache. */
static bool is_revision(ms_str revision) {
    if (revision.size > MAX_REVISION || !ms_hub_path_is_inside(revision)) return false;
    for (size_t i = 0; i < revision.size; i++)
        if (strchr(" ~^:?*[@", revision.text[i])) return false;
    return !ms_str_contains(revision, MS_STR(".."));
}

bool ms_hub_address_is_bare(ms_str text) {
    static const char *const files[] = {".safetensors", ".gguf", ".npz",  ".npy",  ".pt",
                                        ".pth",         ".bin",  ".ckpt", ".json", ".h5"};
    ms_str rest = text;
    const ms_str repo = ms_str_cut(&rest, '@');
    if (rest.text && !is_revision(rest) && !ms_str_contains(rest, MS_STR("%"))) return false;
    ms_str name = repo;
    const ms_str owner = ms_str_cut(&name, '/');
    if (!name.text || fault_of_part(owner) || fault_of_part(name)) return false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (ms_str_ends_with(name, ms_str_of(files[i]))) return false;
    return true;
}

/* ---- parsing ---- */

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %2F becomes '/'; text NULL: a broken escape, or memory is short. */
static ms_str unescaped(ms_arena *arena, ms_str text) {
    char *const out = ms_arena_alloc(arena, text.size + 1);
    size_t n = 0;
    if (!out) return MS_STR_NONE;
    for (size_t i = 0; i < text.size; i++) {
        if (text.text[i] != '%') {
            out[n++] = text.text[i];
            continue;
        }
        const int high = i + 2 < text.size ? hex_value(text.text[i + 1]) : -1;
        const int low = i + 2 < text.size ? hex_value(text.text[i + 2]) : -1;
        if (high < 0 || low < 0) return MS_STR_NONE;
        out[n++] = (char)(high * 16 + low);
        i += 2;
    }
    out[n] = 0;
    return (ms_str){out, n};
}

static ms_status refuse(ms_err *err, ms_str text, const char *what, ms_str part, const char *why) {
    return ms_err_set(err, MS_ERR_USAGE, "%s: the %s '%s' cannot be: %s; an address reads hf://owner/name[@revision][/path]",
                      ms_str_shown(text).text, what, ms_str_shown(part).text, why);
}

static void take_kind(ms_hub_address *out, ms_str *rest) {
    for (int k = 0; k < MS_HUB_N_KINDS; k++) {
        const ms_str plural = ms_str_of(kinds[k].plural);
        if (!ms_str_starts_with(*rest, plural) || rest->size == plural.size || rest->text[plural.size] != '/') continue;
        out->kind = (ms_hub_kind)k;
        *rest = ms_str_sub(*rest, plural.size + 1, rest->size);
        return;
    }
}

/* refs/pr/N and refs/convert/NAME are one revision though they hold slashes. Bytes of *rest that belong to it. */
static size_t revision_size(ms_str rest) {
    const char *const slash = memchr(rest.size ? rest.text : "", '/', rest.size);
    size_t n = slash ? (size_t)(slash - rest.text) : rest.size;
    if (!ms_str_starts_with(rest, MS_STR("refs/pr/")) && !ms_str_starts_with(rest, MS_STR("refs/convert/"))) return n;
    for (int i = 0; i < 2 && n < rest.size; i++) {
        const char *const next = memchr(rest.text + n + 1, '/', rest.size - n - 1);
        n = next ? (size_t)(next - rest.text) : rest.size;
    }
    return n;
}

static ms_status take_revision(ms_hub_address *out, ms_arena *arena, ms_str whole, ms_str *rest, ms_err *err) {
    const size_t n = revision_size(*rest);
    const ms_str spelled = ms_str_sub(*rest, 0, n);
    *rest = n < rest->size ? ms_str_sub(*rest, n + 1, rest->size) : MS_STR_NONE;
    out->revision = unescaped(arena, spelled);
    if (spelled.size == 0) return refuse(err, whole, "revision", spelled, "nothing follows the '@'");
    if (!out->revision.text || !is_revision(out->revision))
        return refuse(err, whole, "revision", spelled, "it is no name of a branch, a tag or a commit");
    return MS_OK;
}

static ms_status take_path(ms_hub_address *out, ms_arena *arena, ms_str whole, ms_str path, ms_err *err) {
    if (!path.text || path.size == 0) return MS_OK;
    if (!ms_hub_path_is_inside(path)) return refuse(err, whole, "path", path, "no part may be empty, '.' or '..'");
    out->path = ms_arena_copy(arena, path);
    return out->path.text ? MS_OK : ms_err_memory(err, "an address");
}

/* OWNER/NAME, and what follows: *rest begins after the separator, *separator is '@', '/' or 0. */
static ms_status take_repo(ms_hub_address *out, ms_arena *arena, ms_str whole, ms_str *rest, char *separator, ms_err *err) {
    const ms_str text = *rest;
    size_t at = 0, n_slashes = 0;
    while (at < text.size && text.text[at] != '@' && !(text.text[at] == '/' && ++n_slashes == 2)) at++;
    ms_str name = ms_str_sub(text, 0, at);
    out->repo = ms_arena_copy(arena, name);
    if (!out->repo.text) return ms_err_memory(err, "an address");
    const ms_str owner = ms_str_cut(&name, '/');
    const bool is_old = !name.text; /* one part, as the first models were called */
    if (is_old) name = owner;
    else if (fault_of_part(owner)) return refuse(err, whole, "owner", owner, fault_of_part(owner));
    if (fault_of_part(name)) return refuse(err, whole, "name", name, fault_of_part(name));
    *separator = at < text.size ? text.text[at] : 0;
    *rest = at < text.size ? ms_str_sub(text, at + 1, text.size) : MS_STR_NONE;
    return MS_OK;
}

/* What a browser shows: .../blob/REVISION/PATH. Parts are percent-encoded there. */
static ms_status take_web(ms_hub_address *out, ms_arena *arena, ms_str whole, ms_str rest, ms_err *err) {
    static const char *const views[] = {"blob", "resolve", "raw", "tree", "blame"};
    const ms_str view = ms_str_cut(&rest, '/');
    bool known = false;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) known |= ms_str_is(view, views[i]);
    if (!known) return refuse(err, whole, "page", view, "only blob, resolve, raw, tree and blame show files");
    if (!rest.text) return MS_OK;
    MS_TRY(take_revision(out, arena, whole, &rest, err));
    if (!rest.text) return MS_OK;
    const ms_str path = unescaped(arena, rest);
    if (!path.text) return refuse(err, whole, "path", rest, "an escape (%) in it is broken");
    return take_path(out, arena, whole, path, err);
}

/* What follows the scheme and host, without a query; text NULL: no page of the Hub. */
static ms_str after_web(ms_str text, ms_str endpoint) {
    const ms_str roots[] = {endpoint, MS_STR(MS_HUB_HOME), MS_STR("https://hf.co"), MS_STR("http://huggingface.co"),
                            MS_STR("https://www.huggingface.co")};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (roots[i].size && ms_str_starts_with(text, roots[i]) && text.size > roots[i].size &&
            text.text[roots[i].size] == '/') {
            size_t end = roots[i].size + 1;
            while (end < text.size && text.text[end] != '?' && text.text[end] != '#') end++;
            return ms_str_sub(text, roots[i].size + 1, end);
        }
    return MS_STR_NONE;
}

bool ms_hub_address_is_web(ms_str text, ms_str endpoint) { return after_web(text, endpoint).text != NULL; }

/* Without empty parts: no slash at the begin or the end, none doubled. In place. */
static ms_str without_empty_parts(char *text, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] != '/' || (kept > 0 && text[kept - 1] != '/')) text[kept++] = text[i];
    if (kept > 0 && text[kept - 1] == '/') kept--;
    text[kept] = 0;
    return (ms_str){text, kept};
}

ms_status ms_hub_address_parse(ms_hub_address *out, ms_arena *arena, ms_str text, ms_str endpoint, ms_err *err) {
    *out = (ms_hub_address){.revision = MS_STR("main"), .path = MS_STR("")};
    const ms_str whole = ms_arena_copy(arena, text); /* terminated, for messages */
    const ms_str of_web = after_web(text, endpoint);
    const bool web = of_web.text != NULL;
    const ms_str named = web ? of_web : ms_hub_address_is(text) ? ms_str_sub(text, 3, text.size) : text;
    const ms_str copied = ms_arena_copy(arena, named);
    if (!whole.text || !copied.text) return ms_err_memory(err, "an address");
    ms_str rest = without_empty_parts((char *)(uintptr_t)copied.text, copied.size);
    char separator = 0;
    MS_FAIL_IF(rest.size == 0, MS_ERR_USAGE, err, "'%s' names no model; an address reads hf://owner/name[@revision][/path]",
               ms_str_shown(whole).text);
    MS_FAIL_IF(ms_str_starts_with(rest, MS_STR("buckets/")), MS_ERR_UNSUPPORTED, err,
               "%s: buckets cannot be read in parts; download it first", ms_str_shown(whole).text);
    take_kind(out, &rest);
    MS_TRY(take_repo(out, arena, whole, &rest, &separator, err));
    if (web) return separator && rest.size ? take_web(out, arena, whole, rest, err) : MS_OK;
    if (separator == '@') MS_TRY(take_revision(out, arena, whole, &rest, err));
    return rest.text ? take_path(out, arena, whole, rest, err) : MS_OK;
}

/* ---- writing ---- */

void ms_hub_escape(ms_buf *out, ms_str text, bool keep_slash) {
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.text[i];
        if (is_word(c) || c == '-' || c == '.' || c == '~' || (c == '/' && keep_slash)) ms_buf_put_char(out, c);
        else ms_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

ms_str ms_hub_address_text(ms_arena *arena, const ms_hub_address *address) {
    ms_buf text = {0};
    ms_buf_printf(&text, "hf://%s%.*s@", ms_hub_kind_prefix(address->kind), (int)address->repo.size, address->repo.text);
    ms_hub_escape(&text, address->revision, false);
    if (address->path.size) ms_buf_put_char(&text, '/');
    ms_buf_put_str(&text, address->path);
    const ms_str out = text.failed ? MS_STR_NONE : ms_arena_copy(arena, ms_buf_str(&text));
    ms_buf_free(&text);
    return out;
}
