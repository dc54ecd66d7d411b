"""What was observed of one target.

record.py      the record, and its archived file
read.py        reads archived records
view.py        the sandbox of a record as a check reads it
host_view.py   the host of a record as a check reads it
namespaces.py  namespaces as identities that can be compared
kernels.py     removes what was observed of another kernel than the sandbox's
sentry.py      what is known of a sandbox that a process of the host is the kernel of (gVisor)
initial.py     what a sandbox tells of a host that cannot be asked
"""
