"""Which device nodes every sandbox has.

In: a `Device`.  Out: whether it is one of the OCI runtime-spec's default devices.  Pure.
"""

from __future__ import annotations

from provisioner.sandboxes.facts import Device

# config-linux.md "Default Devices", numbers of Documentation/admin-guide/devices.txt
DEFAULTS = {
    "/dev/null": (1, 3),
    "/dev/zero": (1, 5),
    "/dev/full": (1, 7),
    "/dev/random": (1, 8),
    "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
    "/dev/console": (5, 1),
    "/dev/ptmx": (5, 2),
    "/dev/pts/ptmx": (5, 2),
}
PTY_SLAVES = range(136, 144)


def is_default(device: Device) -> bool:
    """Whether it is a default device by name *and* number; a pty's slave may stand for the console."""
    if device.kind != "char":
        return False
    if device.major in PTY_SLAVES:
        return device.path == "/dev/console" or device.path.startswith("/dev/pts/")
    return DEFAULTS.get(device.path) == (device.major, device.minor)
