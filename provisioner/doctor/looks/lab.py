"""Looks at what the machines of the lab need: lab.yaml, Python packages, and Vagrant if lab.yaml uses it.

In: a System; the nearest lab.yaml.  Out: one `Seen` each.  Starts no daemon and no machine, and imports no package of
the extra [lab].
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass

from provisioner.doctor.finding import Seen, lacking, ok
from provisioner.doctor.look import Ask, Look, look
from provisioner.doctor.system import System, as_root
from provisioner.errors import IsolationError
from provisioner.machines.lab import load_lab

GROUP = "lab"
PACKAGES = ("fabric", "python-vagrant", "pytest-testinfra")
EXTRA = "pip install 'pytest-isolation[lab]'"
PLUGIN = "vagrant-libvirt"
COST = "machines with `provider: vagrant` do not start"
INSTEAD = "or `provider: qemu` in lab.yaml, which needs no Vagrant"


@dataclass(frozen=True)
class Program:
    """A program that the provider `vagrant` needs, and its Debian package."""

    name: str
    package: str


PROGRAMS = (
    Program("vagrant", "vagrant"),
    Program("libvirtd", "libvirt-daemon-system"),
    Program("virsh", "libvirt-clients"),
    Program("dnsmasq", "dnsmasq-base"),
    Program("slirp4netns", "slirp4netns"),
)


def more_looks(also: tuple[str, ...] = ()) -> list[Look]:
    """Return the looks at Vagrant and its programs; the lab needs them if a machine uses that provider."""
    try:
        wanted = any(machine.provider == "vagrant" for machine in load_lab().machines.values())
    except IsolationError:
        wanted = True
    needed_for = ("lab",) if wanted else ()
    looks = [Look(GROUP, program.name, _ask(program), needed_for=needed_for) for program in PROGRAMS]
    looks.insert(1, Look(GROUP, PLUGIN, look_at_plugin, needed_for=needed_for))
    return [*looks, Look(GROUP, "network", look_at_network, needed_for=needed_for)]


@look(GROUP, "lab.yaml", needed_for=("lab",))
def look_at_lab_file(system: System) -> Seen:
    """Read lab.yaml as a run does."""
    try:
        lab = load_lab()
    except IsolationError as error:
        return lacking(error.what, "no machine can be started", note=error.hint)
    providers = ", ".join(f"{name} ({machine.provider})" for name, machine in lab.machines.items())
    return ok(f"{lab.path}: {providers}")


@look(GROUP, "Python packages", needed_for=("lab",))
def look_at_packages(system: System) -> Seen:
    """Look for the packages of the extra [lab]."""
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return lacking(f"not installed: {', '.join(missing)}", "no command can reach a machine", EXTRA)
    return ok(", ".join(found))


def _ask(program: Program) -> Ask:
    def ask(system: System) -> Seen:
        if system.find(program.name) is None:
            mend = as_root(system, f"apt-get install --no-install-recommends {program.package}")
            return lacking("is not installed", COST, mend, INSTEAD if program.name == "vagrant" else "")
        done = system.run([program.name, "--version"])
        if done.status != 0:
            return lacking(f"does not start: {done.last_words}", COST, note=INSTEAD)
        version = re.search(rb"\d+(\.\d+)+", done.stdout)
        return ok(version[0].decode() if version else "is installed")

    return ask


def look_at_plugin(system: System) -> Seen:
    """Ask Vagrant for its plugins with an empty VAGRANT_HOME, as the lab does: the user's own plugins do not count."""
    mend = as_root(system, f"apt-get install --no-install-recommends {PLUGIN}")
    if system.find("vagrant") is None:
        return lacking("Vagrant is not installed", COST, mend)
    env = {"VAGRANT_HOME": str(system.folder()), "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1"}
    done = system.run(["vagrant", "plugin", "list", "--machine-readable"], env)
    if done.status != 0:
        return lacking(f"`vagrant plugin list` fails: {done.last_words}", COST, note=INSTEAD)
    found = re.search(rf",{PLUGIN},plugin-version,([\d.]+)", done.stdout.decode("utf-8", "replace"))
    if found:
        return ok(found[1])
    return lacking("is not installed for all users", COST, mend, INSTEAD)


def look_at_network(system: System) -> Seen:
    """Look whether this user may make the network namespace of the lab."""
    if system.root:
        return ok("this user may make the network namespace of the lab")
    return lacking("this user may not make the network namespace of the lab", COST, "sudo provisioner up", INSTEAD)
