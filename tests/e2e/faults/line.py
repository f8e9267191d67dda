"""A TCP line to PostgreSQL (or another server) that a test makes slow, silent or cut, or on which answers to COMMIT get lost. Thread-safe."""
import asyncio
import random
import threading

from processes import free_port

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # a simple query, as libpq sends it


class Line:
    def __init__(self, conninfo, seed=1, host="127.0.0.1"):
        """To the server of `conninfo`; .conninfo is the way over this line, which listens on `host`."""
        parts = dict(part.split("=") for part in conninfo.split())
        self.port, self._to_port = free_port(), int(parts["port"])
        self.conninfo = " ".join(f"{key}={value}" for key, value in {**parts, "host": host, "port": self.port}.items())
        self._host = host
        self.delay = 0.0          # seconds, of what the server answers
        self.silent = set()       # "up", "down": what goes that way is swallowed, and nobody hears of it
        self.lost_commits = 0.0   # share of commits whose answer is lost, together with the connection
        self.lost_count = self.most_open = 0
        self.passed = 0           # bytes to the server
        self.ports = set()        # that the server sees them come from
        self._random, self._open = random.Random(seed), set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def cut(self):
        """Ends all connections at once."""
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._open)])

    def end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, self._host, self.port))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.transport.abort()
            return
        self.ports.add(up_writer.get_extra_info("sockname")[1])
        both = (writer, up_writer)
        self._open.update(both)
        self.most_open = max(self.most_open, len(self._open) // 2)
        state = {"lose": False}
        tasks = [asyncio.ensure_future(self._up(reader, up_writer, state)), asyncio.ensure_future(self._down(up_reader, writer, state))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for end in both:
            end.transport.abort()
            self._open.discard(end)

    async def _up(self, reader, writer, state):
        try:
            while data := await reader.read(65536):
                if COMMIT in data and self._random.random() < self.lost_commits:
                    state["lose"] = True
                if "up" not in self.silent:
                    writer.write(data)
                    await writer.drain()
                    self.passed += len(data)
        except OSError:
            pass
        while "up" in self.silent:  # nor does the server hear of the end
            await asyncio.sleep(0.05)

    async def _down(self, reader, writer, state):
        try:
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if state["lose"]:
                    self.lost_count += 1
                    return
                if "down" not in self.silent:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
