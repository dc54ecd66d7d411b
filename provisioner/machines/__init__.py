"""Machines: virtual machines of a lab, described by lab.yaml, that are started, converged, snapshotted and stopped.

lab.py         loads lab.yaml → Lab, MachineSpec
protocol.py    what a provider offers: the Protocol `Machine`
find.py        finds a lab's machine, with its box and its provider
prepare.py     gets a machine ready: running, converged, with a snapshot for the next time
operations.py  one function for each command of `provisioner`: up, plan, apply, snapshot, restore
status.py      the table of `provisioner status`
usage.py       who needs a machine, and stopping the ones that nobody needs
stop.py        the journal's undo entry that stops an unneeded machine
snapshots.py   the names of snapshots
lock.py        one process at a time changes a machine
parallel.py    runs a command for several machines at once, each in a process of its own
daemonize.py   starts, finds and ends processes that outlive their starter
openssh.py     the argument list of OpenSSH's ssh for a machine
wait_ssh.py    waits until SSH answers, and sets a restored machine's clock
console.py     the end of a serial console, for errors
box/           what machines boot
qemu/          the provider that boots a box directly in QEMU
vagrant/       the providers that use Vagrant
libvirt/       the lab's own network and libvirtd, for Vagrant's provider libvirt
"""
