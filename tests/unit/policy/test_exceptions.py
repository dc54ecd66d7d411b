"""An exception of roles/*/expected.yaml excuses the observation that it names, and no other."""

from __future__ import annotations

import pytest

from provisioner.limits.limit import limit_named
from provisioner.paths import ROLES
from pytest_isolation.judge.judge import suite_checks
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import Documented, load_expected
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Judgement, Verdict, check_of

CHECKS = {check.id: check for check in map(check_of, suite_checks())}
POLICY = Policy(expected={path.parent.name: load_expected(path) for path in ROLES.glob("*/expected.yaml")})
ENTRIES = [
    pytest.param(runtime, check, entry, id=f"{runtime}: {check}")
    for runtime, expected in POLICY.expected.items()
    for check, entries in expected.root.items()
    for entry in (entries if isinstance(entries, list) else [entries])
    if entry.because is not None
]
NONE, LETS = "; no filter is installed", "; its filter lets it pass"
NESTED = "it makes a user namespace in which it has every capability"
URING = "io_uring_setup is reached: io_uring.setup_null (EFAULT)"
VSOCK = "opens AF_VSOCK, AF_VSOCK by i386's socket, AF_VSOCK by i386's socketcall"
# runtime, check, the documented reason, another reason of the check; the runtime's version
PAIRS = [
    *(
        (runtime, check, reason + NONE, reason + LETS, "")
        for runtime in ("runc", "crun", "unshare", "bwrap")
        for check, reason in (("user.nested_userns", NESTED), ("kern.io_uring", URING), ("seccomp.sockets", VSOCK))
    ),
    *(
        (runtime, check, reason + LETS, reason + NONE, "")
        for runtime in ("podman", "lxc", "nspawn")
        for check, reason in (("user.nested_userns", NESTED), ("seccomp.sockets", VSOCK))
    ),
    ("runc", "key.quota", f"its keys count against the host's uid 0{NONE}",
     f"its keys count against the host's uid 0{LETS}", ""),
    ("docker", "seccomp.sockets", VSOCK + LETS, VSOCK + NONE, "20.10.24+dfsg1"),
    ("docker", "seccomp.sockets", f"opens AF_VSOCK by i386's socketcall{LETS}", VSOCK + LETS, "29.5.0"),
    ("docker", "kern.io_uring", URING + LETS, URING + NONE, "20.10.24+dfsg1"),
    ("docker", "cap.baseline", "it holds NET_RAW over the host", "it holds NET_RAW, SYS_PTRACE over the host", ""),
    ("docker", "user.nonroot", "its process runs as uid 0 inside",
     "process 4300 (sh, pid 9 inside) runs as uid 0 inside", ""),
    ("runc", "user.root_mapped", "process 4300 (sh, pid 9 inside) runs as the host's root",
     "its uid 1000 is the host's root", ""),
    ("runc", "user.file_owner", "a file it made on a shared path belongs to the host's root",
     "a file it made on a shared path belongs to uid 99999, which its user namespace does not map", ""),
    ("runc", "user.range_disjoint", "its ids are the host's own", "it has uids 1 to 9 in common with its peer", ""),
    ("runc", "mnt.flags", "/proc lacks nosuid, nodev, noexec", "/dev/shm lacks noexec", ""),
    ("runc", "lsm.confined", "no mandatory-access label confines it", "its label 'x (complain)' is not enforced", ""),
    ("lxc", "mnt.host_paths", "/sys/fs/fuse/connections is the host's /sys/fs/fuse/connections: settings and state of "
     "the host's kernel", "/etc is the host's /etc: configuration of the host", ""),
    ("lxc", "ns.exec_parity", "an exec'd process lives in another cgroup: /.lxc and not / of version 2",
     "an exec'd process lives in another pid namespace", ""),
    ("lxc", "path.kcore", "/proc/kcore is there, an image of the kernel's memory",
     "/opt/p/kcore is there, an image of the kernel's memory", ""),
    ("podman", "proc.exec_parity", "an exec'd process is also in the group of its user's number, 1000",
     "an exec'd process is also in the groups 999; is also in the group of its user's number, 1000", ""),
    ("podman", "proc.exec_parity", "an exec'd process is also in the group of its user's number, 1000",
     "an exec'd process is also in the group of its user's number, 999; is in the host's group docker (999)", ""),
    ("nspawn", "dev.nodes", "it also has /dev/net/tun", "it also has /dev/net/tun, /dev/sda", ""),
    ("nspawn", "dev.cgroup", "a node of its own opens (ENXIO)", "devices.list of its cgroup says 'a *:* rwm'", ""),
    ("nspawn", "mnt.old_root", "the host's root lies beneath its own: it was moved there, not pivoted",
     "its root is the host's own", ""),
    ("unshare", "env.secrets", "API_TOKEN looks like a secret, by its name",
     "token in the kernel's command line (jwt, 40 characters) looks like a secret", ""),
    ("docker", "vm.boot_id", "its boot id is the host's", "its machine id is its peer's, baked into the image", ""),
    ("podman", "mnt.rootfs_ro", "/ is writable", "nothing is mounted at /", ""),
    ("machine", "vm.process", "the hypervisor's process is in the host's mount namespace",
     "the hypervisor's process runs as root on the host", ""),
    ("machine", "vm.host_sockets", "its hypervisor listens on port 127.0.0.1:2222",
     "its hypervisor listens on the socket /tmp/qmp", ""),
]  # fmt: skip


