"""The looks, by topic.  Every module here is found by look.py: `@look(group, name)` over a function of a System."""
