"""What a sandbox was to be, item by item.

In: what the readers beside this module found, and what the sandbox itself shows of it.
Out: `Declared`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from provisioner.facts.forms import AbsolutePath, Id
from provisioner.facts.status import Rlimit
from provisioner.observed import U64, Fact, FactMap, Items, Observed, Text, since_schema

FLAGS = ("ro", "nosuid", "nodev", "noexec")
Existing = FactMap[Fact[bool]]
Shown = FactMap[Fact[Text]]
Share = Annotated[float, Field(gt=0)]


class DeclaredUser(Observed):
    """
    Ids as the sandbox's own user namespace counts them; None: not declared by number.

    Attributes:
        uid: the user.
        gid: the group.
        groups: all further groups that it may be in.
    """

    uid: Id | None = None
    gid: Id | None = None
    groups: Items[Id] | None = None


class DeclaredMount(Observed):
    """A mount, and those of its flags that are walls: ro, nosuid, nodev, noexec (mount(8))."""

    target: AbsolutePath
    flags: list[Text]


class Declared(Observed):
    """
    What a sandbox was to be.  An item that is None, or is not in a list, is not declared and not compared.

    Attributes:
        capabilities: the most that any of its five sets may hold, names without CAP_; None: all, or not told.
        no_new_privs: whether no_new_privs is to be set.
        seccomp: whether a filter is to be installed.
        lsm: the name of its AppArmor profile.
        masked: paths that must show nothing of the host.
        readonly: paths that must be read-only.
        readonly_root: whether its root must be read-only.
        mounts: mounts with their flags.
        rlimits: by the name of RLIMIT_NAME in lower case (getrlimit(2)).
        sysctls: values by name, as sysctl.d(5) writes them: "kernel.shm_rmid_forced".
        namespaces: kinds of namespaces(7) that must not be the host's.
        user: the user of its first process.
        limits: amounts by the limit's name: bytes of memory, processors, tasks.
        shown: of each declared sysctl, the value that a process inside reads.
        exists: of each masked and read-only path, whether it exists inside.
    """

    capabilities: Items[Text] | None = None
    no_new_privs: bool = False
    seccomp: bool = False
    lsm: Text = ""
    masked: Items[AbsolutePath] = Field(default_factory=list)
    readonly: Items[AbsolutePath] = Field(default_factory=list)
    readonly_root: bool = False
    mounts: Items[DeclaredMount] = Field(default_factory=list)
    rlimits: dict[Text, Rlimit] = Field(default_factory=dict)
    sysctls: dict[Text, Text] = Field(default_factory=dict)
    namespaces: list[Text] = Field(default_factory=list)
    user: DeclaredUser = DeclaredUser()
    limits: dict[Text, Share] = Field(default_factory=dict)
    shown: Fact[Shown] = since_schema()
    exists: Fact[Existing] = since_schema()


def limit_name(name: str) -> str:
    """Return the name of a resource limit as facts have it: "nofile" for "RLIMIT_NOFILE"."""
    return name.lower().removeprefix("rlimit_")


def limit_of(soft: int, hard: int) -> Rlimit:
    """Return a resource limit; -1 and RLIM_INFINITY (getrlimit(2)) are unlimited."""
    return Rlimit(soft=_finite(soft), hard=_finite(hard))


def _finite(amount: int) -> int | None:
    return None if amount in (-1, U64) else amount