def conditions(entry: Documented | None = None, version: str = "") -> Conditions:
    """Return conditions that an entry fits, or the usual ones."""
    wanted = entry.when.model_dump(exclude_none=True) if entry else {}
    kernel, found = wanted.pop("kernel", ""), wanted.pop("version", "")
    unseen = "it is not entered" if wanted.pop("by_user", "") else None
    sample = {"<6.11": "6.1.0", "<23": "20.10.24", "<25": "24.0.0", "<25.0": "24.0.0"}
    values = {
        **{"variant": "default", "user": "root", "env_secrets": "yes", "provider": "qemu", "sys_admin": "no"},
        "version": version or sample.get(found, "1.0"),
        "kernel": sample.get(kernel, "6.1.0"),
        "unseen": unseen,
        **wanted,
    }
    return Conditions.model_validate(values)


def ruled(runtime: str, check: str, given: Conditions, verdict: str, reason: str) -> Judgement:
    """Return the judgement of one reason."""
    kind = CHECKS[check].kinds[0]
    return POLICY.judge(CHECKS[check], kind, runtime, runtime, given, Verdict(verdict), reason).judgement


@pytest.mark.parametrize(("runtime", "check", "documented", "other", "version"), PAIRS)
def test_an_exception_excuses_no_other_cause(
    runtime: str, check: str, documented: str, other: str, version: str
) -> None:
    given = conditions(version=version)

    assert ruled(runtime, check, given, "open", documented) is Judgement.DOCUMENTED
    assert ruled(runtime, check, given, "open", other) is Judgement.FINDING


@pytest.mark.parametrize(("runtime", "check", "entry"), ENTRIES)
def test_a_reason_that_no_exception_names_is_a_finding(runtime: str, check: str, entry: Documented) -> None:
    assert ruled(runtime, check, conditions(entry), entry.verdict, "a cause that nobody has documented") is (
        Judgement.FINDING
    )


@pytest.mark.parametrize(("runtime", "check"), [(r, c) for r, c, *_ in PAIRS])
def test_a_check_with_more_causes_names_one_in_every_exception(runtime: str, check: str) -> None:
    entries = POLICY.expected[runtime].root[check]

    for entry in entries if isinstance(entries, list) else [entries]:
        assert entry.because is not None or entry.verdict == "unknown"


def test_an_ellipsis_stands_for_text_without_a_semicolon() -> None:
    entry = Documented(verdict="open", because="opens …; no filter", source="x")

    assert entry.covers("open", "opens AF_VSOCK, AF_ALG; no filter")
    assert not entry.covers("open", "opens AF_VSOCK; and more; no filter")
    assert not entry.covers("open", "it opens AF_VSOCK; no filter")
    assert not entry.covers("unknown", "opens AF_VSOCK; no filter")


@pytest.mark.parametrize("runtime", ["docker", "lxc", "podman", "runc"])
@pytest.mark.parametrize("limit", ["memory", "cpu"])
def test_no_limit_is_documented_of_a_users_own_sandbox_alone(runtime: str, limit: str) -> None:
    reason = f"limit=none: its cgroup and those above set no limit of {limit_named(limit).unit}"
    made = conditions()
    attached = made.model_copy(update={"unseen": "it is not entered"})

    assert ruled(runtime, f"lim.{limit}", made, "holds", "") is Judgement.OK
    assert ruled(runtime, f"lim.{limit}", made, "open", reason) is Judgement.FINDING
    assert ruled(runtime, f"lim.{limit}", attached, "open", reason) is Judgement.DOCUMENTED
    started = made.model_copy(update={"command": "yes"})
    assert ruled(runtime, f"lim.{limit}", started, "open", reason) is Judgement.DOCUMENTED
