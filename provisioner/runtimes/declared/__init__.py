"""What a runtime says that a sandbox was to be: capabilities, filter, masks, mounts, user, namespaces and limits.

declared.py   the items, in one form for all runtimes  → Declared
inspected.py  reads them in the answer of `docker inspect`
oci_config.py reads them in the config.json of an OCI bundle

`READERS` has the reader of each form, by the name that `declares` of a runtime.yaml gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from provisioner.runtimes.declared.declared import Declared as Declared
from provisioner.runtimes.declared.declared import Existing as Existing
from provisioner.runtimes.declared.declared import Shown as Shown
from provisioner.runtimes.declared.inspected import read_inspected
from provisioner.runtimes.declared.oci_config import read_oci

Form = Literal["inspect", "oci"]
READERS: Mapping[str, Callable[[Mapping[str, Any], Sequence[str] | None], Declared]] = {
    "inspect": read_inspected,
    "oci": read_oci,
}
