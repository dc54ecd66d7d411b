/* Echo requests of ICMP and ICMPv6 (RFC 792, RFC 4443), with a token as their data. */
#ifndef NETWORK_ECHO_H
#define NETWORK_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network/endpoint.h"

#define ECHO_HEADER 8
#define MOST_ECHO   (ECHO_HEADER + MOST_TOKEN)

/*
 * Opens a ping socket (icmp(7), net.ipv4.ping_group_range) or, where the kernel refuses it, a raw
 * one.  -1 with the errno of the raw one.
 */
int open_echo(const struct endpoint *e, bool *raw);

/* Writes a request; returns its size.  A ping socket replaces the identifier. */
size_t echo_request(const struct endpoint *e, uint16_t id, const char *token,
		    unsigned char message[MOST_ECHO]);

/*
 * The data of an answer that was received, at `*data`; false if it is another message.  A raw
 * socket receives the answers to every process.
 */
bool echo_answer(const struct endpoint *e, bool raw, uint16_t id, const unsigned char **data,
		 size_t *size);

/* Whether a request that a raw socket gets back with an error has this identifier. */
bool echo_is_own(uint16_t id, const unsigned char *data, size_t size);

#endif
