"""The sandbox: what a process must do to itself before it may run a hostile archive.

`enter` turns the calling process (a freshly executed interpreter with a scrubbed environment) into one that lives
in namespaces of its own: a root file system of read-only binds and one writable tmpfs, its own processes, no
network, a plain uid, no capabilities (one, where it is called root), no way to gain any. It is all done by system
calls; no program is needed.

Two ways in. A plain user enters a user namespace and does the rest there. Root first binds, in a mount namespace of
its own, what a plain uid could not reach (an interpreter in a home directory), then becomes a plain uid for good,
and goes the same way: kernel uid 0 never runs a contestant, for RLIMIT_NPROC does not bind it and /proc trusts it.

Sources: user_namespaces(7), mount_namespaces(7), pivot_root(2), mount_setattr(2), capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Sequence

import msgspec

from ...errors import UserError
from ...exit_codes import lacking

NAMESPACES, LANDLOCK = "namespaces", "landlock"
"""The ways to set up a cell, the stronger one first: this module's, and that of `landlock`."""

ARENA = "/arena"
"""Where the writable tmpfs is, the same in every cell."""

INSIDE_ID = 1000
"""uid and gid as contestants see their own: the same on every machine, because trees record them."""

ROOT_ID = 0
"""The same in a cell for cases as root: another name for the same plain kernel uid, and for no other one."""

CAP_DAC_OVERRIDE = 1
"""What contestants that are root inside keep: permissions do not stop them. It is good for files of their own
kernel uid, and of those only the arena's can be written, for all else is mounted read-only. The other capabilities
are of no use to who has a single uid, or open up more of the kernel."""

NOBODY = 65534
"""Kernel uid and gid of a cell that root starts: nobody's, so not those of a person who has files."""

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY = 2, 4, 8, 1
_MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_SYS_MOUNT_SETATTR = 442
"""The same number on every architecture, as for all system calls since Linux 5.0."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 4, 24, 38, 47
_PR_SET_CHILD_SUBREAPER = 36
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_LAST_CAPABILITY = 63


class SandboxError(UserError):
    """No sandbox can be set up: `step` is what failed, `detail` why and what may help. Nothing has run.

    `refused`: the system does not give what this kind of sandbox is made of; another kind may be had.
    """

    def __init__(self, step: str, detail: str, *, refused: bool = False) -> None:
        super().__init__(step, detail)
        self.step, self.refused = step, refused

    def __str__(self) -> str:
        words = f"no sandbox, so nothing was run: {self.step}: {self.detail}"
        hint = lacking(self.detail)
        return f"{words}; {hint}" if hint else words


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell is to look like from inside. Sizes are bytes."""

    backend: str = NAMESPACES
    root: bool = False
    """namespaces: contestants see themselves as root."""
    scratch: str = ""
    """landlock: the directory that the arena is made in."""
    visible: tuple[str, ...]
    """Directories and files that can be seen, read-only, at the paths they have outside."""
    arena_size: int = 512 << 20
    arena_inodes: int = 100_000
    """Files, directories and links that the arena may hold."""
    data_size: int = 768 << 20
    """RLIMIT_DATA of each process; what it shares with others is bounded by `space_size`."""
    space_size: int = 1536 << 20
    """RLIMIT_AS of each process, its soft value: a contestant whose runtime reserves more gets its own."""
    together: int = 1 << 30
    """Memory of all processes of a contestant together, which the supervisor adds up."""
    file_size: int = 256 << 20
    files: int = 4096
    """Open descriptors of each process."""
    processes: int = 64
    """Processes of the cell, threads included."""


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


libc = ctypes.CDLL(None, use_errno=True)


def check(step: str, result: int, hint: str = "") -> None:
    """Raise SandboxError for the system call of `step` when its `result` is negative."""
    if result < 0:
        code = ctypes.get_errno()
        raise SandboxError(step, os.strerror(code) + (f" ({hint})" if hint else ""))


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    done = libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    check(f"mount {kind or 'bind'} {source} at {target}", done)


def _unshare(flags: int) -> None:
    hint = "user namespaces are refused here: a container's seccomp profile, or a sysctl such as "
    hint += "kernel.apparmor_restrict_unprivileged_userns or user.max_user_namespaces"
    check("unshare", libc.unshare(flags), hint)


