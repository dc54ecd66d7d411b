"""A command line for sandlock, since its package on PyPI has none: [--write FOLDER] PROGRAM [ARGUMENT…]."""

from __future__ import annotations

import sys

from sandlock import Sandbox  # type: ignore[import-not-found]  # script/jails installs it, in a folder of its own

words = sys.argv[1:]
writable = ["/dev"]
if words[0] == "--write":
    writable.append(words[1])
    del words[:2]
sys.exit(Sandbox(fs_readable=["/"], fs_writable=writable).run_interactive(words))
