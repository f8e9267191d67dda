"""The rows of the table of conformance: what a check did, what the clients saw meanwhile, and what follows from the table of operations."""
import dataclasses
import json
import traceback
from urllib.parse import quote

import mgn_table


@dataclasses.dataclass
class Row:
    called: str = "-"
    validated: int = 0
    effect: object = "-"
    errors: str = "not done"


class Rows:
    def __init__(self, table, missing, frame, client, run):
        """`table`: name -> operation; `missing`: names of those that are not done; `client`: client.py."""
        self.table, self.missing, self.frame, self.client, self.run = table, set(missing), frame, client, run
        self.wrong = [f"{name} is no operation of the table" for name in sorted((frame.CHECKS.keys() | self.missing) - table.keys())]
        self.good = 0
        self.done = {}  # operation -> request of a call of boto3 that succeeded
        self.errors = {name: set() for name in table}
        client.OBSERVERS.append(self.observe)

    def row(self, operation):
        before = len(self.wrong)
        row = Row(validated=self.validate(operation))
        if operation in self.frame.CHECKS:
            self.check(operation, self.frame.CHECKS[operation], row)
            if operation in self.missing:
                self.wrong.append(f"{operation} is done: take it out of missing.txt")
            self.good += len(self.wrong) == before
        elif operation not in self.missing:
            self.wrong.append(f"{operation} has no check (frame.py says how to write one)")
        elif self.send(operation, mgn_table.whole(self.table[operation]))[0] != 501:
            self.wrong.append(f"{operation} is done: write its check (frame.py says how) and take it out of missing.txt")
        return row

    def observe(self, operation, status, error, body, sent):
        """An answer that a client got."""
        if operation not in self.table:
            return
        facts = self.table[operation]
        if error is not None:
            self.errors[operation].add(error)
            return
        if status != facts["success"]:
            self.wrong.append(f"{operation}: status {status}, the table says {facts['success']}")
        elif facts["output"] is not None and status != 204:
            self.wrong += [f"{operation} answers: {fault}" for fault in mgn_table.faults(facts["output"], body)]
        if sent is not None:
            # Of reads the last: what it names is there. Of changes the first: it changes something.
            if operation not in self.done or operation.startswith(("Describe", "Get", "List")):
                self.done[operation] = sent

    def check(self, operation, check, row):
        self.run.effects = []
        try:
            check.function(self.run)
        except Exception:  # pylint: disable=broad-except
            self.wrong.append(f"{operation}: {traceback.format_exc()}")
        row.called = "yes" if operation in self.done else "no"
        row.effect = len(self.run.effects)
        if check.succeeds and operation not in self.done:
            self.wrong.append(f"{operation}: no call of boto3 succeeded")
        if not self.run.effects:
            self.wrong.append(f"{operation}: no effect was seen")
        if operation in self.done:
            self.ask_as_viewer(operation, check)
        declared = set(self.table[operation]["errors"])
        for error in sorted(declared - self.frame.NEVER.keys() - check.never.keys() - self.errors[operation]):
            self.wrong.append(f"{operation}: {error} is declared and never came")
        row.errors = " ".join(sorted(error.removesuffix("Exception") for error in declared & self.errors[operation]))
        row.errors += "".join(f" [no {error.removesuffix('Exception')}: {why}]" for error, why in check.never.items())

    def ask_as_viewer(self, operation, check):
        """The request that succeeded, by somebody who may only read."""
        sent = self.done[operation]
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, values in sorted(sent["query"].items())
                         for value in (values if isinstance(values, list) else [values]))
        target = sent["path"] + ("?" + query if query else "")
        status, error, body = self.client.send(*self.client.signed(target, sent["body"] or b"", method=sent["method"], key="viewer"))
        wanted = [(self.table[operation]["success"], None) if check.reads else (403, "AccessDeniedException")]
        if operation.startswith(("Delete", "Remove")):
            wanted.append((404, "ResourceNotFoundException"))  # it is gone; that a viewer may know
        if (status, error) not in wanted:
            self.wrong.append(f"{operation} by a viewer: {status} {error} {body}; wanted: {wanted}")

    def send(self, operation, request):
        """(status, error, body) of a request that may be wrong."""
        facts = self.table[operation]
        places = {member["name"]: member["place"] for member in facts["input"]}
        uri, query, body = facts["uri"], [], {}
        for name, value in request.items():
            if places[name] == "uri":
                uri = uri.replace("{" + name + "}", quote(str(value), safe=""))
            elif places[name] == "query":
                query += [f"{name}={quote(str(one), safe='')}" for one in (value if isinstance(value, list) else [value])]
            else:
                body[name] = value
        text = json.dumps(body).encode() if facts["method"] == "POST" else b""
        target = uri + ("?" + "&".join(query) if query else "")
        return self.client.send(*self.client.signed(target, text, method=facts["method"]))

    def validate(self, operation):
        """How many members were refused by name."""
        refused = set()
        for make in (mgn_table.incomplete, mgn_table.mistyped, mgn_table.outside):
            request, names = make(self.table[operation])
            if not names:
                continue
            status, error, body = self.send(operation, request)
            named = {field["name"].split(".")[0].split("[")[0] for field in (body or {}).get("fieldList", [])}
            if (status, error) != (400, "ValidationException") or not names <= named:
                self.wrong.append(f"{operation}, {make.__name__} {json.dumps(request)[:200]}: {status} {error}, not refused: {names - named}")
            refused |= names & named
        return len(refused)
