"""Checks of the files of the user who starts the sandbox: keys and tokens, and files that are run later."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.user_files import opened, secrets, startup

KINDS_REASON = "a VM's host folders are shared folders: mnt.host_paths"


def _judge(sandbox: SandboxView, host: HostView, kind: str) -> None:
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if sandbox.target.attached:
        pytest.skip("attached: nothing is opened in a sandbox that this run did not create; mnt.host_paths looks there")
    if not sandbox.shares_kernel and not sandbox.is_behind_sentry:
        return
    seen = sandbox.system.user_files
    hosts = host.system.user_files
    named = (secrets if kind == "read" else startup)(hosts or ())
    if seen is None or not named:
        pytest.skip("the user who starts it has none of these files")
    found = opened(seen, named, kind, by_path=sandbox.is_behind_sentry)
    if found and sandbox.is_behind_sentry:
        raise UnobservedFact("user_files", "", f"its sentry alone knows whether {found[0]} is the host's")
    if found:
        verb = "reads" if kind == "read" else "writes"
        raise Open(f"it {verb} {', '.join(found[:4])} of the user who starts it")


@pytest.mark.isolation(
    "mnt.user_secrets",
    severity="high",
    profile="baseline",
    gains="takes the user's keys and tokens, and acts as the user elsewhere",
    refs=["open(2)", "landlock(7)"],
    kinds=["container"],
    kinds_reason=KINDS_REASON,
    shows=["system.user_files"],
    reproduce="ls ~/.ssh ~/.aws ~/.config/gh ~/.netrc    # inside",
    remedy="show no home folder: bind the folders that the program needs, or mount an empty one over it",
)
def test_keys_of_the_user_cannot_be_read(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Keys, tokens and browser profiles of the user who starts the sandbox cannot be opened.

    The host names those that are there: ~/.ssh, ~/.aws, ~/.gnupg, ~/.kube, ~/.docker, ~/.netrc, ~/.mozilla and others.
    Each is opened for reading, and nothing is read.  It counts if its device and inode are the host's.
    """
    _judge(sandbox, host_facts, "read")


@pytest.mark.isolation(
    "mnt.user_startup",
    severity="critical",
    profile="baseline",
    gains="runs commands as the user, outside, at the next login, commit or build",
    refs=["open(2)", "bash(1)", "githooks(5)", "sshd(8)"],
    kinds=["container"],
    kinds_reason=KINDS_REASON,
    shows=["system.user_files"],
    reproduce="test -w ~/.bashrc; test -w .git/config    # inside",
    remedy="bind the home folder and .git read-only: git hooks, CI files and start-up files are run outside",
)
def test_what_the_user_runs_later_cannot_be_written(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Files that the user's shell, SSH, git or CI run later cannot be opened for writing.

    The host names those that are there: ~/.bashrc, ~/.profile, ~/.gitconfig, ~/.ssh/authorized_keys, and of the working
    folder .git/config, .git/hooks and the files of CI.
    Each is opened for writing without being created or shortened, and nothing is written.
    A folder is not tried: Landlock refuses only the creation itself.
    """
    _judge(sandbox, host_facts, "write")
