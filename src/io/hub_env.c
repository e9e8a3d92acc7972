#include "hub_env.h"

#include "buf.h"
#include "files.h"

enum { MAX_TOKEN_FILE = 64 << 10, TIMEOUT_S = 10 };

static bool is_true(const char *value) {
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; value && i < sizeof words / sizeof *words; i++)
        if (ms_str_equal_nocase(ms_str_of(value), ms_str_of(words[i]))) return true;
    return false;
}

/* The value of the first variable that is set and not empty. */
static const char *first_of(ms_env_get *get, const char *const *names) {
    for (; *names; names++) {
        const char *const value = get(*names);
        if (value && *value) return value;
    }
    return NULL;
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* $NAME, ${NAME} and a leading ~; an unknown variable stays as it is, as in Python. */
static ms_str expanded(ms_arena *arena, const char *path, ms_env_get *get, ms_str home) {
    ms_buf out = {0};
    const char *p = path;
    if (p[0] == '~' && (p[1] == 0 || p[1] == '/') && home.size) ms_buf_put_str(&out, home), p++;
    while (*p) {
        const bool braced = p[0] == '$' && p[1] == '{';
        size_t n = 0;
        if (*p == '$')
            while (is_name_char(p[1 + braced + n])) n++;
        char name[128];
        const char *value = NULL;
        if (n > 0 && n < sizeof name && (!braced || p[2 + n] == '}')) {
            memcpy(name, p + 1 + braced, n);
            name[n] = 0;
            value = get(name);
        }
        if (value) {
            ms_buf_put_text(&out, value);
            p += 1 + n + 2 * (size_t)braced;
        } else {
            ms_buf_put_char(&out, *p++);
        }
    }
    const ms_str text = out.failed ? MS_STR_NONE : ms_arena_copy(arena, ms_buf_str(&out));
    ms_buf_free(&out);
    return text;
}

static ms_str trimmed(ms_str s) {
    while (s.size && memchr(" \t\r\n", s.text[0], 4)) s = ms_str_sub(s, 1, s.size);
    while (s.size && memchr(" \t\r\n", s.text[s.size - 1], 4)) s.size--;
    return s;
}

/* One line of it would be enough to send other headers than ours. */
static ms_status check_token(ms_str token, const char *where, ms_err *err) {
    for (size_t i = 0; i < token.size; i++)
        MS_FAIL_IF(
            (unsigned char)token.text[i] <= 0x20 || (unsigned char)token.text[i] >= 0x7F, MS_ERR_USAGE, err,
            "the token of %s holds a blank or a control character at place %zu; copy it again from your settings page of "
            "the Hub",
            where, i);
    return MS_OK;
}

static ms_status read_token_file(ms_hub_env *out, ms_arena *arena, ms_str path, ms_err *err) {
    ms_buf text = {0};
    if (!ms_files_is_regular(path.text) || ms_files_read(&text, path.text, MAX_TOKEN_FILE, NULL) != MS_OK) {
        ms_buf_free(&text);
        return MS_OK;
    }
    out->token = ms_arena_copy(arena, trimmed(ms_buf_str(&text)));
    if (out->token.size) out->token_from = path;
    ms_buf_free(&text);
    if (!out->token.text) return ms_err_memory(err, "the token");
    return check_token(out->token, ms_str_shown(path).text, err);
}

static ms_status read_token(ms_hub_env *out, ms_arena *arena, ms_env_get *get, ms_str hf_home, ms_err *err) {
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    if (is_true(get("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return MS_OK;
    for (int i = 0; i < 2; i++) {
        const ms_str value = trimmed(ms_str_of(get(names[i])));
        if (value.size == 0) continue;
        out->token = ms_arena_copy(arena, value);
        out->token_from = ms_str_of(names[i]);
        return out->token.text ? check_token(out->token, names[i], err) : ms_err_memory(err, "the token");
    }
    const char *const given = get("HF_TOKEN_PATH");
    const ms_str path = given && *given ? expanded(arena, given, get, out->home)
                        : hf_home.size  ? ms_files_join(arena, hf_home, MS_STR("token"))
                                        : MS_STR("");
    if (!path.text) return ms_err_memory(err, "a path");
    return path.size ? read_token_file(out, arena, path, err) : MS_OK;
}

static ms_status read_endpoint(ms_hub_env *out, ms_arena *arena, ms_env_get *get, ms_err *err) {
    const char *const given = get("HF_ENDPOINT");
    ms_str text = trimmed(ms_str_of(given && *given ? given : MS_HUB_HOME));
    while (text.size && text.text[text.size - 1] == '/') text.size--;
    const bool good = ms_str_starts_with(text, MS_STR("https://")) || ms_str_starts_with(text, MS_STR("http://"));
    MS_FAIL_IF(!good || ms_str_contains(text, MS_STR("@")) || ms_str_contains(text, MS_STR("?")), MS_ERR_USAGE, err,
               "HF_ENDPOINT is '%s'; an address such as %s is wanted", ms_str_shown(text).text, MS_HUB_HOME);
    out->endpoint = ms_arena_copy(arena, text);
    return out->endpoint.text ? MS_OK : ms_err_memory(err, "the endpoint");
}

static ms_status read_folders(ms_hub_env *out, ms_str *hf_home, ms_arena *arena, ms_env_get *get, ms_err *err) {
    const char *const home = get("HOME"), *const xdg = get("XDG_CACHE_HOME"), *const root = get("HF_HOME");
    const char *const cache = first_of(get, (const char *const[]){"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", NULL});
    out->home = ms_arena_copy(arena, ms_str_of(home ? home : ""));
    if (!out->home.text) return ms_err_memory(err, "a path");
    ms_str below = MS_STR("");
    if (xdg && *xdg) below = expanded(arena, xdg, get, out->home);
    else if (out->home.size) below = ms_files_join(arena, out->home, MS_STR(".cache"));
    if (root && *root) *hf_home = expanded(arena, root, get, out->home);
    else *hf_home = below.size ? ms_files_join(arena, below, MS_STR("huggingface")) : below;
    if (!hf_home->text) return ms_err_memory(err, "a path");
    if (cache) out->cache = expanded(arena, cache, get, out->home);
    else out->cache = hf_home->size ? ms_files_join(arena, *hf_home, MS_STR("hub")) : MS_STR("");
    return out->cache.text ? MS_OK : ms_err_memory(err, "a path");
}

/* The variables that mean nothing but this come first: SSL_CERT_FILE is also set by tools that bring certificates along. */
static ms_status read_trust(ms_hub_env *out, ms_arena *arena, ms_env_get *get, ms_err *err) {
    const char *const file =
        first_of(get, (const char *const[]){"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", NULL});
    const char *const folder = get("SSL_CERT_DIR");
    const ms_str given = ms_arena_copy(arena, ms_str_of(file ? file : "")),
                 other = ms_arena_copy(arena, ms_str_of(folder ? folder : ""));
    if (!given.text || !other.text) return ms_err_memory(err, "a path");
    const bool is_folder = given.size && ms_files_is_folder(given.text);
    out->ca_file = is_folder ? MS_STR("") : given;
    out->ca_folder = is_folder ? given : other;
    return MS_OK;
}

static int read_timeout(ms_env_get *get) {
    int64_t seconds;
    const char *const given = get("HF_HUB_DOWNLOAD_TIMEOUT");
    return given && ms_str_to_i64(ms_str_of(given), &seconds) && seconds >= 1 && seconds <= 3600 ? (int)seconds : TIMEOUT_S;
}

ms_status ms_hub_env_read(ms_hub_env *out, ms_arena *arena, ms_env_get *get, ms_err *err) {
    ms_str hf_home = MS_STR("");
    *out = (ms_hub_env){.token = MS_STR(""), .token_from = MS_STR(""), .links = !is_true(get("HF_HUB_DISABLE_SYMLINKS"))};
    out->offline = is_true(first_of(get, (const char *const[]){"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", NULL}));
    out->timeout_s = read_timeout(get);
    const ms_str origin = trimmed(ms_str_of(get("HF_HUB_USER_AGENT_ORIGIN")));
    bool plain = origin.size > 0 && origin.size < 200;
    for (size_t i = 0; plain && i < origin.size; i++) plain = (unsigned char)origin.text[i] >= 0x20 && origin.text[i] < 0x7F;
    out->user_agent = ms_arena_printf(arena, "moescope/%s%s%.*s", MS_VERSION, plain ? "; origin/" : "",
                                      plain ? (int)origin.size : 0, plain ? origin.text : "");
    if (!out->user_agent.text) return ms_err_memory(err, "the user agent");
    MS_TRY(read_endpoint(out, arena, get, err));
    MS_TRY(read_trust(out, arena, get, err));
    MS_TRY(read_folders(out, &hf_home, arena, get, err));
    return read_token(out, arena, get, hf_home, err);
}
