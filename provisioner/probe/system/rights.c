/*
 * What this process may do itself: open a device node of its own, write to its root folder, push
 * terminal input (proc_sys_dev(5)).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

/*
 * Creates a node of an unused number (devices.txt: 60-63 are for local use) on a file system where
 * nodes work, and opens it.  The devices cgroup refuses before the kernel looks for a driver.
 */
static void try_node(const void *in, void *out)
{
	static const char *const places[] = { "/dev", "/tmp", "", "/run", "/var/tmp" };
	int *error = out;

	(void)in;
	*error = 0;
	for (size_t i = 0; i < COUNT(places); i++) {
		char node[80];
		int fd;

		snprintf(node, sizeof(node), "%s/.probe-node-%d", places[i], getpid());
		if (mknod(node, S_IFCHR | 0600, makedev(60, 250)) < 0) {
			if (!*error || (errno != ENOENT && errno != EROFS))
				*error = errno;
			continue;
		}
		fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
		*error = fd < 0 ? errno : 0;
		close_fd(&fd);
		unlink(node);
		if (*error != EACCES) /* EACCES: perhaps a mount with nodev; try the next place */
			return;
	}
}

/* AT_EACCESS: access(2) checks the real ids, and the effective capabilities count here. */
static void try_root(const void *in, void *out)
{
	long done = syscall(SYS_faccessat2, AT_FDCWD, "/", W_OK, AT_EACCESS);

	(void)in;
	/* since Linux 5.8; older seccomp filters refuse it */
	if (done < 0 && (errno == ENOSYS || errno == EPERM))
		done = faccessat(AT_FDCWD, "/", W_OK, 0);
	*(int *)out = done < 0 ? errno : 0;
}

static void json_try(const char *key, void (*call)(const void *, void *))
{
	int error = 0;
	struct call_result done = fork_call(call, NULL, &error, sizeof(error));

	json_key(key);
	if (done.end == CALL_DONE)
		json_text(error ? errno_name(error) : "ok");
	else if (done.end == CALL_TIMEOUT)
		json_text("timeout");
	else if (done.end == CALL_KILLED && done.number == SIGSYS)
		json_text("SIGSYS");
	else
		json_fail(json_mark(), done.number, "try %s", key);
}

void json_rights(bool untouched)
{
	uint64_t number;

	if (untouched) {
		json_key("device_node");
		json_fail(json_mark(), 0, UNTOUCHED);
	} else {
		json_try("device_node", try_node);
	}
	json_try("root_access", try_root);
	json_key("legacy_tiocsti");
	if (read_number(AT_FDCWD, "/proc/sys/dev/tty/legacy_tiocsti", &number) == 0)
		json_u64(number);
	else if (errno == ENOENT)
		json_null();
	else
		json_fail(json_mark(), errno, "read legacy_tiocsti");
}
