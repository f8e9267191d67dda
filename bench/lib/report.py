"""Arguments that all benches have, and the record that they leave."""
import argparse
import json
import os
import pathlib
import re
import sys

from lib import machine, namespace

ROOT = pathlib.Path(__file__).resolve().parents[2]
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(text):
    """"512M", "8G" to bytes."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text}: a number with K, M or G is needed")
    return int(match[1]) * _UNITS.get(match[2], 1)


def table(header, rows):
    rows = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


class Bench:
    """One bench: arguments, a folder to work in, the record. Enters a namespace of its own."""

    def __init__(self, name, purpose, size_default, rounds_default=3, more=lambda parser: None):
        parser = argparse.ArgumentParser(prog=f"bench/{name}", description=purpose)
        parser.add_argument("--rounds", type=int, default=rounds_default)
        parser.add_argument("--size", type=size, default=size(size_default), help=f"default {size_default}")
        parser.add_argument("--json", metavar="FILE", help="write the record with every single run")
        parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder")
        parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench", help="images and stores")
        parser.add_argument("--timeout", type=float, default=600, help="seconds that a single run may take")
        parser.add_argument("--only", action="append", metavar="WORD", help="only ways with this in their name; may be repeated")
        more(parser)
        self.name = name
        self.args = parser.parse_args()
        self.args.work = self.args.work.resolve()
        self.args.work.mkdir(parents=True, exist_ok=True)
        namespace.enter()
        self.runs = []
        self.text = []
        self._machine = machine.describe()

    def program(self, name):
        path = self.args.build.resolve() / "bin" / f"godwit-bench-{name}"
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is missing: cmake --preset release && ninja -C build/release bench")
        return path

    def chosen(self, names):
        words = self.args.only or [""]
        return [name for name in names if any(word in str(name) for word in words)]

    def note(self, **result):
        """Keeps the result of a run and says on standard error that it is done."""
        self.runs.append(result)
        short = {k: round(v, 3) if isinstance(v, float) else v for k, v in result.items() if not isinstance(v, dict)}
        print(f"{self.name}: {short}", file=sys.stderr, flush=True)
        return result

    def say(self, *lines):
        self.text += lines

    def _build_type(self):
        cache = (self.args.build / "CMakeCache.txt").read_text(errors="replace")
        match = re.search(r"^CMAKE_BUILD_TYPE:\w+=(\w*)", cache, re.M)
        return match[1] if match else "unknown"

    def finish(self):
        facts = self._machine
        options = {k: str(v) for k, v in vars(self.args).items() if k not in ("json", "build", "work", "size", "timeout") and v}
        # A size in bytes, but of a fleet.
        options["size"] = f"{self.args.size >> 20}M" if self.args.size >= 1 << 20 else str(self.args.size)
        head = [
            f"bench/{self.name} " + " ".join(f"--{k.replace('_', '-')}={v}" for k, v in options.items()),
            f"{facts['date']}; Linux {facts['kernel']}; {facts['cores']} x {facts['cpu']}; {facts['memory_mib']} MiB; "
            f"build type {self._build_type()}",
            "",
        ]
        print("\n".join(head + self.text))
        if self.args.json:
            record = {"bench": self.name, "machine": facts, "options": options, "runs": self.runs, "text": self.text}
            pathlib.Path(self.args.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
