"""The gateway's table of operations (mgn_conformance_tool table): what follows from it for clients and for requests.

ExtraModel is what botocore of 2022 does not know yet; whole(), incomplete(), mistyped() and outside() make requests, faults() reads answers.
"""
import re

# Texts that fit the patterns of the table.
SAMPLES = ["sample", "17", "linux", "a.csv", "subnet-12345678", "sg-12345678", "i-12345678", "123456789012", "2026-01-01T00:00:00Z", "svm-" + "1" * 17,
           *[prefix + "f" * 17 for prefix in ("s-", "mgnjob-", "app-", "wave-", "rct-", "lct-", "vcc-", "connector-", "import-", "export-", "lt-", "i-")],
           "arn:aws:mgn:us-east-1:123456789012:source-server/s-" + "f" * 17]
TYPES = {"enum": "string", "integer": "long", "boolean": "boolean", "float": "float", "timestamp": "timestamp", "string": "string"}


def sample(shape):
    """A valid value."""
    kind = shape["kind"]
    if kind == "structure":
        return {member["name"]: sample(member["shape"]) for member in shape["members"] if member["required"]}
    if kind == "list":
        return [sample(shape["element"])] * max(1, shape.get("least", 0))
    if kind == "map":
        return {}
    if kind == "enum":
        return shape["values"][0]
    if kind == "boolean":
        return True
    if kind != "string":
        return shape.get("least", 0)
    for text in SAMPLES:
        if not faults(shape, text):
            return text
    return "x" * shape["least"]


def faults(shape, value, path="", closed=True):
    """What is wrong with a value of JSON, as texts. `closed`: unknown members are wrong as well."""
    kind = shape["kind"]
    fits = {"structure": dict, "map": dict, "list": list, "string": str, "enum": str, "integer": int, "boolean": bool, "float": (int, float),
            "timestamp": (int, float)}[kind]
    if not isinstance(value, fits) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{path}: {value!r} is no {kind}"]
    if kind == "structure":
        known = {member["name"]: member for member in shape["members"]}
        wrong = [f"{path}.{name}: not in the table" for name in value if closed and name not in known]
        wrong += [f"{path}.{name}: is missing" for name, member in known.items() if member["required"] and name not in value]
        for name in known.keys() & value.keys():
            wrong += faults(known[name]["shape"], value[name], f"{path}.{name}", closed)
        return wrong
    size = value if kind in ("integer", "float", "timestamp") else len(value) if kind not in ("boolean", "enum") else 0
    wrong = []
    if "least" in shape and size < shape["least"] or "most" in shape and size > shape["most"]:
        wrong.append(f"{path}: {value!r} is outside of {shape.get('least')} to {shape.get('most')}")
    if kind == "enum" and value not in shape["values"]:
        wrong.append(f"{path}: {value!r} is none of the values")
    if kind == "string" and "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        wrong.append(f"{path}: {value!r} does not match {shape['pattern']}")
    if kind == "list":
        for index, entry in enumerate(value):
            wrong += faults(shape["element"], entry, f"{path}[{index}]", closed)
    if kind == "map":
        for key, entry in value.items():
            wrong += faults(shape["key"], key, f"{path}[{key}]", closed) + faults(shape["element"], entry, f"{path}[{key}]", closed)
    return wrong


def whole(operation):
    """A valid request, as small as can be."""
    return {member["name"]: sample(member["shape"]) for member in operation["input"] if member["required"]}


def incomplete(operation):
    """(request, names of the members that must be refused): what is required is left out."""
    names = {member["name"] for member in operation["input"] if member["required"] and member["place"] != "uri"}
    return {name: value for name, value in whole(operation).items() if name not in names}, names


def mistyped(operation):
    """The same with each member of a wrong type."""
    wrong = {member["name"]: {} if member["shape"]["kind"] == "list" else [] for member in operation["input"] if member["place"] == "body"}
    return whole(operation) | wrong, set(wrong)


def outside(operation):
    """The same with each member outside of its bounds, pattern or values."""
    request, names = whole(operation), set()
    for member in operation["input"]:
        for value in broken(member["shape"]):
            if faults(member["shape"], value):
                request[member["name"]] = value
                names.add(member["name"])
                break
    return request, names


