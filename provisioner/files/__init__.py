"""Reads and writes the project's own files: strict YAML, JSON Schemas, whole files.

atomic.py         replaces a file or a folder whole or not at all
yaml.py           one YAML file into one frozen pydantic model; errors with file, line and nearest key
model_fields.py   the keys that a model allows at a place
schemas.py        JSON Schemas of models
suggest.py        the known name nearest to a wrong one
"""
