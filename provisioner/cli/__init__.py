"""The command line `provisioner`.

main.py     the program; the commands prune, build, kernel, schemas, accelerator
lab.py      up, status, down
machine.py  plan, apply, ssh, snapshot, restore
box.py      box build, box list, box package
doctor.py   doctor
daemon.py   daemon
undo.py     the verbs of the hidden command undo, for journals
schemas.py  which models have published JSON Schemas
options.py  options and helpers that the commands share
table.py    prints tables

Commands import what they need when they run: `provisioner --help` stays fast.
"""
