"""Runtimes as data: roles/<name>/runtime.yaml, and argument lists made from it.  Runs no sandbox.

runtime.py    the models of a runtime.yaml  → Runtime
load.py       loads a runtime with its option or variant  → load_runtime()
attach.py     how to look at a sandbox that this run did not make
locate.py     where the daemon is that a client talks to
settings.py   an engine's own settings, and reading them
version.py    versions in the output of a runtime
command_line.py, engine_run.py, own_image.py   a user's command line, an engine's `run`, an engine's image
compose.py, compose_words.py, pod.py           a service of a compose file, a container of a pod
users_files.py, users_own.py                   models of both; what all runtimes of a user's own have in common
engine.py     a runtime's commands on a host; those of a daemon that hangs end early
render.py     renders templates  → values, argument lists
"""
