"""Workers, agents and conversion workers as the services see them, without disks: calls alone, as the contract asks for.

They write down what must never be: a generation that goes back, a lease that is gone though nobody let go of it, an order or a task
that is handed out a second time after its end was acknowledged.
"""
import pathlib
import random
import shutil
import subprocess
import threading
import time

import grpc

import api
from processes import until

# A boot sector that writes a line to the serial port and halts (see tests/support/tiny_os.cc).
HELLO = "tiny os is up"
BOOT_SECTOR = (bytes.fromhex("31c08ed8fcbe407cac84c0741288c4bafd03eca82074fbbaf80388e0eeebe9f4ebfd").ljust(0x40, b"\0")
               + HELLO.encode() + b"\r\n").ljust(510, b"\0") + b"\x55\xaa"
DISK_BYTES = 1 << 20


def seconds(duration):
    return duration.seconds + duration.nanos / 1e9


class Looping:
    """Calls step() again and again on a thread of its own, until end(). step() says how long to wait."""

    def __init__(self):
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self.errors = []  # what should not be possible
        self.paused = False

    def begin(self):
        self._thread.start()
        return self

    def stop(self):
        """Ends soon; end() waits for it."""
        self._ending.set()

    def end(self):
        self.stop()
        self._thread.join(30)

    def _loop(self):
        pause = 0.0
        while not self._ending.wait(pause):
            pause = 0.1
            if self.paused:
                continue
            try:
                pause = self.step()
            except grpc.RpcError as error:
                if error.code() not in api.AGAIN:
                    self.errors.append(f"{error.code().name}: {error.details()}")
                pause = 0.3
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(repr(error))
                pause = 0.3


def end_all(loopings):
    for looping in loopings:
        looping.stop()
    for looping in loopings:
        looping.end()


class Worker(Looping):
    """A replication worker. Thread-safe where agents use it."""

    def __init__(self, rig, number, store="s"):
        super().__init__()
        self.id = f"w-{number:017x}"
        self.tally = api.Tally()
        # Heartbeats have a channel of their own, as in the real one.
        self.client, self.heartbeats = (rig.client("replication", f"worker/{self.id}", tally=self.tally) for _ in range(2))
        self.store, self.lock = rig.dir / "store" / store, threading.Lock()
        self.store.mkdir(exist_ok=True)
        self.incarnation, self.groups, self.epochs, self.points, self.ended_orders = 0, {}, {}, {}, set()
        self.last_success, self.longest_gap, self.lost = time.monotonic(), 0.0, []
        self.lease = 3.0
        with self.lock:
            template = self.store / "template.qcow2"
            if not template.exists():
                raw = self.store / "template.raw"
                raw.write_bytes(BOOT_SECTOR.ljust(DISK_BYTES, b"\0"))
                subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, template], check=True)

    def name(self):
        return self.id

    def step(self):
        if self.incarnation == 0:
            answer = self.client.once("WorkerService/RegisterWorker", endpoint=f"127.0.0.1:{1000 + int(self.id[2:], 16)}",
                                      store_id=f"store-{self.store.name}", max_server_count=1000, version="test")
            self.incarnation = answer.incarnation
            self.lease = seconds(answer.lease_duration)
        with self.lock:
            groups = [{"source_server": server, "lease_generation": generation, "committed_epoch": self.epochs.get(server, 0),
                       "agent_connected": True} for server, generation in self.groups.items()]
        try:
            answer = self.heartbeats.once("WorkerService/Heartbeat", timeout=max(self.lease / 3, 1), incarnation=self.incarnation,
                                          store_total_bytes=1 << 40, store_free_bytes=1 << 39, groups=groups)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.ABORTED and "incarnation" in error.details():
                self.lost.append(f"{self.id}: {error.details()}")
                self.incarnation = 0
            raise
        now = time.monotonic()
        self.longest_gap, self.last_success = max(self.longest_gap, now - self.last_success), now
        leases = {lease.source_server: lease.lease_generation for lease in answer.leases}
        with self.lock:
            for server, generation in self.groups.items():
                if server not in leases:
                    self.lost.append(f"{self.id} lost {server}")
                elif leases[server] < generation:
                    self.errors.append(f"{self.id}: the generation of {server} went from {generation} back to {leases[server]}")
                elif leases[server] > generation:
                    self.lost.append(f"{self.id}: {server} has generation {leases[server]} after {generation}")
            self.groups = leases
        for order in answer.orders:
            self.carry_out(order)
        return min(self.lease / 3, 1)

    def carry_out(self, order):
        if order.order_id in self.ended_orders:
            self.errors.append(f"order {order.order_id} came again after its report was acknowledged")
        report = {"incarnation": self.incarnation, "order_id": order.order_id}
        kind = order.WhichOneof("order")
        if kind == "create_clone":
            folder = self.store / order.create_clone.clone_id
            folder.mkdir(exist_ok=True)
            if not (folder / "disk.qcow2").exists():
                shutil.copy(self.store / "template.qcow2", folder / "part")
                (folder / "part").rename(folder / "disk.qcow2")
            report["clone_disks"] = [{"disk_id": disk_of(order.source_server), "device_name": "/dev/sda", "size_bytes": DISK_BYTES,
                                      "is_boot_disk": True, "path": str(folder / "disk.qcow2")}]
        elif kind == "delete_clone":
            shutil.rmtree(self.store / order.delete_clone.clone_id, ignore_errors=True)
        self.client("WorkerService/ReportOrder", patience=5, **report)
        self.ended_orders.add(order.order_id)

    def report_point(self, server, generation, request=""):
        """A point was committed. Raises grpc.RpcError."""
        with self.lock:
            # What was committed once keeps its epoch, however often it is reported.
            epoch = self.points.setdefault((server, request), self.epochs.get(server, 0) + 1)
            self.epochs[server] = max(self.epochs.get(server, 0), epoch)
        now = {"seconds": int(time.time())}
        self.client("WorkerService/ReportPoint", patience=5, incarnation=self.incarnation, source_server=server,
                    lease_generation=generation, epoch=epoch, cut_time=now, commit_time=now, consistency=1, request_id=request)


