"""Makes the root folder of a box: Debian by mmdebstrap, with the recipe's packages, files and units.

In: a `Recipe`, packages to bake in, and the keys.  Out: a folder with the root file system.  Needs root.  Packages come
from the Debian mirrors that this host's apt uses.  No service starts in the chroot: mmdebstrap installs a policy-rc.d
there that refuses with 101.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.local import LocalConnection, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.machines.box.keys import BoxKeys
from provisioner.machines.box.recipe import Recipe
from provisioner.progress import step

MIRROR = "PYTEST_ISOLATION_MIRROR"
HOOK = Path(__file__).with_name("kernel.sh")
TARGETS = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
# options that the host's apt needs for its mirror, and the box's apt too
APT_OPTIONS = re.compile(r'^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy) "[^"]+";$', re.MULTILINE)
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils", "ssh-keygen": "openssh-client"}


def check_tools() -> None:
    """Raise IsolationError unless this user is root and the tools for a box are installed."""
    if os.geteuid() != 0:
        raise IsolationError(
            "cannot build a box: only root may chroot and make device nodes", hint="run it as root: sudo"
        )
    missing = [package for tool, package in TOOLS.items() if LocalConnection().find(tool) is None]
    if missing:
        raise IsolationError(
            f"cannot build a box: not installed: {', '.join(missing)}",
            hint=f"apt-get install --no-install-recommends {' '.join(missing)}",
        )


def make_rootfs(rootfs: Path, recipe: Recipe, bake: Sequence[str], keys: BoxKeys) -> None:
    """
    Create a folder with a box's root file system.

    Args:
        rootfs: the folder; it must not exist.
        recipe: the box's recipe.
        bake: the packages to install in addition to the recipe's.
        keys: the box's keys.

    Raises:
        IsolationError: no mirror answers, a package is missing, or a package's script fails; quotes apt's error.
    """
    packages = [*recipe.packages, *bake]
    with step(f"unpack Debian {recipe.suite} and {len(packages)} packages"):
        _run_mmdebstrap(rootfs, recipe, packages)
    _write_files(rootfs, recipe)
    _write_units(rootfs, recipe)
    _write_keys(rootfs, keys)


def read_mirrors(suite: str) -> list[str]:
    """
    Return the lines of sources.list(5): the release, its updates, its security updates.

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
            "cannot build a box: this host's apt has no Debian mirror",
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


def _run_mmdebstrap(rootfs: Path, recipe: Recipe, packages: Sequence[str]) -> None:
    settings = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    options = [*(option[0] for option in APT_OPTIONS.finditer(settings.stdout)), 'Acquire::Languages "none";']
    argv = [
        # everything ends with this process, mounts included: a pid and a mount namespace of their own
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory"),
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in (*options, 'Acquire::GzipIndexes "true";')),
        *(f"--dpkgopt={line}" for line in recipe.dpkg.splitlines()),
        "--skip=cleanup/apt/lists",  # fetching the lists again takes an emulated guest 30 s
        f'--customize-hook=sh {HOOK} "$1" {recipe.kernel}',
        *(recipe.suite, str(rootfs), *read_mirrors(recipe.suite)),
    ]
    environment = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(rootfs.parent)}
    done = LocalConnection().run(argv, deadline("box.tree"), environment)
    if done.status != 0:
        raise IsolationError(
            f"cannot build a box: mmdebstrap: {_reason(done.stderr)}",
            hint="check that the mirror answers: apt-get update",
            log=done.stderr.decode("utf-8", "backslashreplace")[-4000:],
        )


def _reason(stderr: bytes) -> str:
    """Return the first error line of apt or dpkg; mmdebstrap's own last line gives no reason."""
    errors = [line for line in stderr.splitlines() if line.startswith((b"E: ", b"dpkg: error"))]
    return last_line(errors[0]) if errors else last_line(stderr)


def _write_files(rootfs: Path, recipe: Recipe) -> None:
    for name, text in recipe.files.items():
        path = _below(rootfs, name)
        path.unlink(missing_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
    for name, target in recipe.links.items():
        path = _below(rootfs, name)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _write_units(rootfs: Path, recipe: Recipe) -> None:
    for unit in recipe.masked:
        path = _below(rootfs, f"etc/systemd/system/{unit}")
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    for unit, target in recipe.wanted.items():
        own = rootfs / "etc/systemd/system" / unit
        path = _below(rootfs, f"etc/systemd/system/{target}.wants/{unit}")
        path.unlink(missing_ok=True)
        path.symlink_to(f"/etc/systemd/system/{unit}" if own.exists() else f"/lib/systemd/system/{unit}")


def _write_keys(rootfs: Path, keys: BoxKeys) -> None:
    """Replace the host keys that the package made by the box's own, and allow its login key."""
    for key in (rootfs / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    host = rootfs / "etc/ssh/ssh_host_ed25519_key"
    shutil.copyfile(keys.host_private, host)
    host.chmod(0o600)
    host.with_suffix(".pub").write_text(f"{keys.host_public}\n", "utf-8")
    allowed = rootfs / "root/.ssh/authorized_keys"
    allowed.parent.mkdir(mode=0o700, exist_ok=True)
    allowed.write_text(f"{keys.login_public}\n", "utf-8")
    allowed.chmod(0o600)


def _below(rootfs: Path, name: str) -> Path:
    """Return the path of a file in the root folder, and create its parent; refuse a link that leads out of it."""
    path = rootfs / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(rootfs.resolve()):
        raise IsolationError(f"cannot write '{name}' into a box: a link leads out of it")
    return path
