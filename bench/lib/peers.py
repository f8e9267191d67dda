"""What others use to copy a disk to another machine. Each function copies `source` to the new file `target` and returns the
processor seconds of both sides; it ends when the target is durable."""
import os
import shlex
import socket
import time

from lib import devices
from lib.processes import Child, Failed, run

NBD_PORT = 10900  # in a network namespace of one's own all are free


def await_port(port, timeout=20):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise Failed(f"nobody listens at port {port}")


def nbdkit(folder, target, certificates, port=NBD_PORT):
    return Child(["nbdkit", "--foreground", "--port", port, "--ipaddr", "127.0.0.1", "--tls=require", "--tls-verify-peer",
                  f"--tls-certificates={certificates}", "file", target], f"{folder}/nbdkit.log")


def nbdcopy_tls(folder, source, certificates, timeout, port=None):
    """Four connections, mutual TLS. `port`: of a relay to nbdkit."""
    with Child(["nbdcopy", "--connections=4", "--flush", "--destination-is-zero", source,
                f"nbds://127.0.0.1:{port or NBD_PORT}/?tls-certificates={certificates}"], f"{folder}/nbdcopy.log") as client:
        return client.wait(timeout).cpu


def copy_nbdcopy(folder, source, target, certificates, timeout):
    devices.empty_file(target, devices.disk_bytes(source))
    with nbdkit(folder, target, certificates) as server:
        await_port(NBD_PORT)
        cpu = nbdcopy_tls(folder, source, certificates, timeout)
        return cpu + server.terminate().cpu


def copy_qemu_img(folder, source, target, _, timeout):
    """Plain NBD, no encryption; direct I/O on both disks."""
    devices.empty_file(target, devices.disk_bytes(source))
    with Child(["qemu-nbd", "--bind=127.0.0.1", f"--port={NBD_PORT}", "--format=raw", "--cache=none", "--aio=native",
                "--discard=unmap", "--detect-zeroes=unmap", "--shared=4", "--persistent", target], f"{folder}/qemu-nbd.log") as server:
        await_port(NBD_PORT)
        used = run(["qemu-img", "convert", "-n", "--target-is-zero", "-W", "-f", "raw", "-O", "raw", "-T", "none", source,
                    f"nbd://127.0.0.1:{NBD_PORT}"], f"{folder}/qemu-img.log", timeout)
        return used.cpu + server.terminate().cpu


def rsync(folder, source, target, timeout, *options):
    """Through a daemon, no encryption, durable at the end."""
    config = f"{folder}/rsyncd.conf"
    with open(config, "w", encoding="ascii") as file:
        file.write(f"use chroot = no\nuid = root\ngid = root\npid file =\n[m]\npath = {os.path.dirname(target)}\nread only = no\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        with Child(["rsync", "--inplace", "--copy-devices", "--fsync", *options, source,
                    f"rsync://127.0.0.1:{listener.getsockname()[1]}/m/{os.path.basename(target)}"], f"{folder}/rsync.log") as client:
            # As inetd does it: a daemon that accepts by itself does not tell of its children's processor time.
            accepted, _ = listener.accept()
            with accepted, Child(["rsync", "--daemon", f"--config={config}"], f"{folder}/rsyncd.log", stdin=accepted,
                                 stdout=accepted) as server:
                accepted.close()
                used = client.wait(timeout)
                return used.cpu + server.wait(30).cpu


def copy_rsync(folder, source, target, _, timeout):
    devices.empty_file(target, 0)
    return rsync(folder, source, target, timeout, "--whole-file")


def copy_zstd_socat(folder, source, target, _, timeout):
    """zstd level 1 on all cores, no encryption."""
    devices.empty_file(target, 0)
    receive = (f"set -o pipefail; socat -u TCP-LISTEN:{NBD_PORT},bind=127.0.0.1,reuseaddr STDOUT | zstd -dc | "
               f"dd of={shlex.quote(target)} bs=1M iflag=fullblock conv=sparse,fdatasync")
    send = (f"set -o pipefail; dd if={shlex.quote(source)} bs=1M iflag=direct | zstd -1 -T0 -c | "
            f"socat -u STDIN TCP:127.0.0.1:{NBD_PORT},retry=50,interval=0.05")
    with Child(["bash", "-c", receive], f"{folder}/socat.log") as server:
        used = run(["bash", "-c", send], f"{folder}/zstd.log", timeout)
        used_there = server.wait(timeout)
        # A sparse copy that ends in zeros is shorter.
        os.truncate(target, devices.disk_bytes(source))
        return used.cpu + used_there.cpu


def copy_locally(folder, source, target, _, timeout):
    """No network: direct read and direct write of what is not zero. The physical limit of this disk."""
    devices.empty_file(target, devices.disk_bytes(source))
    return run(["qemu-img", "convert", "-n", "--target-is-zero", "-W", "-f", "raw", "-O", "raw", "-T", "none", "-t", "none", source,
                target], f"{folder}/local.log", timeout).cpu
