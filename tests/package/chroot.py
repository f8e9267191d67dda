"""A minimal Debian in a folder, programs in it, and a database that it reaches."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60
# What installing anything at all changes, and what programs write for themselves.
IGNORED = ("/proc", "/dev", "/run", "/tmp", "/var/lib/dpkg", "/var/log", "/var/cache")
BACKUPS = {"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock"}


def own_namespace():
    """Mounts of this process are its own and end with it."""
    if os.geteuid() != 0:
        raise SystemExit("this test needs root (chroot, mounts)")
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, recursive_private = 0x20000, 0x4000 | 0x40000
    if libc.unshare(clone_newns) or libc.mount(b"none", b"/", None, recursive_private, None):
        raise OSError(ctypes.get_errno(), "a mount namespace of its own")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Chroot:
    """`base`: what is installed in it from the start. `below`: a folder that unpack() made; roots on it are there at once."""

    def __init__(self, base, below=None):
        self.base, self.below = base, below
        self.userspec = "0:0"

    def base_tar(self):
        made = subprocess.run([REPO / "deploy/dev/package_base.sh", *self.base], capture_output=True, text=True, check=False)
        if made.returncode:
            raise AssertionError(made.stderr)
        return made.stdout.strip()

    def unpack(self, folder):
        subprocess.run(["tar", "-C", folder, "--numeric-owner", "-xf", self.base_tar()], check=True)

    def _layer(self):
        """What is written goes into folders of this one's own."""
        self.layers = tempfile.mkdtemp(prefix="godwit-layer-")
        upper, work = (pathlib.Path(self.layers, name) for name in ("upper", "work"))
        for folder in (upper, work):
            folder.mkdir(mode=0o755)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={self.below},upperdir={upper},workdir={work}", self.path], check=True)

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="godwit-root-"))
        self.path.chmod(0o755)
        if self.below is None:
            self.unpack(self.path)
        else:
            self._layer()
        subprocess.run(["mount", "-t", "proc", "proc", self.path / "proc"], check=True)
        return self

    def __exit__(self, *_):
        for mount in ("run/postgresql", "proc"):
            subprocess.run(["umount", "-q", self.path / mount], stderr=subprocess.DEVNULL, check=False)
        if self.below is not None:
            subprocess.run(["umount", self.path], check=True)
            shutil.rmtree(self.layers)
        shutil.rmtree(self.path)

    def _command(self, arguments):
        return ["chroot", f"--userspec={self.userspec}", str(self.path), "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                "LC_ALL=C.UTF-8", *map(str, arguments)]

    def run(self, *arguments):
        """Standard output and error; fails when the program does."""
        done = subprocess.run(self._command(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE, check=False)
        if done.returncode:
            raise AssertionError(f"{arguments}: status {done.returncode}\n{done.stdout}")
        return done.stdout

    def install(self, packages, ignore=""):
        for package in packages:
            shutil.copy(package, self.path / "tmp")
        options = [f"--ignore-depends={ignore}"] if ignore else []
        return self.run("dpkg", *options, "--install", *[f"/tmp/{package.name}" for package in packages])

    def state(self, package):
        return self.run("dpkg-query", "--show", "--showformat=${Status} ${Version}", package)

    def read(self, path):
        return (self.path / path.lstrip("/")).read_text()

    def write(self, path, text):
        (self.path / path.lstrip("/")).write_text(text)

    def replace(self, path, old, new):
        text = self.read(path)
        if old not in text:
            raise AssertionError(f"{path} has no {old}")
        self.write(path, text.replace(old, new))

    def files(self):
        found = set()
        for folder, folders, names in os.walk(self.path):
            inside = folder[len(str(self.path)):]
            folders[:] = [name for name in folders if f"{inside}/{name}" not in IGNORED]
            found.update(f"{inside}/{name}" for name in folders + names)
        return found - BACKUPS

    def processes(self):
        """Programs that run with this folder as their root."""
        running = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.readlink(entry / "root") == str(self.path):
                    running.append(os.readlink(entry / "exe"))
        return running

    @contextlib.contextmanager
    def service(self, *arguments, until):
        """A program that runs meanwhile; ends by SIGTERM with status 0."""
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(self._command(arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

            def logged():
                log.seek(0)
                return log.read()
            try:
                deadline = time.monotonic() + PATIENCE
                while until not in logged():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise AssertionError(f"{arguments}: {logged()}")
                    time.sleep(0.05)
                yield process
                process.terminate()
                if process.wait(PATIENCE):
                    raise AssertionError(f"{arguments}: status {process.returncode}\n{logged()}")
            finally:
                process.kill()
                process.wait()


class Database:
    """PostgreSQL of this machine; with `root` its socket is there where the packages expect it."""

    def __init__(self, root=None):
        self.root = root

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="godwit-pg-")
        self.script = REPO / "deploy/dev/pg_cluster.sh"
        started = subprocess.run([self.script, "start", self.folder], capture_output=True, text=True, check=False)
        if started.returncode:
            raise AssertionError(started.stderr)
        self.conninfo = started.stdout.strip()
        self.port = int(self.conninfo.split("port=")[1].split()[0])
        if self.root is None:
            return self
        elsewhere = pathlib.Path(self.folder, "elsewhere")
        place = elsewhere.read_text().strip() if elsewhere.exists() else self.folder
        socket_folder = self.root.path / "run/postgresql"
        socket_folder.mkdir(parents=True)
        subprocess.run(["mount", "--bind", f"{place}/socket", socket_folder], check=True)
        self.sql("CREATE ROLE godwit LOGIN")
        self.sql("ALTER DATABASE godwit OWNER TO godwit")
        self.sql("GRANT ALL ON SCHEMA public TO godwit")
        return self

    def __exit__(self, *_):
        if self.root is not None:
            subprocess.run(["umount", self.root.path / "run/postgresql"], check=True)
        subprocess.run([self.script, "destroy", self.folder], check=True)

    def _psql(self, *arguments):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, *arguments], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def sql(self, text):
        return self._psql("-c", text)

    def sql_file(self, path):
        return self._psql("-f", str(path))
