"""Finds the document of facts in what a runtime's exec printed around it.

In: a command's output and the nonce.  Out: the document's bytes, or one IsolationError.  Called by sandbox.py and
attached.py.  The mark is written by `probe facts NONCE` (docs/reference/protocol.md).
"""

from __future__ import annotations

from provisioner.errors import IsolationError

FACTS_MARK = b"\x7fISOFACTS "


def after_mark(output: bytes, nonce: str) -> bytes:
    """Take the document that follows the mark with our nonce; whatever a runtime prints around it is not it."""
    mark = FACTS_MARK + nonce.encode() + b" "
    at = output.find(mark)
    end = output.find(b"\n", at)
    length = output[at + len(mark) : end]
    if at < 0 or not length.isdigit() or len(length) > 7:
        raise IsolationError("cannot read the exec'd process's facts: they are not there")
    if output.count(mark) > 1:
        raise IsolationError("cannot accept the exec'd process's facts: there are two documents")
    document = output[end + 1 : end + 1 + int(length)]
    if len(document) != int(length):
        raise IsolationError("cannot read the exec'd process's facts: cut short")
    return document
