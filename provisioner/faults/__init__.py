"""Says in one line what the environment does not allow: a full disk, too little memory, a closed stream.

explain.py    the error of a system call, or of too little memory, as an IsolationError with cause and remedy
platforms.py  a system that is not Linux
streams.py    standard streams that are closed, full, or a pipe that nobody reads
report.py     the border of a program: each error is one line on standard error and an exit status
"""
