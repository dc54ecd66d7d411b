"""The variables that molecule's verifier sets, so that its testinfra tests run on the targets of a session.

In: the targets, and pytest's config.
Out: environment variables until the session ends, and an inventory of the targets in the run folder.
The tests of a scenario begin with `AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"]).get_hosts("all")`.
Ansible need not be installed: testinfra is answered from the inventory that was written here.  Variables that are set
already, by `molecule verify`, are kept.  Their names are those of Config.env in molecule's src/molecule/config.py.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import testinfra.utils.ansible_runner as ansible

from provisioner.files.maker import temporary_folder
from provisioner.paths import run_dir

INVENTORY = "MOLECULE_INVENTORY_FILE"
NAME = "isolation"


def set_variables(config: pytest.Config, targets: Iterable[str]) -> None:
    """
    Set molecule's variables until the session ends, unless molecule has set them.

    Args:
        config: pytest's config.
        targets: the ids of the session's targets.
    """
    if INVENTORY in os.environ or config.option.collectonly:
        return
    undo = contextlib.ExitStack()
    config.add_cleanup(undo.close)
    folder = undo.enter_context(temporary_folder(run_dir()))  # after a SIGKILL the next run deletes it
    inventory = {"all": {"hosts": {name: {"ansible_connection": NAME} for name in targets}}}
    file = folder / "ansible_inventory.yml"
    file.write_text(json.dumps(inventory, indent=1), "utf-8")  # JSON is YAML
    scenario = scenario_of(config.args, config.rootpath)
    variables = {
        INVENTORY: str(file),
        "MOLECULE_DEBUG": "False",
        "MOLECULE_DRIVER_NAME": NAME,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder),
        "MOLECULE_FILE": str(scenario / "molecule.yml"),
        "MOLECULE_PROJECT_DIRECTORY": str(config.rootpath),
        "MOLECULE_PROVISIONER_NAME": "ansible",
        "MOLECULE_SCENARIO_DIRECTORY": str(scenario),
        "MOLECULE_SCENARIO_NAME": scenario.name,
        "MOLECULE_VERIFIER_NAME": "testinfra",
        "MOLECULE_VERIFIER_TEST_DIRECTORY": str(scenario / "tests"),
    }
    new = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(new)
    undo.callback(lambda: [os.environ.pop(name, None) for name in new])
    original = ansible.get_ansible_inventory
    listed = {"_meta": {"hostvars": inventory["all"]["hosts"]}, "all": {"hosts": list(inventory["all"]["hosts"])}}

    def get_inventory(settings: Any, path: str | None) -> Any:
        return listed if path == str(file) else original(settings, path)

    ansible.get_ansible_inventory = get_inventory
    undo.callback(setattr, ansible, "get_ansible_inventory", original)


def scenario_of(arguments: Iterable[str], root: Path) -> Path:
    """Return the folder of the scenario that pytest's arguments are in: it holds a molecule.yml; else the root."""
    for argument in arguments:
        path = Path(argument.partition("::")[0]).absolute()
        for folder in (path, *path.parents):
            if (folder / "molecule.yml").is_file():
                return folder
    return root
