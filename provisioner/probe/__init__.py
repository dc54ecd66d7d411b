"""The probe: a static C program that runs inside a sandbox, and the Python modules that build it and speak with it.

Python:

- `build`: finds the probe for this machine in the cache or in the wheel, or has it compiled
- `compilers`: compiles a static program with the first compiler that works
- `channel`: sends requests to a serving probe and receives its answers
- `request`: encodes a request; its state and its reply
- `net_tries`: the requests that reach for addresses and answer, and what they print
- `net_spoofs`: the request that sends one packet in another's name
- `frames`: the numbers and bounds of the protocol
- `exec_output`: reads a document from the output of a command, between other bytes

C, one folder for each layer; a file includes headers of its own folder and of layers below:

- `base/`: strings, files, JSON, /proc, and calls in a child process
- `process/`: the facts about one process, from inside or outside
- `exposed/`: files, sockets, ports, groups and secrets that a process holds, and who else reaches them
- `system/`: the facts about the system that surrounds a process, and the tries
- `network/`: tries to reach addresses, the server that answers them, and packets in another's name
- `serve/`: the server: frames, requests, their child processes
- `acts/`: the verbs; each is a command of the probe and a request to the server
- `start/`: `main`, the commands `serve` and `launch`, and the init process of a machine

`process/`, `system/` and `serve/` do not know each other.
`facts.schema.json` describes the documents, docs/reference/protocol.md the commands, verbs and frames.
"""
