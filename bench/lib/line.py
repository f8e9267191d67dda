"""A long and narrow line: godwit-bench-relay."""
import contextlib

from lib.processes import Talker


@contextlib.contextmanager
def relay(bench, folder, port, mbit, rtt_ms):
    """A line to `port` of this machine. What passed is known when the `with` is over."""
    with Talker([bench.program("relay"), "--to", f"127.0.0.1:{port}", "--mbit", mbit, "--rtt-ms", rtt_ms],
                f"{folder}/relay.log") as talker:
        line = Line(talker)
        yield line
        talker.stop()
        line.ended()


class Line:
    def __init__(self, talker):
        self._talker = talker
        self.port = talker.first("serving", 20)["port"]
        self.bytes = 0  # sent towards the target
        self.steady_rate = None  # bytes a second between the first and the last fifth of them

    def ended(self):
        self.bytes = self._talker.seen("end")[-1]["there_bytes"]
        reports = [(line["time"], line["there_bytes"]) for line in self._talker.seen("passed")]
        middle = [report for report in reports if 0.2 <= report[1] / max(self.bytes, 1) <= 0.8]
        if len(middle) >= 2:
            (first, at_first), (last, at_last) = middle[0], middle[-1]
            self.steady_rate = (at_last - at_first) / (last - first)

    def figures(self):
        return {"line_bytes": self.bytes, "steady_rate": None if self.steady_rate is None else self.steady_rate / 2**20}
