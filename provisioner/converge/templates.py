"""Renders the Jinja2 templates of a role: contents of files, values of kernel settings.

In: one role's templates and the values of its variables.  Out: text, or one IsolationError that names the undefined
variable, the template and the line.  Templates are sandboxed and see only the variables.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import DictLoader, StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Source:
    """
    What one role wants of one kind of resource, and the data to render it.

    Attributes:
        role: the role's name.
        items: the value of the kind's key in role.yaml.
        values: the role's variables.
        templates: the texts below the role's templates/, by file name.
    """

    role: str
    items: Any
    values: Mapping[str, Scalar]
    templates: Mapping[str, str]

    def render(self, text: str, where: str) -> str:
        """Render a text of role.yaml; `where` names its place for error messages."""
        return self._render({**self.templates, where: text}, where, f"{self.role}/role.yaml, {where}")

    def render_file(self, name: str) -> str:
        """Render one of the role's template files; raises IsolationError if there is no such file."""
        if name not in self.templates:
            raise IsolationError(
                f"cannot render template '{name}' of role '{self.role}': no such file in its templates/",
                hint=suggest(name, self.templates),
            )
        return self._render(self.templates, name, f"{self.role}/templates/{name}")

    def _render(self, texts: Mapping[str, str], name: str, where: str) -> str:
        missing: list[str] = []

        class Named(StrictUndefined):
            """Records the name of the missing variable."""

            def __init__(self, *given: Any, **named: Any) -> None:
                super().__init__(*given, **named)
                if self._undefined_name:
                    missing.append(self._undefined_name)

        environment = SandboxedEnvironment(
            undefined=Named, autoescape=False, keep_trailing_newline=True, loader=DictLoader(texts)
        )
        try:
            return environment.get_template(name).render(self.values)
        except UndefinedError as error:
            known = f"known: {', '.join(sorted(self.values))}" if self.values else "the role has no variables"
            hint = suggest(missing[-1] if missing else "", self.values, known)
            raise IsolationError(f"cannot render '{where}' line {_line(error)}: {error.message}", hint=hint) from None
        except TemplateSyntaxError as error:
            raise IsolationError(f"cannot render '{where}' line {error.lineno}: {error.message}") from None
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise IsolationError(f"cannot render '{where}' line {_line(error)}: {error}") from None


def _line(error: BaseException) -> int:
    """Return the template's line: Jinja2 rewrites its tracebacks so that they name it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return (lines[-1] if lines else None) or 1
