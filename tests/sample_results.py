"""Results that hold every verdict and judgement, for the tests of what draws them."""

from __future__ import annotations

from pytest_isolation.policy.verdict import Cell, Check, Judgement, Verdict
from pytest_isolation.results.build import results_of
from pytest_isolation.results.model import Host, Results, Run, Setting, Skipped, Target

CHECKS = {
    "ns.pid": Check(
        "ns.pid",
        "Processes outside are invisible",
        "critical",
        "baseline",
        refs=("pid_namespaces(7)", "https://man7.org/linux/man-pages/man7/pid_namespaces.7.html"),
        remedy="do not share the PID namespace: remove --pid=host",
    ),
    "user.root_mapped": Check("user.root_mapped", "Root inside is not root outside", "high", "restricted"),
    "lim.pids": Check("lim.pids", "A limit on tasks is in force", "high", "baseline", remedy="set pids.max"),
    "seccomp.mode": Check("seccomp.mode", "System calls are filtered", "medium", "baseline"),
    "vm.kernel": Check("vm.kernel", "It runs a kernel of its own", "medium", (("vm", "privileged"),)),
    "net.peer_same": Check("net.peer_same", "A peer on the same network is out of reach", "low"),
}
V, J = Verdict, Judgement
ROWS: dict[str, dict[str, tuple[Verdict, Judgement, str, str]]] = {
    "ns.pid": {
        "unshare": (V.HOLDS, J.OK, "", ""),
        "docker": (V.OPEN, J.FINDING, "shares the host's PID namespace", ""),
        "qemu": (V.HOLDS, J.OK, "", ""),
    },
    "user.root_mapped": {
        "unshare": (V.HOLDS, J.OK, "", ""),
        "docker": (
            V.OPEN,
            J.DOCUMENTED,
            "not true: root is mapped",
            "docs, 'Isolate containers with a user namespace'",
        ),
        "qemu": (V.HOLDS, J.BETTER, "holds, though documented open: qemu docs", ""),
    },
    "lim.pids": {
        "unshare": (V.REFUSED, J.WAIVED, "waived until 2027-03-01 by ops: moves soon", ""),
        "docker": (V.IGNORED, J.FINDING, "pids.max is 64, and 200 tasks came up", ""),
        "qemu": (V.NOT_APPLICABLE, J.NONE, "a VM's tasks are the guest's own", ""),
    },
    "seccomp.mode": {
        "unshare": (V.OPEN, J.DOCUMENTED, "no filter", "unshare(1) sets none"),
        "docker": (V.HOLDS, J.OK, "", ""),
        "qemu": (V.NOT_APPLICABLE, J.NONE, "a VM's tasks are the guest's own", ""),
    },
    "vm.kernel": {
        "unshare": (V.OPEN, J.DOCUMENTED, "shares the kernel", "a container shares its host's kernel"),
        "docker": (V.OPEN, J.DOCUMENTED, "shares the kernel", "a container shares its host's kernel"),
        "qemu": (V.HOLDS, J.OK, "", ""),
    },
    "net.peer_same": {"docker": (V.UNKNOWN, J.FINDING, "TimeoutError: no answer in 5 s", "")},
}


def sample(hostile: str = "") -> Results:
    """Return the sample; `hostile` is put into every text that a sandbox or a user may choose."""
    cells = [
        Cell(
            CHECKS[check],
            target + hostile,
            verdict,
            judgement,
            reason + hostile,
            source + hostile if source else "",
            waiver="lim.pids on unshare until 2027-03-01" if judgement is J.WAIVED else "",
            inside=(f"namespaces.pid = 4026531836{hostile}",),
            outside=(f"namespaces.pid = 4026531836 (the host's own: 4026531836){hostile}",),
            reproduce=f"docker exec NAME readlink /proc/1/ns/pid{hostile}",
        )
        for check, row in ROWS.items()
        for target, (verdict, judgement, reason, source) in row.items()
    ]
    return results_of(
        cells,
        Run(
            ids=("4f1c",),
            started=1795000000.0,
            ended=1795000042.5,
            tools=("pytest-isolation 0.1.0",),
            policies=("as documented",),
            settings=(Setting(name="isolation", value="container,vm" + hostile, source="command line"),),
        ),
        hosts=(Host(id="local", kernel="6.1.0" + hostile, arch="x86_64", cgroup="v1", accelerator="tcg: no /dev/kvm"),),
        targets=(
            target("unshare", "container", "2.38.1", hostile),
            target("docker", "container", "20.10.24", hostile),
            target("qemu", "vm", "7.2.11", hostile),
        ),
        skipped=(
            Skipped(what="podman" + hostile, reason="not on PATH" + hostile, mend="apt-get install podman" + hostile),
            Skipped(what="runc" + hostile, reason="not on PATH" + hostile, mend="apt-get install podman" + hostile),
        ),
    )


def target(name: str, kind: str, version: str, hostile: str) -> Target:
    """Return one target of the sample."""
    return Target.model_validate(
        {
            "id": name + hostile,
            "kind": kind,
            "class": "emulation" if kind == "vm" else kind,
            "runtime": name,
            "host": "local",
            "versions": {name: version + hostile},
            "times": {"create": 0.21},
        }
    )
