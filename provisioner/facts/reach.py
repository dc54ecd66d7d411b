"""What a try to reach a peer over the network came to, as frozen objects that are archived beside the facts."""

from __future__ import annotations

from provisioner.observed import Fact, FactMap, Number, Observed, Text


class Reach(Observed):
    """
    One try to connect to a listener in the peer, with both ends' logs.

    Attributes:
        network: the mode that both sandboxes were created with.
        control: what the peer got when it connected to itself; "connected" proves that the listener was there.
        outcome: what the sandbox got: "connected", "refused", "unreachable", "timeout" or an errno's name.
        token_seen: whether the sandbox read the peer's own token.
        accepted: how many connections the peer's listener logged.
    """

    network: Text
    control: Fact[Text]
    outcome: Fact[Text]
    token_seen: Fact[bool]
    accepted: Fact[Number]


Reaches = FactMap[Fact[Reach]]
