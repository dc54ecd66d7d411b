"""Check of Landlock: whether a payload may confine itself further."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView

NONE = ("ENOSYS", "EOPNOTSUPP")  # not built in, and not among the LSMs that were started: landlock_create_ruleset(2)


@pytest.mark.isolation(
    "landlock.available",
    severity="low",
    profile="baseline",
    gains="attacks programs that could have confined themselves further",
    refs=["landlock(7)", "landlock_create_ruleset(2)"],
    shows=["system.tries[landlock.version]"],
    reproduce="landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) must answer with a version",
    remedy="allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self in the seccomp profile",
)
def test_payload_may_confine_itself(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The payload can use Landlock to confine itself.

    Landlock only takes access away and needs no privilege, so a filter that refuses it makes nothing safer.
    Without it a compromised payload reaches all that the sandbox reaches.
    The try asks for the version and makes no ruleset.
    On the host's kernel, the same try outside is the control.
    """
    answer = sandbox.system.tries["landlock.version"].result
    own = host_facts.system.tries["landlock.version"].result if sandbox.shares_kernel else answer
    if own in NONE:
        pytest.skip(f"the kernel it runs on has no Landlock ({own})")
    if answer != "ok":
        raise Open(f"landlock_create_ruleset answers {answer}")
