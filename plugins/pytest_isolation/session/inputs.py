"""Reads the files that a session's options name: the lab, the policy, the remedies.

In: options.
Out: frozen objects.  A file that is wrong is a `pytest.UsageError` in one line, before anything starts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.errors import IsolationError
from provisioner.faults.explain import explained
from provisioner.files.folder import Folder
from provisioner.files.suggest import nearest
from pytest_isolation.escape import escape
from pytest_isolation.options import RunOptions

EXPECTED = "expected.yaml"
NEAR = 0.85  # the least similarity of an id that was mistyped

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab
    from pytest_isolation.policy.accepted import Accepted
    from pytest_isolation.policy.expected import Expected
    from pytest_isolation.policy.isolation_file import IsolationFile
    from pytest_isolation.policy.policy import Policy
    from pytest_isolation.policy.waivers import Waiver


def check_paths(options: RunOptions) -> None:
    """
    Refuse files and folders of options that cannot be used, before anything starts.

    Raises:
        pytest.UsageError: the kernel or the lab.yaml is no file, or the report's folder cannot be written.
    """
    for option, path in (("--isolation-kernel", options.kernel), ("--isolation-lab", options.lab)):
        if path is not None and not path.is_file():
            why = "is no file" if path.exists() else "does not exist"
            raise pytest.UsageError(f"{option}: '{escape(str(path))}' {why}{_near_file(path)}")
    if options.report is not None:
        _check_writable(options.report)


def _near_file(path: Path) -> str:
    """Return "; did you mean …" for a file beside it with nearly the same name."""
    try:
        names = [one.name for one in path.parent.iterdir()]
    except OSError:
        return ""
    near = nearest(path.name, names, 0.75)
    return f"; did you mean '{escape(str(path.with_name(near)))}'?" if near else ""


def _check_writable(report: Path) -> None:
    """Make the folders that are missing, and remove them again."""
    missing = [folder for folder in (report, *report.parents) if not folder.exists()]
    try:
        with explained():
            Folder.make(report, None, shared=True).close()
        writable = os.access(report, os.W_OK | os.X_OK)
    except (OSError, IsolationError) as error:
        raise pytest.UsageError(f"--isolation-report: cannot make '{escape(str(report))}': {_why(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()
    if not writable:
        raise pytest.UsageError(f"--isolation-report: this user may not write to '{escape(str(report))}'")


def _why(error: OSError | IsolationError) -> str:
    return escape(str(error) if isinstance(error, IsolationError) else error.strerror or type(error).__name__)


def read_lab(options: RunOptions) -> Lab | None:
    """
    Read lab.yaml if a machine was named.

    Raises:
        pytest.UsageError: it cannot be read, or the extra that machines need is not installed.
    """
    if not options.needs_lab:
        return None
    from importlib.util import find_spec

    from provisioner.machines.lab import load_lab

    if find_spec("fabric") is None:
        raise pytest.UsageError("machines of lab.yaml need Fabric: pip install 'pytest-isolation[lab]'")
    try:
        return load_lab(options.lab)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def read_roles(roles: Sequence[Path], rootdir: Path) -> Callable[[], None]:
    """
    Look for roles in folders, and beside isolation.yaml and lab.yaml of the root folder.

    Args:
        roles: the folders, the first that has a role decides.
        rootdir: pytest's root folder.

    Returns:
        A function that undoes it, for the session's end.

    Raises:
        pytest.UsageError: a folder holds no role, or belongs to another user.
    """
    from provisioner.role_folders import VARIABLE, add_roles, find_own_roles

    before = os.environ.get(VARIABLE)

    def forget() -> None:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before

    try:
        find_own_roles(rootdir)
        for folder in reversed(roles):
            add_roles(folder)
    except IsolationError as error:
        forget()
        raise pytest.UsageError(f"--isolation-roles: {error}" if roles else str(error)) from None
    return forget


def read_file(waivers: Path | None, pyproject: Path | None = None) -> IsolationFile:
    """
    Read the project's targets and waivers.

    Args:
        waivers: isolation.yaml, or None.
        pyproject: the pyproject.toml that may have the table [tool.pytest-isolation], or None.

    Raises:
        pytest.UsageError: a file is wrong.
    """
    from pytest_isolation.policy.isolation_file import load_isolation_file

    try:
        return load_isolation_file(waivers, pyproject)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def read_policy(
    profile: str,
    waivers: Sequence[Waiver] = (),
    expected: Path | None = None,
    archived: Mapping[str, Expected] | None = None,
    accepted: Mapping[str, Mapping[str, Accepted]] | None = None,
) -> Policy:
    """
    Read the profile and the documented exceptions of every runtime.

    Args:
        profile: "baseline@1", or "" for the documented exceptions alone.
        waivers: the accepted findings.
        expected: the file of the documented exceptions of a user's own checks, or None.
        archived: the same as a run had them, for records that are judged again without the file.
        accepted: the accepted state of targets, by id.

    Raises:
        pytest.UsageError: the profile is unknown, or a file cannot be read.
    """
    from provisioner.role_folders import role_folders
    from pytest_isolation.policy.expected import join_expected, load_expected, load_own_expected
    from pytest_isolation.policy.policy import Policy
    from pytest_isolation.policy.profile import parse_profile

    try:
        documented = {name: load_expected(folder / EXPECTED) for name, folder in role_folders(EXPECTED).items()}
        own = archived or {}
        if expected is not None:
            own = load_own_expected(expected, [*documented, "pid"])
        return Policy(
            profile=parse_profile(profile) if profile else None,
            expected=join_expected(documented, own),
            waivers=tuple(waivers),
            accepted=accepted or {},
            own=own,
        )
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def check_remedies(runtimes: Iterable[str]) -> None:
    """
    Read the remedies of these runtimes, so that a fault in a file is reported before anything starts.

    Raises:
        pytest.UsageError: one cannot be read.
    """
    from pytest_isolation.policy.remedies import load_remedies

    try:
        for runtime in sorted(runtimes):
            load_remedies(runtime)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def check_files(policy: Policy, own: Container[str], waivers: bool, expected: Path | None) -> None:
    """
    Refuse ids in the files of the user that are nearly those of bundled checks.

    An id that is nearly that of an own check may be another own check that is not collected now.

    Args:
        policy: the waivers, and the documented exceptions of own checks.
        own: the ids of the user's own checks.
        waivers: whether the waivers are looked at.
        expected: the file of the documented exceptions of own checks; None if they are not looked at.

    Raises:
        pytest.UsageError: there is such an id.
    """
    from pytest_isolation.policy.expected import bundled_ids

    named = {"a waiver": [waiver.check for waiver in policy.waivers]} if waivers else {}
    if expected is not None:
        named[str(expected)] = [check for one in policy.own.values() for check in one.root]
    for where, ids in named.items():
        for check in ids:
            near = nearest(check, bundled_ids(), NEAR)
            if near is not None and check not in own and check not in bundled_ids():
                raise pytest.UsageError(
                    f"{where} names the check '{check}', which there is not; did you mean '{near}'?"
                )
