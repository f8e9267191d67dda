#!/usr/bin/python3
"""Metrics, alerts and the dashboard agree: what rules and dashboard ask for is given by the code, docs/metrics.md lists exactly
what the code gives, each alert is tested, and promtool finds no fault. Prints what it checked; ends with 1 when anything is wrong.
"""
import json
import pathlib
import re
import subprocess
import sys

import yaml

REPO = pathlib.Path(__file__).resolve().parents[2]
FOLDER = REPO / "deploy/observability"
NAME = re.compile(r"\b(?:godwit|process)_[a-z0-9_]+\b")
# Where a metric is given: Samples::Gauge/Counter, or a family of the library.
GIVEN = re.compile(r'\b(Gauge|Counter|Name)\(\s*"((?:godwit|process)_[a-z0-9_]+)"')
# A histogram is several series.
SERIES = re.compile(r"_(bucket|sum|count)$")


ERRORS = []


def fault(text):
    ERRORS.append(text)


def given_by_code():
    found = set()
    for path in sorted((REPO / "services").rglob("*")) + sorted((REPO / "agent").rglob("*")):
        if path.suffix in (".h", ".cc"):
            for kind, name in GIVEN.findall(path.read_text()):
                if kind == "Counter" and not name.endswith("_total"):
                    fault(f"{path.relative_to(REPO)}: counter {name} does not end with _total")
                found.add(name)
    return found


def family(name, known):
    base = SERIES.sub("", name)
    return base if name not in known and base in known else name


def asked_by_dashboard(board):
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in board.get("templating", {}).get("list", []):
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        fault(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def main():
    code = given_by_code()
    documented = {name for name in NAME.findall((REPO / "docs/metrics.md").read_text())}
    for name in sorted(code - documented):
        fault(f"docs/metrics.md does not list {name}")
    for name in sorted(documented - code):
        fault(f"docs/metrics.md lists {name}, which nothing gives")

    rules = [rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]]
    board = json.loads((FOLDER / "dashboard.json").read_text())
    expressions = [(rule["alert"], rule["expr"]) for rule in rules] + list(asked_by_dashboard(board))
    asked = set()
    for place, expression in expressions:
        names = {family(name, code) for name in NAME.findall(expression)}
        if not names:
            fault(f"{place}: asks for no metric")
        for name in sorted(names - code):
            fault(f"{place}: nothing gives {name}")
        asked |= names
    cases = {case["alertname"] for test in yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
             for case in test["alert_rule_test"] if case["exp_alerts"]}
    for rule in rules:
        if rule["alert"] not in cases:
            fault(f"rules_test.yml does not let {rule['alert']} fire")
        if not {"summary", "action"} <= set(rule["annotations"]):
            fault(f"{rule['alert']}: summary and action are needed")
    promtool("check", "rules", "rules.yml")
    promtool("test", "rules", "rules_test.yml")

    for error in ERRORS:
        print(error, file=sys.stderr)
    print(f"{len(code)} metrics in code and docs; {len(rules)} alerts, all tested; {len(board['panels'])} panels; {len(asked)} metrics asked for")
    return 1 if ERRORS or not (code and rules and asked) else 0


if __name__ == "__main__":
    sys.exit(main())
