"""Finds the document of facts in the output of a runtime's exec, which may print other text too.

In: the output of a command and the nonce.  Out: the bytes of the document, or one IsolationError.
`probe facts NONCE` writes a mark before the document (docs/reference/protocol.md).
"""

from __future__ import annotations

from provisioner.errors import IsolationError

FACTS_MARK = b"\x7fISOFACTS "


def after_mark(output: bytes, nonce: str) -> bytes:
    """
    Return the document that follows the mark with this nonce.

    Raises:
        IsolationError: there is no document, or two, or it is incomplete.
    """
    mark = FACTS_MARK + nonce.encode() + b" "
    at = output.find(mark)
    end = output.find(b"\n", at)
    length = output[at + len(mark) : end]
    if at < 0 or not length.isdigit() or len(length) > 7:
        raise IsolationError("cannot read the facts of the exec'd process: its output has none")
    if output.count(mark) > 1:
        raise IsolationError("cannot accept the facts of the exec'd process: its output has two documents")
    document = output[end + 1 : end + 1 + int(length)]
    if len(document) != int(length):
        raise IsolationError("cannot read the facts of the exec'd process: the document is incomplete")
    return document
