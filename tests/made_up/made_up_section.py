"""A pytest plugin (`-p made_up_section`) that adds a made-up section to the facts: its module, and one field."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import provisioner.facts

FIELD = "clock: Fact[Clock] = since_schema()"

provisioner.facts.__path__.append(str(Path(__file__).with_name("facts")))
_file = Path(provisioner.facts.__file__).with_name("system.py")
_source = _file.read_text().replace("\n\n\nclass", "\nfrom provisioner.facts.clock import Clock\n\n\nclass", 1)
_module = ModuleType("provisioner.facts.system")
sys.modules[_module.__name__] = _module  # pydantic looks annotations up in it
exec(compile(f"{_source}    {FIELD}\n", str(_file), "exec"), _module.__dict__)
