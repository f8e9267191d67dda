"""gRPC clients of the services, made from the protos at run time, that retry as the contract tells callers to.

What is tried again, always as the very same request (the same request id): UNAVAILABLE and RESOURCE_EXHAUSTED (back off), ABORTED
(somebody else was first), CANCELLED (that copy is stopping), and, since the request id makes it harmless, UNKNOWN and
DEADLINE_EXCEEDED: the outcome is not known.
"""
import collections
import pathlib
import random
import subprocess
import sys
import threading
import time
import uuid

import grpc
from google.protobuf import descriptor_pool

AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN,
         grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
AREAS = {"registry": ("SourceServerService", "EnrollmentService", "TokenService", "RegistryEventService", "FleetService",
                      "AccessKeyService", "RevocationService", "SettingsTemplateService"),
         "replication": ("AgentService", "ReplicationService", "WorkerService"),
         "conversion": ("ConversionService", "ConversionWorkerService"),
         "jobs": ("JobService",)}


def generate(source, out):
    """Python modules of all protos, below `out`."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    protos = sorted((source / "protos").rglob("*.proto"))
    subprocess.run(["protoc", "-I", source / "protos", "--python_out", out, *protos], check=True)
    sys.path.insert(0, str(out))
    for proto in protos:
        module = ".".join(proto.relative_to(source / "protos").with_suffix("").parts)
        __import__(module + "_pb2")


def request_id():
    return str(uuid.uuid4())


class Tally:
    """Counts what callers met. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self.counts = collections.Counter()
        self.slowest = 0.0

    def add(self, what, took=0.0):
        with self._lock:
            self.counts[what] += 1
            self.slowest = max(self.slowest, took)

    def __getitem__(self, what):
        with self._lock:
            return self.counts[what]

    def __str__(self):
        with self._lock:
            return ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items())) or "nothing"


class Tls:
    """tls.crt, tls.key and ca.crt of a folder, as they are now."""

    def __init__(self, folder):
        self.folder, self.stamp = folder, self.stamp_of(folder)
        self.chain, self.key, self.ca = ((folder / name).read_bytes() for name in ("tls.crt", "tls.key", "ca.crt"))

    @staticmethod
    def stamp_of(folder):
        return (folder / "tls.crt").stat().st_mtime_ns

    def credentials(self):
        return grpc.ssl_channel_credentials(self.ca, self.key, self.chain)


class Client:
    """Calls one service, whatever copies of it there are. Thread-safe.

    `endpoints`: of the copies; calls go to them in turn, as behind a load balancer. `tls`: Tls, or CA bytes for callers without
    a certificate. `follow`: connects anew with the certificate that is in its folder then, when it was replaced.
    """

    def __init__(self, service, endpoints, tls, tally=None, follow=False):
        self._service, self._endpoints, self._tls, self._follow = service, endpoints, tls, follow
        self._lock, self._left = threading.Lock(), []
        self._channel = self._connect()
        self.tally = tally or Tally()
        self._random = random.Random(1)

    def _connect(self):
        credentials = self._tls.credentials() if isinstance(self._tls, Tls) else grpc.ssl_channel_credentials(self._tls)
        return grpc.secure_channel("ipv4:" + ",".join(self._endpoints), credentials, options=(
            ("grpc.ssl_target_name_override", f"{self._service}.service.godwit.internal"),
            ("grpc.lb_policy_name", "round_robin"),
            ("grpc.use_local_subchannel_pool", 1),
            # As services/common/rpc/channel.cc has it.
            ("grpc.keepalive_time_ms", 5000),
            ("grpc.keepalive_timeout_ms", 5000),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 1000)))

    def channel(self):
        with self._lock:
            if self._follow and Tls.stamp_of(self._tls.folder) != self._tls.stamp:
                self._left.append(self._channel)  # calls under way end there
                if len(self._left) > 2:
                    self._left.pop(0).close()  # it would knock with its old certificate for ever
                self._tls = Tls(self._tls.folder)
                self._channel = self._connect()
            return self._channel

    def close(self):
        for channel in [*self._left, self._channel]:
            channel.close()

    def method(self, name):
        """The method of this area's service; (path, request class, response class)."""
        service, method = name.split("/")
        full = f"godwit.{self._service}.v1.{service}"
        found = descriptor_pool.Default().FindServiceByName(full).FindMethodByName(method)
        return f"/{full}/{method}", found.input_type._concrete_class, found.output_type._concrete_class

    def once(self, name, /, timeout=5, **fields):
        """One attempt. Raises grpc.RpcError."""
        path, request, response = self.method(name)
        call = self.channel().unary_unary(path, request_serializer=request.SerializeToString, response_deserializer=response.FromString)
        began = time.monotonic()
        try:
            answer = call(request(**fields), timeout=timeout)
            self.tally.add("calls", time.monotonic() - began)
            return answer
        except grpc.RpcError as error:
            self.tally.add(error.code().name, time.monotonic() - began)
            raise

    def __call__(self, name, /, patience=60, timeout=5, **fields):
        """Tries for `patience` seconds. Raises the last grpc.RpcError."""
        end = time.monotonic() + patience
        pause = 0.1
        while True:
            try:
                return self.once(name, timeout=timeout, **fields)
            except grpc.RpcError as error:
                wait = pause * self._random.uniform(0.5, 1.5)
                if error.code() not in AGAIN or time.monotonic() + wait > end:
                    raise
            time.sleep(wait)
            pause = min(pause * 2, 2)
