#!/usr/bin/env python3
"""Prints, one line each, the package sources of Debian 12 that this machine's apt is configured with.

Reads both notations (one-line *.list and deb822 *.sources), keeps the suites of bookworm and the component main,
and keeps the key option of each entry. Ends with status 1 and a message when there is no such source.
"""
import glob
import re
import sys

SUITES = ("bookworm", "bookworm-updates", "bookworm-security")


def one_line(path):
    """Yields (uri, suite, components, signed_by) of a sources.list file."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]+)", line)
            if match:
                options, uri, suite, components = match.groups()
                key = re.search(r"signed-by=(\S+)", options or "")
                yield uri, suite, components.split(), key.group(1) if key else ""


def deb822(path):
    """Yields the same of a deb822 file; a key that is written into the file itself is left to apt's default."""
    with open(path, encoding="utf-8") as whole:
        paragraphs = re.split(r"\n\s*\n", whole.read())
    for paragraph in paragraphs:
        fields, name = {}, ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in " \t" and name:
                fields[name] += " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        key = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite, fields.get("components", "").split(), key if key.startswith("/") else ""


def main():
    seen = []
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        reader = {"list": one_line, "sources": deb822}.get(path.rsplit(".", 1)[-1])
        try:
            entries = list(reader(path)) if reader else []
        except FileNotFoundError:
            continue
        for uri, suite, components, key in entries:
            if suite in SUITES and "main" in components and (uri, suite) not in seen:
                seen.append((uri, suite))
                option = f"[signed-by={key}] " if key else ""
                print(f"deb {option}{uri} {suite} main")
    if not any(suite == "bookworm" for _, suite in seen):
        sys.exit("apt_sources.py: apt has no source with suite bookworm and component main")


if __name__ == "__main__":
    main()
