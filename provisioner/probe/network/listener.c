/* A socket on which tries are answered.  See ip(7) and ipv6(7) for the address of a datagram. */
#include "network/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "network/control.h"

#define BACKLOG 1024

union control {
	struct cmsghdr align;
	char bytes[128];
};

/* Splits PROTO:[ADDRESS]:PORT in place; the port is "-" where the protocol has none. */
static bool split(char *text, char **address, const char **port)
{
	char *last, *end;

	*address = strchr(text, ':');
	if (!*address)
		return false;
	*(*address)++ = 0;
	*port = "-";
	if (!starts_with(text, "unix")) {
		last = strrchr(*address, ':');
		if (!last)
			return false;
		*last = 0;
		*port = last + 1;
	}
	end = *address + strlen(*address);
	if (**address == '[' && end[-1] == ']') {
		end[-1] = 0;
		(*address)++;
	}
	return true;
}

static int prepare(struct listener *l)
{
	sa_family_t family = l->end.address.any.sa_family;
	int one = 1;

	if (family == AF_INET || family == AF_INET6)
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (l->end.kind == KIND_DATAGRAM && family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	else if (l->end.kind == KIND_DATAGRAM)
		setsockopt(l->fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	if (bind(l->fd, &l->end.address.any, l->end.size) < 0)
		return -1;
	return l->end.kind == KIND_STREAM ? listen(l->fd, BACKLOG) : 0;
}

int open_listener(struct listener *l, const char *text)
{
	struct sockaddr_storage own = { 0 };
	socklen_t size = sizeof(own);
	char copy[256], *address;
	const char *port;
	int error;

	l->fd = -1;
	l->text[0] = 0;
	if (!copy_text(copy, sizeof(copy), text) || !split(copy, &address, &port))
		return EINVAL;
	if (!parse_endpoint(&l->end, copy, address, port))
		return errno;
	if (l->end.kind == KIND_ECHO)
		return EINVAL; /* the kernel answers these */
	copy_text(l->text, sizeof(l->text), address);
	l->fd = endpoint_socket(&l->end, l->end.kind == KIND_STREAM ? SOCK_STREAM : SOCK_DGRAM,
				l->end.number);
	if (l->fd < 0)
		return errno;
	if (prepare(l) < 0) {
		error = errno;
		close_fd(&l->fd);
		return error;
	}
	if (l->end.address.any.sa_family != AF_UNIX &&
	    getsockname(l->fd, (struct sockaddr *)&own, &size) == 0)
		address_text((struct sockaddr *)&own, l->text);
	return 0;
}

void close_listener(struct listener *l)
{
	if (l->fd >= 0 && strcmp(l->end.protocol, "unix") == 0)
		unlink(l->end.address.path.sun_path);
	close_fd(&l->fd);
}

/* The address that a datagram was sent to, with the port of the socket. */
static void take_local(struct listener *l, struct msghdr *message, struct datagram *d)
{
	socklen_t size = sizeof(d->local);
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	getsockname(l->fd, (struct sockaddr *)&d->local, &size);
	if (copy_control(message, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4))) {
		((struct sockaddr_in *)&d->local)->sin_addr = v4.ipi_addr;
	} else if (copy_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6))) {
		struct sockaddr_in6 *local = (struct sockaddr_in6 *)&d->local;

		local->sin6_addr = v6.ipi6_addr;
		if (IN6_IS_ADDR_LINKLOCAL(&v6.ipi6_addr) || IN6_IS_ADDR_MULTICAST(&v6.ipi6_addr))
			local->sin6_scope_id = v6.ipi6_ifindex;
	}
}

bool receive_datagram(struct listener *l, struct datagram *d, char *data, size_t size)
{
	union control control;
	struct iovec part = { data, size };
	struct msghdr message = { .msg_name = &d->from,
				  .msg_namelen = sizeof(d->from),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	memset(d, 0, sizeof(*d));
	n = recvmsg(l->fd, &message, 0);
	if (n < 0)
		return false;
	data[n] = 0;
	take_local(l, &message, d);
	return true;
}

/* Fills in from which address to send; returns the size of the control data. */
static size_t put_source(const struct datagram *d, union control *control)
{
	struct cmsghdr *c = &control->align;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct in_pktinfo source4 = { 0 };
	struct in6_pktinfo source6 = { 0 };

	memset(control, 0, sizeof(*control));
	if (d->local.ss_family == AF_INET6) {
		memcpy(&v6, &d->local, sizeof(v6));
		if (IN6_IS_ADDR_MULTICAST(&v6.sin6_addr))
			return 0;
		source6.ipi6_addr = v6.sin6_addr;
		source6.ipi6_ifindex = v6.sin6_scope_id;
		*c = (struct cmsghdr){ .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO };
		c->cmsg_len = CMSG_LEN(sizeof(source6));
		memcpy(CMSG_DATA(c), &source6, sizeof(source6));
		return CMSG_SPACE(sizeof(source6));
	}
	memcpy(&v4, &d->local, sizeof(v4));
	source4.ipi_spec_dst = v4.sin_addr;
	*c = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO };
	c->cmsg_len = CMSG_LEN(sizeof(source4));
	memcpy(CMSG_DATA(c), &source4, sizeof(source4));
	return CMSG_SPACE(sizeof(source4));
}

void send_datagram(struct listener *l, const struct datagram *d, const char *data, size_t size)
{
	union control control;
	struct iovec part = { (char *)data, size };
	struct msghdr message = { .msg_name = (void *)&d->from,
				  .msg_namelen = d->from.ss_family == AF_INET6
							 ? sizeof(struct sockaddr_in6)
							 : sizeof(struct sockaddr_in),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control };

	message.msg_controllen = (socklen_t)put_source(d, &control);
	if (!message.msg_controllen)
		message.msg_control = NULL;
	if (sendmsg(l->fd, &message, MSG_NOSIGNAL) >= 0)
		return;
	/* a group's or a broadcast address cannot send: the kernel chooses */
	message.msg_control = NULL;
	message.msg_controllen = 0;
	sendmsg(l->fd, &message, MSG_NOSIGNAL);
}
