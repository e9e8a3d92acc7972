"""For oracle scripts: asking a helper program, counting checks. The options are those that tests/oracle/run gives."""
import argparse
import pathlib
import struct
import subprocess
import sys


class Checks:
    def __init__(self):
        self.n_passed = self.n_failed = 0

    def check(self, name, faults):
        """One line per check; faults: a list of texts, empty when all is well."""
        if faults:
            self.n_failed += 1
            print(f"FAILED {name}: {len(faults)} differ")
            for fault in faults[:10]:
                print(f"    {fault}")
        else:
            self.n_passed += 1
            print(f"ok     {name}")

    def finish(self):
        print(f"{self.n_passed} passed, {self.n_failed} failed")
        sys.exit(1 if self.n_failed else 0)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path, help="build/release/moescope")
    parser.add_argument("--helpers", type=pathlib.Path, required=True, help="the folder of the *_helper programs")
    return parser.parse_args()


def ask(helper, mode, data):
    """The lines that a helper prints for these bytes."""
    done = subprocess.run([options().helpers / helper, mode], input=data, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]


def records(items):
    return b"".join(struct.pack("<I", len(item)) + item for item in items)
