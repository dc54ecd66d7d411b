"""`python -m pytest_isolation` is the command `isolation`."""

from pytest_isolation.cli import main

main()
