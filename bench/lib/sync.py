"""A mounted disk that is moved, and the comparison that ends every run."""
import contextlib
import os

from lib import certificates, compare, devices, image, ours


def add_lanes(parser):
    parser.add_argument("--lanes", type=int, default=1, help="streams of ours to the worker, 1 to 8")


@contextlib.contextmanager
def moved_disk(bench):
    """The image of the wanted size on a loop device, mounted."""
    file, facts = image.make(bench.args.work, bench.args.size)
    with devices.loop(file) as device, devices.mounted(device, f"{bench.args.work}/source", "noatime,nodiscard") as mount:
        bench.say(image.describe(facts), "")
        yield Sync(bench, facts, file, device, mount)


class Sync:
    def __init__(self, bench, facts, file, device, mount):
        self.bench, self.facts, self.file, self.device, self.mount = bench, facts, file, device, mount
        self.folder = devices.fresh_folder(f"{bench.args.work}/{bench.name}")
        self.tls = certificates.make(f"{self.folder}/tls-peers")
        self._compared_trees = set()

    def forget_cached(self):
        devices.forget_cached(self.device, self.file)

    def check(self, name, replica, everything):
        """All blocks, or those that are not free, against the source; once for each method also the files. Removes the replica."""
        size = compare.disks(self.device, replica, () if everything else compare.free_ranges(self.device))
        if name not in self._compared_trees:
            self._compared_trees.add(name)
            with devices.loop(replica) as device, devices.mounted(device, f"{self.folder}/replica", "ro"):
                compare.trees(self.mount, f"{self.folder}/replica")
        os.unlink(replica)
        return size

    def ours(self, name, window, port_for=contextlib.nullcontext):
        """Until the first point is committed. `window()` begins the measurement; port_for(port of the worker) is a `with` that
        gives the port to connect to. (window, figures)"""
        server, disk = ours.new_id("s-"), ours.new_id("d-")
        run, raw = devices.fresh_folder(f"{self.folder}/run"), f"{self.folder}/replica.raw"
        with ours.Worker(self.bench, run, {server: {disk: devices.disk_bytes(self.device)}}, f"{run}/store") as worker:
            with port_for(worker.port) as port:
                with ours.Agent(self.bench, worker, server, {disk: self.device}, "--lanes", self.bench.args.lanes, port=port) as agent:
                    began = window()
                    agent.order("go")
                    point = worker.point(server, self.bench.args.timeout)
                    began.end(point["time"])
                    agent.wait_for("first_point", 30)
                    fresh = agent.fresh_point(worker, 60)
                    used = agent.stop()
            worker.clone(server, point["epoch"], raw)
            figures = ours.figures(agent, used, point)
            worker.stop()
        ours.throw_away(run)
        figures["fresh_point_seconds"] = fresh
        figures["compared_bytes"] = self.check(name, raw, everything=False)
        return began, figures
