"""The lab's own network: a namespace with an uplink in user space; the host's network is not changed.

In: the lab's folder and a Run.  Out: the namespace's path, and `enter`, the arguments in front of a command that runs
in it.  The network outlives the process that started it: the lab's folder has the uplink's identity, and that process's
journal records it until the lab takes over.  It opens no port and adds no rule on the host.
"""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import sys
from pathlib import Path

from provisioner.connection.local import find_program, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.mounts import mounted_below
from provisioner.linux.netns import delete_netns, make_netns, netns_path
from provisioner.machines.daemonize import end_detached, find_running, start_detached

FILE = "uplink.pid"
INTERFACE = "uplink0"
RESOLVER = "10.0.2.3"  # slirp4netns(1)'s resolver, which asks the host's
HINT = "apt-get install --no-install-recommends slirp4netns"
# a sysctl of the namespace: guests behind the bridge reach the uplink
FORWARD = "open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')"


class LabNet:
    """
    One lab's network namespace.

    Args:
        directory: the lab's folder; the namespace's name comes from it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"iso-lab-{hashlib.sha256(str(directory).encode()).hexdigest()[:8]}"
        self.path = netns_path(self.name)

    @property
    def enter(self) -> list[str]:
        """The arguments in front of a command that runs inside."""
        return ["nsenter", f"--net={self.path}", "--"]

    def is_up(self) -> bool:
        """Tell whether the namespace exists and its uplink runs."""
        return find_running(self.directory / FILE) is not None and self.path in mounted_below(self.path)

    def up(self, run: Run) -> list[UndoEntry]:
        """
        Make the namespace and start its uplink, unless it is up.

        Args:
            run: the journal that records them.

        Returns:
            The journal's entries; `run.gone` for each of them hands the network over to the lab.

        Raises:
            IsolationError: this user may not make it, or slirp4netns is not installed or does not start.
        """
        if self.is_up():
            return []
        program = find_program("slirp4netns")
        if program is None:
            raise IsolationError("cannot make the lab's network: slirp4netns is not installed", hint=HINT)
        self.down()
        records = [run.made("netns", self.name)]
        make_netns(self.name)
        try:
            self._forward()
            records.append(self._start_uplink(program, run))
        except BaseException:
            self.down()
            for record in records:
                run.gone(record)
            raise
        return records

    def down(self) -> None:
        """End every process in the namespace, the uplink, and the namespace; safe to repeat."""
        end_detached(self.directory / FILE)
        delete_netns(self.name)

    def _forward(self) -> None:
        done = subprocess.run(
            [*self.enter, sys.executable, "-I", "-c", FORWARD],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline("command"),
        )
        if done.returncode:
            raise IsolationError(f"cannot make the lab's network: ip_forward: {last_line(done.stderr)}")

    def _start_uplink(self, program: str, run: Run) -> UndoEntry:
        """Start slirp4netns: a tap device inside, ordinary sockets of a user process outside."""
        ready, tell = os.pipe()
        argv = [program, "--configure", "--mtu=1500", "--disable-host-loopback", f"--ready-fd={tell}"]
        argv += ["--netns-type=path", str(self.path), INTERFACE]
        log = self.directory / "uplink.log"
        try:
            record = start_detached(argv, log, self.directory / FILE, run, (tell,))
            os.close(tell)
            tell = -1
            if not select.select([ready], [], [], deadline("command"))[0] or os.read(ready, 1) != b"1":
                raise IsolationError(f"cannot start the lab's uplink: {last_line(log.read_bytes()) or 'no answer'}")
            return record
        finally:
            os.close(ready)
            if tell >= 0:
                os.close(tell)
