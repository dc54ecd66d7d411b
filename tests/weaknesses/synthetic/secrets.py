"""Synthetic weaknesses and look-alikes: secrets by the class of their value, and where they lie."""

from __future__ import annotations

from weakness import Edit, Lookalike, add, weak

LINE = "the kernel's command line"


def value(name: str, shape: str, place: str = "environment", length: int = 40) -> Edit:
    """Return the edit that adds a value: of the environment, or of what lies around."""
    where = ("outside", "process", "values") if place == "environment" else ("inside", "system", "values")
    return add(*where, item={"place": place, "name": name, "shape": shape, "length": length})


WEAKNESSES = (
    weak("env.secrets", "a token under any name", value("X", "github_token"), "X: github_token, 40 characters"),
    weak("env.secrets", "a URL with a password", value("DATABASE_URL", "url_password"), "url_password"),
    *(
        weak("env.secrets", f"{name} in {place}", value(name, shape, place), f"in {place} ({told}, 40", record=record)
        for name, shape, place, told, record in (
            ("api_token", "", LINE, "by its name", "container"),
            ("url", "url_password", LINE, "url_password", "vm"),
            ("opt/app/db_password", "", "fw_cfg", "by its name", "vm"),
            ("", "jwt", "DMI's OEM strings", "jwt", "vm"),
            ("X", "aws_key_id", "the environment of process 9 (web)", "aws_key_id", "docker"),
        )
    ),
)
LOOKALIKES = (
    *(
        Lookalike(f"{name} of the class {shape}", "container", value(name, shape))
        for name, shape in (("API_TOKEN", "empty"), ("API_TOKEN", "placeholder"), ("DATABASE_URL", "url"))
    ),
    Lookalike("a folder of keys on the command line", "vm", value("rd.luks.key", "path", LINE)),
    Lookalike("a console on the command line", "container", value("console", "", LINE)),
)