def prctl(step: str, *arguments: int) -> None:
    """Set something about this process, with up to five arguments. Raises SandboxError."""
    words = [ctypes.c_ulong(argument) for argument in arguments] + [ctypes.c_ulong(0)] * (5 - len(arguments))
    check(step, libc.prctl(ctypes.c_int(arguments[0]), *words[1:]))


def _write(path: str, text: str, hint: str = "") -> None:
    # Half-way in, this uid may not be able to read the interpreter's own library: nothing may be imported, and the
    # text layer of open() would import its codec.
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        words = (error.strerror or str(error)) + (f" ({hint})" if hint else "")
        raise SandboxError(f"write {path}", words) from error


def _lock(path: str) -> None:
    """Make the mounts at and below `path` read-only, without set-uid programs and devices."""
    wanted = _Attributes(set=_ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
    done = libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
    )
    check(f"make {path} read-only", done, "mount_setattr needs Linux 5.12")


def system_paths() -> tuple[str, ...]:
    """What programs of the system need to be seen: /usr, and the old directories where they are no links to it."""
    usual = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives")
    return tuple(path for path in usual if os.path.lexists(path))


DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def _outermost(paths: Sequence[str]) -> list[str]:
    """Paths without those inside another one, sorted."""
    kept: list[str] = []
    # By components: "/a-b" sorts between "/a" and "/a/c", and must not hide that one is inside the other.
    for path in sorted({os.path.normpath(path) for path in paths}, key=lambda one: one.split("/")):
        if not (kept and path.startswith(kept[-1] + "/")):
            kept.append(path)
    return kept


def shown(plan: Plan) -> list[str]:
    """Everything of the host that a cell of this plan shows, system and devices included; and where links lead."""
    aims = map(os.path.realpath, filter(os.path.islink, plan.visible))
    return _outermost([*plan.visible, *aims, *system_paths(), *filter(os.path.exists, DEVICES)])


def _stage(paths: Sequence[str]) -> dict[str, str]:
    """As root: bind what is to be visible where a plain uid can reach it. Says where each path now is."""
    _unshare(_NEWNS)
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    staged = {}
    bound = [path for path in paths if not os.path.islink(path)]
    for number, path in enumerate(bound):
        staged[path] = f"/tmp/{number}"  # noqa: S108  # a fresh tmpfs of this mount namespace alone
    fds = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in bound}
    kinds = {path: os.path.isdir(path) for path in bound}
    _mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")  # noqa: S108
    for path, target in staged.items():
        if kinds[path]:
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC))
        _mount(f"/proc/self/fd/{fds[path]}", target, "", _MS_BIND | _MS_REC)
        os.close(fds[path])
    return staged


def _become_plain() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # A changed uid makes the process undumpable, and its /proc files root's: uid_map could not be written.
    prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, 1)