def disk_of(server):
    return "d-" + server.split("/")[1][2:]


class Agent(Looping):
    """An agent that enrolled and follows what it is told."""

    def __init__(self, rig, workers, token):
        super().__init__()
        self.workers, self.tally = workers, api.Tally()
        folder = pathlib.Path(rig.dir / "clients" / f"agent-{api.request_id()}")
        folder.mkdir()
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                        "/CN=agent", "-keyout", folder / "tls.key", "-out", folder / "csr.pem"], check=True, capture_output=True)
        enrolled = rig.enrolment()("EnrollmentService/Enroll", token=token, csr_pem=(folder / "csr.pem").read_text(),
                                   request_id=api.request_id(), properties={
                                       "hostname": "source.example", "boot_mode": "BIOS", "ram_bytes": 200 << 20,
                                       "cpus": [{"model_name": "x", "core_count": 1}],
                                       "disks": [{"device_name": "/dev/sda", "size_bytes": DISK_BYTES}],
                                       "network_interfaces": [{"name": "eth0", "mac_address": "52:54:00:aa:bb:cc", "is_primary": True}]})
        self.server, self.certificate_generation = enrolled.source_server, enrolled.certificate_generation
        (folder / "tls.crt").write_text(enrolled.certificate_chain_pem)
        (folder / "ca.crt").write_text(enrolled.ca_pem)
        self.folder = folder
        self.client = rig.client("replication", tls=api.Tls(folder), tally=self.tally)
        self.generation, self.worker, self.pointed, self.answered = 0, None, False, set()
        self.moves, self.last_success, self.longest_gap = [], time.monotonic(), 0.0

    def name(self):
        return self.server

    def step(self):
        answer = self.client.once("AgentService/Heartbeat", timeout=5, agent_version="test", boot_id="boot", disks=[
            {"disk_id": disk_of(self.server), "device_name": "/dev/sda", "size_bytes": DISK_BYTES, "is_boot_disk": True}],
            progress={"phase": "IDLE", "connected_generation": self.generation, "lag": {"seconds": 0},
                      "disks": [{"disk_id": disk_of(self.server)}]})
        now = time.monotonic()
        self.longest_gap, self.last_success = max(self.longest_gap, now - self.last_success), now
        if answer.HasField("assignment"):
            self.follow(answer.assignment)
            if answer.HasField("point_order"):
                self.point(answer.point_order.request_id)
            elif not self.pointed:
                self.workers[self.worker].report_point(self.server, self.generation)
                self.pointed = True
        return min(seconds(answer.heartbeat_interval), 1.0) * random.uniform(0.8, 1.2)

    def follow(self, assignment):
        worker = assignment.worker.split("/")[1]
        if assignment.lease_generation < self.generation:
            self.errors.append(f"{self.server}: told to use generation {assignment.lease_generation} after {self.generation}")
        elif assignment.lease_generation != self.generation or worker != self.worker:
            if self.worker is not None:
                self.moves.append(f"{self.server}: from {self.worker}/{self.generation} to {worker}/{assignment.lease_generation}")
            self.worker, self.generation = worker, assignment.lease_generation

    def point(self, request):
        if request in self.answered:
            return  # the coordinator may not have read its own answer yet
        self.workers[self.worker].report_point(self.server, self.generation, request)
        self.answered.add(request)


