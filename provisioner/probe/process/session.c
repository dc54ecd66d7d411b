/*
 * The names in a process's environment, its session and terminal, and the mount below its root.
 * Values of the environment are not written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "exposed/exposed.h"
#include "process/parts.h"

#ifndef SYS_statmount
#define SYS_statmount 457 /* the same on every architecture */
#endif
#define MOUNT_ID_UNIQUE 0x4000u /* STATX_MNT_ID_UNIQUE, Linux 6.8 */
#define MAX_NAMES	1024

/* NS_GET_MNTNS_ID, Linux 6.11 */
static const unsigned get_mntns_id = (unsigned)_IOR(0xb7, 5, uint64_t);

static struct {
	int error;
	uint64_t session, tty;
} started;

static int read_terminal(int proc, uint64_t *session, uint64_t *tty)
{
	char text[1024], *at;
	uint64_t fields[5] = { 0 };

	if (read_file(proc, "stat", text, sizeof(text)) < 0)
		return errno;
	at = strrchr(text, ')');
	if (!at || !at[1])
		return EBADMSG;
	at = strchr(at + 2, ' '); /* after the state: ppid, pgrp, session, tty_nr */
	for (size_t i = 0; at && i < 4; i++) {
		fields[i] = strtoull(at, NULL, 10);
		at = strchr(at + 1, ' ');
	}
	if (!at)
		return EBADMSG;
	*session = fields[2];
	*tty = fields[3];
	return 0;
}

void record_terminal(int proc)
{
	started.error = read_terminal(proc, &started.session, &started.tty);
}

/* Writes names only.  A word without "=" may be a value: it is written as "". */
static void json_environment(int proc)
{
	static char text[256 << 10];
	size_t mark, items = 0, at = 0;
	ssize_t size;

	json_key("environment");
	mark = json_mark();
	if (proc < 0 || (size = read_file(proc, "environ", text, sizeof(text))) < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "read environ");
		return;
	}
	if ((size_t)size == sizeof(text) - 1) {
		json_fail(mark, E2BIG, "read environ");
		return;
	}
	json_open('[');
	while (at < (size_t)size && items++ < MAX_NAMES) {
		size_t length = strlen(text + at);
		char *end = strchr(text + at, '=');

		if (end)
			*end = 0;
		else
			text[at] = 0;
		json_text(text + at);
		at += length + 1;
	}
	if (at < (size_t)size)
		json_fail(mark, E2BIG, "read environ");
	else
		json_close(']');
	explicit_bzero(text, sizeof(text));
}

static void json_terminal(int proc, bool self)
{
	uint64_t session = started.session, tty = started.tty;
	int error = started.error;

	json_key("terminal");
	if (!self)
		error = proc < 0 ? -proc : read_terminal(proc, &session, &tty);
	if (error) {
		json_fail(json_mark(), error, "read stat");
		return;
	}
	json_open('{');
	json_key("session");
	json_u64(session);
	json_key("tty");
	json_u64(tty);
	json_close('}');
}

struct mount_request { /* struct mnt_id_req */
	uint32_t size, spare;
	uint64_t mount, mask, ns;
};

struct mount_answer { /* struct statmount: the members of STATMOUNT_SB_BASIC and MNT_BASIC */
	uint32_t size, options;
	uint64_t mask;
	uint32_t major, minor;
	uint64_t magic;
	uint32_t flags, fstype;
	uint64_t id, parent;
	uint64_t rest[58];
};

static int ask_mount(uint64_t mount, uint64_t ns, struct mount_answer *answer)
{
	struct mount_request request = { sizeof(request), 0, mount, 3, ns };

	memset(answer, 0, sizeof(*answer));
	return (int)syscall(SYS_statmount, &request, answer, sizeof(*answer), 0);
}

/* The device of the mount below the process's root; null if there is none. */
static void json_beneath(int proc)
{
	struct mount_answer answer;
	unsigned char buffer[256] = { 0 };
	uint64_t id, ns = 0;

	json_key("beneath");
	if (proc < 0) {
		json_fail(json_mark(), -proc, "open ns/mnt");
		return;
	}
	cleanup_fd int fd = openat(proc, "ns/mnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_ioctl, fd, get_mntns_id, &ns) < 0 ||
	    syscall(SYS_statx, proc, "root", 0, MOUNT_ID_UNIQUE, buffer) < 0) {
		json_fail(json_mark(), errno, "look at the root's mount");
		return;
	}
	memcpy(&id, buffer + 144, sizeof(id)); /* stx_mnt_id */
	if (!(buffer[1] & (MOUNT_ID_UNIQUE >> 8))) {
		json_fail(json_mark(), ENOSYS, "statx: no unique mount id");
		return;
	}
	if (ask_mount(id, ns, &answer) < 0) {
		json_fail(json_mark(), errno, "statmount of the root");
		return;
	}
	if (answer.parent == id) {
		json_null();
		return;
	}
	if (ask_mount(answer.parent, ns, &answer) < 0) {
		json_fail(json_mark(), errno, "statmount of what the root is mounted on");
		return;
	}
	json_open('{');
	json_key("major");
	json_u64(answer.major);
	json_key("minor");
	json_u64(answer.minor);
	json_close('}');
}

void json_session(int proc, bool self)
{
	json_environment(proc);
	json_environment_values(proc);
	json_terminal(proc, self);
	json_beneath(proc);
}
