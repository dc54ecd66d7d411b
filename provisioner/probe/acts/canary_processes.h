/* Processes of a host that a sandbox must not look into. */
#ifndef ACTS_CANARY_PROCESSES_H
#define ACTS_CANARY_PROCESSES_H

/*
 * Starts one process for each UID:GID:CAPABILITIES (hex) and prints its pid, or the name of an
 * errno, one a line; then waits until it is killed, and they with it.
 */
int hold_processes(char **users, int count);

#endif
