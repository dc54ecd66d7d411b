"""Puts the probe into the wheel where a compiler is at hand; without one the wheel carries the sources alone.

Called by hatchling.  A wheel with the probe is tagged for its platform, one without is pure.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProbeHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's parameter is for builders' configs
    """Builds provisioner/probe/prebuilt/<machine>/probe and includes it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the files of the wheel are gathered; an editable install builds on first use instead."""
        if self.target_name != "wheel" or version == "editable" or sys.platform != "linux":
            return
        sys.path.insert(0, self.root)
        from provisioner.errors import IsolationError
        from provisioner.probe.build import probe_binary, source_hash

        machine = platform.machine()
        out = Path(self.root, "provisioner", "probe", "prebuilt", machine)
        shutil.rmtree(out.parent, ignore_errors=True)
        try:
            built = probe_binary()
        except IsolationError as error:
            self.app.display_warning(f"the wheel carries no probe: {error}")
            return
        self.app.display_info(f"the wheel carries a probe for {machine}, built by {built.compiler}")
        out.mkdir(parents=True)
        shutil.copyfile(built.path, out / "probe")
        (out / "probe").chmod(0o755)
        (out / "hash").write_text(source_hash())
        for name in ("probe", "hash"):
            build_data["force_include"][str(out / name)] = f"provisioner/probe/prebuilt/{machine}/{name}"
        # a static program needs no libc: any Linux of this machine's kind runs it
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux2014_{machine}.manylinux_2_17_{machine}.musllinux_1_1_{machine}"
