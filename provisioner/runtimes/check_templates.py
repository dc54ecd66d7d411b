"""Checks the templates of a runtime.yaml when it is read: their syntax, their variables and their filters.

In: a Runtime.  Out: `Fault`s, each with its place in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from provisioner.files.suggest import suggest
from provisioner.files.yaml import Fault
from provisioner.runtimes.render import ENVIRONMENT
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.variables import ATTRIBUTES, find_templates, variables_at


def find_faults(runtime: Runtime) -> Iterator[Fault]:
    """
    Yield the faults of a runtime's templates.

    Args:
        runtime: the runtime as its file says, without an option or a variant.
    """
    document = runtime.model_dump(by_alias=True, exclude_unset=True)
    overlays = [("options", name) for name in runtime.options] + [("variants", name) for name in runtime.variants]
    parts: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), document)]
    parts += [(where, document[where[0]][where[1]]) for where in overlays]
    parts += [(("networked",), runtime.networked)] if runtime.networked else []
    defined = frozenset(name for _, part in parts for name in _defined(part))
    for where, part in parts:
        for place, path, text in find_templates(part):
            names = tuple(str(name) for sign, name in zip(place, path, strict=True) if sign == "*")
            known = variables_at(place, names, defined, runtime.daemon is not None)
            if fault := template_fault(text, known, ENVIRONMENT):
                yield Fault((*where, *path), *fault)


def _defined(part: Mapping[str, Any]) -> Iterator[str]:
    for key in ("define", "define+"):
        if isinstance(part.get(key), Mapping):
            yield from part[key]


def template_fault(text: str, known: frozenset[str], environment: SandboxedEnvironment) -> tuple[str, str] | None:
    """
    Return what is wrong with a template, and the hint; None if nothing is.

    Args:
        text: the template.
        known: the variables that it may name.
        environment: Jinja2's, for the filters.
    """
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        return f"not a template: {error.message}", ""
    for one in tree.find_all(nodes.Filter):
        if one.name not in environment.filters:
            return f"no filter '{one.name}'", suggest(one.name, environment.filters)
    unknown = sorted(meta.find_undeclared_variables(tree) - known)
    if unknown:
        listed = f"there are here: {', '.join(sorted(known)) or 'none'}"
        return f"no variable '{unknown[0]}'", suggest(unknown[0], known, listed)
    for part in tree.find_all(nodes.Getattr):
        owner = part.node.name if isinstance(part.node, nodes.Name) else ""
        if owner in ATTRIBUTES and part.attr not in ATTRIBUTES[owner]:
            listed = f"there are: {', '.join(ATTRIBUTES[owner])}"
            return f"'{owner}' has no '{part.attr}'", suggest(part.attr, ATTRIBUTES[owner], listed)
    return None
