#!/usr/bin/env python3
"""Writes src/core/width_table.h: ranges of code points that take no column or two, from Python's unicodedata."""
import pathlib
import unicodedata


def columns(code):
    c = chr(code)
    if unicodedata.category(c) in ("Mn", "Me", "Cf") and code != 0xAD or 0x1160 <= code <= 0x11FF:
        return 0
    if unicodedata.category(c) == "Cn" and unicodedata.east_asian_width(c) != "W":
        return None  # unassigned: takes part in whatever surrounds it
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def ranges(width):
    found = []
    for code in range(0x80, 0x110000):
        n = columns(code)
        if n == width:
            if found and found[-1][2]:
                found[-1][1] = code
            else:
                found.append([code, code, True])
        elif n is not None and found:
            found[-1][2] = False
    return [(first, last) for first, last, _ in found]


def table(name, width):
    entries = [f"{{0x{first:X}, 0x{last:X}}}" for first, last in ranges(width)]
    lines = ["    " + ", ".join(entries[i:i + 6]) + "," for i in range(0, len(entries), 6)]
    return f"static const uint32_t {name}[][2] = {{\n" + "\n".join(lines) + "\n};\n"


def main():
    text = f"""/* Made by tools/make_width_table.py from Unicode {unicodedata.unidata_version}: first and last code point of each range, in order. */
#ifndef MS_WIDTH_TABLE_H
#define MS_WIDTH_TABLE_H

#include <stdint.h>

/* clang-format off */
/* Combining marks, joiners and other format characters: no column. */
{table("no_column", 0)}
/* East Asian wide and fullwidth, emoji: two columns. */
{table("two_columns", 2)}/* clang-format on */

#endif
"""
    (pathlib.Path(__file__).resolve().parent.parent / "src/core/width_table.h").write_text(text)


if __name__ == "__main__":
    main()
