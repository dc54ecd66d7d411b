"""Ends a program by Ctrl-C, SIGTERM or SIGHUP: in order at the first signal, at once at the third.

first    One line says what is undone.  The main thread gets an exception, once, and its `with` blocks undo things.
second   The line again, with what is left.  The undoing is not disturbed.
third    The program's children are killed and the program ends.  One line names what `provisioner prune` will find.

program.py  runs a program; marks what must not be interrupted
guard.py    handles the signals
lines.py    the lines; the journal tells what is left
"""
