#include "sha256.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

static bool is_hex(ms_str text) {
    for (size_t i = 0; i < text.size; i++)
        if (!memchr("0123456789abcdefABCDEF", text.text[i], 22)) return false;
    return true;
}

bool ms_sha256_is_hex(ms_str text) { return text.size == MS_SHA256_HEX && is_hex(text); }
bool ms_git_id_is_hex(ms_str text) { return text.size == MS_GIT_ID_HEX && is_hex(text); }

#ifdef MS_HAVE_CRYPTO

#include <openssl/evp.h>

struct ms_sha256 {
    EVP_MD_CTX *context;
    const EVP_MD *kind;
    bool failed;
};

bool ms_sha256_available(void) { return true; }

static void begin(ms_sha256 *hash) { hash->failed = !hash->context || EVP_DigestInit_ex(hash->context, hash->kind, NULL) != 1; }

static ms_status create(ms_sha256 **out, const EVP_MD *kind, ms_err *err) {
    ms_sha256 *const hash = ms_mem_zalloc(sizeof *hash);
    *out = NULL;
    if (!hash) return ms_err_memory(err, "a hash");
    hash->context = EVP_MD_CTX_new();
    hash->kind = kind;
    begin(hash);
    if (hash->failed) {
        ms_sha256_destroy(hash);
        return ms_err_set(err, MS_ERR_UNSUPPORTED, "libcrypto gives no SHA-256 or SHA-1 here");
    }
    *out = hash;
    return MS_OK;
}

ms_status ms_sha256_create(ms_sha256 **out, ms_err *err) { return create(out, EVP_sha256(), err); }

ms_status ms_sha256_create_git(ms_sha256 **out, uint64_t n_bytes, ms_err *err) {
    char head[32];
    const int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)n_bytes);
    MS_TRY(create(out, EVP_sha1(), err));
    ms_sha256_add(*out, head, (size_t)n + 1); /* and its 0 */
    return MS_OK;
}

void ms_sha256_add(ms_sha256 *hash, const void *bytes, size_t n) {
    if (EVP_DigestUpdate(hash->context, bytes, n) != 1) hash->failed = true;
}

ms_status ms_sha256_end(ms_sha256 *hash, char out[static MS_SHA256_HEX + 1], ms_err *err) {
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    const bool ok = !hash->failed && EVP_DigestFinal_ex(hash->context, digest, &n) == 1 && n <= MS_SHA256_HEX / 2;
    begin(hash);
    if (!ok) return ms_err_set(err, MS_ERR_MEMORY, "libcrypto could not compute a hash");
    for (unsigned i = 0; i < n; i++) out[2 * i] = digits[digest[i] >> 4], out[2 * i + 1] = digits[digest[i] & 15];
    out[2 * n] = 0;
    return MS_OK;
}

void ms_sha256_destroy(ms_sha256 *hash) {
    if (!hash) return;
    EVP_MD_CTX_free(hash->context);
    ms_mem_free(hash);
}

#else

bool ms_sha256_available(void) { return false; }

ms_status ms_sha256_create(ms_sha256 **out, ms_err *err) {
    *out = NULL;
    return ms_err_set(err, MS_ERR_UNSUPPORTED,
                      "this build has no SHA-256: install libssl-dev (OpenSSL's libcrypto) and build again, or use sha256sum");
}
ms_status ms_sha256_create_git(ms_sha256 **out, uint64_t n_bytes, ms_err *err) {
    (void)n_bytes;
    return ms_sha256_create(out, err);
}
void ms_sha256_add(ms_sha256 *hash, const void *bytes, size_t n) { (void)hash, (void)bytes, (void)n; }
ms_status ms_sha256_end(ms_sha256 *hash, char out[static MS_SHA256_HEX + 1], ms_err *err) {
    (void)hash;
    out[0] = 0;
    return ms_err_set(err, MS_ERR_UNSUPPORTED, "this build has no SHA-256");
}
void ms_sha256_destroy(ms_sha256 *hash) { (void)hash; }

#endif
