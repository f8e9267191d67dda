#!/usr/bin/python3
"""check_kubernetes.py notices what it is for."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]
BASE = REPO / "deploy/kubernetes/base"
# file, what is there, what is put in its place, what the check must say.
FAULTS = [
    ("registry.yaml", "replicas: 2", "replica: 2", "V1DeploymentSpec has no field replica"),
    ("registry.yaml", "replicas: 2", 'replicas: "2"', "is no int"),
    ("registry.yaml", "          image: godwit-control\n", "", "image"),
    ("registry.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "not read-only"),
    ("jobs.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "runs as root"),
    ("jobs.yaml", "limits: {memory: 2Gi}", "limits: {}", "limit of memory"),
    ("jobs.yaml", "capabilities: {drop: [ALL]}", "capabilities: {drop: [NET_RAW]}", "capabilities"),
    ("conversion.yaml", "readinessProbe:", "xProbe:", "readinessProbe is needed"),
    ("conversion.yaml", "valueFrom: {secretKeyRef: {name: godwit-db, key: conversion}}", "value: x", "does not come from a secret"),
    ("network.yaml", "  podSelector: {}\n", "  podSelector: {matchLabels: {a: b}}\n", "denies by default"),
    ("network.yaml", "{port: 1500}", "{port: 1501}", "no policy lets in"),
    ("replication.yaml", "kind: PodDisruptionBudget\nmetadata:\n  name: godwit-replication", "kind: PodDisruptionBudget\nmetadata:\n  name: other",
     "no PodDisruptionBudget"),
    ("replication-worker.yaml", "metadata: {name: store}", "metadata: {name: shop}", "which is no volume"),
    ("migrate.yaml", "apiVersion: batch/v1", "apiVersion: batch/v1beta1", "unknown kind or version"),
    ("kustomization.yaml", "  - jobs.yaml\n", "", "jobs.yaml is either not listed"),
]


class CheckKubernetes(unittest.TestCase):
    def check(self, folder):
        return subprocess.run([REPO / "deploy/dev/check_kubernetes.py", folder], capture_output=True, text=True, check=False)

    def test_notices(self):
        for file, old, new, expected in FAULTS:
            with self.subTest(file=file, new=new), tempfile.TemporaryDirectory() as folder:
                copy = pathlib.Path(shutil.copytree(BASE, pathlib.Path(folder, "base")))
                text = (copy / file).read_text()
                self.assertIn(old, text)
                (copy / file).write_text(text.replace(old, new, 1))
                done = self.check(copy)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    unittest.main()
