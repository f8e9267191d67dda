#!/usr/bin/python3
"""All operations of the MGN API against a running installation; prints operation x {called, validated, effect, errors}.

    conformance.py INSTALLATION BIN [AREA]

INSTALLATION is a folder of installation.sh with a gateway, BIN holds the programs. AREA: only the checks of AREA_calls.py. Ends with 1
when a check fails, or when missing.txt and what is done differ. How checks are written: frame.py.
"""
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from botocore.loaders import Loader

from mgn_table import ExtraModel
from rows import Rows

HERE = pathlib.Path(__file__).resolve().parent
USERS = {"operator": ["user/operator/ci"], "viewer": ["user/viewer/dashboard"], "lenient": ["user/admin/alice", "--lifecycle-profile", "lenient"],
         "strict": ["user/admin/alice", "--lifecycle-profile", "strict"]}


def said(*command):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout


def set_up(installation, programs, folder):
    """Access keys, and a botocore that knows all operations; then client.py may be imported. The table: name -> operation."""
    cli = [programs / "godwit", "--config", installation / "cli.conf", "--output", "json"]
    keys = {}
    for name, words in USERS.items():
        key = json.loads(said(*cli, "access-keys", "create", *words))
        keys[name] = [key["name"].removeprefix("accessKeys/"), key["secret"]]
    port = dict(line.split("=") for line in (installation / "ports").read_text().split())["gateway"]
    os.environ.update(GATEWAY_URL=f"https://127.0.0.1:{port}", GATEWAY_CA=str(installation / "ca/ca.crt"), GATEWAY_KEYS=json.dumps(keys),
                      AWS_ACCESS_KEY_ID=keys["operator"][0], AWS_SECRET_ACCESS_KEY=keys["operator"][1], AWS_EC2_METADATA_DISABLED="true",
                      AWS_DATA_PATH=str(folder), AWS_CONFIG_FILE=str(folder / "none"), AWS_SHARED_CREDENTIALS_FILE=str(folder / "none"))
    operations = json.loads(said(programs / "mgn_conformance_tool", "table"))["operations"]
    where = folder / "mgn/2020-02-26"
    where.mkdir(parents=True)
    for name, text in ExtraModel(operations, Loader().load_service_model("mgn", "service-2", "2020-02-26")).files().items():
        (where / name).write_text(json.dumps(text))
    sys.path.append(str(HERE.parent))
    return {operation["name"]: operation for operation in operations}


def load(area):
    """Imports the checks of one area or all."""
    areas = sorted(path.name.removesuffix("_calls.py") for path in HERE.glob("*_calls.py"))
    if area is not None and area not in areas:
        raise SystemExit(f"no area {area}; there are {', '.join(areas)}")
    for one in areas if area is None else [area]:
        importlib.import_module(f"{one}_calls")


def report(rows, operations):
    print(f"{'operation':41} {'called':6} {'validated':9} {'effect':6} errors")
    for operation in sorted(operations):
        start = time.monotonic()
        row = rows.row(operation)
        print(f"{operation:41} {row.called:6} {row.validated:<9} {row.effect:<6} {row.errors}  ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{rows.good} operations called, validated, with effect and errors; {len(rows.missing)} of {len(rows.table)} are not done")


def main():
    installation, programs = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    area = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(prefix="godwit-test-mgn-") as folder:
        table = set_up(installation, programs, pathlib.Path(folder))
        client, frame = importlib.import_module("client"), importlib.import_module("frame")
        load(area)
        rows = Rows(table, (HERE / "missing.txt").read_text().split(), frame, client,
                    frame.Run(installation, programs / "mgn_conformance_tool", programs / "godwit"))
        report(rows, frame.CHECKS if area else table)
    for line in rows.wrong:
        print("WRONG", line, file=sys.stderr)
    return 1 if rows.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
