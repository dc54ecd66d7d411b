"""Tests whether a role describes its runtime rightly: `pytest --isolation-check-runtime=NAME`.

checked.py        the runtime that is checked, and its sandboxes
test_runtime.py   the tests, from the files of the role to the end of a sandbox
"""
