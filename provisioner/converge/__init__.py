"""Converges a machine to its roles: reads its state in one round trip, compares here, sends only the difference.

role.py       roles/<name>/role.yaml as a frozen object, and the hash of its content
templates.py  renders the Jinja2 templates of a role
kinds.py      what a kind of resource is, and how kinds are found
resources/    one module per kind: package, file, service, sysctl, module
state.py      reads the present state of a machine
plan.py       compares wanted and present state: the plan and its text
apply.py      applies a plan and checks that nothing is left to change
script.py     runs one shell script on a machine and reads its framed answer
owned.py      writes a configuration file that only this project writes
verify.py     checks the promises of a role with testinfra

A new kind of resource is one module in resources/, with no edit elsewhere.
"""
