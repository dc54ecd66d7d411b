"""Sandboxes: one container or VM from its creation to its teardown, and what is measured of it.

sandbox.py      one created container or VM, and the channel to the probe in it  → Sandbox
spec.py         what is asked of one sandbox  → Spec
flags.py        arguments for limits, a network and a shared folder
set_by.py       what set one limit, as a user would repeat it
config.py       the config file that a runtime reads
declaration.py  asks what a sandbox was to be  → Declared
untouched.py    compares a user's untouched command line with the sandbox that it started
attached.py     a sandbox that this run did not make  → Attached
loads.py        puts limits under load  → Load
ways.py         takes what a limit bounds in further ways  → Way
visible.py      what a sandbox sees of memory and processors  → Visible
reach.py        tries to reach a peer over the network  → Reach
init_death.py   ends the first process, and looks for processes that outlive it
earlier.py      tells a sandbox's namespaces and cgroups from those that were there before  → Earlier
teardown.py     ends a sandbox, and looks for what is left  → TeardownResult
shared_file.py  the owner of a file that a sandbox creates in a shared folder  → SharedFile
"""
