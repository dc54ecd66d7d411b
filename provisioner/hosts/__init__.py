"""A host on which sandboxes are made: this machine, or a machine over SSH.

host.py              a run on a host: its images and cgroups, the commands of sandboxes, what templates need
outside.py           what the host shows of itself and of sandboxes: facts, canaries
helper.py            the same from a container in the namespaces of a daemon's host
files_local.py       the interface `HostFiles`, and the files of this machine
files_ssh.py         the files of a machine over SSH
ssh_undo.py          undoes a journal's entry on a machine
image_store.py       makes the images of a run
runtime_images.py    imports them into runtimes, once in a run
canaries.py          objects of the host that no sandbox may reach or change
canary_processes.py  processes of the host that no sandbox may look into
daemon.py            a runtime's daemon in a data root and a network namespace of its own
"""
