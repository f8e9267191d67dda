#!/usr/bin/env python3
"""Checks the dependency rules of the code base: who may include what, and how long a file may be.

    check_includes.py [--root DIR]

Prints one line a violation ("path:line: rule") and ends with 1 when there is any. The rules are those of
ARCHITECTURE.md, section "Who may include what".
"""
import argparse
import pathlib
import re
import subprocess
import sys

MAX_LINES = 500
SOURCE = (".h", ".cc", ".c")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
MARKER = re.compile(r"\b(TODO|FIXME|XXX)\b")

GENERATED = re.compile(r"^godwit/.*\.pb\.h$|^google/protobuf/")
GRPC = re.compile(r"^(grpc|grpcpp|grpc\+\+)/")
LIBPQ = re.compile(r"^(postgresql/)?(libpq-fe|libpq-events|pg_config|postgres_ext)\.h$")
# Folders whose files may see generated headers. Workers, the appliance and the agent have no domain of their own
# beside what travels: they work on the messages themselves.
PROTO_FOLDERS = {"rpc", "clients", "worker", "appliance"}
AGENT_PROTO_FOLDERS = {"uplink", "engine", "commands", "discovery"}
SHARED = ("services/common/base/", "services/common/block/")


def parts_of(service):
    """Parts of one service that may not include each other: (folder prefix, forbidden prefixes)."""
    if service == "replication":
        return [
            ("services/replication/coordinator/", ("services/replication/worker/",)),
            ("services/replication/worker/", ("services/replication/coordinator/",)),
        ]
    return []


def is_wire(include):
    return bool(GENERATED.match(include) or GRPC.match(include))


def outside_of_core(path, include):
    """domain/ and app/ are plain C++: no wire format, no database, no other machine."""
    folders = path.split("/")[:-1]
    if path.startswith("services/") and not path.startswith("services/common/"):
        if "domain" in folders or "app" in folders:
            if is_wire(include):
                return "domain and app know no proto and no gRPC"
            if LIBPQ.match(include) or include.startswith("services/common/pg/"):
                return "domain and app know no database"
            if include.startswith("services/common/rpc/"):
                return "domain and app know no services/common/rpc"
            if re.search(r"/(rpc|storage|clients)/", include):
                return "domain and app include no adapter (rpc/, storage/, clients/)"
        if "domain" in folders and "/app/" in include:
            return "domain does not know app"
        if "storage" in folders and is_wire(include):
            return "storage knows no proto and no gRPC"
        if ("rpc" in folders or "clients" in folders) and LIBPQ.match(include):
            return "rpc and clients know no libpq"
    return None


def across_services(path, include):
    """Services talk gRPC; they never include each other."""
    if include.startswith("tests/") and not path.startswith(("tests/", "bench/")):
        return "only tests include tests/"
    if path.startswith("services/"):
        own = path.split("/")[1]
        if include.startswith("services/"):
            other = include.split("/")[1]
            if own == "common" and other != "common":
                return "services/common includes no service"
            if own != "common" and other not in (own, "common"):
                return f"services/{own} does not include services/{other}"
            for prefix, forbidden in parts_of(own):
                if path.startswith(prefix) and include.startswith(forbidden):
                    return f"{prefix} does not include {include.rsplit('/', 1)[0]}/"
        if include.startswith(("agent/", "cli/")):
            return "services include neither agent nor cli"
    if path.startswith("agent/"):
        allowed = ("agent/", "services/common/rpc/") + SHARED
        if include.startswith(("services/", "cli/")) and not include.startswith(allowed):
            return "the agent uses only base, block, rpc and protos"
    if path.startswith("cli/"):
        allowed = ("cli/", "services/common/base/", "services/common/crypt/", "services/common/image/",
                   "services/common/rpc/")
        if include.startswith(("services/", "agent/")) and not include.startswith(allowed):
            return "the command line uses only base, crypt, image, rpc and protos"
    if path.startswith("services/common/base/") and include.startswith("services/"):
        if not include.startswith("services/common/base/"):
            return "base includes only base"
    if path.startswith("services/common/block/") and include.startswith("services/"):
        if not include.startswith(SHARED):
            return "block includes only base and block"
    return None


def wire_in_its_place(path, include):
    """Generated headers are slow to compile and must not leak: only in .cc files of the edges."""
    if not is_wire(include) or path.startswith(("tests/", "bench/", "cli/")):
        return None
    if path.startswith("services/common/block/") or path.startswith("services/common/base/"):
        return "base and block know no proto and no gRPC"
    if path.startswith("services/conversion/converter/"):
        return "the converter knows no proto and no gRPC"
    folders = set(path.split("/")[:-1])
    places = AGENT_PROTO_FOLDERS if path.startswith("agent/") else PROTO_FOLDERS
    if not folders & places:
        return f"generated and gRPC headers only in {' and '.join(f + '/' for f in sorted(places))}"
    return None


RULES = (outside_of_core, across_services, wire_in_its_place)


def check_file(root, path):
    """All violations of one file, as (line, text)."""
    found = []
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        found.append((len(lines), f"{len(lines)} lines; at most {MAX_LINES}: split it by idea"))
    if path.endswith(".h") and "#pragma once" not in text:
        found.append((1, "a header needs #pragma once"))
    for number, line in enumerate(lines, 1):
        if MARKER.search(line):
            found.append((number, "no work markers in the tree: finish it or leave it out"))
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, include = match.groups()
        if include.startswith(".") or "/../" in include:
            found.append((number, f"{include}: include from the root of the repository"))
        local = include.startswith(("services/", "agent/", "cli/", "tests/", "bench/"))
        generated = include.endswith((".skel.h", ".pb.h"))
        if local and not generated and not (root / include).exists():
            found.append((number, f"{include}: there is no such file"))
        if local and quote == "<":
            found.append((number, f'{include}: own headers are included with ""'))
        for rule in RULES:
            message = rule(path, include)
            if message:
                found.append((number, f"{include}: {message}"))
    return found


def sources(root):
    """Tracked and new files that git does not ignore; without git, all files."""
    git = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if git.returncode == 0:
        names = git.stdout.splitlines()
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    return sorted(n for n in set(names) if n.endswith(SOURCE) and (root / n).exists())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2], type=pathlib.Path)
    root = parser.parse_args().root
    names = sources(root)
    if not names:
        print(f"{root}: no source files found", file=sys.stderr)
        return 1
    count = 0
    for path in names:
        for line, message in check_file(root, path):
            print(f"{path}:{line}: {message}")
            count += 1
    print(f"{len(names)} files, {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
