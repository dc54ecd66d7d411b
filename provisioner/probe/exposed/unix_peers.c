/*
 * Asks sock_diag(7) for the peers of unix sockets.  It answers for the network namespace of the
 * asker, so a child enters that of the process; a connection may lead to another namespace.
 */
#include "exposed/unix_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/text.h"
#include "exposed/own_sockets.h"

/* Constants and forms of linux/sock_diag.h and unix_diag.h: not every compiler comes with them. */
enum { SOCK_DIAG = 4, BY_FAMILY = 20, DONE = 3, FAILED = 2, DUMP = 0x301, SHOW_PEER = 4, PEER = 2 };

struct message {
	uint32_t size;
	uint16_t type, flags;
	uint32_t sequence, port;
};

struct question {
	struct message head;
	uint8_t family, protocol;
	uint16_t pad;
	uint32_t states, inode, show, cookie[2];
};

struct answer {
	struct message head;
	uint8_t family, type, state, pad;
	uint32_t inode, cookie[2];
};

struct attribute {
	uint16_t size, type;
	uint32_t value;
};

/* Enters the network namespace of /proc/PID; nothing is to be done if this process is in it. */
static int enter_net(int proc)
{
	cleanup_fd int fd = openat(proc, "ns/net", O_RDONLY | O_CLOEXEC);
	struct stat own, other;

	if (fd < 0 || fstat(fd, &other) < 0 || stat("/proc/self/ns/net", &own) < 0)
		return -1;
	return own.st_ino == other.st_ino ? 0 : setns(fd, CLONE_NEWNET);
}

static int take_answer(struct peers *p, const struct answer *a)
{
	const char *at = (const char *)(a + 1), *end = (const char *)a + a->head.size;

	if (!is_own_socket(a->inode))
		return 0;
	while (end - at >= 4) {
		struct attribute one = { 0 };

		memcpy(&one, at, end - at < (ssize_t)sizeof(one) ? 4 : sizeof(one));
		if (one.size < 4)
			break;
		if (one.type == PEER && one.size == sizeof(one)) {
			if (p->count == COUNT(p->list))
				return E2BIG;
			p->list[p->count].own = a->inode;
			p->list[p->count++].peer = one.value;
		}
		at += (one.size + 3u) & ~3u;
	}
	return 0;
}

/* Takes the messages of one read: 1 at the end, 0 if more follow, or a negative errno. */
static int take_messages(struct peers *p, const char *buffer, size_t size)
{
	size_t at = 0;

	while (size - at >= sizeof(struct message)) {
		static struct answer whole[64];
		struct message head;
		int error = 0;

		memcpy(&head, buffer + at, sizeof(head));
		if (head.size < sizeof(head) || head.size > size - at)
			return -EBADMSG;
		if (head.type == DONE)
			return 1;
		if (head.type == FAILED) {
			memcpy(&error, buffer + at + sizeof(head), sizeof(error));
			return error ? error : 1;
		}
		if (head.size >= sizeof(struct answer) && head.size <= sizeof(whole)) {
			memcpy(whole, buffer + at, head.size);
			error = take_answer(p, whole);
		}
		if (error)
			return -error;
		at += (head.size + 3u) & ~3u;
		if (at > size)
			break;
	}
	return 0;
}

static int ask_peers(struct peers *p, int proc)
{
	struct question ask = { .head = { sizeof(ask), BY_FAMILY, DUMP, 1, 0 },
				.family = AF_UNIX,
				.states = ~0u,
				.show = SHOW_PEER };
	static char buffer[32768];
	cleanup_fd int fd = -1;
	int got = 0;

	if (enter_net(proc) < 0)
		return errno;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, SOCK_DIAG);
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return errno;
	while (!got) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n <= 0)
			return n < 0 ? errno : EBADMSG;
		got = take_messages(p, buffer, (size_t)n);
	}
	return got < 0 ? -got : 0;
}

static void ask_in_child(const void *in, void *out)
{
	static struct peers found;

	found.error = ask_peers(&found, *(const int *)in);
	memcpy(out, &found, sizeof(found));
}

int find_peers(int proc, struct peers *peers)
{
	struct call_result done = fork_call(ask_in_child, &proc, peers, sizeof(*peers));

	errno = done.end == CALL_DONE ? peers->error : ETIMEDOUT;
	return errno ? -1 : 0;
}
