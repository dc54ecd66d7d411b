/* Echo requests of ICMP and ICMPv6 (RFC 792, RFC 4443), with a token as their data. */
#include "network/echo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST = 8, ANSWER = 0, REQUEST6 = 128, ANSWER6 = 129 };
enum { RAW = 255, ICMP_FILTER_ = 1, ICMP6_FILTER_ = 1 }; /* SOL_RAW; linux/icmp.h, linux/icmpv6.h */

/* A raw socket then receives answers only.  Without the filter it only receives more. */
static void filter_answers(int fd, const struct endpoint *e)
{
	uint32_t blocked = ~(1u << ANSWER), blocked6[8];

	memset(blocked6, 0xff, sizeof(blocked6));
	blocked6[ANSWER6 / 32] &= ~(1u << ANSWER6 % 32);
	if (e->number == IPPROTO_ICMPV6)
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER_, blocked6, sizeof(blocked6));
	else
		setsockopt(fd, RAW, ICMP_FILTER_, &blocked, sizeof(blocked));
}

int open_echo(const struct endpoint *e, bool *raw)
{
	int fd = endpoint_socket(e, SOCK_DGRAM, e->number);

	*raw = fd < 0;
	if (fd >= 0)
		return fd;
	fd = endpoint_socket(e, SOCK_RAW, e->number);
	if (fd >= 0)
		filter_answers(fd, e);
	return fd;
}

/* The Internet checksum (RFC 1071) of a message whose size is even. */
static uint16_t checksum(const unsigned char *message, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)message[i] << 8 | message[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t echo_request(const struct endpoint *e, uint16_t id, const char *token,
		    unsigned char message[MOST_ECHO])
{
	size_t length = strnlen(token, MOST_TOKEN);
	uint16_t sum;

	memset(message, 0, MOST_ECHO);
	message[0] = e->number == IPPROTO_ICMPV6 ? REQUEST6 : REQUEST;
	message[4] = (unsigned char)(id >> 8);
	message[5] = (unsigned char)id;
	message[7] = 1;
	memcpy(message + ECHO_HEADER, token, length);
	if (e->number == IPPROTO_ICMP) { /* the kernel writes that of ICMPv6 */
		sum = checksum(message, MOST_ECHO);
		message[2] = (unsigned char)(sum >> 8);
		message[3] = (unsigned char)sum;
	}
	return ECHO_HEADER + length;
}

bool echo_is_own(uint16_t id, const unsigned char *data, size_t size)
{
	return size >= ECHO_HEADER && (data[4] << 8 | data[5]) == id;
}

bool echo_answer(const struct endpoint *e, bool raw, uint16_t id, const unsigned char **data,
		 size_t *size)
{
	size_t skipped = raw && e->number == IPPROTO_ICMP && *size ? (**data & 15u) * 4u : 0;

	if (*size < skipped + ECHO_HEADER)
		return false;
	*data += skipped;
	*size -= skipped;
	if (**data != (e->number == IPPROTO_ICMPV6 ? ANSWER6 : ANSWER) ||
	    (raw && !echo_is_own(id, *data, *size)))
		return false;
	*data += ECHO_HEADER;
	*size -= ECHO_HEADER;
	return true;
}
