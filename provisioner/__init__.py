"""Makes what pytest_isolation judges: machines, sandboxes, and the probe's facts about them.  Never imports pytest.

cli/          the command `provisioner`
doctor/       what this machine can do, and what each lack costs
machines/     the machines of a lab: boxes, QEMU, Vagrant, libvirt
converge/     makes a machine what its roles say
sandboxes/    creates sandboxes, puts load on them, looks at them, removes them
hosts/        a host on which sandboxes are made: this machine, or one over SSH
probe/        the program inside a sandbox: its C sources, its build, the channel to it
images/       the files from which sandboxes start
runtimes/     a runtime as data: its templates and what it cannot do
journal/      what a run makes, recorded before it is made, and how it is undone
interrupt/    ends a program by signals, in order or at once
linux/        the kernel's interfaces on this machine
limits/       one module for each limit
facts/        the sections of a document of facts
connection/   runs commands here or over SSH
files/        YAML, JSON Schemas, whole files
faults/       errors of the environment in one line; the border of a program

observed.py    a fact: a value, absent, or unobserved
deadlines.py   how long each thing may take
paths.py       the cache, state and run folder
progress.py    reports what takes long
version.py     the version
errors.py      the one error type

pyproject.toml holds which room may import which (import-linter).
"""
