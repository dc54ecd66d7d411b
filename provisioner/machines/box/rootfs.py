"""Makes the root folder of a box: Debian by mmdebstrap, with the recipe's packages, files and units.

In: a `Recipe`, packages to bake in, and the keys.  Out: a folder with all of the root file system.  Called by box.py.
Needs root.  Packages come from the mirrors that this host's own apt uses, from Debian's entries alone.  Nothing starts
in the chroot: mmdebstrap puts a policy-rc.d there that refuses with 101.
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
# what the host's apt needs to reach and to believe its mirror, the box's needs too
APT_OPTIONS = re.compile(r'^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy) "[^"]+";$', re.MULTILINE)
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils", "ssh-keygen": "openssh-client"}


def check_tools() -> None:
    """Raise IsolationError unless this user may build a box and has what that needs."""
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


def make_tree(tree: Path, recipe: Recipe, bake: Sequence[str], keys: BoxKeys) -> None:
    """
    Fill a new folder with a box's root file system.

    Raises:
        IsolationError: no mirror answers, a package is not there, or a script of one fails; with apt's last words.
    """
    packages = [*recipe.packages, *bake]
    with step(f"unpack Debian {recipe.suite} and {len(packages)} packages"):
        _run_mmdebstrap(tree, recipe, packages)
    _write_files(tree, recipe)
    _write_units(tree, recipe)
    _write_keys(tree, keys)


def read_mirrors(suite: str) -> list[str]:
    """
    Return one line for sources.list for each part of the release: what Debian publishes, its updates, its security.

    Raises:
        IsolationError: this host's apt uses no mirror of Debian, and PYTEST_ISOLATION_MIRROR names none.
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
            "cannot build a box: this host's apt has no source of Debian's",
            hint=f"apt-get update, or set {MIRROR} to the address of a mirror's folder 'debian'",
        )
    return lines


def parse_targets(text: str, suite: str) -> list[str]:
    """
    Choose Debian's own archives among apt's index targets; before its first update apt knows no origin, only addresses.

    The host may run another release than the box: from its archives the addresses are taken, not the release.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        kind, uri, release, component, origin = line.split("|") if line.count("|") == 4 else ("",) * 5
        ours = origin == "Debian" or (origin.startswith("$") and re.search(r"/debian(-security)?/?$", uri))
        if kind == "Packages" and component == "main" and ours and not release.endswith("-backports"):
            part = next((part for part in ("-security", "-updates") if release.endswith(part)), "")
            found.setdefault(part, uri)
    return [f"deb {found[part]} {suite}{part} main" for part in ("", "-updates", "-security") if part in found]


def _run_mmdebstrap(tree: Path, recipe: Recipe, packages: Sequence[str]) -> None:
    dumped = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    options = [*(found[0] for found in APT_OPTIONS.finditer(dumped.stdout)), 'Acquire::Languages "none";']
    argv = [
        # all of it ends with us, and its mounts with it: a pid and a mount namespace of its own
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory"),
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in (*options, 'Acquire::GzipIndexes "true";')),
        *(f"--dpkgopt={line}" for line in recipe.dpkg.splitlines()),
        "--skip=cleanup/apt/lists",  # a guest that fetches them anew under emulation takes half a minute
        f'--customize-hook=sh {HOOK} "$1" {recipe.kernel}',
        *(recipe.suite, str(tree), *read_mirrors(recipe.suite)),
    ]
    environment = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(tree.parent)}
    done = LocalConnection().run(argv, deadline("box.tree"), environment)
    if done.status != 0:
        raise IsolationError(
            f"cannot build a box: mmdebstrap: {_reason(done.stderr)}",
            hint="see that the mirror answers: apt-get update",
            log=done.stderr.decode("utf-8", "backslashreplace")[-4000:],
        )


def _reason(stderr: bytes) -> str:
    """Return the first error that apt or dpkg named; mmdebstrap's own last line says only that there was one."""
    named = [line for line in stderr.splitlines() if line.startswith((b"E: ", b"dpkg: error"))]
    return last_line(named[0]) if named else last_line(stderr)


def _write_files(tree: Path, recipe: Recipe) -> None:
    for name, text in recipe.files.items():
        path = _below(tree, name)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    for name, target in recipe.links.items():
        path = _below(tree, name)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _write_units(tree: Path, recipe: Recipe) -> None:
    for unit in recipe.masked:
        path = _below(tree, f"etc/systemd/system/{unit}")
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    for unit, target in recipe.wanted.items():
        own = tree / "etc/systemd/system" / unit
        path = _below(tree, f"etc/systemd/system/{target}.wants/{unit}")
        path.unlink(missing_ok=True)
        path.symlink_to(f"/etc/systemd/system/{unit}" if own.exists() else f"/lib/systemd/system/{unit}")


def _write_keys(tree: Path, keys: BoxKeys) -> None:
    """Put ours in the place of what the package's script made: one host key, and one key that may log in."""
    for made in (tree / "etc/ssh").glob("ssh_host_*"):
        made.unlink()
    host = tree / "etc/ssh/ssh_host_ed25519_key"
    shutil.copyfile(keys.host_private, host)
    host.chmod(0o600)
    host.with_suffix(".pub").write_text(f"{keys.host_public}\n")
    allowed = tree / "root/.ssh/authorized_keys"
    allowed.parent.mkdir(mode=0o700, exist_ok=True)
    allowed.write_text(f"{keys.login_public}\n")
    allowed.chmod(0o600)


def _below(tree: Path, name: str) -> Path:
    """Return where a file of the box lies, its folder made; a link in the tree must not lead out of it."""
    path = tree / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(tree.resolve()):
        raise IsolationError(f"cannot write '{name}' into a box: a link leads out of it")
    return path
