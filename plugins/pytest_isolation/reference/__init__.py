"""Reference pages and schemas, made from the code by `script/reference` and `isolation schemas`.

checks.py     all that is known of each check and each known flaw: for the command line and checks.md
fixtures.py   the fixtures and what they return, from docstrings: fixtures.md
runtime_keys.py  the keys of runtime.yaml, and the variables of its templates: runtime-yaml.md
runtimes.py   what each runtime is documented to leave open, and what it cannot do: runtimes.md
schemas.py    the models that are published as JSON Schemas
"""
