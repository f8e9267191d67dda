"""fio as the load of a source, and what it says."""
import json
import os

from lib.processes import Child, Failed


def words(device, seconds, pattern, block, rate=None, depth=8):
    """The command of a run on a whole device, past the page cache. `rate` in bytes a second; None: as fast as it goes."""
    command = ["fio", "--name=load", f"--filename={device}", "--direct=1", "--ioengine=libaio", f"--rw={pattern}", f"--bs={block}",
               f"--iodepth={depth}", "--time_based", f"--runtime={seconds}", "--output-format=json", "--randrepeat=1",
               "--refill_buffers", "--buffer_compress_percentage=50", "--group_reporting",
               # A job of its own would outlive a fio that is killed.
               "--thread"]
    return command + ([f"--rate={rate}"] if rate else [])


class Load(Child):
    """Runs beside what is measured; `result` once it has ended."""

    def __init__(self, folder, *arguments, **options):
        self._output = f"{folder}/fio.json"
        with open(self._output, "wb") as out:
            super().__init__(words(*arguments, **options), f"{folder}/fio.log", stdout=out)

    def result(self, timeout):
        """Writes a second, MiB/s, latencies in microseconds."""
        self.wait(timeout)
        with open(self._output, encoding="utf-8") as file:
            text = file.read()
        os.unlink(self._output)
        write = json.loads(text[text.index("{"):])["jobs"][0]["write"]
        if write["total_ios"] == 0:
            raise Failed("fio wrote nothing")
        latency = write["clat_ns"]
        return {"iops": write["iops"], "mib_per_second": write["bw_bytes"] / 2**20, "mean_us": latency["mean"] / 1e3,
                "p99_us": latency["percentile"]["99.000000"] / 1e3, "max_us": latency["max"] / 1e3,
                "written_mib": write["io_bytes"] / 2**20}
