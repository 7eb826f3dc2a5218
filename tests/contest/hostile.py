"""Contestants that misbehave, for the tests of the cell: a driver whose mode names what it does."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import mmap
import os
import shutil
import signal
import stat
import threading
import time
from collections.abc import Callable

from tarbiter.archive.stored import Stored
from tarbiter.contest.contestants import Order, Outcome
from tarbiter.contest.installed.registry import Contestant, Table
from tarbiter.contest.observation import Observation
from tarbiter.contest.protocol import Answer, frames

EXPECTED: dict[type[Exception], str] = {OSError: "a test says so"}


TIME_S = 0.5
"""The time limit of the tests, in seconds."""


def hostile(mode: str) -> Contestant:
    """The contestant that does `mode`, under that name."""
    return Contestant(name=mode, table=Table(family="hostile", driver=__name__, mode=mode), version="1")


def _write(path: str, data: bytes = b"x") -> None:
    with open(path, "wb") as file:
        file.write(data)


def behave(order: Order) -> None:
    _write(f"{order.dest}/file", next(order.chunks(), b"")[:10])


def spread(order: Order) -> None:
    """Makes as many symlinks as the archive says."""
    for number in range(int(b"".join(order.chunks()))):
        os.symlink("x", f"{order.dest}/{number:06d}")
        os.utime(f"{order.dest}/{number:06d}", (1, 1), follow_symlinks=False)


def spread_wide(order: Order) -> None:
    """One more."""
    spread(order)
    os.symlink("x", f"{order.dest}/more")


def measure(order: Order) -> None:
    """Writes how many bytes of the archive came, in how many pieces, and how they end."""
    pieces = list(order.chunks())
    with order.file() as file:
        file.seek(-4, os.SEEK_END)
        end = file.read()
    _write(f"{order.dest}/file", b"%d %d %s" % (sum(map(len, pieces)), len(pieces), end))


def spoil(order: Order) -> None:
    """Tries everything to change an archive that stays in a file; the names of what worked are in its tree."""
    assert isinstance(order.archive, Stored)
    path = order.archive.path
    attempts: dict[str, Callable[[], object]] = {
        "write": lambda: os.close(os.open(path, os.O_WRONLY)),
        "truncate": lambda: os.truncate(path, 0),
        "chmod": lambda: os.chmod(path, 0o200),
        "utime": lambda: os.utime(path, (1, 1)),
        "unlink": lambda: os.unlink(path),
        "rename": lambda: os.rename(path, f"{path}.old"),
        "link": lambda: os.link(path, f"{path}.new"),
        "create": lambda: os.close(os.open(f"{os.path.dirname(path)}/new", os.O_CREAT | os.O_WRONLY)),
    }
    for name, attempt in attempts.items():
        with contextlib.suppress(OSError):
            attempt()
            _write(f"{order.dest}/{name}")


def answer_late(order: Order) -> None:
    """Says things that nobody asked for on the worker's own channel, and then does what it should."""
    said = []
    for number in range(-1, 40):  # batches that have left, that at hand, and those to come
        for job, contestant in ((0, 9), (9, 0), (-1, -1), (1 << 20, 1 << 20)):
            said.append(
                Answer(number, job, contestant, Observation(contestant="?", status="extracted"), number < 1)
            )
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), frames(said))
    behave(order)


def here(_order: Order) -> None:
    """Writes where it is called."""
    _write("here")


def whoami(order: Order) -> None:
    """Writes as whom it runs, in a directory that has no permissions."""
    _write(f"{order.dest}/who", b"%d" % os.geteuid())
    os.mkdir(f"{order.dest}/closed", 0)
    _write(f"{order.dest}/closed/file")


def close_noted(order: Order) -> None:
    """Leaves a directory with an extended attribute that its owner may not read; a file beside it says so."""
    os.mkdir(f"{order.dest}/closed")
    with contextlib.suppress(OSError):  # tmpfs has none before Linux 6.6
        os.setxattr(f"{order.dest}/closed", b"user.n", b"1")
        _write(f"{order.dest}/noted")
    os.chmod(f"{order.dest}/closed", 0)


def give_away(order: Order) -> None:
    """Makes a file that belongs to somebody else."""
    behave(order)
    os.chown(f"{order.dest}/file", 5, 5)


