"""Makes the packages of a build, and looks at them."""
import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

# QEMU is as large as all the rest: the base does without, and apt says whether it could come.
LARGE = {"qemu-system-x86", "qemu-utils", "dosfstools"}
# What else the packages depend on (debian_test.py proves it): one base for all tests.
BASE = ["adduser", "libabsl20220623", "libc6", "libcurl4", "libgcc-s1", "libgrpc++1.51", "libgrpc29", "libpq5", "libprometheus-cpp-core1.0",
        "libprometheus-cpp-pull1.0", "libprotobuf32", "librados2", "librbd1", "libre2-9", "libssl3", "libstdc++6", "libvirt0", "libxml2",
        "libyaml-cpp0.7", "libzstd1", "zlib1g"]
# What the tests themselves need in it.
TOOLS = ["curl", "systemd"]
COMPONENTS = ["control", "worker", "conversion-worker", "gateway", "agent", "cli"]


@contextlib.contextmanager
def make_packages(build, version, components):
    """component -> .deb with that version, in a folder that goes away."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="godwit-packages-"))
    try:
        made = subprocess.run(
            ["cpack", "-G", "DEB", "-B", str(folder), "-D", f"CPACK_PACKAGE_VERSION={version}",
             "-D", f"CPACK_COMPONENTS_ALL={';'.join(components)}", "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip"],
            cwd=build, capture_output=True, text=True, check=False)
        if made.returncode:
            raise AssertionError(made.stdout + made.stderr)
        shutil.rmtree(folder / "_CPack_Packages", ignore_errors=True)
        yield {component: folder / f"godwit-{component}_{version}_amd64.deb" for component in components}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def make_archive(build, version, component):
    """The .tar.gz of a component with that version, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="godwit-packages-") as folder:
        made = subprocess.run(
            ["cpack", "-G", "TGZ", "-B", folder, "-D", f"CPACK_PACKAGE_VERSION={version}", "-D", f"CPACK_COMPONENTS_ALL={component}",
             "-D", "CPACK_ARCHIVE_COMPONENT_INSTALL=ON", "-D", f"CPACK_PACKAGE_FILE_NAME=godwit-{version}-linux-amd64"],
            cwd=build, capture_output=True, text=True, check=False)
        if made.returncode:
            raise AssertionError(made.stdout + made.stderr)
        yield next(pathlib.Path(folder).glob("*.tar.gz"))


def depends(package):
    """Names of the packages that it depends on; the first of alternatives."""
    text = subprocess.run(["dpkg-deb", "--field", str(package), "Depends"], capture_output=True, text=True, check=True).stdout
    return sorted({re.split(r"[ |(]", entry.strip())[0] for entry in text.split(",") if entry.strip()})


def missing_dependencies(names):
    """Those that this machine's package source does not have."""
    return [name for name in names
            if subprocess.run(["apt-cache", "show", name], capture_output=True, check=False).returncode]
