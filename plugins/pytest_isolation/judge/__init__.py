"""Runs checks over archived records: no host, no sandbox and no pytest run is needed.

judge.py       runs the checks and judges their verdicts
again.py       the results of reports and of archived records
own.py         the checks of a user's module
evidence.py    the facts that a check names, as lines of a report
filters.py     the installed seccomp filter, as lines of a report
denied_by.py   which wall refused a try
compare.py     an attached sandbox beside a stock one
"""
