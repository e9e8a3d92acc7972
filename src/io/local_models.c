#include "local_models.h"

#include "files.h"
#include "hub_address.h"
#include "hub_cache.h"
#include "json.h"

enum { MAX_MANIFEST = 1 << 20, MAX_SETTINGS = 1 << 20 };

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

ms_model_layer ms_local_models_layer(const char *text, size_t n, ms_arena *arena) {
    ms_model_layer found = {.digest = MS_STR(""), .n_bytes = -1};
    const ms_json_value *top = NULL;
    if (n == 0 || ms_json_parse(&top, text, n, arena, NULL) != MS_OK) return found;
    const ms_json_value *const layers = ms_json_get(top, "layers");
    for (size_t i = 0; layers && layers->kind == MS_JSON_ARRAY && i < layers->array.n && found.digest.size == 0; i++) {
        const ms_json_value *const layer = &layers->array.items[i];
        const ms_str type = ms_json_as_str(ms_json_get(layer, "mediaType"), MS_STR(""));
        found.is_scattered |= ms_str_is(type, "application/vnd.ollama.image.tensor");
        if (!ms_str_is(type, "application/vnd.ollama.image.model")) continue;
        const ms_str digest = ms_json_as_str(ms_json_get(layer, "digest"), MS_STR(""));
        if (is_digest(digest)) found.digest = ms_str_sub(digest, 7, digest.size);
        found.n_bytes = ms_json_as_i64(ms_json_get(layer, "size"), -1);
    }
    return found;
}

static ms_status check_blob(ms_str blob, const ms_model_layer *layer, ms_str manifest, ms_err *err) {
    uint64_t n_bytes = 0;
    MS_FAIL_IF(!ms_files_is_regular(blob.text), MS_ERR_NOT_FOUND, err,
               "%s: its model is '%s', which is not there; pull it again with ollama", ms_str_shown(manifest).text,
               ms_str_shown(blob).text);
    MS_TRY(ms_files_size(&n_bytes, blob.text, err));
    MS_FAIL_IF(layer->n_bytes >= 0 && n_bytes != (uint64_t)layer->n_bytes, MS_ERR_DAMAGED, err,
               "%s: has %llu bytes, its manifest '%s' says %lld; pull it again with ollama", ms_str_shown(blob).text,
               (unsigned long long)n_bytes, ms_str_shown(manifest).text, (long long)layer->n_bytes);
    return MS_OK;
}

/* The blob of the model layer; *out stays when the file is no manifest. */
static ms_status blob_of(ms_str *out, ms_arena *arena, ms_str manifest, ms_str root, ms_err *err) {
    ms_buf text = {0};
    ms_arena parsed = {0};
    if (ms_files_read(&text, manifest.text, MAX_MANIFEST, NULL) != MS_OK) ms_buf_clear(&text);
    const ms_model_layer layer = ms_local_models_layer(text.bytes, text.size, &parsed);
    ms_status status = MS_OK;
    if (layer.digest.size) {
        const ms_str blob = join(arena, root, "blobs/sha256-", layer.digest);
        status = blob.text ? check_blob(blob, &layer, manifest, err) : ms_err_memory(err, "a path");
        if (status == MS_OK) *out = blob;
    } else if (layer.is_scattered) {
        status = ms_err_set(err, MS_ERR_UNSUPPORTED,
                            "%s: the tensors of this model are blobs of their own, which is not read; pull a GGUF form",
                            ms_str_shown(manifest).text);
    }
    ms_arena_free(&parsed);
    ms_buf_free(&text);
    return status;
}

/* [HOST/]NAMESPACE/MODEL, split; host and space may be "". */
static bool split_name(ms_str name, ms_str parts[static 3]) {
    size_t n = 0;
    if (!ms_hub_path_is_inside(name)) return false;
    for (ms_str rest = name; rest.text; n++) {
        if (n == 3) return false;
        parts[n] = ms_str_cut(&rest, '/');
    }
    for (; n < 3; n++) parts[2] = parts[1], parts[1] = parts[0], parts[0] = MS_STR("");
    return true;
}

/* The model below the manifests of one host; *out stays when it is not there. */
static ms_status find_at_host(ms_str *out, ms_arena *arena, ms_str root, ms_str host, const ms_str parts[static 3], ms_str tag,
                              ms_err *err) {
    const ms_str space = parts[1].size ? parts[1] : MS_STR("library");
    const ms_str manifest =
        ms_arena_printf(arena, "%.*s/manifests/%.*s/%.*s/%.*s/%.*s", (int)root.size, root.text, (int)host.size, host.text,
                        (int)space.size, space.text, (int)parts[2].size, parts[2].text, (int)tag.size, tag.text);
    if (!manifest.text) return ms_err_memory(err, "a path");
    return ms_files_is_regular(manifest.text) ? blob_of(out, arena, manifest, root, err) : MS_OK;
}

