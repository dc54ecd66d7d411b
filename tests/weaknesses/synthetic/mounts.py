"""Synthetic weaknesses and look-alikes: mounts."""

from __future__ import annotations

from fact_parts import STORE, mount
from weakness import KERNEL_FILE, Lookalike, add, host_bind, mounted, put, weak

from synthetic.copies import again, both

NAMES = ("cgroup.procs:/c", "/c/box-4242/cgroup.procs")
REFUSED = both(*(put("inside", "system", "paths", name, to=KERNEL_FILE | {"write": "EACCES"}) for name in NAMES))

WEAKNESSES = (
    *(
        weak("mnt.host_paths", f"-v {path}:/x", mounted(host_bind("/x", path)), f"/x is the host's {path}", *also)
        for path, *also in (
            *((path,) for path in ("/", "/etc", "/etc/ssh", "/var", "/root/.ssh", "/usr/bin", "/var/log/pods")),
            ("/var/lib/docker", "mgmt.runtime_sock"),
        )
    ),
    *(
        weak("mnt.host_paths", f"-v {path}:/x", mounted(host_bind("/x", path)), f"/x is the host's {path}: {what}")
        for path, what in (
            ("/var/spool/cron/crontabs/root", "jobs that the host runs"),
            ("/root/.ssh/authorized_keys", "files of the host's root"),
            ("/var/lib/docker/volumes/other/_data", "storage of an engine (/var/lib/docker)"),
            ("/var/lib/lxc/web/rootfs/etc", "storage of an engine (/var/lib/lxc)"),
            ("/var/backups", "records of the host"),
            ("/var/tmp", "a folder that all users of the host share"),
            ("/usr/local/bin/tool", "programs of the host"),
        )
    ),
    *(
        weak(
            "mnt.host_paths",
            f"an overlay with {option}={path}",
            mounted(mount("/mnt", "overlay", 90, super_options=["rw", f"{option}={path}"])),
            f"/mnt is an overlay: its {option} is the host's {cause}",
        )
        for option, path, cause in (
            ("lowerdir", "/srv/a:/etc", "/etc: configuration of the host (read-only)"),
            ("lowerdir", "/", "/ (read-only)"),
            ("lowerdir", "/a\\:b:/root:/srv", "/root: files"),
            ("lowerdir+", "/usr/lib", "/usr/lib: programs"),
            ("upperdir", "/etc/cron.d", "/etc/cron.d: configuration of the host"),
            ("workdir", "/var/spool", "/var/spool: jobs"),
        )
    ),
    weak(
        "mnt.host_paths",
        "an overlay over an unknown folder",
        mounted(mount("/mnt", "overlay", 90, super_options=["rw", "lowerdir=etc"])),
        "relative to an unknown folder",
        verdict="unknown",
    ),
    weak(
        "mnt.host_paths",
        "a folder of the host for /tmp",
        mounted(host_bind("/tmp", "/srv/tmp")),
        "/tmp is the host's /srv/tmp: one folder for all",
    ),
    weak(
        "mnt.host_paths",
        "an idmapped folder",
        mounted(mount("/data", "ext4", 1, root="/srv/data", major=8, options=["rw", "idmapped"])),
        "/data is the host's /srv/data, idmapped",
    ),
    weak(
        "mnt.host_paths",
        "a partition of the host",
        mounted(mount("/data", "ext4", 3, major=8, source="/dev/sda3")),
        "/data is a disk that the host does not mount (/dev/sda3, ext4)",
    ),
    weak(
        "dev.shm",
        "a folder of the host for /dev/shm",
        mounted(host_bind("/dev/shm", "/srv/shm")),
        "/dev/shm is the host's /srv/shm, one folder for all",
    ),
    weak(
        "mnt.host_paths",
        "the host's names, writable",
        mounted(host_bind("/etc/hosts", "/etc/hosts")),
        "/etc/hosts is the host's /etc/hosts: configuration",
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
    weak(
        "mnt.host_paths",
        "-v /sys/fs/cgroup:/c",
        both(mounted(mount("/c", "cgroup2", 26)), REFUSED),
        "/c is the host's /sys/fs",
    ),
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
    Lookalike(
        "a volume of its engine",
        "container",
        mounted(host_bind("/data", f"{STORE}/volumes/x/_data/sub")),
    ),
    *(
        Lookalike(
            f"public data: {path}", "container", mounted(mount(path, "ext4", 1, root=path, major=8, options=["ro"]))
        )
        for path in ("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC", "/etc/ssl/certs", "/etc/hosts")
    ),
    Lookalike(
        "an overlay over folders for data",
        "container",
        mounted(mount("/mnt", "overlay", 90, super_options=["rw", "lowerdir=/srv/a:/srv/b", "upperdir=/srv/c"])),
    ),
    Lookalike(
        "an idmapped folder, read-only",
        "container",
        mounted(mount("/data", "ext4", 1, root="/srv/data", major=8, options=["ro", "idmapped"])),
    ),
    Lookalike(
        "a file of the engine's",
        "container",
        mounted(mount("/run/.containerenv", "tmpfs", 22, root=f"/c/{'b' * 64}/.containerenv")),
    ),
    Lookalike(
        "the host's resolv.conf",
        "container",
        mounted(mount("/etc/resolv.conf", "ext4", 1, root="/etc/resolv.conf", major=8, options=["ro"])),
    ),
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
