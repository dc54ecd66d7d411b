"""Renders the templates of a runtime.yaml or role.yaml: one value, or a whole argument list.

In: templates, and the values of one sandbox.  Out: values with their types, `list[str]`.  Runs no command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from jinja2 import StrictUndefined
from jinja2.exceptions import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from provisioner.errors import IsolationError
from provisioner.files.grammars import FILTERS
from provisioner.files.suggest import suggest

EXPRESSION = re.compile(r"\{\{(?P<expression>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\}")

ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
ENVIRONMENT.filters.update(FILTERS)


def render_value(template: str, values: Mapping[str, object], where: str) -> object:
    """
    Render one template.

    A template that is one expression gives that expression's value with its type; any other gives text.

    Args:
        template: a Jinja2 template.
        values: what it may name.
        where: the template's place, for errors.

    Raises:
        IsolationError: the template has a fault, or names an undefined value.
    """
    try:
        value = _compiled(template)(**values)
        return str(value) if isinstance(value, StrictUndefined) else value
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:  # what an expression raises
        undefined = re.match(r"'(\w+)' is undefined", str(error))
        raise IsolationError(
            f"cannot render {where}: '{template}': {error}", suggest(undefined[1], values) if undefined else ""
        ) from None


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Callable[..., object]:
    """Compile a template, once: each sandbox renders the same dozens."""
    whole = EXPRESSION.fullmatch(template.strip())
    if whole:
        return ENVIRONMENT.compile_expression(whole["expression"], undefined_to_none=False)
    return ENVIRONMENT.from_string(template).render


def render_argv(templates: Sequence[str], values: Mapping[str, object], where: str) -> list[str]:
    """
    Render an argument list: a template gives one argument, an expression with a list gives all of its items.

    Args:
        templates: Jinja2 templates.
        values: what they may name.
        where: the list's place, for errors.

    Raises:
        IsolationError: a template cannot be rendered, or an argument is neither text nor number.
    """
    argv: list[str] = []
    for template in templates:
        value = render_value(template, values, where)
        for item in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(item, str | int | float | Path) or isinstance(item, bool):
                raise IsolationError(f"cannot render {where}: '{template}' gives {item!r}, which is no argument")
            argv.append(str(item))
    return argv
