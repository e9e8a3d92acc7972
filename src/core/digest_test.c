#include "digest.h"

#include <string.h>

#include "test.h"

static const char *of(ms_digest_kind kind, const char *text, size_t n, size_t step, char hex[static MS_DIGEST_HEX]) {
    ms_digest d;
    ms_digest_begin(&d, kind);
    for (size_t i = 0; i < n; i += step) ms_digest_add(&d, text + i, step < n - i ? step : n - i);
    ms_digest_end(&d, hex);
    return hex;
}

/* The examples of FIPS 180-4, and git's id of the empty file. */
TEST(digest_gives_the_published_values) {
    char hex[MS_DIGEST_HEX];
    CHECK_EQ_TEXT(of(MS_SHA256, "", 0, 1, hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_EQ_TEXT(of(MS_SHA256, "abc", 3, 3, hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_EQ_TEXT(of(MS_SHA1, "abc", 3, 1, hex), "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK_EQ_TEXT(of(MS_SHA1, "blob 0\0", 7, 7, hex), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    const char *const two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    CHECK_EQ_TEXT(of(MS_SHA256, two, 56, 56, hex), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK_EQ_TEXT(of(MS_SHA1, two, 56, 7, hex), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

PROPERTY(digest_does_not_depend_on_how_bytes_come, 60) {
    char text[300], whole[MS_DIGEST_HEX], parts[MS_DIGEST_HEX];
    const size_t n = gen_below(g, sizeof text + 1);
    for (size_t i = 0; i < n; i++) text[i] = (char)gen_below(g, 256);
    const ms_digest_kind kind = gen_below(g, 2) ? MS_SHA1 : MS_SHA256;
    CHECK_EQ_TEXT(of(kind, text, n, n + 1, whole), of(kind, text, n, 1 + gen_below(g, 100), parts));
}
