/*
 * Speaks in another's name, in a network of the test's own: one packet each.  Whether anybody
 * believes it is for the receiver to tell.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "network/endpoint.h"
#include "network/network.h"

enum { MAC = 6, PACKET = 17, ARP = 0x0806, ARP_REPLY = 2, ETHERNET = 1, IPV4 = 0x0800 };
enum { IP_HEADER = 20, UDP_HEADER = 8 };

struct link_address { /* struct sockaddr_ll of packet(7) */
	uint16_t family, protocol;
	int32_t index;
	uint16_t type;
	uint8_t packet, length, address[8];
};

static void put_u16(unsigned char *to, unsigned number)
{
	to[0] = (unsigned char)(number >> 8);
	to[1] = (unsigned char)number;
}

static int read_mac(const char *interface, struct ifreq *request)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(request, 0, sizeof(*request));
	if (!copy_text(request->ifr_name, sizeof(request->ifr_name), interface)) {
		errno = ENODEV;
		return -1;
	}
	return fd < 0 ? -1 : ioctl(fd, SIOCGIFHWADDR, request);
}

/* Sets the MAC address of an interface to the one that it has. */
static int set_mac(const char *interface)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	if (fd < 0 || read_mac(interface, &request) < 0)
		return -1;
	return ioctl(fd, SIOCSIFHWADDR, &request);
}

/* Tells all neighbours that an address is this interface's (ARP, RFC 826). */
static int claim(const char *interface, const char *address)
{
	struct link_address to = { .family = PACKET, .protocol = htons(ARP), .length = MAC };
	cleanup_fd int fd = socket(PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ARP));
	unsigned char message[28] = { 0 };
	struct ifreq own;

	if (fd < 0 || read_mac(interface, &own) < 0)
		return -1;
	to.index = (int32_t)if_nametoindex(interface);
	memset(to.address, 0xff, MAC);
	put_u16(message, ETHERNET);
	put_u16(message + 2, IPV4);
	message[4] = MAC;
	message[5] = 4;
	put_u16(message + 6, ARP_REPLY);
	memcpy(message + 8, own.ifr_hwaddr.sa_data, MAC);
	memcpy(message + 18, own.ifr_hwaddr.sa_data, MAC);
	errno = EINVAL;
	if (inet_pton(AF_INET, address, message + 14) != 1)
		return -1;
	memcpy(message + 24, message + 14, 4);
	return sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -1
											       : 0;
}

/* Sends a datagram with a token from an address that is not its own (raw(7), IP_HDRINCL). */
static int send_from(const char *from, const char *to, uint16_t port, const char *token)
{
	struct sockaddr_in there = { .sin_family = AF_INET };
	cleanup_fd int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	unsigned char packet[IP_HEADER + UDP_HEADER + MOST_TOKEN] = { 0 };
	size_t length = strnlen(token, MOST_TOKEN), size = IP_HEADER + UDP_HEADER + length;

	if (fd < 0)
		return -1;
	errno = EINVAL;
	if (inet_pton(AF_INET, from, packet + 12) != 1 || inet_pton(AF_INET, to, packet + 16) != 1)
		return -1;
	memcpy(&there.sin_addr, packet + 16, 4);
	packet[0] = 0x45; /* the kernel fills in length, identifier and checksum */
	packet[8] = 64;
	packet[9] = IPPROTO_UDP;
	put_u16(packet + IP_HEADER, 40000);
	put_u16(packet + IP_HEADER + 2, port);
	put_u16(packet + IP_HEADER + 4, (unsigned)(UDP_HEADER + length));
	memcpy(packet + IP_HEADER + UDP_HEADER, token, length);
	return sendto(fd, packet, size, 0, (struct sockaddr *)&there, sizeof(there)) < 0 ? -1 : 0;
}

int net_spoof(int argc, char **argv)
{
	uint64_t port;
	int got;

	if (argc == 2 && strcmp(argv[0], "mac") == 0)
		got = set_mac(argv[1]);
	else if (argc == 3 && strcmp(argv[0], "arp") == 0)
		got = claim(argv[1], argv[2]);
	else if (argc == 5 && strcmp(argv[0], "source") == 0 && parse_number(argv[3], 65535, &port))
		got = send_from(argv[1], argv[2], (uint16_t)port, argv[4]);
	else
		return usage("net spoof mac INTERFACE | arp INTERFACE ADDRESS | "
			     "source FROM TO PORT TOKEN");
	json_open('{');
	json_key("result");
	json_text(got < 0 ? errno_name(errno) : "ok");
	json_close('}');
	return json_print() < 0;
}
