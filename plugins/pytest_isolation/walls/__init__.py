"""What facts mean: pure functions over frozen facts, shared by the checks of `suite/`.

capabilities.py        capability masks and the names in them
denied_by.py           which wall refused a try
environment.py         names of variables that a sandbox should not have
inside_outside.py      how the inside and the outside view of a subject differ
labels.py              labels of security modules
leads.py               descriptors that lead out of the sandbox
limits.py              whether a limit is in force
management_sockets.py  sockets and ports of engines and other management planes
net_namespace.py       what a network namespace holds beyond loopback
network.py             what the tries in a network world mean
parity.py              an exec'd process against the first one, fact by fact
privileged_calls.py    system calls that pass their privilege check
served_sockets.py      sockets on which processes of the host serve
supervisor.py          the program that starts a sandbox from inside, out of its reach
tasks.py               the weakest task of a sandbox
user_files.py          files of the user who starts a sandbox
users.py               ids of the host that a sandbox holds or maps
filesystem/            devices, images, mounts, kernel files, the root directory
machine/               hardware, hypervisors, platforms of VMs
seccomp/               installed filters, simulated call by call
"""
