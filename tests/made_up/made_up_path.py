"""A pytest plugin (`-p made_up_path`) that puts made-up modules on the packages' paths before anything is found there.

MADE_UP_ROLES names a folder to take roles from.
"""

from __future__ import annotations

import os
from pathlib import Path

import provisioner.limits.kinds
import provisioner.paths

HERE = Path(__file__).parent

provisioner.limits.kinds.__path__.append(str(HERE / "limits"))
if "MADE_UP_ROLES" in os.environ:
    provisioner.paths.ROLES = Path(os.environ["MADE_UP_ROLES"])
