"""One pytest session, from its options to its report.

state.py      what a session knows while it runs
inputs.py     reads the files that options name: lab, policy, remedies
start.py      observes every target; writes the header
border.py     one line for what the environment does not allow
collect.py    judges the end of each test, and collects the cells
outcome.py    maps a judgement to pytest's outcome
finish.py     draws the matrix and writes the report
interrupt.py  how Ctrl-C, SIGTERM and SIGHUP end a session
init.py       writes isolation.yaml for `isolation init`
worker.py     what the controller and the workers of pytest-xdist tell each other
xdist.py      keeps each target on one worker
"""
