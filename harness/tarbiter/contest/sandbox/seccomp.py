"""A seccomp filter that closes what Landlock leaves open, written without libraries.

Landlock is about files, TCP, and (from ABI 6 on) signals and abstract sockets. A process under it may still make
sockets of every other kind, trace its siblings, leave shared memory behind, go round both by io_uring, and signal
whoever runs under its uid. This filter refuses that, for the process that installs it and all it ever starts.

Sources: seccomp(2), the kernel's Documentation/userspace-api/seccomp_filter.rst and linux/bpf_common.h; numbers
from asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterator, Sequence

from .namespaces import SandboxError, check, libc, prctl

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH of the machines whose numbers are known here."""

_X32 = 0x40000000
"""Bit of the numbers of x86-64's 32-bit pointers: another door to the same calls."""

# name: number on x86_64, number on aarch64 (None: it has no such call)
_NUMBERS: dict[str, tuple[int, int | None]] = {
    "socket": (41, 198),
    "clone": (56, 220),
    "clone3": (435, 435),
    "unshare": (272, 97),
    "setns": (308, 268),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "prlimit64": (302, 261),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}

_UNKNOWN = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")
"""Answered as by an old kernel, so that who asks takes another way: clone3's flags are out of a filter's sight."""

_BY_PID = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open")
_JUDGED = ("clone", "prlimit64", "sched_setaffinity", *_BY_PID)

_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEW* of clone(2): mount, cgroup, UTS, IPC, user, process and network namespaces."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

Code = tuple[int, int, int, int]
"""One instruction: operation, how many to pass over where it holds, and where not, and its constant."""


def _refuse(code: int) -> Code:
    return (_RETURN, 0, 0, _ERRNO | code)


def _numbers() -> tuple[int, dict[str, int]]:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise SandboxError("seccomp", f"the system calls of {machine} are not known here")
    place = tuple(_ARCHITECTURES).index(machine)
    found = {name: numbers[place] for name, numbers in _NUMBERS.items()}
    return _ARCHITECTURES[machine], {name: number for name, number in found.items() if number is not None}


def _argument(place: int) -> Code:
    """Load the lower half of an argument: pids and flags have 32 bits (both machines are little-endian)."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * place)


def _judge(name: str, spared: Sequence[int]) -> list[Code]:
    """What is done with a call that is refused for some arguments only."""
    allow = (_RETURN, 0, 0, _ALLOW)
    if name == "clone":
        return [_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refuse(errno.EPERM), allow]
    if name == "prlimit64":
        # Looking is allowed; setting, for oneself only.
        return [_argument(0), (_EQUAL, 2, 0, 0), _argument(2), (_EQUAL, 0, 1, 0), allow, _refuse(errno.EPERM)]
    if name == "sched_setaffinity":
        return [_argument(0), (_EQUAL, 0, 1, 0), allow, _refuse(errno.EPERM)]
    tests: list[Code] = []
    for pid in spared:
        tests += [(_EQUAL, 0, 1, pid & 0xFFFFFFFF), _refuse(errno.EPERM)]
    return [_argument(0), *tests, allow]


def program(spared: Sequence[int]) -> list[Code]:
    """The filter. Nobody in it may signal the processes `spared`; negative ones are groups, and -1 is everybody."""
    arch, numbers = _numbers()
    return list(_program(arch, numbers, spared))


def _program(arch: int, numbers: dict[str, int], spared: Sequence[int]) -> Iterator[Code]:
    yield (_LOAD, 0, 0, _ARCH_AT)
    yield (_EQUAL, 1, 0, arch)
    yield _refuse(errno.ENOSYS)  # another machine's calls have other numbers
    yield (_LOAD, 0, 0, _NUMBER_AT)
    yield (_AT_LEAST, 0, 1, _X32)
    yield _refuse(errno.ENOSYS)
    for name, number in numbers.items():
        if name in _JUDGED:
            block = _judge(name, spared)
            yield (_EQUAL, 0, len(block), number)
            yield from block
        else:
            yield (_EQUAL, 0, 1, number)
            yield _refuse(errno.ENOSYS if name in _UNKNOWN else errno.EACCES if name == "socket" else errno.EPERM)
    yield (_RETURN, 0, 0, _ALLOW)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(codes: Sequence[Code]) -> None:
    """Put this process, and all that it starts, under a filter for good. Raises SandboxError."""
    text = b"".join(struct.pack("<HBBI", *code) for code in codes)
    buffer = ctypes.create_string_buffer(text, len(text))
    wanted = _Program(len(codes), ctypes.cast(buffer, ctypes.c_void_p))
    prctl("PR_SET_NO_NEW_PRIVS", 38, 1)
    done = libc.prctl(
        ctypes.c_int(_PR_SET_SECCOMP),
        ctypes.c_ulong(_MODE_FILTER),
        ctypes.byref(wanted),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    check("seccomp", done, "the kernel has no seccomp filters")
