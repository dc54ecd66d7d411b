"""Runs commands on a host: on this machine, or over one SSH connection.

local.py          the interfaces `Connection` and `Stream`, and commands on this machine
hanging.py        programs that hang, and daemons that do not answer
child.py          starts child processes on this machine, and holds their streams
address.py        where a machine's SSH server is, and its keys
ssh.py            commands and files on a machine
login.py          opens one authenticated SSH connection
command_line.py   the one line that a login shell runs, and the line that it answers with
stream.py         a command that runs on a machine, and its streams
"""
