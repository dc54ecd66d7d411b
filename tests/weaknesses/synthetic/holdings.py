"""Synthetic weaknesses and look-alikes: devices that reach the host, terminals, descriptors, environment."""

from __future__ import annotations

from fact_parts import Dict, mount
from weakness import Edit, Lookalike, add, grant, node, proc, put, weak

DEVICES = ("inside", "system", "devices")
HOST_PTS = mount("/dev/pts", "devpts", 140)


def handle(view: str, name: str, **to: object) -> Edit:
    """Return the edit of one handle; a new one is a folder."""
    new = {"type": "dir", "major": 8, "minor": 1, "inode": 5, "mount": 1000, "rdev": None}

    def edit(document: Dict) -> None:
        handles = document[view]["process"]["handles"]
        handles[name] = handles.get(name, new) | to

    return edit


def both(*edits: Edit) -> Edit:
    """Return the edit that makes all of them."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


def names(*more: str, of: str = "outside") -> Edit:
    """Return the edit that adds names to an environment."""
    return lambda document: document[of]["process"]["environment"].extend(more)


def line(target: str, **to: object) -> Edit:
    """Return the edit of a line of the outside mount table."""

    def edit(document: Dict) -> None:
        next(one for one in document["outside"]["process"]["mounts"] if one["target"] == target).update(to)

    return edit


def terminal(view: str, session: int) -> Edit:
    """Return the edit that gives a controlling terminal."""
    return proc(view, "terminal", {"session": session, "tty": 34816})


def rules(*lines: str, version: int = 1, programs: tuple[int, ...] = ()) -> Edit:
    """Return the edit of what rules devices."""
    return proc("outside", "device_rules", {"version": version, "rules": list(lines), "programs": list(programs)})


def without_probe(document: Dict) -> None:
    """Take away the bind of the program, which is innocent as the program's own."""
    mounts = document["outside"]["process"]["mounts"]
    mounts[:] = [one for one in mounts if one["target"] != "/probe"]


HOST_SHM = add("host", "process", "mounts", item=mount("/dev/shm", "tmpfs", 141))
HOST_DEVPTS = add("host", "process", "mounts", item=HOST_PTS)
SHARED_TTY = both(terminal("outside", 900), terminal("inside", 0))
SEALED = "/memfd:runc_cloned:/proc/self/exe (deleted)"
PTY = {"type": "char", "major": 0, "minor": 140, "rdev": [136, 3]}

WEAKNESSES = (
    *(
        weak(
            check,
            f"{path} outside /dev",
            add("inside", "system", "nodes", "devices", item=node(path, kind, *number, opened)),
            cause,
            *also,
        )
        for check, path, kind, number, opened, cause, also in (
            ("dev.nodes", "/opt/a/disk", "block", (8, 0), "EPERM", "it also has /opt/a/disk", ()),
            ("dev.nodes", "/srv/console", "char", (5, 1), None, "it also has /srv/console", ()),
            ("dev.block", "/opt/disk", "block", (8, 1), "ok", "/opt/disk opens for reading", ("dev.nodes",)),
            ("dev.mem", "/home/x/mem", "char", (1, 1), "ok", "/home/x/mem opens", ("dev.nodes",)),
            ("dev.kvm_vhost", "/opt/k", "char", (10, 232), "ok", "/opt/k opens", ("dev.nodes",)),
            ("path.kmsg", "/opt/log", "char", (1, 11), "ok", "/opt/log gives the host's kernel log", ("dev.nodes",)),
            ("dev.fuse_tun", "/opt/f", "char", (10, 229), "ok", "/opt/f opens", ("dev.nodes",)),
            ("time.rtc", "/opt/clock", "char", (10, 135), None, "it also has /opt/clock", ("dev.nodes",)),
        )
    ),
    *(
        weak(
            "dev.cgroup",
            f"a node of its own answers {result}",
            put("inside", "system", "device_node", to=result),
            result,
        )
        for result in ("ENXIO", "ok")
    ),
    *(
        weak("dev.cgroup", f"devices.list says {one}", rules(one), f"says '{one}'", record="docker")
        for one in ("a *:* rwm", "b *:* rwm", "c *:* r")
    ),
    *(
        weak(
            "dev.cgroup", f"'{one}' and MKNOD", rules("c 1:3 rwm", one), f"says '{one}', and CAP_MKNOD", record="docker"
        )
        for one in ("b 7:0 r", "b 8:* rw", "c 10:232 rwm", "c 10:229 w")
    ),
    weak("dev.cgroup", "no device program", rules(version=2), "no BPF_CGROUP_DEVICE program", record="docker"),
    *(
        weak(
            check,
            f"--device {path}",
            add(*DEVICES, item=node("/dev/x", "char", *number, "ok")),
            "/dev/x opens",
            "dev.nodes",
        )
        for check, path, number in (
            ("dev.mem", "/dev/mem", (1, 1)),
            ("dev.mem", "/dev/port", (1, 4)),
            ("dev.kvm_vhost", "/dev/kvm", (10, 232)),
            ("dev.kvm_vhost", "/dev/vhost-net", (10, 238)),
            ("dev.fuse_tun", "/dev/fuse", (10, 229)),
            ("dev.fuse_tun", "/dev/net/tun", (10, 200)),
        )
    ),
    weak(
        "dev.tty",
        "-v /dev/pts:/dev/pts",
        both(HOST_DEVPTS, line("/dev/pts", minor=140)),
        "host's devpts",
    ),
    weak("dev.tty", "a terminal of the host's", both(HOST_DEVPTS, handle("outside", "0", **PTY)), "descriptor 0"),
    weak(
        "dev.tty",
        "the host's console",
        handle("outside", "2", type="char", major=0, minor=5, rdev=[5, 1]),
        "descriptor 2 is a terminal",
    ),
    weak("dev.tiocsti", "no --new-session", SHARED_TTY, "shares session and terminal"),
    weak(
        "dev.tiocsti",
        "CAP_SYS_ADMIN where the switch is off",
        both(
            SHARED_TTY,
            put("host", "system", "legacy_tiocsti", to=0),
            grant("outside", "effective", "SYS_ADMIN"),
        ),
        "shares session and terminal",
        "cap.sys_admin",
        record="docker",
    ),
    weak("dev.shm", "-v /dev/shm:/dev/shm", both(HOST_SHM, line("/dev/shm", minor=141)), "/dev/shm is the host's"),
    weak("dev.shm", "a tmpfs without size=", line("/dev/shm", super_options=["rw"]), "no bound of its own"),
    weak(
        "fd.outside_dir",
        "CVE-2024-21626, a descriptor",
        handle("outside", "7", mount=27),
        "descriptor 7 is a folder outside",
    ),
    weak("fd.outside_dir", "CVE-2024-21626, the cwd", handle("outside", "cwd", mount=27), "cwd is a folder outside"),
    weak("fd.runtime_exe", "CVE-2019-5736", handle("outside", "exe", mount=27), "it runs from a file outside"),
    weak("fd.runtime_exe", "exec runs it", handle("exec", "exe", mount=27), "what exec started runs from"),
    weak("env.clean", "--env-host", names("EDITOR", "LS_COLORS"), "the host's EDITOR, LS_COLORS was passed on"),
    weak("env.proxy", "http_proxy=true", names("https_proxy", "NO_PROXY"), "NO_PROXY, https_proxy"),
    weak("env.proxy", "a proxy in a VM", names("http_proxy", of="inside"), "http_proxy", record="vm"),
    *(
        weak("env.secrets", f"-e {name}", names(name), f"{name} looks like a secret")
        for name in ("API_TOKEN", "db_password", "AWS_SECRET_ACCESS_KEY", "apiKey", "SSH.KEY")
    ),
)

