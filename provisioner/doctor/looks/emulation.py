"""Looks at what virtual machines need: an accelerator, an emulator, a kernel to boot.

In: a System.  Out: one `Seen` each.  Fetches no kernel.
"""

from __future__ import annotations

import os
import re

from provisioner.doctor.finding import Seen, lacking, limited, ok
from provisioner.doctor.look import look
from provisioner.doctor.system import System, as_root
from provisioner.images.kernel import DEBIAN_MACHINES, find_kernel
from provisioner.linux.kvm import DEVICE, accelerator

GROUP = "virtual machines"
# medians of QEMU 7.2 under emulation on two cores; a busy machine takes three times as long
EMULATED = "guests are emulated: a micro VM answers after 3 to 10 s, a machine of the lab after 6 to 20 s"
MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}
PROGRAMS = {"x86_64": "qemu-system-x86_64", "aarch64": "qemu-system-aarch64"}
PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "qemu-system-aarch64": "qemu-system-arm"}


@look(GROUP, "KVM")
def look_at_kvm(system: System) -> Seen:
    """Time a loop in a tiny guest: an open /dev/kvm alone proves nothing."""
    found = accelerator()
    if found.name == "kvm":
        return ok(found.why)
    if not DEVICE.exists():
        return _without_device(system, found.why)
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return limited(found.why, EMULATED, f"sudo usermod -aG kvm {system.user}", "then log in again")
    note = "the hypervisor below interprets guest code; use bare metal or nested virtualisation"
    return limited(found.why, EMULATED, note=note)


def _without_device(system: System, why: str) -> Seen:
    flags = re.search(r"^flags\s*:.*$", system.read("/proc/cpuinfo") or "", re.MULTILINE)
    words = flags[0].split() if flags else []
    for flag, module in MODULES.items():
        if flag in words:
            return limited(f"{why}, and the processor has {flag}", EMULATED, as_root(system, f"modprobe {module}"))
    note = "the processor shows neither vmx nor svm: enable virtualisation in the firmware, or nesting on the host"
    return limited(why, EMULATED, note=note)


@look(GROUP, "emulator", needed_for=("lab",))
def look_at_emulator(system: System) -> Seen:
    """Look for QEMU for this architecture; the look 'qemu' boots a guest."""
    program = PROGRAMS.get(system.architecture, f"qemu-system-{system.architecture}")
    if system.find(program) is None:
        package = PACKAGES.get(program, "qemu-system")
        mend = as_root(system, f"apt-get install --no-install-recommends {package}")
        return lacking(f"{program} is not installed", "no VM, and no machine of the lab", mend)
    done = system.run([program, "--version"])
    if done.status != 0:
        return lacking(f"{program} does not start: {done.last_words}", "no VM, and no machine of the lab")
    found = re.search(rb"version ([\d.]+)", done.stdout)
    return ok(f"{program} {found[1].decode() if found else ''}".strip())


@look(GROUP, "guest kernel")
def look_at_guest_kernel(system: System) -> Seen:
    """Look in the cache for the kernel that micro VMs boot."""
    found = find_kernel()
    if found is not None:
        return ok(found.parent.name)
    if system.architecture not in DEBIAN_MACHINES:
        note = "name one: --isolation-kernel=FILE"
        return lacking(f"none is known for {system.architecture}", "no micro VM", note=note)
    return limited("none is in the cache", "the first micro VM waits while apt fetches one", "provisioner kernel")
