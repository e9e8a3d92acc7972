#!/usr/bin/env python3
"""Writes json_input.json and what Python's json module makes of it: json_indent2.json, json_sorted.json, json_compact.json,
json_line.json. json_test.c compares the bytes. Only the standard library; the same files on every run."""
import json
import pathlib
import random
import struct

random.seed(7)


def doubles():
    yield from (0.0, -0.0, 0.1, 1 / 3, 1e15, 1e16, 1e17, 123456789012345680.0, 1e22, 1e23, 5e-324, 2.2250738585072014e-308,
                2.225073858507201e-308, 1.7976931348623157e308, 1e-4, 1e-5, 0.00012345, 9007199254740993.0, 100.0, 1e-06, 2.5e-300)
    for k in (-1074, -1073, -1022, -44, -24, -1, 53, 54, 63, 64, 89, 1023):
        yield 2.0 ** k
    for _ in range(120):
        value = struct.unpack("<d", random.randbytes(8))[0]
        if value == value and abs(value) != float("inf"):
            yield value
    for _ in range(60):
        yield random.gauss(0, 1) * 10.0 ** random.randrange(-6, 7)
    for _ in range(20):
        yield struct.unpack("<f", struct.pack("<f", random.gauss(0, 1)))[0]


def main():
    folder = pathlib.Path(__file__).resolve().parent
    texts = ["", "plain", "\"\\/", "".join(map(chr, range(0x20))), "\x7f\x80\xa0\xad", "caf\u00e9 \u20ac \U0001F389",
             "\u2028\u2029\ufeff\uffff", "\U0010ffff", "a\u0300", "\u05d0\u202e"]
    value = {
        "zeta": texts, "alpha": {"empty": {}, "none": [], "nested": [[], [[]], {"a": {}}]}, "\u00e9": 1, "Z": None, "a": True,
        "\U0001F389": False, "\uffff": "\uffff", "": 0, "integers": [0, 1, -1, 2**63 - 1, -2**63, 2**63, 2**64 - 1],
    }
    text = json.dumps(value, ensure_ascii=False)
    numbers = [f"{x:.25e}" if i % 3 == 0 else f"{x:.16e}" if i % 3 == 1 else repr(x) for i, x in enumerate(doubles())]
    text = text[:-1] + ', "reals": [' + ", ".join(numbers) + "]}"
    (folder / "json_input.json").write_text(text, encoding="utf-8")
    value = json.loads(text)
    for name, options in {"indent2": {"indent": 2}, "sorted": {"indent": 2, "sort_keys": True},
                          "compact": {"separators": (",", ":")}, "line": {}}.items():
        (folder / f"json_{name}.json").write_text(json.dumps(value, **options), encoding="ascii")


if __name__ == "__main__":
    main()
