"""The facts about a process and the system around it, as frozen objects.  Touches no machine.

document.py      the whole document  → Facts, parse_facts()
process.py       one process, and the sections below it
system.py        the system around it, and the sections below that
namespaces.py    namespaces and their owners             descriptors.py   open descriptors and the files behind them
status.py        users, capabilities, seccomp mode       session.py       session and controlling terminal
filters.py       installed seccomp programs              mounts.py        the mount table
devices.py       device nodes and device rules           kernel.py        the kernel, its settings and reports
platform.py      the machine below a guest, its disks    ipc.py           canaries, IPC objects, keys, sockets, ports
image.py         an image before a sandbox starts        reach.py         a try to reach the peer
net_namespace.py interfaces, routes, rules            network.py       who reaches whom over the network

What a fact is (a value, absent, or unobserved): provisioner/observed.py.  The cgroup files: provisioner/limits/.

How to add a section: one module here with its model, and one field in process.py or system.py with the default
`since_schema()`, so that documents without it are read.  Then run `provisioner schemas`.  The probe's C file of the
same name writes it.
"""
