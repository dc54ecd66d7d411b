/* What recvmsg(2) says beside the data. */
#ifndef NETWORK_CONTROL_H
#define NETWORK_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * Copies the control data of this level and type, at most `size` bytes; false if there is none.
 * CMSG_NXTHDR() of musl does not compile without warnings.
 */
bool copy_control(const struct msghdr *message, int level, int type, void *to, size_t size);

#endif
