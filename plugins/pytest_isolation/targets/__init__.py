"""The targets of a run: the columns of the matrix.

select.py      which targets there are, from options and the programs on PATH
conditions.py  describes a target: its versions, and the conditions that hold for it
"""
