"""Records what a run makes, and undoes it: at the run's end, or after a SIGKILL by the next run.

run.py     a run's journal
prune.py   undoes what dead runs left
entry.py   one record: the kinds of things and the verbs, and what makes it valid
read.py    reads a journal, and sets damaged lines aside
store.py   the folder of the journals, and their files
undo.py    undoes entries, each runtime's beside the others
sweep.py   deletes temporary files and ends child processes that dead processes left
names.py   names things for the lines of an interrupted program
"""