def _build_root(paths: Sequence[str], links: dict[str, str], staged: dict[str, str], arena: str) -> None:
    root = "/tmp"  # noqa: S108  # covered by a tmpfs of this mount namespace alone
    sources = {path: staged.get(path, path) for path in paths if path not in links}
    fds = {path: os.open(source, os.O_PATH | os.O_CLOEXEC) for path, source in sources.items()}
    kinds = {path: os.path.isdir(f"/proc/self/fd/{fd}") for path, fd in fds.items()}
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
    for path, target in links.items():
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        os.symlink(target, root + path)
    for path, fd in fds.items():
        where = root + path
        os.makedirs(os.path.dirname(where), exist_ok=True)
        if kinds[path]:
            os.makedirs(where, exist_ok=True)
        else:
            os.close(os.open(where, os.O_CREAT | os.O_CLOEXEC))
        _mount(f"/proc/self/fd/{fd}", where, "", _MS_BIND | _MS_REC)
        os.close(fd)
        if path not in DEVICES:
            _lock(where)
    for directory in ("/proc", ARENA):
        os.mkdir(root + directory)
    # While the outer /proc can still be seen: the kernel allows a new one only where one is fully visible.
    try:
        _mount("proc", root + "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    except SandboxError as error:
        hint = "refused where the present one is partly hidden, as in containers: "
        hint += "--security-opt systempaths=unconfined"
        raise SandboxError(error.step, f"{error.detail} ({hint})") from None
    _mount("tmpfs", root + ARENA, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, f"mode=755,{arena}")
    os.chdir(root)
    check("pivot_root", libc.pivot_root(b".", b"."))
    check("umount the old root", libc.umount2(b".", _MNT_DETACH))
    os.chdir("/")


def die_with_parent(parent: int, by: int = signal.SIGKILL) -> None:
    """Get a signal when the thread that started this process ends. `parent`: its pid, as it was before the fork."""
    prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every process that a contestant leaves behind."""
    prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def drop_bounding(*kept: int) -> None:
    """Nothing that is executed gets a capability by its file or its uid, but these. Takes CAP_SETPCAP."""
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept and libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # EINVAL: the kernel knows no higher ones


def keep_capabilities(*kept: int) -> None:
    """Give up all capabilities but these, which programs that are executed keep as well."""
    prctl("clear ambient capabilities", _PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    mask = sum(1 << one for one in kept)
    wanted = (ctypes.c_uint32 * 6)(*[mask & 0xFFFFFFFF] * 3, *[mask >> 32] * 3)
    check("capset", libc.capset(ctypes.byref(header), ctypes.byref(wanted)))
    for one in kept:
        prctl("keep a capability", _PR_CAP_AMBIENT, _AMBIENT_RAISE, one)


def inside_id(plan: Plan) -> int:
    """Uid and gid as contestants see their own."""
    return ROOT_ID if plan.root else INSIDE_ID


def kept_capabilities(plan: Plan) -> tuple[int, ...]:
    """What a cell of this plan keeps."""
    return (CAP_DAC_OVERRIDE,) if plan.root else ()


def _drop_capabilities(plan: Plan) -> None:
    drop_bounding(*kept_capabilities(plan))
    keep_capabilities(*kept_capabilities(plan))
    prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def limit(plan: Plan) -> None:
    """Set the limits of the plan, for this process and all that it starts."""
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, plan.data_size),
        (resource.RLIMIT_FSIZE, plan.file_size),
        (resource.RLIMIT_NOFILE, plan.files),
        (resource.RLIMIT_NPROC, plan.processes),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    space = plan.space_size if hard == resource.RLIM_INFINITY else min(plan.space_size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (space, hard))


def enter(plan: Plan) -> int:
    """Enter the sandbox. Returns 0 in the process that lives in it, its pid in the one that stays outside.

    The caller outside does nothing but wait for that pid: when it is killed, the kernel ends all that is inside.
    Raises SandboxError; the process is then half-way in and must end.
    """
    try:
        return _enter(plan)
    except OSError as error:
        raise SandboxError(f"build the root ({error.filename or 'system call'})", str(error)) from error


def _enter(plan: Plan) -> int:
    paths = shown(plan)
    # Before anything is mounted: some may lie in /tmp, which will be covered.
    links = {path: os.path.realpath(path) for path in paths if os.path.islink(path)}
    staged: dict[str, str] = {}
    if os.geteuid() == 0:
        staged = _stage(paths)
        _become_plain()
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS | _NEWCGROUP)
    hint = "where user namespaces come without rights, as on Ubuntu 24.04: run as root, or set "
    hint += "kernel.apparmor_restrict_unprivileged_userns to 0"
    _write("/proc/self/setgroups", "deny", hint)
    _write("/proc/self/uid_map", f"{inside_id(plan)} {uid} 1", hint)
    _write("/proc/self/gid_map", f"{inside_id(plan)} {gid} 1", hint)
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    os.umask(0o022)
    pid = os.fork()
    if pid:
        return pid
    _build_root(paths, links, staged, f"size={plan.arena_size},nr_inodes={plan.arena_inodes}")
    _write("/proc/sys/user/max_user_namespaces", "0")
    _mount("none", "/proc", "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _lock_root()
    limit(plan)
    _drop_capabilities(plan)
    # In a pid namespace of its own this process has no parent that getppid could name: 0.
    prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, signal.SIGKILL)
    return 0


def _lock_root() -> None:
    """The root directory itself; the arena on it stays writable."""
    _mount("none", "/", "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
