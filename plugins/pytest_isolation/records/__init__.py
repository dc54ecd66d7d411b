"""What was observed of one target.

record.py      the record, its archived file, and back
view.py        the record as a check reads it
namespaces.py  namespaces as identities that can be compared
"""
