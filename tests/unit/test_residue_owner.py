"""provisioner.sandboxes.residue: whose a process is that bears a namespace's number."""

from __future__ import annotations

import os

from provisioner.processes import clock_now, read_process
from provisioner.sandboxes.residue import _in_namespaces


def test_a_process_that_is_younger_than_the_end_is_another_sandboxs() -> None:
    me = read_process(os.getpid())
    assert me is not None
    own = {"net": os.stat("/proc/self/ns/net").st_ino}

    assert f"process {me.pid} in its net namespace" in list(_in_namespaces(own, clock_now()))
    assert f"process {me.pid} in its net namespace" not in list(_in_namespaces(own, me.start - 1))
