"""Checks of virtual machines: the guest, and the hypervisor's process on the host."""