/* Below one root: at the host that the name says, else at Ollama's own, else at whichever has it. */
static ms_status find_below(ms_str *out, ms_arena *arena, ms_str root, const ms_str parts[static 3], ms_str tag, ms_err *err) {
    const ms_str manifests = join(arena, root, "manifests", MS_STR(""));
    const char *const before = out->text;
    ms_files_list hosts = {0};
    if (!manifests.text) return ms_err_memory(err, "a path");
    if (!ms_files_is_folder(manifests.text)) return MS_OK;
    if (parts[0].size) return find_at_host(out, arena, root, parts[0], parts, tag, err);
    MS_TRY(find_at_host(out, arena, root, MS_STR("registry.ollama.ai"), parts, tag, err));
    if (out->text != before) return MS_OK;
    ms_status status = ms_files_list_folder(&hosts, manifests.text, err);
    for (size_t i = 0; status == MS_OK && out->text == before && i < hosts.n; i++)
        status = find_at_host(out, arena, root, hosts.items[i].name, parts, tag, err);
    ms_files_list_free(&hosts);
    return status;
}

/* [[HOST/]NAMESPACE/]MODEL[:TAG]; a host may have a port. */
static ms_status find_ollama(ms_str *out, ms_arena *arena, ms_str name, const ms_hub_env *env, ms_env_get *get, ms_err *err) {
    const char *const given = get("OLLAMA_MODELS"), *const before = out->text;
    const ms_str own =
        given && *given ? ms_arena_copy(arena, ms_str_of(given)) : join(arena, env->home, ".ollama/models", MS_STR(""));
    const ms_str roots[] = {own, MS_STR("/usr/share/ollama/.ollama/models")}; /* the second: where it runs as a service */
    ms_str parts[3], model = name, tag = MS_STR("latest");
    if (!own.text) return ms_err_memory(err, "a path");
    for (size_t at = name.size; at-- > 0 && name.text[at] != '/';) {
        if (name.text[at] != ':') continue;
        model = ms_str_sub(name, 0, at), tag = ms_str_sub(name, at + 1, name.size);
        break;
    }
    const bool good = split_name(model, parts) && ms_hub_path_is_inside(tag);
    for (size_t i = 0; good && out->text == before && i < (given && *given ? 1 : 2); i++)
        MS_TRY(find_below(out, arena, roots[i], parts, tag, err));
    if (out->text != before) return MS_OK;
    return ms_err_set(err, MS_ERR_NOT_FOUND, "no model '%s' of Ollama below %s; 'ollama list' names those that are there",
                      ms_str_shown(name).text, ms_str_shown(own).text);
}

/* ---- LM Studio ---- */

/* The folder of models that its settings name, or "": HOME/.lmstudio/settings.json, "downloadsFolder". */
static ms_str chosen_folder(ms_arena *arena, ms_str home) {
    ms_buf text = {0};
    const ms_json_value *top = NULL;
    ms_str folder = MS_STR("");
    const ms_str path = join(arena, home, ".lmstudio/settings.json", MS_STR(""));
    if (path.text && ms_files_is_regular(path.text) && ms_files_read(&text, path.text, MAX_SETTINGS, NULL) == MS_OK &&
        text.size) {
        ms_arena parsed = {0};
        if (ms_json_parse(&top, text.bytes, text.size, &parsed, NULL) == MS_OK)
            folder = ms_arena_copy(arena, ms_json_as_str(ms_json_get(top, "downloadsFolder"), MS_STR("")));
        ms_arena_free(&parsed);
    }
    ms_buf_free(&text);
    return folder.text && folder.size && folder.text[0] == '/' ? folder : MS_STR("");
}

static ms_status find_lm_studio(ms_str *out, ms_arena *arena, ms_str name, const ms_hub_env *env, bool must, ms_err *err) {
    const ms_str home = env->home, chosen = home.size ? chosen_folder(arena, home) : home;
    const ms_str roots[] = {chosen, join(arena, home, ".lmstudio/models", MS_STR("")),
                            join(arena, home, ".cache/lm-studio/models", MS_STR(""))};
    for (size_t i = 0; home.size && ms_hub_path_is_inside(name) && i < sizeof roots / sizeof *roots; i++) {
        const ms_str path = roots[i].text ? ms_files_join(arena, roots[i], name) : MS_STR_NONE;
        if (!path.text) return ms_err_memory(err, "a path");
        if (roots[i].size == 0 || !ms_files_exists(path.text)) continue;
        *out = path;
        return MS_OK;
    }
    MS_FAIL_IF(must, MS_ERR_NOT_FOUND, err, "no model '%s' of LM Studio below %s", ms_str_shown(name).text,
               chosen.size ? ms_str_shown(chosen).text : "~/.lmstudio/models");
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
