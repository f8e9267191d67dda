"""A long and narrow line: godwit-bench-relay."""
import contextlib

from lib.processes import Talker


@contextlib.contextmanager
def relay(bench, folder, port, mbit, rtt_ms):
    """The port that leads to `port`; its `with` target also counts: .port, .bytes()."""
    with Talker([bench.program("relay"), "--to", f"127.0.0.1:{port}", "--mbit", mbit, "--rtt-ms", rtt_ms],
                f"{folder}/relay.log") as talker:
        yield Line(talker)
        talker.stop()


class Line:
    def __init__(self, talker):
        self._talker = talker
        self.port = talker.wait_for("serving", 20)["port"]

    def bytes(self):
        """Sent towards the target so far."""
        before = len(self._talker.seen("usage"))
        self._talker.order("usage")
        self._talker.wait_for("usage", 20, lambda line: len(self._talker.seen("usage")) > before)
        return self._talker.seen("usage")[before]["there_bytes"]
