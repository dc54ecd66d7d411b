"""Records what a run makes, and undoes it: at the run's end, or after a SIGKILL by the next run.

run.py     a run's journal
prune.py   undoes what dead runs left
entry.py   one record: the kinds of things and the verbs, and what makes it valid
read.py    reads a journal, and sets damaged lines aside
store.py   the folder of the journals, and their files
beside.py  undoes what dead runs left without delaying a session
needs.py   says what a session needs undone first
lanes.py   undoes many entries, each program's beside the others
undo.py    undoes one entry
sweep.py   deletes temporary files and ends child processes that dead processes left
names.py   names things for the lines of an interrupted program
"""
