"""The network of a test: a world of its own, in which sandboxes, a host and another machine try to reach each other.

`netns` runs commands in a network namespace of ours, and is the host's files as seen from there.
`world` makes the namespaces: the host that the sandboxes are on, and another machine on its network.
`member` is one end of a try: its probe, its addresses.
`plan` says which tries there are, and what each came to, as attempts.  Pure.
`matrix` lets all members serve and try at once.
`firewall` saves and clears the packet filter of the world's host.

No packet leaves the world: its namespaces have no interface that leads out.
"""
