/* A socket on which tries are answered. */
#ifndef NETWORK_LISTENER_H
#define NETWORK_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "network/endpoint.h"

struct listener {
	struct endpoint end;
	int fd;
	char text[ENDPOINT_TEXT]; /* its address; "" if the request names none */
};

/* The ends of a datagram that came: who sent it, and the address that it was sent to. */
struct datagram {
	struct sockaddr_storage from, local;
};

/*
 * Opens a socket from PROTO:ADDRESS:PORT, or PROTO:ADDRESS where there is no port.  Brackets around
 * an address may be left out.  Returns 0 or the errno; `fd` is -1 then.
 */
int open_listener(struct listener *l, const char *text);

/* Removes the path of a unix socket, too. */
void close_listener(struct listener *l);

bool receive_datagram(struct listener *l, struct datagram *d, char *data, size_t size);

/* Answers from the address that the datagram was sent to, unless that is a group's. */
void send_datagram(struct listener *l, const struct datagram *d, const char *data, size_t size);

#endif