def waver(order: Order) -> None:
    """Does something else each time."""
    _write(f"{order.dest}/file", os.urandom(8))


_TURNS = {"take_turns": itertools.cycle((True, False)), "take_other_turns": itertools.cycle((False, True))}


def take_turns(order: Order) -> None:
    """Writes one file more every other time, the first time too."""
    behave(order)
    if next(_TURNS[order.mode]):
        _write(f"{order.dest}/more")


def take_other_turns(order: Order) -> None:
    """The same, but from the second time on."""
    take_turns(order)


def nothing(_order: Order) -> None:
    return


def loop(_order: Order) -> None:
    while True:
        pass


def spin_swallowing(_order: Order) -> None:
    """Loops for ever, whatever is raised inside, and uses the processor."""
    while True:
        with contextlib.suppress(BaseException):
            loop(_order)


def swallow(_order: Order) -> None:
    """Sleeps for ever, whatever is raised inside."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def block(_order: Order) -> None:
    """Sits in a system call with every signal blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    read, _write_end = os.pipe()
    os.read(read, 1)


def wait_for_nobody(order: Order) -> None:
    """Opens a FIFO whose other end nobody has."""
    os.mkfifo(f"{order.dest}/pipe")
    os.close(os.open(f"{order.dest}/pipe", os.O_WRONLY))


def eat(_order: Order) -> None:
    hoard = []
    while True:
        hoard.append(bytearray(1 << 24))


def eat_shared(_order: Order) -> None:
    mmap.mmap(-1, 8 << 30)


SHARE = 32 << 20
"""What each of several processes or memfds takes: nothing that a process may not have."""


def _wait_for_good() -> None:
    """The alarm interrupts a pause, and raises nothing before the time is over."""
    while True:
        signal.pause()


def eat_together(_order: Order) -> None:
    """Each process has little, and all of them together have much."""
    for _ in range(12):
        if os.fork() == 0:
            kept = bytearray(b"x") * SHARE
            while kept:
                signal.pause()
    _wait_for_good()


def eat_held(_order: Order) -> None:
    """Memory that no process has mapped."""
    for _ in range(12):
        os.write(os.memfd_create("held"), bytes(SHARE - 4096))
    _wait_for_good()


