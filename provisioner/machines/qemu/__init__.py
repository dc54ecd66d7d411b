"""Boots boxes directly in QEMU.

machine.py  the provider: start, snapshot, restore, stop
command.py  QEMU's argument list, and the hardware that a snapshot needs
folder.py   the folder in which QEMU runs: root's, with single files for QEMU's user
header.py   which other files a qcow2 disk names
disk.py     the machine's qcow2 disk over the box's, and its snapshots
state.py    what one command remembers for the next: machine.json
qmp.py      a client for QEMU's control socket
"""
