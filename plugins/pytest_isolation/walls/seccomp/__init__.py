"""Installed seccomp filters, simulated call by call.

bpf.py        interprets a classic BPF program for all call numbers at once
actions.py    combines the answers of several filters
syscalls.py   ABIs with their call numbers and names, from syscalls.txt
reasons.py    the class of every call, from reasons.yaml: harmless, a capability, kernel surface
program.py    the filters of all tasks of a sandbox
tries.py      which rows of the tries prove a filter, or the lack of one
passed.py     whether a call that got through met a filter
calls.py      dangerous calls that pass, by program and by tries
"""
