"""Records what a run makes, and undoes it: at the run's end, or after a SIGKILL by the next run.

run.py     a run's journal; `prune` undoes what dead runs left
entry.py   one line of a journal: the kinds of things and the verbs
undo.py    undoes entries
names.py   names the things of a journal
"""
