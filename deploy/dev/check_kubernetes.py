#!/usr/bin/python3
"""The Kubernetes manifests: each object against the API's own types (package python3-kubernetes: unknown fields, wrong types, missing
ones), and the rules of this project. Prints what it checked; ends with 1 when anything is wrong.

    check_kubernetes.py [FOLDER]
"""
import pathlib
import re
import sys

import yaml
from kubernetes.client import ApiClient, models

REPO = pathlib.Path(__file__).resolve().parents[2]
MODELS = {"Deployment": "V1Deployment", "StatefulSet": "V1StatefulSet", "Service": "V1Service", "Job": "V1Job",
          "PodDisruptionBudget": "V1PodDisruptionBudget", "NetworkPolicy": "V1NetworkPolicy"}
VERSIONS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Service": "v1", "Job": "batch/v1", "PodDisruptionBudget": "policy/v1",
            "NetworkPolicy": "networking.k8s.io/v1"}
# int-or-string, quantities and the like.
LOOSE = {"object", "datetime"}
PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float)}


class Faults:
    def __init__(self):
        self.lines = []

    def add(self, place, text):
        self.lines.append(f"{place}: {text}")


def check_type(value, kind, place, faults):
    """`value` as the API's type `kind`, as the client library names types."""
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return faults.add(place, "a list is needed")
        for index, entry in enumerate(value):
            check_type(entry, listed[1], f"{place}[{index}]", faults)
    elif mapped := re.fullmatch(r"dict\((\w+), (.+)\)", kind):
        if not isinstance(value, dict):
            return faults.add(place, "a map is needed")
        for key, entry in value.items():
            if not isinstance(key, str):
                faults.add(place, f"the key {key!r} is no text")
            check_type(entry, mapped[2], f"{place}.{key}", faults)
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (kind != "bool" and isinstance(value, bool)):
            faults.add(place, f"{value!r} is no {kind}")
    elif kind not in LOOSE:
        check_model(value, getattr(models, kind), place, faults)
    return None


def check_model(value, model, place, faults):
    if not isinstance(value, dict):
        return faults.add(place, f"{model.__name__} is needed")
    fields = {wire: (name, model.openapi_types[name]) for name, wire in model.attribute_map.items()}
    for key, entry in value.items():
        if key not in fields:
            faults.add(place, f"{model.__name__} has no field {key}")
        else:
            check_type(entry, fields[key][1], f"{place}.{key}", faults)
    # The library's own validation: required fields, values out of range.
    try:
        model(**{fields[key][0]: entry for key, entry in value.items() if key in fields})
    except ValueError as error:
        faults.add(place, str(error))
    return None


def check_container(container, place, faults):
    def need(condition, text):
        if not condition:
            faults.add(place, text)
    security = container.get("securityContext", {})
    need(security.get("readOnlyRootFilesystem") is True, "the root file system is not read-only")
    need(security.get("allowPrivilegeEscalation") is False, "allowPrivilegeEscalation is not false")
    need(security.get("capabilities", {}).get("drop") == ["ALL"], "capabilities are not dropped")
    resources = container.get("resources", {})
    need({"cpu", "memory"} <= set(resources.get("requests", {})), "requests of cpu and memory are needed")
    need("memory" in resources.get("limits", {}), "a limit of memory is needed")
    need(":latest" not in container["image"], "an image without a fixed version")
    for port in container.get("ports", []):
        need(port["containerPort"] > 1023, f"port {port['containerPort']} needs rights")
    for entry in container.get("env", []):
        if re.search("PASSW|SECRET|TOKEN", entry["name"]):
            need("secretKeyRef" in entry.get("valueFrom", {}), f"{entry['name']} does not come from a secret")


