"""Parses what Vagrant prints: machine-readable lines, ssh-config, snapshots, and the reason of a failure.

In: text.  Out: frozen objects.  Runs nothing.  Unknown lines are skipped: plugins and Ruby print their own, and new
kinds come with each version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COMMA = "%!(VAGRANT_COMMA)"
BOOT = re.compile(r"^\d+$")
NOISE = re.compile(r"^(/.*|.*\bgem): warning: |^\[fog\]|^==> |warning: (constant|already|previous)", re.IGNORECASE)
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
CHARACTERS = 300
QEMU_INSTEAD = "or `provider: qemu` in lab.yaml, which needs no Vagrant"
INSTALL = f"apt-get install --no-install-recommends vagrant vagrant-libvirt; {QEMU_INSTEAD}"
# a pattern in Vagrant's error, the reason in plain words, and the hint
SYMPTOMS = (
    (r"provider '\w+' could not be found", "its plugin vagrant-libvirt is not installed", INSTALL),
    (r"Timed out while waiting for the machine to boot", "it did not answer by SSH in time", ""),
    (r"Authentication failure", "it refuses the box's key", "provisioner down, then build the box again"),
    (r"domain about to create is already taken", "libvirt still has a machine of that name", "provisioner prune"),
    (r"No space left on device", "the disk is full", "free some space"),
    (r"box failed to unpackage properly", "the box file is damaged or truncated", "get it again, or free some space"),
    (
        r"could not be found or\s+could not be accessed",
        "the box is not installed, and cannot be downloaded",
        "vagrant box add --name NAME FILE; or `box: debian12` in lab.yaml, which is built here",
    ),
    (
        r"could not (find capabilities for|get preferred machine for .*) (domain)?type=kvm",
        "KVM cannot be used here",
        "`driver: qemu` in lab.yaml; provisioner doctor says why",
    ),
    (r"(failed to connect|Call to virConnectOpen failed).*", "libvirtd does not answer", "provisioner down; up again"),
)


@dataclass(frozen=True)
class Line:
    """
    One machine-readable line.

    Args:
        target: the machine that it is about; "" for none.
        kind: its type, such as "state".
        data: the fields after the type.
    """

    target: str
    kind: str
    data: tuple[str, ...]


@dataclass(frozen=True)
class SshConfig:
    """The section of one machine in `vagrant ssh-config`: address, port, user and key files."""

    host: str
    port: int
    user: str
    keys: tuple[str, ...]


def parse_lines(text: str) -> list[Line]:
    """Return the machine-readable lines of an output."""
    lines = []
    for line in text.splitlines():
        fields = [field.replace(COMMA, ",").replace("\\n", "\n").replace("\\r", "\r") for field in line.split(",")]
        if len(fields) >= 3 and BOOT.match(fields[0]):
            lines.append(Line(fields[1], fields[2], tuple(fields[3:])))
    return lines


def parse_state(text: str, name: str) -> str | None:
    """Return the state of one machine, None if the output does not name it."""
    states = [line.data[0] for line in parse_lines(text) if (line.target, line.kind) == (name, "state") and line.data]
    return states[-1] if states else None


def parse_snapshots(text: str, name: str) -> list[str]:
    """Return the names of one machine's snapshots; a name has no blanks, the text "there are none" has."""
    messages = [line.data for line in parse_lines(text) if (line.target, line.kind) == (name, "ui")]
    return [data[1] for data in messages if len(data) > 1 and data[0] == "detail" and TAG.fullmatch(data[1])]


def parse_ssh_config(text: str, name: str) -> SshConfig | None:
    """Return the section `Host name`, None if it is missing or incomplete."""
    section: dict[str, list[str]] | None = None
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        value = value.strip().strip('"')
        if key == "Host":
            section = {} if value == name and section is None else section
            inside = value == name
        elif section is not None and key and not key.startswith("#") and inside:
            section.setdefault(key, []).append(value)
    if not section or not section.get("HostName") or not section.get("Port", ["22"])[0].isdigit():
        return None
    port = int(section.get("Port", ["22"])[0])
    return SshConfig(
        section["HostName"][0], port, section.get("User", ["root"])[0], tuple(section.get("IdentityFile", ()))
    )


def parse_phase(line: str, name: str) -> str | None:
    """Return the step that a line of Vagrant's output announces ("==> web: Creating image"), None for other lines."""
    mark = f"==> {name}: "
    text = line.removeprefix(mark).strip().rstrip(".").removesuffix("...").rstrip()
    if not line.startswith(mark) or not text or text.startswith("--"):
        return None
    return f"vagrant: {text[0].lower()}{text[1:100]}"


def explain(stderr: str) -> tuple[str, str]:
    """Return the reason of a failed command in one line, and a hint ("" if there is none), from its standard error."""
    for pattern, cause, hint in SYMPTOMS:
        if re.search(pattern, stderr):
            return cause, hint
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", _without_noise(stderr))]
    reasons = [part for part in paragraphs if part]
    # "An error occurred … Please handle this error then try again:" is followed by the reason
    best = reasons[1] if len(reasons) > 1 and reasons[0].endswith(":") else (reasons or ["no error message"])[0]
    return "".join(c if c.isprintable() else "?" for c in best)[:CHARACTERS], ""


def _without_noise(stderr: str) -> str:
    return "\n".join(line for line in stderr.splitlines() if not NOISE.search(line))
