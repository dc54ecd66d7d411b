"""Tries to reach a peer over the network, from one sandbox to a listener in another."""

from __future__ import annotations

import secrets

from provisioner.deadlines import deadline
from provisioner.facts.reach import Reach
from provisioner.observed import unobserved
from provisioner.sandboxes.sandbox import Sandbox

PORT = 47261
LISTEN_MS = 60000  # it is ended when both have tried


def measure_reach(sandbox: Sandbox, peer: Sandbox, network: str) -> Reach:
    """
    Try to reach a listener on the peer's loopback, from the sandbox and, as the control, from the peer itself.

    A listener that the peer itself cannot reach proves nothing; `control` says what the peer got.

    Args:
        sandbox: the one that tries.
        peer: the one that listens.
        network: the mode that both were created with.
    """
    token = secrets.token_hex(8)
    listening = peer.channel.start("net", "listen", str(PORT), token, str(LISTEN_MS), deadline=deadline("load"))
    missing = unobserved("the peer could not listen")
    try:
        ready = peer.channel.wait(listening, until=lambda pending: b"listening" in pending.data)
        if b"listening" not in ready.data:
            return Reach(network=network, control=missing, outcome=missing, token_seen=missing, accepted=missing)
        control = _connect(peer)
        outcome = _connect(sandbox)
        logged = peer.channel.wait(listening, until=lambda pending: True)
    finally:
        if peer.alive:
            peer.channel.cancel(listening)
    return Reach(
        network=network,
        control=control.split(" ")[0],
        outcome=outcome.split(" ")[0],
        token_seen=token in outcome,
        accepted=logged.data.count(b"accepted"),
    )


def _connect(sandbox: Sandbox) -> str:
    reply = sandbox.request("net", "connect", "127.0.0.1", str(PORT), "1000")
    return reply.data.decode("utf-8", "backslashreplace").strip()[:200] or reply.ended
