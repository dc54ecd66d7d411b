"""Synthetic weaknesses and look-alikes: the image."""

from __future__ import annotations

from weakness import Lookalike, add, path, put, weak

FOLDERS = ("/dev", "/proc", "/sys")
INSIDE = ("inside", "system", "privileged", "files")
IMAGE = ("image", "privileged", "files")


def file(path: str, user: bool = False, group: bool = False, capabilities: bool = False) -> dict[str, object]:
    """Return a file that gives more."""
    return {"path": path, "user": user, "group": group, "capabilities": capabilities}


WEAKNESSES = (
    *(
        weak(
            "img.devices_symlinks",
            f"a link {name} in the image that the runtime replaced",
            put("image", "folders", name, to="symlink"),
            f"in its image {name} is a symlink before it was started",
            record=record,
        )
        for name in FOLDERS
        for record in ("container", "docker")
    ),
    *(
        weak(
            "img.devices_symlinks",
            f"a link {name} that the runtime followed",
            path(name, "type", "symlink"),
            f"{name} is a symbolic link inside",
        )
        for name in ("/dev", "/proc")
    ),
    *(
        weak("img.setuid", f"{what}, {where[0]}", add(*where, item=item), cause, record=record)
        for where, record in ((IMAGE, "container"), (IMAGE, "docker"), (INSIDE, "vm"))
        for what, item, cause in (
            ("pkexec", file("/usr/bin/pkexec", user=True), "/usr/bin/pkexec (set-user-ID)"),
            ("a copy of su", file("/tmp/su", user=True), "/tmp/su (set-user-ID)"),
            ("su for its group too", file("/usr/bin/su", user=True, group=True), "/usr/bin/su (set-user-ID, set-gr"),
            ("chage as root", file("/usr/bin/chage", user=True), "/usr/bin/chage (set-user-ID)"),
            ("mail's group", file("/usr/bin/dotlock", group=True), "/usr/bin/dotlock (set-group-ID)"),
            ("capabilities of su", file("/bin/su", user=True, capabilities=True), "/bin/su (set-user-ID, capa"),
            ("ping", file("/usr/bin/ping", capabilities=True), "/usr/bin/ping (capabilities)"),
        )
    ),
    *(
        weak("img.user", f"USER {user}", put("image", "config", "user", to=user), cause)
        for user, cause in (
            ("", "its image names no user"),
            (":1000", "its image names no user"),
            *((user, f"names '{user}', who is root") for user in ("root", "0", "00", "+0", "0:1000", "root:1", "toor")),
        )
    ),
    weak("img.setuid", "more than are told", put(*IMAGE[:-1], "count", to=4), "4 files"),
    weak("img.devices_symlinks", "a file", put("image", "folders", "/dev", to="file"), "/dev is a file"),
)

LOOKALIKES = (
    Lookalike("an image without /sys", "container", put("image", "folders", "/sys", to="absent")),
    Lookalike(
        "a container that no image is made for",
        "docker",
        put("image", to=None),
        (("img.devices_symlinks", "not_applicable"), ("img.user", "not_applicable")),
    ),
    Lookalike("a distribution's passwd", "container", add(*IMAGE, item=file("/usr/bin/passwd", user=True))),
    *(
        Lookalike(f"USER {user}", "container", put("image", "config", "user", to=user))
        for user in ("nobody", "1000:0", "65534:65534", "10", "rooted", "1000:root")
    ),
    Lookalike("a root folder", "docker", put("image", "config", to=None), (("img.user", "not_applicable"),)),
    Lookalike("a larger image", "container", put(*IMAGE[:-1], "entries", to=150000)),
    Lookalike("many more things in /dev", "container", path("/dev", "entries", 400)),
)
