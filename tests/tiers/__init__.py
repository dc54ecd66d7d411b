"""Chooses which environments of tox.ini a run of the project's own tests needs, runs them and reports.

    lanes      the table: each environment's tier, its known seconds, and the paths that ask for it
    choose     tier, number of commits and changed paths → a plan that fits the time of a push
    schedule   in which order lanes run, two at once, and how long that takes
    changes    what git says: number of commits, changed paths
    commands   what tox.ini's environments run: their commands and the tests that these name
    run        runs lanes by tox, and what failed once more, alone
    host       what lanes must leave as it was on this machine
    report     the table of times, the flaky, the failed and why

script/test starts it (`python -m tiers`). Only the standard library is imported.
"""
