/*
 * digest: SHA-256, by which the Hub and Git LFS name large files, and SHA-1, by which git names small ones (FIPS 180-4).
 *
 *     ms_digest d;
 *     ms_digest_begin(&d, MS_SHA256);
 *     ms_digest_add(&d, bytes, n);
 *     char hex[MS_DIGEST_HEX];
 *     ms_digest_end(&d, hex);
 *
 * SHA-1 is no protection against those who make two files with one hash; it only tells that bytes came through whole.
 */
#ifndef MS_DIGEST_H
#define MS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

typedef enum ms_digest_kind { MS_SHA256, MS_SHA1 } ms_digest_kind;

enum { MS_DIGEST_HEX = 65 };

typedef struct ms_digest {
    ms_digest_kind kind;
    uint32_t state[8]; /* SHA-1 uses five */
    uint64_t n_bytes;
    uint8_t block[64];
} ms_digest;

void ms_digest_begin(ms_digest *d, ms_digest_kind kind);
void ms_digest_add(ms_digest *d, const void *bytes, size_t n);
/* 64 or 40 lower-case hex digits and a 0. The digest is used up. */
void ms_digest_end(ms_digest *d, char hex[static MS_DIGEST_HEX]);

#endif
