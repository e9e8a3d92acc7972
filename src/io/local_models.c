#include "local_models.h"

#include "files.h"
#include "hub_address.h"
#include "hub_cache.h"
#include "json.h"

enum { MAX_MANIFEST = 1 << 20 };

static ms_str join(ms_arena *arena, ms_str a, const char *b, ms_str c) {
    return ms_arena_printf(arena, "%.*s/%s%.*s", (int)a.size, a.text, b, (int)c.size, c.text);
}

/* ---- Hub cache ---- */

static ms_status snapshot_of(ms_str *out, ms_arena *arena, ms_str folder, ms_err *err) {
    ms_str commit;
    ms_files_list list = {0};
    const ms_str snapshots = join(arena, folder, "snapshots", MS_STR(""));
    if (!snapshots.text) return ms_err_memory(err, "a path");
    if (!ms_files_is_folder(snapshots.text)) return MS_OK;
    MS_TRY(ms_hub_cache_commit(&commit, arena, folder, MS_STR("main"), err));
    if (commit.size == 0) {
        MS_TRY(ms_files_list_folder(&list, snapshots.text, err));
        if (list.n == 1) commit = ms_arena_copy(arena, list.items[0].name);
        ms_files_list_free(&list);
    }
    if (!commit.text) return ms_err_memory(err, "a path");
    const ms_str path = ms_files_join(arena, snapshots, commit);
    if (!path.text) return ms_err_memory(err, "a path");
    if (commit.size && ms_files_is_folder(path.text)) *out = path;
    return MS_OK;
}

static bool is_cache_folder(ms_str path) {
    const ms_str name = ms_files_name_of(path);
    return ms_str_starts_with(name, MS_STR("models--")) || ms_str_starts_with(name, MS_STR("datasets--"));
}

/* ---- Ollama ---- */

/* ROOT of a manifest's path: what precedes the last "/manifests/". */
static ms_str root_of(ms_str path) {
    size_t found = SIZE_MAX;
    for (size_t at = ms_str_find(path, MS_STR("/manifests/"), 0); at != SIZE_MAX;
         at = ms_str_find(path, MS_STR("/manifests/"), at + 1))
        found = at;
    return found == SIZE_MAX ? MS_STR_NONE : ms_str_sub(path, 0, found);
}

static bool is_digest(ms_str digest) {
    bool good = digest.size == 7 + 64 && ms_str_starts_with(digest, MS_STR("sha256:"));
    for (size_t i = 7; good && i < digest.size; i++) good = digest.text[i] && strchr("0123456789abcdef", digest.text[i]);
    return good;
}

/* The blob of the model layer; *out stays when the file is no manifest. */
static ms_status blob_of(ms_str *out, ms_arena *arena, ms_str manifest, ms_str root, ms_err *err) {
    ms_buf text = {0};
    ms_arena parsed = {0};
    const ms_json_value *top = NULL;
    ms_str digest = MS_STR("");
    if (ms_files_read(&text, manifest.text, MAX_MANIFEST, NULL) == MS_OK && text.size)
        if (ms_json_parse(&top, text.bytes, text.size, &parsed, NULL) != MS_OK) top = NULL;
    const ms_json_value *const layers = ms_json_get(top, "layers");
    for (size_t i = 0; layers && layers->kind == MS_JSON_ARRAY && i < layers->array.n; i++) {
        const ms_json_value *const layer = &layers->array.items[i];
        if (ms_str_is(ms_json_as_str(ms_json_get(layer, "mediaType"), MS_STR("")), "application/vnd.ollama.image.model"))
            digest = ms_json_as_str(ms_json_get(layer, "digest"), MS_STR(""));
    }
    ms_status status = MS_OK;
    if (is_digest(digest)) {
        const ms_str blob = join(arena, root, "blobs/sha256-", ms_str_sub(digest, 7, digest.size));
        if (!blob.text) status = ms_err_memory(err, "a path");
        else if (!ms_files_is_regular(blob.text))
            status = ms_err_set(err, MS_ERR_NOT_FOUND, "%s: its model is '%s', which is not there; pull it again with ollama",
                                ms_str_shown(manifest).text, ms_str_shown(blob).text);
        else *out = blob;
    }
    ms_arena_free(&parsed);
    ms_buf_free(&text);
    return status;
}

