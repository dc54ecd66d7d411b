"""What facts of machines mean.

hardware.py      processor flaws, cores and their threads
holdings.py      the hypervisor's files and connections on the host
hypervisors.py   the hypervisor's process on the host
platforms.py     a guest's hypervisor, devices, shared folders and SSH keys
"""
