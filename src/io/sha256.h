/*
 * sha256: what a file's bytes are, by libcrypto; a part of the build that may be missing (MS_WITH_CRYPTO).
 *
 *     ms_sha256 *hash;
 *     MS_TRY(ms_sha256_create(&hash, err));
 *     ms_sha256_add(hash, bytes, n);
 *     ms_sha256_end(hash, text);              // 64 hex digits and a 0; the hash can be used again
 *     ms_sha256_destroy(hash);
 */
#ifndef MS_SHA256_H
#define MS_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum { MS_SHA256_HEX = 64, MS_GIT_ID_HEX = 40 };

typedef struct ms_sha256 ms_sha256;

bool ms_sha256_available(void); /* false when built without libcrypto: create is MS_ERR_UNSUPPORTED then */
ms_status ms_sha256_create(ms_sha256 **out, ms_err *err);
/* The id that git has for a file of n bytes, 40 hex digits: SHA-1 of "blob N", a 0 and the bytes. For one file. */
ms_status ms_sha256_create_git(ms_sha256 **out, uint64_t n_bytes, ms_err *err);
void ms_sha256_add(ms_sha256 *hash, const void *bytes, size_t n);
ms_status ms_sha256_end(ms_sha256 *hash, char out[static MS_SHA256_HEX + 1], ms_err *err);
void ms_sha256_destroy(ms_sha256 *hash); /* NULL-safe */

/* 64 hex digits of either case; 40 of them. */
bool ms_sha256_is_hex(ms_str text);
bool ms_git_id_is_hex(ms_str text);

#endif