class ConversionWorker(Looping):
    """Leases conversions and says that they succeeded."""

    def __init__(self, rig, number):
        super().__init__()
        self.tally = api.Tally()
        self.client = rig.client("conversion", f"conversion-worker/cw-{number}", tally=self.tally)
        self.ended = set()

    def step(self):
        answer = self.client.once("ConversionWorkerService/LeaseTask", modes=[1, 2, 3])
        if not answer.HasField("task"):
            return 0.2
        if answer.task.name in self.ended:
            self.errors.append(f"{answer.task.name} was handed out after its end was acknowledged")
        time.sleep(0.2)
        try:
            self.client("ConversionWorkerService/FinishTask", patience=5, name=answer.task.name, lease_generation=answer.lease_generation,
                        result={"hints": {"firmware": "bios", "disk_bus": "virtio", "nic_model": "virtio"}})
            self.ended.add(answer.task.name)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.ABORTED:  # somebody else has it now
                raise
        return 0.0


class Fleet:
    """Workers and enrolled agents, running."""

    def __init__(self, rig, worker_count=2, agent_count=12):
        self.rig = rig
        self.workers = {worker.id: worker for worker in (Worker(rig, number + 1) for number in range(worker_count))}
        self.converters = [ConversionWorker(rig, number) for number in range(2)]
        token = rig.client("registry")("TokenService/CreateToken", request_id=api.request_id(), max_uses=1000)
        self.agents = [Agent(rig, self.workers, token.secret) for _ in range(agent_count)]
        for looping in self.all():
            looping.begin()

    def all(self):
        return [*self.workers.values(), *self.converters, *self.agents]

    def end(self):
        end_all(self.all())

    def errors(self):
        return [error for looping in self.all() for error in looping.errors]

    def moves(self):
        """What went from one worker or generation to another."""
        return [move for agent in self.agents for move in agent.moves] + [loss for worker in self.workers.values() for loss in worker.lost]

    def heard(self, what, patience):
        """Waits until every worker and agent got through once more; how long it took."""
        since, everybody = time.monotonic(), [*self.workers.values(), *self.agents]

        def silent():
            return [f"{looping.name()}: {looping.tally}" for looping in everybody if looping.last_success <= since]
        until(lambda: not silent(), lambda: f"{what}: no success since then of {silent()}", patience)
        return time.monotonic() - since

    def forget_moves(self):
        for looping in [*self.workers.values(), *self.agents]:
            (looping.lost if isinstance(looping, Worker) else looping.moves).clear()

    def ready(self):
        """Every server has its first point."""
        states = dict(self.rig.sql("SELECT 'sourceServers/' || id, lifecycle FROM registry.source_server"))
        return all(states.get(agent.server) == "5" for agent in self.agents)