def eat_detached(_order: Order) -> None:
    """Memory that is left to the cell itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    for _ in range(12):
        where = ctypes.c_void_p(libc.shmat(libc.shmget(0, SHARE, 0o600), None, 0))
        ctypes.memset(where, 1, SHARE)
        libc.shmdt(where)
    _wait_for_good()


def fork_what_it_has(order: Order) -> None:
    """The same pages in many processes, which live while somebody works."""
    kept = bytearray(b"x") * (2 * SHARE)
    shared = mmap.mmap(-1, SHARE)
    shared.write(kept[:SHARE])
    ends, ours = os.pipe()
    children = []
    for _ in range(12):
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            os._exit(len(shared[::4096]) and len(os.read(ends, 1)))
        children.append(pid)
    ended = time.process_time() + 0.5 * TIME_S
    while time.process_time() < ended:
        pass
    os.close(ours)
    for pid in children:
        os.waitpid(pid, 0)
    os.close(ends)
    behave(order)


def fill(order: Order) -> None:
    number = 0
    while True:
        _write(f"{order.dest}/{number}", bytes(1 << 24))
        number += 1


def fill_nameless(order: Order) -> None:
    """Fills the disk with files that have no name any more."""
    kept = []
    while True:
        file = open(f"{order.dest}/file", "wb")  # noqa: SIM115  # held open on purpose
        kept.append(file)
        os.unlink(file.name)
        file.write(bytes(1 << 24))
        file.flush()


def sprawl(order: Order) -> None:
    """Takes every inode of the arena."""
    number = 0
    while True:
        os.symlink("x", f"{order.dest}/{number}")
        number += 1


def stretch(order: Order) -> None:
    with open(f"{order.dest}/long", "wb") as file:
        file.truncate(1 << 45)


def bomb(_order: Order) -> None:
    while True:
        if os.fork() == 0:
            signal.pause()


def crash(_order: Order) -> None:
    ctypes.string_at(0)


def abort(_order: Order) -> None:
    os.abort()


def leave(_order: Order) -> None:
    os._exit(0)


def leave_as_spent(_order: Order) -> None:
    os._exit(10)


def leave_as_closed(_order: Order) -> None:
    os._exit(11)


def leave_as_torn(_order: Order) -> None:
    os._exit(12)


def kill_parent(order: Order) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(1, signal.SIGKILL)
    behave(order)


def kill_everybody(_order: Order) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def close_everything(_order: Order) -> None:
    os.closerange(0, 4096)


def close_standard(order: Order) -> None:
    os.closerange(0, 3)
    behave(order)


def fork_and_return(order: Order) -> None:
    if os.fork() == 0:
        os.setsid()
        while True:
            signal.pause()
    behave(order)


def leave_segment(order: Order) -> None:
    ctypes.CDLL(None).shmget(0, SHARE, 0o600)
    behave(order)


def start_thread(order: Order) -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    behave(order)


def keep_open(order: Order) -> None:
    os.open("/", os.O_RDONLY)
    behave(order)


def wander(order: Order) -> None:
    """Leaves the working directory and the umask other than it found them."""
    os.chdir(order.dest)
    os.umask(0o777)
    behave(order)


def raise_value(_order: Order) -> None:
    raise ValueError("nobody promised this")


def raise_unspeakable(_order: Order) -> None:
    raise OSError(13, "\udcff\ud800 is no UTF-8")


def raise_exit(_order: Order) -> None:
    raise SystemExit(0)


def recurse(order: Order) -> None:
    recurse(order)


def refuse(_order: Order) -> None:
    raise PermissionError(13, "no")


def refuse_late(order: Order) -> None:
    behave(order)
    raise PermissionError(13, "no")


def dawdle(order: Order) -> None:
    """Takes longer than the first limit of the tests and less than the second."""
    ended = time.process_time() + 1.3 * TIME_S
    while time.process_time() < ended:
        pass
    behave(order)


def _beside(order: Order, name: str) -> str:
    return os.path.join(os.path.dirname(order.dest), name)


def create_beside(order: Order) -> None:
    _write(_beside(order, "new"))


def create_in_canary(order: Order) -> None:
    os.mkdir(_beside(order, "canary/new"))


def create_above(order: Order) -> None:
    _write(_beside(order, "../../new"))


def overwrite(order: Order) -> None:
    _write(_beside(order, "dest-evil/secret.txt"), b"other")


def overwrite_quietly(order: Order) -> None:
    """The same length, and the old time."""
    path = _beside(order, "canary/secret.txt")
    status = os.stat(path)
    _write(path, b"X" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def chmod(order: Order) -> None:
    os.chmod(_beside(order, "canary/secret.txt"), 0o4755)


def chmod_folder(order: Order) -> None:
    os.chmod(_beside(order, "canary"), 0)


def chmod_holder(order: Order) -> None:
    """Nothing around the destination can be reached by name any more."""
    os.chmod(_beside(order, "canary"), 0o700)
    os.chmod(_beside(order, ""), 0)


def touch(order: Order) -> None:
    os.utime(_beside(order, "canary"), (1, 1))


def there_and_back(order: Order) -> None:
    path = _beside(order, "canary/secret.txt")
    os.chmod(path, 0o600)
    os.chmod(path, 0o644)


def link_out(order: Order) -> None:
    os.link(_beside(order, "canary/secret.txt"), f"{order.dest}/mine")


def copy_in(order: Order) -> None:
    shutil.copyfile(_beside(order, "dest-evil/secret.txt"), f"{order.dest}/copy")


def remove(order: Order) -> None:
    os.unlink(_beside(order, "canary/secret.txt"))


def remove_folder(order: Order) -> None:
    shutil.rmtree(_beside(order, "canary"))


def replace(order: Order) -> None:
    path = _beside(order, "canary/secret.txt")
    os.unlink(path)
    os.symlink("/etc/passwd", path)


def become_link(order: Order) -> None:
    os.rmdir(order.dest)
    os.symlink("canary", order.dest)


def remove_dest(order: Order) -> None:
    os.rmdir(order.dest)


def spoil_archive(_order: Order) -> None:
    _write("/arena/in/archive.tar", b"another")


def run(order: Order) -> Outcome:
    """Do what the mode says."""
    action: Callable[[Order], None] = globals()[order.mode]
    action(order)
    return Outcome()
