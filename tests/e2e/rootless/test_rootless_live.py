"""podman started by a user without root: the suite is as documented, little stays, and what is lacking has its mend.

As root each test makes a user of its own (account.py).  The plants run as such a user too: tox -e container-rootless.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from account import Account

ARGS = ("--isolation=container", "--isolation-runtime=podman+runc", "-p", "no:randomly", "-c", os.devnull)
SUITE = "pytest_isolation.suite"
NEEDED = {
    "podman": "apt-get install --no-install-recommends podman",
    "runc": "apt-get install --no-install-recommends runc",
    "newuidmap": "apt-get install uidmap",
    "setpriv": "apt-get install util-linux",
}
PRIVATE = """
def test_a_network_of_its_own(sandbox_factory):
    sandbox = sandbox_factory(network="private")
    assert sandbox.inside.nonce == sandbox.live.nonce
"""

MakeAccount = Callable[..., Account]


@pytest.fixture
def make_account() -> Iterator[MakeAccount]:
    if os.geteuid() != 0:
        pytest.skip(
            "makes a user for the run: run as root, or run the suite itself as you: pytest --isolation=container"
        )
    for program, mend in NEEDED.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: {mend}")
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(Account(**how))


def suite(account: Account, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the bundled suite as this user; a load on the processors says nothing while other tests run."""
    rest = ("--pyargs", SUITE, "-k", " and ".join(("not cpu_limit", *args)))
    return account.run(account.pytest(*ARGS, f"--rootdir={account.home}", *rest))


def test_the_suite_is_as_documented_and_podmans_pause_process_alone_stays(make_account: MakeAccount) -> None:
    account = make_account()
    done = suite(account)

    assert done.returncode == 0, done.stdout
    assert "No findings" in done.stdout
    run = f"{account.folder}/run/pytest-isolation/podman"
    storage = f"{account.home}/.local/state/pytest-isolation/podman/storage{run.replace('/', '-')}"
    podman = ("podman", "--root", storage, "--runroot", run)
    assert Path(storage).is_dir()
    for what in (("ps", "--all", "--quiet"), ("images", "--all", "--quiet")):
        assert account.run(account.argv(*podman, *what)).stdout == ""
    assert set(account.processes().values()) <= {"podman", "podman pause", "catatonit"}
    runs = account.folder / "run/pytest-isolation"
    assert {path.name for path in runs.iterdir()} <= {"podman", "runs", "accelerator.json"}
    assert list((runs / "runs").iterdir()) == []


def test_a_user_without_subordinate_ids_runs_it_too(make_account: MakeAccount) -> None:
    done = suite(make_account(ranges=False))

    assert done.returncode == 0, done.stdout
    assert "No findings" in done.stdout


@pytest.mark.parametrize(
    ("how", "cause", "mend"),
    [
        (
            {"lacking": ("newuidmap", "newgidmap")},
            "newuidmap, which maps them, is not installed",
            "apt-get install --no-install-recommends uidmap",
        ),
        (
            {"session": False},
            "XDG_RUNTIME_DIR names no short one",
            "export PYTEST_ISOLATION_HOME=/var/tmp/isolation-$(id -u)",
        ),
    ],
)
def test_what_a_user_lacks_is_named_with_its_mend(
    make_account: MakeAccount, how: dict[str, object], cause: str, mend: str
) -> None:
    done = suite(make_account(**how), "invisible")

    assert done.returncode == 4, done.stdout
    assert cause in done.stdout + done.stderr
    assert mend in done.stdout + done.stderr


@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="there is no /dev/net/tun: modprobe tun")
@pytest.mark.skipif(shutil.which("slirp4netns") is None, reason="needs slirp4netns: apt-get install slirp4netns")
@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_a_network_of_its_own_needs_a_tun_device_that_it_may_open(make_account: MakeAccount, mode: int) -> None:
    account = make_account(tun=mode)
    test = account.folder / "test_private.py"
    test.write_text(PRIVATE)
    done = account.run(account.pytest(*ARGS, f"--rootdir={account.folder}", str(test)))

    told = "cannot open /dev/net/tun: Permission denied" in done.stdout
    assert (told, done.returncode == 0) == (mode == 0o600, mode == 0o666), done.stdout
