#!/usr/bin/env python3
"""Writes src/core/pow10_table.h: the powers of ten as 128-bit fractions, for shortest.c."""
import pathlib

FIRST, LAST = -292, 324


def ceil_pow10(k):
    """ceil(10^k * 2^(127 - floor(log2 10^k))): 128 bits with the highest one set."""
    shift = 127 - (k * 1741647 >> 19)
    numerator = (10 ** k if k >= 0 else 1) << max(shift, 0)
    denominator = (1 if k >= 0 else 10 ** -k) << max(-shift, 0)
    value = -(-numerator // denominator)
    assert value >> 127 == 1, k
    return value


def main():
    entries = [f"{{0x{v >> 64:016x}, 0x{v & (1 << 64) - 1:016x}}}" for v in map(ceil_pow10, range(FIRST, LAST + 1))]
    lines = ["    " + ", ".join(entries[i:i + 3]) + "," for i in range(0, len(entries), 3)]
    text = f"""/* Made by tools/make_pow10_table.py. Row i:
 * ceil(10^k * 2^(127 - floor(log2 10^k))) for k = i + POW10_FIRST, high word first. */
#ifndef MS_POW10_TABLE_H
#define MS_POW10_TABLE_H

#include <stdint.h>

enum {{ POW10_FIRST = {FIRST}, POW10_LAST = {LAST} }};

/* clang-format off */
static const uint64_t pow10_table[POW10_LAST - POW10_FIRST + 1][2] = {{
""" + "\n".join(lines) + """
};
/* clang-format on */

#endif
"""
    (pathlib.Path(__file__).resolve().parent.parent / "src/core/pow10_table.h").write_text(text)


if __name__ == "__main__":
    main()
