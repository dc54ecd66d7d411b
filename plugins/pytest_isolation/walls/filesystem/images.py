"""Which files of an image give whoever runs them more than he has, beyond what every distribution's base image holds;
and whether the user whom its configuration names is root.

In: what a look at it found.  Out: texts, "" for nothing.  Pure.
"""

from __future__ import annotations

from provisioner.facts.image import ImageConfig, Privileged, PrivilegedFile

# Debian's packages of priority "required": login, passwd, mount, util-linux, libpam-modules-bin.  Each of them asks who
# it is that calls it.  A copy of one elsewhere is not it.
SET_USER = frozenset(
    f"/usr/bin/{name}" for name in ("chfn", "chsh", "gpasswd", "mount", "newgrp", "passwd", "su", "umount")
)
SET_GROUP = frozenset(("/usr/bin/chage", "/usr/bin/expiry", "/usr/sbin/unix_chkpwd"))
MOST = 5


def privileged_files(found: Privileged) -> str:
    """Name those that are beyond the list, "" for none."""
    beyond = [_told(file) for file in found.files if not _is_known(file)]
    more = max(found.count - len(found.files), 0)
    if more and not beyond:  # a list of what is known fits into what is told
        beyond, more = [f"{found.count} files"], 0
    shown = beyond[:MOST]
    rest = len(beyond) - len(shown) + more
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _is_known(file: PrivilegedFile) -> bool:
    path = file.path if file.path.startswith("/usr/") else f"/usr{file.path}"
    user, group = path in SET_USER, path in SET_GROUP
    return (file.user, file.group, file.capabilities) in ((user, False, False), (False, group, False)) and (
        user or group
    )


def _told(file: PrivilegedFile) -> str:
    words = [word for word, has in (("set-user-ID", file.user), ("set-group-ID", file.group)) if has]
    return f"{file.path} ({', '.join([*words, *(['capabilities'] if file.capabilities else [])])})"


def root_named(config: ImageConfig) -> str:
    """
    Say how the image's configuration makes root of its process.

    OCI image-spec, config.md: "user", "uid", each with ":group" or ":gid"; a name is looked up in the image's own
    passwd(5), and without any the process is root.
    """
    name = config.user.partition(":")[0]
    if not name:
        return "names no user, so that it starts as root"
    number = name.removeprefix("+")
    if name == "root" or name in config.roots or (number.isdecimal() and int(number) == 0):
        return f"names '{config.user}', who is root"
    return ""
