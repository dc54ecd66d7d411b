"""Groups that /etc/group names, as frozen objects (exposed/groups.c)."""

from __future__ import annotations

from provisioner.facts.forms import Id
from provisioner.observed import Observed, Text


class Group(Observed):
    """A group of the probe's table, by its name in group(5), and its id there."""

    name: Text
    gid: Id
