"""Uses the Linux kernel's interfaces on this machine: what Python's library lacks or gets wrong.

cgroups.py     sets limits by cgroups of our own, on v1 and v2
mounts.py      reads the mount table, unmounts
netns.py       makes and deletes network namespaces
processes.py   identifies, finds and kills processes
kvm.py         tells whether KVM runs a guest on the processor
"""
