/* One end of a connection: a protocol and an address. */
#ifndef NETWORK_ENDPOINT_H
#define NETWORK_ENDPOINT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MOST_TOKEN    64
#define ENDPOINT_TEXT 128

enum kind { KIND_STREAM, KIND_DATAGRAM, KIND_ECHO };

struct endpoint {
	const char *protocol; /* its name in a request: "tcp" */
	enum kind kind;
	int number; /* of the protocol, as socket(2) takes it */
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_un path;
		struct sockaddr_storage storage;
	} address;
	char interface[IFNAMSIZ]; /* "" without one */
};

/*
 * Reads a protocol, an address and a port.  ADDRESS is one of IPv4 or IPv6, each with "%INTERFACE"
 * where that matters, a path, the name of an abstract socket, or a CID of vsock(7).  What has no
 * port has "-".  False with errno: EINVAL, or ENODEV for an interface that does not exist.
 */
bool parse_endpoint(struct endpoint *e, const char *protocol, const char *address,
		    const char *port);

/* Opens a non-blocking socket of the endpoint's protocol, on its interface; -1 with errno. */
int endpoint_socket(const struct endpoint *e, int type, int number);

/* Raises the soft limit on open files to the hard one. */
void raise_file_limit(void);

/* An address of IP with its port, if it has one, or of vsock.  "" for a unix socket without one. */
void address_text(const struct sockaddr *address, char text[ENDPOINT_TEXT]);

#endif
