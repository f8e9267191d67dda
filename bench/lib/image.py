"""The disk that is moved: an ext4 file system as a server has it, made once for each size and kept."""
import json
import os
import random
import shutil
import sqlite3

from lib import compare, devices
from lib.devices import command

# Raised when the content changes, so that older images are not taken.
VERSION = 1
# Of the size: what is filled before the deletion, and the parts of that.
FILLED, DATABASE, LOGS, ARCHIVES = 0.42, 0.07, 0.07, 0.10
DELETED = 0.15
TREES = ("/etc", "/usr/bin", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/share", "/usr/lib/x86_64-linux-gnu", "/usr/include",
         "/usr/sbin", "/usr/lib")


def _database(path, size, chooser):
    base = sqlite3.connect(path)
    base.executescript("pragma page_size=16384; pragma journal_mode=off; pragma synchronous=off;"
                       "create table orders(id integer primary key, customer int, at text, mail text, sum real, note text, token text)")
    words = [f"{a}{b}" for a in ("north", "river", "stone", "light", "green") for b in ("field", "house", "way", "wood", "mark")]
    number = 0
    while os.path.getsize(path) < size * 0.8:
        base.executemany("insert into orders values(?,?,?,?,?,?,?)", [(
            number + i, chooser.randint(1, 90000), f"2024-{chooser.randint(1, 12):02}-{chooser.randint(1, 28):02}",
            f"user{chooser.randint(1, 90000)}@example.com", chooser.random() * 1000, " ".join(chooser.choices(words, k=6)),
            f"{chooser.getrandbits(128):032x}") for i in range(5000)])
        base.commit()
        number += 5000
    base.execute("create index orders_token on orders(token)")
    base.commit()
    base.close()


def _log(path, size, chooser):
    with open(path, "w", encoding="ascii") as file:
        while file.tell() < size:
            file.writelines(
                f"10.{chooser.randint(0, 255)}.{chooser.randint(0, 255)}.{chooser.randint(0, 255)} - - "
                f"[{chooser.randint(1, 30):02}/Jun/2024:{chooser.randint(0, 23):02}:{chooser.randint(0, 59):02}:00 +0000] "
                f"\"GET /api/v1/{chooser.choice(('orders', 'users', 'items'))}/{chooser.randint(1, 100000)} HTTP/1.1\" "
                f"{chooser.choice((200, 200, 200, 304, 404))} {chooser.randint(100, 50000)} \"-\" \"Mozilla/5.0 (X11; Linux)\"\n"
                for _ in range(2000))


def _archives(folder, size, chooser):
    """Files that do not compress, as packages and pictures are."""
    os.makedirs(folder)
    total = 0
    while total < size:
        part = min(chooser.randint(100_000, 12_000_000), size - total)
        with open(f"{folder}/package_{total}.deb", "wb") as file:
            file.write(chooser.randbytes(part))
        total += part


def _link_or_copy(source, target):
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _system_files(root, budget):
    """Files of this system until the budget is used up."""
    for tree in TREES:
        for folder, folders, files in os.walk(tree):
            folders.sort()
            place = root + folder
            os.makedirs(place, exist_ok=True)
            for name in sorted(files):
                source, target = os.path.join(folder, name), os.path.join(place, name)
                if os.path.lexists(target) or not (os.path.isfile(source) or os.path.islink(source)):
                    continue
                size = os.lstat(source).st_size
                if size > budget / 8 and size > 1 << 20:
                    continue
                _link_or_copy(source, target)
                budget -= max(size, 4096)
                if budget <= 0:
                    return


def _fill(root, size):
    chooser = random.Random(7)
    filled = int(size * FILLED)
    for folder in ("/var/lib", "/var/log", "/var/cache"):
        os.makedirs(root + folder)
    _database(root + "/var/lib/shop.db", filled * DATABASE, chooser)
    _log(root + "/var/log/access.log", filled * LOGS, chooser)
    _archives(root + "/var/cache/archives", int(filled * ARCHIVES), chooser)
    _system_files(root, filled * (1 - DATABASE - LOGS - ARCHIVES))


def _age(path, folder):
    """Deletes files: their content stays in blocks that are free now."""
    chooser = random.Random(8)
    with devices.loop(path) as device, devices.mounted(device, folder, "noatime,nodiscard"):
        names = sorted(os.path.join(at, name) for at, _, files in os.walk(folder) for name in files)
        for name in chooser.sample(names, int(len(names) * DELETED)):
            os.unlink(name)


def _count(path):
    """How much of it is what."""
    size = os.path.getsize(path)
    free = compare.free_ranges(path)
    nonzero = stale = 0
    zeros = bytes(65536)
    is_free = bytearray(size // 65536 + 1)
    for first, end in free:
        for block in range(-(-first // 65536), end // 65536):
            is_free[block] = 1
    with open(path, "rb") as file:
        for block in range(size // 65536):
            if file.read(65536) != zeros:
                nonzero += 65536
                stale += 65536 * is_free[block]
    return {"bytes": size, "nonzero_bytes": nonzero, "stale_bytes": stale, "used_bytes": nonzero - stale,
            "free_bytes": sum(end - first for first, end in free)}


def make(work, size):
    """(path, facts) of the image of that size."""
    path, facts = f"{work}/image-{size}-{VERSION}.img", f"{work}/image-{size}-{VERSION}.json"
    if os.path.exists(facts):
        with open(facts, encoding="ascii") as file:
            return path, json.load(file)
    root = devices.fresh_folder(f"{work}/tree")
    try:
        _fill(root, size)
        devices.empty_file(path, size)
        command("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-d", root, path)
    finally:
        shutil.rmtree(root)
    _age(path, f"{work}/mount")
    counted = _count(path)
    with open(facts, "w", encoding="ascii") as file:
        json.dump(counted, file)
    return path, counted


def describe(facts):
    return (f"disk {facts['bytes'] >> 20} MiB: {facts['used_bytes'] >> 20} MiB used, {facts['stale_bytes'] >> 20} MiB stale in free "
            "blocks, the rest zero (64 KiB blocks)")
