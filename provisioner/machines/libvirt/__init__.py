"""The lab's own network and libvirtd, for Vagrant's provider libvirt.

network.py   the lab's network namespace, with an uplink in user space
daemon.py    the lab's libvirtd, in that namespace and in a mount namespace of its own
services.py  runs both for as long as a machine needs them
domain.py    one machine in libvirt: its process, state and snapshots
dhcp.py      reserves a machine's address before it boots
"""
