#!/usr/bin/env python3
"""JSON and the text of doubles against Python's json and repr."""
import json
import math
import random
import struct

from asking import Checks, ask, records

random.seed(11)


def doubles():
    for k in range(-1074, 1024):
        yield from (2.0 ** k, math.nextafter(2.0 ** k, math.inf), math.nextafter(2.0 ** k, 0))
    for k in range(-324, 309):
        yield from (float(f"1e{k}"), float(f"9.5e{k}") if k < 308 else 1.0, -float(f"1.{random.randrange(10**16)}e{k}"))
    for _ in range(300000):
        yield struct.unpack("<d", random.randbytes(8))[0]
    for _ in range(200000):
        yield random.gauss(0, 1) * 10.0 ** random.randrange(-9, 9)
    for _ in range(50000):
        yield struct.unpack("<f", struct.pack("<f", random.gauss(0, 1)))[0]
        yield round(random.uniform(-1000, 1000), random.randrange(6))
        yield float(random.randrange(10 ** random.randrange(1, 18)))
    yield from (0.0, -0.0, math.inf, -math.inf, math.nan)


class Refused(Exception):
    pass


def refuse(text):
    raise Refused(text)


def integer(text):
    value = int(text)
    return float(text) if text == "-0" or not -2**63 <= value < 2**64 else value


def expected(data):
    """What ours must print: compact text, or None for a refusal. Ours is stricter than Python by the rules of json.h."""
    repeated = []

    def pairs(items):
        found = dict(items)
        repeated.append(len(found) != len(items))
        return found

    try:
        value = json.loads(data.decode("utf-8"), parse_constant=refuse, parse_int=integer, object_pairs_hook=pairs)
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates
    except (ValueError, Refused, RecursionError):
        return None
    return "repeated" if any(repeated) else text


def value(depth):
    kind = random.randrange(9 if depth < 5 else 6)
    if kind == 0:
        return random.choice((None, True, False))
    if kind == 1:
        return random.randrange(-2**70, 2**70) >> random.randrange(71)
    if kind in (2, 3):
        return struct.unpack("<d", random.randbytes(8))[0] if random.randrange(2) else random.gauss(0, 100)
    if kind in (4, 5):
        return "".join(random.choice("ab\"\\/\n\t\0\x7f\u00e9\u20ac\u2028\U0001F389\ud800\udc00") for _ in range(random.randrange(8)))
    if kind in (6, 7):
        return [value(depth + 1) for _ in range(random.randrange(5))]
    return {f"{random.choice('abcdefg')}{i}": value(depth + 1) for i in range(random.randrange(5))}


def texts():
    for _ in range(20000):
        options = random.choice(({}, {"indent": 2}, {"separators": (",", ":")}))
        text = json.dumps(value(0), ensure_ascii=bool(random.randrange(2)), **options)
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        yield bytes(data)
        for _ in range(random.randrange(1, 4)):  # and broken a little
            if data:
                at = random.randrange(len(data))
                data[at:at + random.randrange(3)] = random.choice((b"", b",", b"]", b"}", b'"', b"\\", b"0", b"-", b".", b"e", b"\xc3",
                                                                   b"\x80", b":", b"[", b"{", b"\x01", b" ", b"1", b"u"))
        yield bytes(data)
    for digits in range(1, 40):
        yield b"[" + b"9" * digits + b"]"
        yield b"[0." + b"0" * digits + b"1e" + str(digits * 9).encode() + b"]"


def main():
    checks = Checks()
    all_doubles = list(doubles())
    lines = ask("core_helper", "repr", struct.pack(f"<{len(all_doubles)}d", *all_doubles))
    checks.check(f"repr of {len(all_doubles)} doubles",
                 [f"{want!r}: got {got}" for want, got in zip(all_doubles, lines, strict=True) if repr(want) != got])
    all_texts = list(texts())
    faults, n_refused = [], 0
    for data, got in zip(all_texts, ask("core_helper", "json", records(all_texts)), strict=True):
        want = expected(data)
        refused = got.startswith("!")
        n_refused += refused
        if refused != (want is None) or (not refused and want != "repeated" and want != got):
            faults.append(f"{data!r}: got {got}, want {want}")
    checks.check(f"{len(all_texts)} texts, {n_refused} of them broken", faults)
    checks.finish()


if __name__ == "__main__":
    main()