def check_pod(kind, template, place, faults):
    pod = template["spec"]
    security = pod.get("securityContext", {})
    for condition, text in (
            (security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0, "runs as root"),
            (security.get("seccompProfile", {}).get("type") == "RuntimeDefault", "no seccomp profile"),
            (pod.get("automountServiceAccountToken") is False, "gets a token of the API that it does not need"),
            (not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), "shares a namespace of the host"),
            (not any("hostPath" in volume for volume in pod.get("volumes", [])), "mounts a path of the host")):
        if not condition:
            faults.add(place, text)
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        check_container(container, f"{place}/{container['name']}", faults)
        for probe in ("livenessProbe", "readinessProbe"):
            if kind != "Job" and probe not in container:
                faults.add(place, f"{probe} is needed")
    return volumes


def check_together(objects, faults):
    """Rules over several objects."""
    def named(kind):
        return {entry["metadata"]["name"]: entry for entry in objects if entry["kind"] == kind}
    budgets, policies, services = named("PodDisruptionBudget"), named("NetworkPolicy"), named("Service")
    if not any(not policy["spec"]["podSelector"] and not policy["spec"].get("ingress") for policy in policies.values()):
        faults.add("network", "no policy that denies by default")
    workloads = {**named("Deployment"), **named("StatefulSet")}
    for name, entry in workloads.items():
        labels = entry["spec"]["template"]["metadata"]["labels"]
        if entry["spec"]["selector"]["matchLabels"].items() - labels.items():
            faults.add(name, "the selector does not find its own pods")
        for kind, there in (("PodDisruptionBudget", budgets), ("NetworkPolicy", policies)):
            selector = there.get(name, {}).get("spec", {})
            if (selector.get("selector") or selector.get("podSelector") or {}).get("matchLabels") != entry["spec"]["selector"]["matchLabels"]:
                faults.add(name, f"no {kind} of its own")
        ports = {port["name"]: port["containerPort"] for container in entry["spec"]["template"]["spec"]["containers"] for port in container.get("ports", [])}
        allowed = {port["port"] for rule in policies.get(name, {}).get("spec", {}).get("ingress", []) for port in rule.get("ports", [])}
        if set(ports.values()) - allowed:
            faults.add(name, f"ports {sorted(set(ports.values()) - allowed)} that no policy lets in")
        claims = {claim["metadata"]["name"] for claim in entry["spec"].get("volumeClaimTemplates", [])}
        volumes = claims | {volume["name"] for volume in entry["spec"]["template"]["spec"].get("volumes", [])}
        for container in entry["spec"]["template"]["spec"]["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    faults.add(name, f"mounts {mount['name']}, which is no volume")
        for port in services.get(name, {}).get("spec", {}).get("ports", []):
            if port["targetPort"] not in ports:
                faults.add(name, f"its service asks for port {port['targetPort']}")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else REPO / "deploy/kubernetes/base"
    faults, objects = Faults(), []
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    present = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    for name in sorted(present ^ set(kustomization["resources"])):
        faults.add("kustomization.yaml", f"{name} is either not listed or not there")
    for generator in kustomization.get("configMapGenerator", []):
        for name in generator.get("files", []):
            if not (folder / name).is_file():
                faults.add("kustomization.yaml", f"{name} is not there")
    for path in sorted(folder.glob("*.yaml")):
        if path.name == "kustomization.yaml":
            continue
        for entry in yaml.safe_load_all(path.read_text()):
            place = f"{path.name}:{entry.get('kind')}/{entry.get('metadata', {}).get('name')}"
            kind = entry.get("kind")
            if kind not in MODELS or entry.get("apiVersion") != VERSIONS[kind]:
                faults.add(place, f"unknown kind or version {entry.get('apiVersion')}")
                continue
            check_model(entry, getattr(models, MODELS[kind]), place, faults)
            if "template" in entry["spec"]:
                check_pod(kind, entry["spec"]["template"], place, faults)
            objects.append(entry)
    check_together(objects, faults)
    ApiClient()  # the library is whole
    for line in faults.lines:
        print(line, file=sys.stderr)
    kinds = {kind: sum(entry["kind"] == kind for entry in objects) for kind in MODELS}
    print("; ".join(f"{count} {kind}" for kind, count in kinds.items()), f"; {len(kustomization['configMapGenerator'][0]['files'])} configurations")
    return 1 if faults.lines or not all(kinds.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
