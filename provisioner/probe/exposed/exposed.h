/* What the surroundings show of the host: each function writes the key that its comment names. */
#ifndef EXPOSED_EXPOSED_H
#define EXPOSED_EXPOSED_H

void json_groups_file(void); /* groups */
void json_sockets(void);     /* sockets */
/* listeners: the sockets that a process listens on; `proc` is a descriptor of /proc/PID */
void json_listeners(int proc);

void json_engine_ports(void); /* ports */

#endif