static ms_str ollama_root(ms_arena *arena, const ms_hub_env *env, ms_env_get *get) {
    const char *const given = get("OLLAMA_MODELS");
    return given && *given ? ms_arena_copy(arena, ms_str_of(given)) : join(arena, env->home, ".ollama/models", MS_STR(""));
}

/* MODEL[:TAG] or NAMESPACE/MODEL[:TAG], below whichever host. */
static ms_status find_ollama(ms_str *out, ms_arena *arena, ms_str name, const ms_hub_env *env, ms_env_get *get, ms_err *err) {
    const ms_str root = ollama_root(arena, env, get);
    ms_files_list hosts = {0};
    ms_str tag = name;
    const ms_str model = ms_str_cut(&tag, ':');
    const ms_str manifests = root.text ? join(arena, root, "manifests", MS_STR("")) : MS_STR_NONE;
    if (!manifests.text) return ms_err_memory(err, "a path");
    if (!tag.text) tag = MS_STR("latest");
    const bool fine = ms_hub_path_is_inside(model) && ms_hub_path_is_inside(tag);
    if (fine && ms_files_is_folder(manifests.text)) MS_TRY(ms_files_list_folder(&hosts, manifests.text, err));
    ms_status status = MS_OK;
    bool found = false;
    for (size_t i = 0; status == MS_OK && !found && i < hosts.n; i++) {
        const ms_str manifest = ms_arena_printf(arena, "%s/%s/%s%.*s/%.*s", manifests.text, hosts.items[i].name.text,
                                                ms_str_contains(model, MS_STR("/")) ? "" : "library/", (int)model.size,
                                                model.text, (int)tag.size, tag.text);
        if (!manifest.text) status = ms_err_memory(err, "a path");
        else if (ms_files_is_regular(manifest.text)) {
            const char *const before = out->text;
            status = blob_of(out, arena, manifest, root, err);
            found = out->text != before;
        }
    }
    ms_files_list_free(&hosts);
    if (status != MS_OK || found) return status;
    return ms_err_set(err, MS_ERR_NOT_FOUND, "no model '%s' of Ollama below %s; 'ollama list' names those that are there",
                      ms_str_shown(name).text, ms_str_shown(root).text);
}

/* ---- LM Studio ---- */

static ms_status find_lm_studio(ms_str *out, ms_arena *arena, ms_str name, const ms_hub_env *env, bool must, ms_err *err) {
    static const char *const roots[] = {".lmstudio/models/", ".cache/lm-studio/models/"};
    for (size_t i = 0; env->home.size && ms_hub_path_is_inside(name) && i < 2; i++) {
        const ms_str path = join(arena, env->home, roots[i], name);
        if (!path.text) return ms_err_memory(err, "a path");
        if (!ms_files_exists(path.text)) continue;
        *out = path;
        return MS_OK;
    }
    MS_FAIL_IF(must, MS_ERR_NOT_FOUND, err, "no model '%s' of LM Studio below ~/.lmstudio/models", ms_str_shown(name).text);
    return MS_OK;
}

ms_status ms_local_models_find(ms_str *out, ms_arena *arena, ms_str text, const ms_hub_env *env, ms_env_get *get, ms_err *err) {
    static const ms_str ollama = {"ollama:", 7}, lm_studio = {"lmstudio:", 9};
    *out = text;
    if (ms_hub_address_is(text)) return MS_OK;
    if (ms_files_exists(text.text)) {
        ms_str path = text;
        while (path.size > 1 && path.text[path.size - 1] == '/') path.size--;
        const ms_str root = root_of(path);
        if (ms_files_is_folder(text.text)) return is_cache_folder(path) ? snapshot_of(out, arena, path, err) : MS_OK;
        return root.text ? blob_of(out, arena, text, root, err) : MS_OK;
    }
    if (ms_str_starts_with(text, ollama))
        return find_ollama(out, arena, ms_str_sub(text, ollama.size, text.size), env, get, err);
    if (ms_str_starts_with(text, lm_studio))
        return find_lm_studio(out, arena, ms_str_sub(text, lm_studio.size, text.size), env, true, err);
    return ms_hub_address_is_bare(text) ? find_lm_studio(out, arena, text, env, false, err) : MS_OK;
}
