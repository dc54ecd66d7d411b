/* Unix sockets on which processes serve. */
#ifndef ACTS_UNIX_SOCKETS_H
#define ACTS_UNIX_SOCKETS_H

#include <sys/types.h>

/* A list of the sockets; `subject`: a process of the sandbox whose own sockets are told, or 0. */
void json_unix_sockets(pid_t subject);

#endif
