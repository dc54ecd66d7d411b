"""Synthetic weaknesses and look-alikes: mounts."""

from __future__ import annotations

from facts_factory import mount
from weakness import Lookalike, add, host_bind, mounted, put, weak

from synthetic.copies import again

WEAKNESSES = (
    *(
        weak("mnt.host_paths", f"-v {path}:/x", mounted(host_bind("/x", path)), f"/x is the host's {path}")
        for path in ("/", "/etc", "/etc/ssh", "/var", "/root/.ssh", "/usr/bin", "/var/log/pods", "/var/lib/docker")
    ),
    weak(
        "mnt.host_paths",
        "-v /run/docker.sock:/s",
        mounted(mount("/s", "tmpfs", 22, root="/docker.sock")),
        "/s is the host's /run/docker.sock",
    ),
    weak(
        "mnt.host_paths",
        "-v /etc/shadow:/etc/hosts",
        mounted(host_bind("/etc/hosts", "/etc/shadow")),
        "/etc/hosts is the host's /etc/shadow",
    ),
    weak("mnt.host_paths", "-v /dev:/dev", mounted(mount("/dev", "devtmpfs", 5)), "/dev is the host's /dev"),
    weak(
        "mnt.host_paths",
        "-v /sys:/h",
        again(mount("/h", "sysfs", 21, options=["ro"])),
        "/h is the host's /sys",
    ),
    weak("mnt.host_paths", "-v /sys/fs/cgroup:/c", mounted(mount("/c", "cgroup2", 26)), "/c is the host's /sys/fs"),
    weak(
        "mnt.host_paths", "the host's root", put("outside", "process", "mounts", 0, "root", to="/"), "/ is the host's /"
    ),
    weak(
        "mnt.host_paths",
        "Vagrant's synced folder",
        add("inside", "process", "mounts", item=mount("/vagrant", "9p", 60)),
        "shared at /vagrant (9p)",
        "vm.shared_folder",
        record="vm",
    ),
    weak(
        "mnt.propagation",
        ":rshared",
        put("outside", "process", "mounts", 0, "tags", to=["shared:1"]),
        "/ is in a peer group of the host's",
    ),
)

LOOKALIKES = (
    Lookalike("a bind of an innocent folder", "container", mounted(host_bind("/data", "/srv/data"))),
    Lookalike("a folder whose name begins alike", "container", mounted(host_bind("/data", "/etcetera"))),
    Lookalike("a volume of the engine", "container", mounted(host_bind("/data", "/var/lib/docker/volumes/x/_data"))),
    Lookalike(
        "a file of the engine's",
        "container",
        mounted(mount("/run/.containerenv", "tmpfs", 22, root="/c/x/.containerenv")),
    ),
    Lookalike("the host's resolv.conf", "container", mounted(host_bind("/etc/resolv.conf", "/etc/resolv.conf"))),
    Lookalike("docker --init", "container", mounted(host_bind("/sbin/docker-init", "/usr/bin/tini-static"))),
    Lookalike("a file system of its own", "container", mounted(mount("/etc", "ext4", 77, root="/etc"))),
    Lookalike(
        "shared, in groups of its own (nspawn)",
        "container",
        put("outside", "process", "mounts", 0, "tags", to=["shared:901"]),
    ),
    Lookalike(
        "a slave of the host's group", "container", put("outside", "process", "mounts", 2, "tags", to=["master:2"])
    ),
)
