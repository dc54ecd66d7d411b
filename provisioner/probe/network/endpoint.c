/* One end of a connection: reads it from words, and opens its socket. */
#include "network/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/text.h"

enum { VSOCK = 40, SCTP = 132 }; /* AF_VSOCK and IPPROTO_SCTP: not every C library has them */

struct vsock_address { /* struct sockaddr_vm of linux/vm_sockets.h */
	sa_family_t family;
	uint16_t reserved;
	uint32_t port, cid;
	uint8_t flags, zero[3];
};

static const struct protocol {
	const char *name;
	enum kind kind;
	int family, number; /* family 0: that of the address */
	const char *needs;  /* in net/protocols; socket(2) would have its module loaded */
} protocols[] = {
	{ "tcp", KIND_STREAM, 0, IPPROTO_TCP, NULL },
	{ "udp", KIND_DATAGRAM, 0, IPPROTO_UDP, NULL },
	{ "icmp", KIND_ECHO, 0, IPPROTO_ICMP, NULL },
	{ "sctp", KIND_STREAM, 0, SCTP, "SCTP" },
	{ "unix", KIND_STREAM, AF_UNIX, 0, NULL },
	{ "unix-abstract", KIND_STREAM, AF_UNIX, 0, NULL },
	{ "vsock", KIND_STREAM, VSOCK, 0, "AF_VSOCK" },
};

static bool fail(int error)
{
	errno = error;
	return false;
}

static bool parse_path(struct endpoint *e, const char *name, bool abstract)
{
	struct sockaddr_un *un = &e->address.path;
	size_t length = strlen(name);

	/* the NUL after a path counts, the one before an abstract name takes its place */
	if (!length || length >= sizeof(un->sun_path))
		return fail(EINVAL);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path + abstract, name, length);
	e->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	return true;
}

static bool parse_vsock(struct endpoint *e, const char *address, const char *port)
{
	struct vsock_address vm = { .family = VSOCK };
	uint64_t cid, number;

	if (!parse_number(address, UINT32_MAX, &cid) || !parse_number(port, UINT32_MAX, &number))
		return fail(EINVAL);
	vm.cid = (uint32_t)cid;
	vm.port = (uint32_t)number;
	memcpy(&e->address, &vm, sizeof(vm));
	e->size = sizeof(vm);
	return true;
}

static bool parse_ip(struct endpoint *e, const char *address, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char text[INET6_ADDRSTRLEN + IFNAMSIZ + 1], *interface;
	unsigned index = 0;

	if (!copy_text(text, sizeof(text), address))
		return fail(EINVAL);
	interface = strchr(text, '%');
	if (interface) {
		*interface++ = 0;
		if (!copy_text(e->interface, sizeof(e->interface), interface))
			return fail(EINVAL);
		index = if_nametoindex(interface);
		if (!index)
			return fail(ENODEV);
	}
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(&e->address, &v4, sizeof(v4));
		e->size = sizeof(v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1 ||
	    (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) && !index))
		return fail(EINVAL);
	v6.sin6_scope_id = index;
	memcpy(&e->address, &v6, sizeof(v6));
	e->size = sizeof(v6);
	if (e->kind == KIND_ECHO)
		e->number = IPPROTO_ICMPV6;
	return true;
}

bool parse_endpoint(struct endpoint *e, const char *protocol, const char *address, const char *port)
{
	const struct protocol *p = NULL;
	uint64_t number = 0;

	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < COUNT(protocols) && !p; i++)
		if (strcmp(protocols[i].name, protocol) == 0)
			p = &protocols[i];
	if (!p)
		return fail(EINVAL);
	e->protocol = p->name;
	e->kind = p->kind;
	e->number = p->number;
	if (p->family == VSOCK)
		return parse_vsock(e, address, port);
	if (p->family == AF_UNIX || p->kind == KIND_ECHO) {
		if (strcmp(port, "-") != 0)
			return fail(EINVAL);
	} else if (!parse_number(port, 65535, &number)) {
		return fail(EINVAL);
	}
	if (p->family == AF_UNIX)
		return parse_path(e, address, strcmp(protocol, "unix") != 0);
	return parse_ip(e, address, (uint16_t)number);
}

/* Whether the kernel has a protocol already; -1 with errno. */
static int is_loaded(const char *name)
{
	static char line[MAX_LINE];
	size_t length = strlen(name);
	struct reader r;
	int got, loaded = 0;

	if (reader_open(&r, AT_FDCWD, "/proc/net/protocols") < 0)
		return -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		loaded = loaded || (starts_with(line, name) && line[length] == ' ');
	close_fd(&r.fd);
	return got < 0 ? -1 : loaded;
}

int endpoint_socket(const struct endpoint *e, int type, int number)
{
	cleanup_fd int fd = -1;
	const char *needs = NULL;
	int one = 1, kept;

	for (size_t i = 0; i < COUNT(protocols); i++)
		if (strcmp(protocols[i].name, e->protocol) == 0)
			needs = protocols[i].needs;
	if (needs) {
		int loaded = is_loaded(needs);

		if (loaded <= 0) {
			errno = loaded ? errno : EPROTONOSUPPORT;
			return -1;
		}
	}
	fd = socket(e->address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, number);
	if (fd < 0)
		return -1;
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	if (e->interface[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, e->interface,
					  (socklen_t)strlen(e->interface) + 1) < 0)
		return -1;
	kept = fd;
	fd = -1;
	return kept;
}

void raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void ip6_text(const struct sockaddr_in6 *v6, char text[ENDPOINT_TEXT])
{
	char number[INET6_ADDRSTRLEN] = "", name[IF_NAMESIZE] = "", scope[IF_NAMESIZE + 1] = "";

	inet_ntop(AF_INET6, &v6->sin6_addr, number, sizeof(number));
	if (v6->sin6_scope_id && if_indextoname(v6->sin6_scope_id, name))
		snprintf(scope, sizeof(scope), "%%%s", name);
	if (v6->sin6_port)
		snprintf(text, ENDPOINT_TEXT, "[%s%s]:%u", number, scope, ntohs(v6->sin6_port));
	else
		snprintf(text, ENDPOINT_TEXT, "%s%s", number, scope);
}

void address_text(const struct sockaddr *address, char text[ENDPOINT_TEXT])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct vsock_address vm;
	char number[INET_ADDRSTRLEN] = "";

	text[0] = 0;
	if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		ip6_text(&v6, text);
	} else if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, number, sizeof(number));
		if (v4.sin_port)
			snprintf(text, ENDPOINT_TEXT, "%s:%u", number, ntohs(v4.sin_port));
		else
			snprintf(text, ENDPOINT_TEXT, "%s", number);
	} else if (address->sa_family == VSOCK) {
		memcpy(&vm, address, sizeof(vm));
		snprintf(text, ENDPOINT_TEXT, "%u:%u", vm.cid, vm.port);
	}
}
