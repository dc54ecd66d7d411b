"""
What facts mean: pure functions over frozen facts, shared by the checks of `suite/`.

- `capabilities`: capability masks and the names in them.
- `denied_by`: which part of the system denied an operation.
- `environment`: names of variables that a sandbox should not get.
- `inside_outside`: where the inside and the outside view of a sandbox differ.
- `labels`: labels of security modules.
- `limits`: whether a limit is in force.
- `management_sockets`: sockets of engines and other management planes.
- `privileged_calls`: system calls that a privileged process passes.
- `tasks`: signals and tracing between processes.
- `users`: ranges of user ids.
- `filesystem/`: devices, images, mounts, kernel files, the root directory.
- `machine/`: hardware, hypervisors, platforms of VMs.
- `seccomp/`: filters, simulated call by call.
"""
