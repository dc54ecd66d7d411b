"""The forms in which a kernel gives numbers and texts.  A document with a fact of another form is refused.

In: nothing.  Out: types for the fields of this package's models; each names the source of its form.
Checks index, split and convert these facts without further looks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from provisioner.observed import Text

U32 = (1 << 32) - 1
MAX_PID = 1 << 22  # PID_MAX_LIMIT (include/linux/threads.h)
MAX_CPU = 1 << 16  # more than any CONFIG_NR_CPUS
YEAR_10000 = 253402300800

Bit = Annotated[int, Field(ge=0, le=1)]
Pid = Annotated[int, Field(ge=0, le=MAX_PID)]
# NSpid of proc_pid_status(5): a number for each pid namespace, of which 33 are nested at most (pid_namespaces(7))
NestedPids = Annotated[list[Pid], Field(min_length=1, max_length=33)]
Id = Annotated[int, Field(ge=0, le=U32)]  # of a user or a group
Ids = Annotated[list[Id], Field(min_length=4, max_length=4)]  # Uid and Gid of proc_pid_status(5)
DevicePart = Annotated[int, Field(ge=0, le=U32)]  # a major or a minor number (makedev(3))
DeviceNumber = Annotated[list[DevicePart], Field(min_length=2, max_length=2)]
Mode = Annotated[int, Field(ge=0, le=0o7777)]  # permission bits (inode(7))
Port = Annotated[int, Field(ge=0, le=0xFFFF)]
Time = Annotated[int, Field(ge=0, lt=YEAR_10000)]  # seconds since 1970 that a date can show
FileType = Literal["file", "dir", "symlink", "char", "block", "fifo", "socket", "absent"]
SomeText = Annotated[Text, Field(min_length=1)]
AbsolutePath = Annotated[Text, Field(pattern="^/")]
# The root of a mount is a path, or what its file system calls it: "mnt:[4026531841]" (fs/nsfs.c, nsfs_show_path)
MountRoot = SomeText
BootId = Annotated[Text, Field(pattern="^[0-9A-Fa-f-]{32,36}$")]  # random(4)
Sha256 = Annotated[Text, Field(pattern="^[0-9a-f]{64}$")]
# A line of devices.list: "c 1:3 rwm" (Documentation/admin-guide/cgroup-v1/devices.rst)
DeviceRule = Annotated[Text, Field(pattern="^[abc] ([0-9]+|\\*):([0-9]+|\\*) [rwm]*$")]


def _is_mount_tag(text: str) -> str:
    """Accept "shared:3" (proc_pid_mountinfo(5), optional fields) and what a later kernel may add."""
    name, _, number = text.partition(":")
    if name in ("shared", "master", "propagate_from") and not (number.isascii() and number.isdecimal()):
        raise ValueError("should be a peer group such as 'shared:3'")
    return text


def _is_mount_point(text: str) -> str:
    """Refuse "xxxx", which Linux gives where it cannot copy a name (fs/d_path.c, prepend_copy): no check finds it."""
    if not text.startswith("/"):
        raise ValueError("should be a path; a kernel on an emulated processor may need -cpu max,la57=off")
    return text


def _is_link_to_file(text: str) -> str:
    """Accept "/probe", "/probe (deleted)" and "(unreachable)/probe" of proc_pid_exe(5); "xxxx" is no path."""
    if text and not text.startswith(("/", "(unreachable)")):
        raise ValueError("should be a path; a kernel on an emulated processor may need -cpu max,la57=off")
    return text


def _is_cpu_list(text: str) -> str:
    """Accept "0-3,8", and "" for no processor (cpuset(7), List format)."""
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        numbers = (first, last) if dash else (first,)
        if not all(one.isascii() and one.isdecimal() and int(one) < MAX_CPU for one in numbers):
            raise ValueError("should be a list of processors such as '0-3,8'")
    return text


CpuList = Annotated[Text, AfterValidator(_is_cpu_list)]
LinkToFile = Annotated[Text, AfterValidator(_is_link_to_file)]
MountPoint = Annotated[Text, AfterValidator(_is_mount_point)]
MountTag = Annotated[Text, AfterValidator(_is_mount_tag)]