LOOKALIKES = (
    *(
        Lookalike(
            f"{path}, which is harmless",
            "container",
            add("inside", "system", "nodes", "devices", item=node(path, "char", *number)),
        )
        for path, number in (("/var/lib/chroot/dev/urandom", (1, 9)), ("/opt/hidden", (0, 0)))
    ),
    Lookalike("a root that is too large", "container", put("inside", "system", "nodes", "complete", to=False)),
    Lookalike("'b 7:0 r' without CAP_MKNOD", "podman", rules("c 1:3 rwm", "b 7:0 r")),
    Lookalike("'b 7:0 m', which opens nothing", "docker", rules("c 1:3 rwm", "b 7:0 m", "c 10:200 rwm")),
    Lookalike("devices ruled one by one", "docker", rules("c *:* m", "c 1:5 rwm", "c 136:* rwm")),
    Lookalike("a device program", "docker", rules(version=2, programs=(12,))),
    Lookalike("no rules in a user namespace, which forbids nodes", "container", rules("a *:* rwm")),
    Lookalike("nowhere to make a node", "container", put("inside", "system", "device_node", to="EROFS")),
    Lookalike(
        "/dev/kvm that is refused",
        "container",
        add(*DEVICES, item=node("/dev/kvm", "char", 10, 232, "EPERM")),
        (("dev.nodes", "open"),),
    ),
    Lookalike(
        "a terminal in its own devpts", "container", both(HOST_DEVPTS, handle("outside", "0", **PTY | {"minor": 132}))
    ),
    Lookalike(
        "/dev/null of the host's for an input",
        "container",
        handle("outside", "0", type="char", major=0, minor=5, rdev=[1, 3]),
    ),
    Lookalike(
        "a terminal and a session of its own", "container", both(terminal("outside", 4242), terminal("inside", 1))
    ),
    Lookalike(
        "a shared terminal where the switch is off",
        "container",
        both(SHARED_TTY, put("host", "system", "legacy_tiocsti", to=0)),
    ),
    Lookalike("a larger /dev/shm", "container", line("/dev/shm", super_options=["rw", "size=1048576k"])),
    Lookalike("a folder held inside its root", "container", handle("outside", "7", mount=1101)),
    Lookalike("a pipe of the host's", "container", handle("outside", "7", type="fifo", mount=16)),
    Lookalike(
        "a sealed copy of the runtime",
        "container",
        both(handle("outside", "exe", mount=9), proc("outside", "exe", SEALED), without_probe),
    ),
    Lookalike(
        "names that an image sets", "container", names("NGINX_VERSION", "GPG_KEY", "KEYBOARD", "MONKEY", "TOKENIZERS")
    ),
    Lookalike(
        "documented names that the host has too",
        "container",
        both(names("TERM", "LANG"), names("TERM", "LANG", of="host")),
    ),
)
