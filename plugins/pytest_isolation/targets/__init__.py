"""The columns of a run, and what is known of each before it is observed.

target.py      one column, and what a runtime lacks here
select.py      the targets of a run: kind × runtime × host
named.py       those that a user names one by one: sandboxes to attach to, command lines
project.py     the targets that isolation.yaml names
images.py      the engines that have an image of the user's
declared.py    the services of a compose file, the containers of a pod
running.py     the sandboxes of a runtime that run
conditions.py  versions, what cannot be asked, the conditions that hold
"""
