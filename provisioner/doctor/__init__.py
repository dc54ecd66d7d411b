"""`provisioner doctor`: what this machine can do, what each lack costs, and the one command that mends it.

looks/*.py    the looks, one function each, grouped by topic; every module there is found by itself
look.py       what a look is, and how looks are found
system.py     what a look may use of this machine
trial.py      runtimes tried by a sandbox that says hello
examine.py    runs the looks side by side, each with a deadline  → Report
abilities.py  from findings to "can a container run here?", and `--require`
finding.py    the frozen objects of the report, and its JSON
draw.py       the report for people
command.py    the command line

A new look is one decorated function in a module of looks/, with no edit elsewhere.
"""
