"""The models of archived documents that all limits together make up.

In: the modules of kinds/.  Out: `CgroupFiles`, with a section for each limit; `Load`, with the measured fields of
each limit.  A type checker sees their bases, whose further fields are `Any`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import create_model

from provisioner.limits.limit import find_limits
from provisioner.limits.measured import CgroupFilesBase, LoadBase
from provisioner.observed import Fact, FactMap, since_schema

if TYPE_CHECKING:
    CgroupFiles = CgroupFilesBase
    Load = LoadBase
else:
    _sections: dict[str, Any] = {
        limit.name: (Fact[limit.section], ... if limit.always_in_facts else since_schema()) for limit in find_limits()
    }
    CgroupFiles = create_model("CgroupFiles", __base__=CgroupFilesBase, __doc__=CgroupFilesBase.__doc__, **_sections)
    Load = create_model(
        "Load",
        __base__=tuple(limit.load for limit in find_limits()),
        __doc__=LoadBase.__doc__,
        shown=(Fact[CgroupFiles | None], ...),
        after=(Fact[CgroupFiles | None], ...),
    )

Loads = FactMap[Fact[Load]]
