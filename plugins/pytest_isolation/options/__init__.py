"""The plugin's options and ini keys.  Nothing heavy is imported: they are loaded in every pytest run.

run.py        what the user asked for  → RunOptions
declared.py   the options, ini keys and markers, as pytest learns them
read.py       reads them from pytest's config
"""
