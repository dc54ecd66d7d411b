"""Sandboxes and machines of a running session, for tests that act.

sandbox.py    the sandbox: its record, and ways to run programs in it
machine.py    the machine of lab.yaml that a target is, or runs on
testinfra.py  the backend `isolation://TARGET` of testinfra
"""