def broken(shape):
    """Values of the right type that may be too small, too large, or none of the values."""
    kind = shape["kind"]
    if kind in ("string", "enum"):
        return ["x", "", "\x01 ", "x" * (shape.get("most", 0) + 1)]
    if kind == "integer":
        return [shape.get("least", 0) - 1, shape.get("most", 0) + 1]
    if kind == "list":
        return [[], [value for value in broken(shape["element"]) if faults(shape["element"], value)][:1],
                [sample(shape["element"])] * (shape.get("most", 0) + 1)]
    if kind == "map":
        return [{"x" * (shape["key"].get("most", 0) + 1): sample(shape["element"])}]
    if kind == "structure":
        return [{member["name"]: value for member in shape["members"] for value in broken(member["shape"])[:1] if faults(member["shape"], value)}]
    return []


class ExtraModel:
    """Operations and members of 2023 as "sdk-extras" of botocore."""

    def __init__(self, operations, known):
        self.known, self.shapes, self.operations, self.pages = known, {}, {}, {}
        for operation in operations:
            if operation["name"] in known["operations"]:
                of_2022 = known["operations"][operation["name"]]
                self.amend(of_2022["input"]["shape"], {"kind": "structure", "members": operation["input"]})
                if operation["output"] is not None:
                    self.amend(of_2022["output"]["shape"], operation["output"])
            else:
                self.operations[operation["name"]] = self.new_operation(operation)

    def files(self):
        """Name of the file -> what is in it."""
        return {"service-2.sdk-extras.json": {"merge": {"operations": self.operations, "shapes": self.shapes}},
                "paginators-1.sdk-extras.json": {"merge": {"pagination": self.pages}}}

    def new_operation(self, operation):
        name = operation["name"]
        made = {"name": name, "http": {"method": operation["method"], "requestUri": operation["uri"], "responseCode": operation["success"]},
                "input": {"shape": self.new_shape(f"{name}Request", {"kind": "structure", "members": operation["input"]})},
                "errors": [{"shape": error} for error in operation["errors"]]}
        if operation["output"] is not None:
            made["output"] = {"shape": self.new_shape(f"{name}Response", operation["output"])}
            if {"items", "nextToken"} <= {member["name"] for member in operation["output"]["members"]}:
                self.pages[name] = {"input_token": "nextToken", "output_token": "nextToken", "limit_key": "maxResults", "result_key": "items"}
        return made

    def new_shape(self, name, shape):
        kind = shape["kind"]
        made = {"type": TYPES.get(kind, kind)}
        if kind == "structure":
            made["required"] = [member["name"] for member in shape["members"] if member["required"]]
            made["members"] = {member["name"]: self.new_member(f"{name}{member['name']}", member) for member in shape["members"]}
        elif kind == "list":
            made["member"] = {"shape": self.new_shape(f"{name}Element", shape["element"])}
        elif kind == "map":
            made["key"] = {"shape": self.new_shape(f"{name}Key", shape["key"])}
            made["value"] = {"shape": self.new_shape(f"{name}Value", shape["element"])}
        elif "least" in shape:
            made["min"] = shape["least"]
        self.shapes[name] = made
        return name

    def new_member(self, name, member):
        places = {"uri": {"location": "uri", "locationName": member["name"]}, "query": {"location": "querystring", "locationName": member["name"]}}
        return {"shape": self.new_shape(name, member["shape"]), **places.get(member["place"], {})}

    def amend(self, name, shape):
        """Adds to a shape of 2022 what is newer."""
        known = self.known["shapes"][name]
        if shape["kind"] == "list":
            self.amend(known["member"]["shape"], shape["element"])
        if shape["kind"] == "map":
            self.amend(known["value"]["shape"], shape["element"])
        if shape["kind"] != "structure":
            return
        for member in shape["members"]:
            if member["name"] in known["members"]:
                self.amend(known["members"][member["name"]]["shape"], member["shape"])
            else:
                added = self.shapes.setdefault(name, {"members": {}})["members"]
                added[member["name"]] = self.new_member(f"{name}{member['name']}", member)
