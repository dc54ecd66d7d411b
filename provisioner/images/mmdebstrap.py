"""Makes Debian's root file system by mmdebstrap, from the Debian mirrors that this host's apt uses.

In: a release and packages.  Out: a folder or a tar.  No service starts in the chroot: mmdebstrap installs a
policy-rc.d there that refuses with 101.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.local import LocalConnection, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError

MIRROR = "PYTEST_ISOLATION_MIRROR"
TARGETS = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
# options that the host's apt needs for its mirror, and the box's apt too
APT_OPTIONS = re.compile(r'^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy) "[^"]+";$', re.MULTILINE)


def run_mmdebstrap(
    out: Path, suite: str, packages: Sequence[str], what: str = "a box", options: Sequence[str] = ()
) -> None:
    """
    Make Debian's root file system, with the variant minbase and further packages.

    Args:
        out: the folder or the tar; it must not exist.
        suite: the release.
        packages: the packages in addition to the variant's.
        what: what is made, for errors.
        options: further options of mmdebstrap.

    Raises:
        IsolationError: no mirror answers, a package is missing, or a package's script fails; quotes apt's error.
    """
    settings = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    apt = [*(option[0] for option in APT_OPTIONS.finditer(settings.stdout)), 'Acquire::Languages "none";']
    # everything ends with this process, mounts included: a pid and a mount namespace of their own
    ours = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
    argv = [
        *("setpriv", "--pdeathsig", "KILL"),
        *(ours if os.geteuid() == 0 else ()),
        *("mmdebstrap", "--quiet", f"--mode={'root' if os.geteuid() == 0 else 'unshare'}", "--variant=minbase"),
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in apt),
        *options,
        *(suite, str(out), *read_mirrors(suite, what)),
    ]
    environment = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(out.parent)}
    done = LocalConnection().run(argv, deadline("box.tree"), environment)
    if done.status != 0:
        raise IsolationError(
            f"cannot build {what}: mmdebstrap: {_reason(done.stderr)}",
            hint="check that the mirror answers: apt-get update",
            log=done.stderr.decode("utf-8", "backslashreplace")[-4000:],
        )


def _reason(stderr: bytes) -> str:
    """Return the first error line of apt or dpkg; mmdebstrap's own last line gives no reason."""
    errors = [line for line in stderr.splitlines() if line.startswith((b"E: ", b"dpkg: error"))]
    return last_line(errors[0]) if errors else last_line(stderr)


def read_mirrors(suite: str, what: str = "a box") -> list[str]:
    """
    Return the lines of sources.list(5): the release, its updates, its security updates.

    Args:
        suite: the release.
        what: what is made, for errors.

    Raises:
        IsolationError: this host's apt uses no Debian mirror, and PYTEST_ISOLATION_MIRROR is not set.
    """
    named = os.environ.get(MIRROR, "").split()
    if named:
        return [f"deb {uri} {suite}{'-security' if number else ''} main" for number, uri in enumerate(named[:2])]
    argv = ["apt-get", "indextargets", "--format", TARGETS]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        lines = parse_targets(done.stdout, suite)
    except (OSError, subprocess.TimeoutExpired):
        lines = []
    if not lines:
        raise IsolationError(
            f"cannot build {what}: this host's apt has no Debian mirror",
            hint=f"apt-get update, or set {MIRROR} to the address of a mirror's folder 'debian'",
        )
    return lines


def parse_targets(text: str, suite: str) -> list[str]:
    """
    Choose Debian's archives among apt's index targets, and return sources.list lines for the box's release.

    Before its first update apt knows no origin, so an archive is also recognised by its address.  The host may run
    another release than the box: only the addresses are taken from its archives.

    Args:
        text: the output of `apt-get indextargets --format TARGETS`.
        suite: the box's release.
    """
    addresses: dict[str, str] = {}
    for line in text.splitlines():
        kind, uri, release, component, origin = line.split("|") if line.count("|") == 4 else ("",) * 5
        ours = origin == "Debian" or (origin.startswith("$") and re.search(r"/debian(-security)?/?$", uri))
        if kind == "Packages" and component == "main" and ours and not release.endswith("-backports"):
            part = next((part for part in ("-security", "-updates") if release.endswith(part)), "")
            addresses.setdefault(part, uri)
    return [f"deb {addresses[part]} {suite}{part} main" for part in ("", "-updates", "-security") if part in addresses]
