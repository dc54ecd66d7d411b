/* What the surroundings show of the host: each function writes the key that its comment names. */
#ifndef EXPOSED_EXPOSED_H
#define EXPOSED_EXPOSED_H

void json_groups_file(void);  /* groups */
void json_sockets(void);      /* sockets */
void json_engine_ports(void); /* ports */

#endif
