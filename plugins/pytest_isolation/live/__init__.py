"""Sandboxes and machines of a running session, for tests that act.

acting.py     how a test acts in a sandbox: programs and files
further.py    a further sandbox that a test makes
sandbox.py    the sandbox: its record, and measuring on first use
machine.py    the machine of lab.yaml that a target is, or runs on
testinfra.py  the backend `isolation://TARGET` of testinfra
"""
