"""The files of a new role for a runtime, with comments: `provisioner new-runtime`.

In: a name, and perhaps a runtime to begin with.  Out: texts by file name.
"""

from __future__ import annotations

import re

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from provisioner.role_folders import role_folders
from provisioner.runtimes.runtime import NAME

SCHEMA = re.compile(r"^# yaml-language-server: .*\n", re.M)  # its path is that of a packaged role

RUNTIME = """\
# How the sandboxes of NAME are created, found and deleted.
# The keys and the variables of the templates: docs/reference/runtime-yaml.md
# Test it: pytest --isolation-check-runtime=NAME
title: NAME
kind: container
class: container
# What the host sees as the sandbox: the process itself (process), a hypervisor (vmm), a kernel in user space (sentry).
boundary: process
binary: NAME
install: install NAME so that it is on PATH
# Whether it must be started by root.
root: true
# What it starts from: a root folder with the probe at /probe (rootfs), a docker-archive (archive), nothing (none).
image: rootfs

# It must stay attached: its standard input and output are the way to the probe.
create:
  - NAME
  - run
  - --root
  - "{{ rootfs }}"
  - "{{ network }}"
  - "{{ limits }}"
  - "{{ flags }}"
  - "{{ name }}"
  - /probe
  - serve
  - "{{ nonce }}"
# The host deletes by this what a killed run left.  Leave it out if a sandbox ends with its first process.
delete: [NAME, delete, --force, "{{ name }}"]
# A command that prints the names of what runs, and one that prints the pid of a sandbox as JSON.
list: {argv: [NAME, list, --quiet]}
state: {argv: [NAME, state, "{{ name }}"], pid: "json:/pid"}
exec: [NAME, exec, "{{ name }}", "{{ argv }}"]
version: {argv: [NAME, --version], match: 'version (\\S+)'}

# `none` is required: a loopback alone, or what the runtime gives by default.
network:
  none: {flags: [--network, none]}
# A limit that is left out cannot be set.
limits:
  memory: {flags: [--memory, "{{ bytes }}"]}
  cpu: {flags: [--cpus, "{{ cpus }}"]}
  pids: {flags: [--pids-limit, "{{ count }}"]}
# Why something is not there; the reason is shown in place of a verdict.
cannot:
  network.private: NAME makes a network namespace and nothing in it
  volume: NAME shares no folder of the host
"""
EXPECTED = """\
# What the documentation of NAME leaves open: it is no finding.  Everything else must hold.
# List the open walls: pytest --isolation=container --isolation-runtime=NAME
#
# kern.dmesg:
#   verdict: open
#   source: "NAME(1), --dmesg: the kernel's log is readable unless the host's kernel.dmesg_restrict is set"
"""
REMEDIES = """\
# How to fix each check on NAME: docs/reference/roles.md, remedies.yaml.
# `like` takes the lines of another role for the checks that this file does not name.
#
# like: runc
# remedies:
#   nnp.set: --no-new-privileges
"""


def new_role(name: str, like: str = "") -> dict[str, str]:
    """
    Return the files of a new role.

    Args:
        name: the runtime's name.
        like: a runtime whose files are copied; "" for the commented ones.

    Raises:
        IsolationError: the name cannot be one, is taken, or there is no such runtime.
    """
    known = role_folders("runtime.yaml")
    if not NAME.fullmatch(name) or "-" in name or "+" in name:
        raise IsolationError(
            f"cannot name a runtime '{name}'",
            "use small letters, digits, '_' and '.'; - and + begin variants and options",
        )
    if name in known:
        raise IsolationError(f"cannot make a role '{name}': '{known[name]}' is there", "choose another name")
    if like and like not in known:
        listed = f"there are: {', '.join(known)}"
        raise IsolationError(f"cannot find runtime '{like}'", suggest(like, known, listed))
    if like:
        files = {file.name: file.read_text("utf-8") for file in sorted(known[like].glob("*.yaml"))}
        files.pop("role.yaml", None)  # it would install the other runtime
        files["remedies.yaml"] = f"like: {like}\n"
        return {file: SCHEMA.sub("", text) for file, text in files.items()}
    texts = {"runtime.yaml": RUNTIME, "expected.yaml": EXPECTED, "remedies.yaml": REMEDIES}
    return {file: text.replace("NAME", name) for file, text in texts.items()}
