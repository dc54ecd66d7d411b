/* What the surroundings show of the host: each function writes the key that its comment names. */
#ifndef EXPOSED_EXPOSED_H
#define EXPOSED_EXPOSED_H

#include <stddef.h>

#include <stdbool.h>

void json_groups_file(void); /* groups */
void json_sockets(void);     /* sockets */
/* values, of a process; `proc` is a descriptor of /proc/PID or a negative errno */
void json_environment_values(int proc);

/* values, of the kernel, the firmware and, if `others`, of other processes */
void json_surrounding_values(bool others);

/* listeners: the sockets that a process listens on; `proc` is a descriptor of /proc/PID */
void json_listeners(int proc);

/* backings: the files behind a process's descriptors and maps, and who else may use them */
void json_backings(int proc);

/* connections: where a process's sockets are connected to */
void json_connections(int proc);

void json_engine_ports(void); /* ports */

/* `user_files`: which of these paths this process opens; null if none was named. */
void json_user_files(const char *const *paths, size_t count);

#endif
