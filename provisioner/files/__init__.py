"""Reads and writes the project's own files: strict YAML, JSON Schemas, whole files.

grammars.py       a path in the grammar of QEMU, CSV, fstab, LXC, systemd-nspawn, ssh
folder.py         a folder held by its descriptor, for all that root does below it
walk.py           opens a folder, and refuses a path that another user can change
delete.py         deletes a file or a tree, not through links or mounts
atomic.py         replaces a file or a folder whole or not at all
maker.py          names of temporary files and folders, which identify the process that makes them
yaml.py           one YAML file into one frozen pydantic model; errors with file, line and nearest key
toml.py           one table of pyproject.toml into one frozen pydantic model
model_fields.py   the keys that a model allows at a place
schemas.py        JSON Schemas of models
suggest.py        the known name nearest to a wrong one
"""
