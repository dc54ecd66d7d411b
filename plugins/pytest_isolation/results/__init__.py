"""What a run came to: results.json, from which every report is drawn.

model.py    the frozen objects of the file
build.py    cells and records  → Results
merge.py    joins the results of several runs
known.py    known flaws by version, from known.yaml
visible.py  what sandboxes see of memory and processors: of a record, and as a table
limits.py   the figures of limits: of a record, and as a table
notes.py    the known flaws that the versions of a target are in the range of
"""
