"""Random OCI configurations: two runtimes that read config.json must have the same walls.

edits.py      edits of a config.json
filters.py    draws allow lists: docker's default profile with more calls
mounts.py     draws mounts, and their edit
draw.py       draws configurations from seeds, and shrinks them
run.py        makes the sandbox of one configuration and judges its checks
diff.py       runs configurations in two runtimes and finds differences
command.py    `isolation diff`: progress, differences, files
"""
