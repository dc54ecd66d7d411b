"""Which files of an image give a user more rights than a distribution's base image does, and whether its user is root.

In: what the probe found in the image.  Out: texts, "" for nothing.  Pure.
"""

from __future__ import annotations

from provisioner.facts.image import ImageConfig, Privileged, PrivilegedFile

# Debian's packages of priority "required": login, passwd, mount, util-linux, libpam-modules-bin.  Each program checks
# its caller.  A copy at another path does not count.
SET_USER = frozenset(
    f"/usr/bin/{name}" for name in ("chfn", "chsh", "gpasswd", "mount", "newgrp", "passwd", "su", "umount")
)
SET_GROUP = frozenset(("/usr/bin/chage", "/usr/bin/expiry", "/usr/sbin/unix_chkpwd"))
MAX_SHOWN = 5


def privileged_files(found: Privileged) -> str:
    """Return the setuid, setgid and file-capability files beyond the list, as text; "" if there are none."""
    beyond = [_describe(file) for file in found.files if not _is_known(file)]
    more = max(found.count - len(found.files), 0)
    if more and not beyond:  # the probe lists all files that are known
        beyond, more = [f"{found.count} files"], 0
    shown = beyond[:MAX_SHOWN]
    rest = len(beyond) - len(shown) + more
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _is_known(file: PrivilegedFile) -> bool:
    path = file.path if file.path.startswith("/usr/") else f"/usr{file.path}"
    user, group = path in SET_USER, path in SET_GROUP
    return (file.user, file.group, file.capabilities) in ((user, False, False), (False, group, False)) and (
        user or group
    )


def _describe(file: PrivilegedFile) -> str:
    words = [word for word, has in (("set-user-ID", file.user), ("set-group-ID", file.group)) if has]
    return f"{file.path} ({', '.join([*words, *(['capabilities'] if file.capabilities else [])])})"


def root_named(config: ImageConfig) -> str:
    """
    Say how the image's configuration makes its process root; "" if it does not.

    OCI image-spec, config.md: "user", "uid", each with ":group" or ":gid".
    The image's own passwd(5) resolves a name; without any user the process is root.
    """
    name = config.user.partition(":")[0]
    if not name:
        return "names no user, so that it starts as root"
    number = name.removeprefix("+")
    if name == "root" or name in config.roots or (number.isdecimal() and int(number) == 0):
        return f"names '{config.user}', who is root"
    return ""
