/*
 * siphash: SipHash-1-3 (Aumasson, Bernstein 2012): a hash under a key that nobody knows, so that names of a hostile file cannot
 * make a table slow.
 */
#ifndef MS_SIPHASH_H
#define MS_SIPHASH_H

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "str.h"

/* A key of its own for each table. address: of anything that the table owns; it has to do when there is no entropy yet. */
static inline void ms_siphash_new_key(uint64_t key[static 2], const void *address) {
    if (getrandom(key, 2 * sizeof *key, GRND_NONBLOCK) != 2 * sizeof *key) key[0] = (uint64_t)(uintptr_t)address;
}

static inline uint64_t ms_siphash_rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }

static inline void ms_siphash_round(uint64_t v[static 4]) {
    v[0] += v[1], v[1] = ms_siphash_rotl(v[1], 13) ^ v[0], v[0] = ms_siphash_rotl(v[0], 32);
    v[2] += v[3], v[3] = ms_siphash_rotl(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = ms_siphash_rotl(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = ms_siphash_rotl(v[1], 17) ^ v[2], v[2] = ms_siphash_rotl(v[2], 32);
}

static inline uint64_t ms_siphash(const uint64_t key[static 2], ms_str s) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    size_t i = 0;
    for (; i + 8 <= s.size; i += 8) {
        uint64_t word;
        memcpy(&word, s.text + i, 8);
        v[3] ^= word;
        ms_siphash_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)s.size << 56;
    for (size_t k = 0; i + k < s.size; k++) last |= (uint64_t)(unsigned char)s.text[i + k] << (8 * k);
    v[3] ^= last;
    ms_siphash_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    ms_siphash_round(v), ms_siphash_round(v), ms_siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
