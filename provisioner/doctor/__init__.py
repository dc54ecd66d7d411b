"""`provisioner doctor`: what this machine can do, what each lack costs, and the command that mends it.

looks/        the looks: one function for each question, one module for each topic
look.py       defines a look and finds all looks
system.py     the part of this machine that a look may use
trial.py      tries a runtime: creates a sandbox and waits for its hello
examine.py    runs the looks side by side, each with a deadline, and returns a Report
abilities.py  decides from findings whether a container, a VM or the lab can run here; checks `--require`
finding.py    the frozen objects of the report, and its JSON
draw.py       prints the report for people

The command line is cli/doctor.py.

A new look is one decorated function in a module of looks/, with no edit elsewhere.
"""
