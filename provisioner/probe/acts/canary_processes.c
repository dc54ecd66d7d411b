/*
 * Processes of a host that a sandbox must not look into: each with one user, one group and a set of
 * capabilities, and this server's command line.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "acts/acts.h"
#include "acts/canary_processes.h"
#include "base/file.h"
#include "base/text.h"

#define CAPABILITY_VERSION_3 0x20080522

/* linux/capability.h (capget(2)), which not every C library comes with */
struct capability_header {
	uint32_t version;
	int pid;
};

struct capability_sets {
	uint32_t effective, permitted, inheritable;
};

struct user {
	uint32_t uid, gid;
	uint64_t capabilities;
};

/* Parses UID:GID:CAPABILITIES, the last in hex. */
static bool parse_user(const char *word, struct user *u)
{
	char text[64], *at = text, *uid, *gid, *end;
	uint64_t numbers[2];

	if (!copy_text(text, sizeof(text), word))
		return false;
	uid = strsep(&at, ":");
	gid = strsep(&at, ":");
	if (!gid || !at || !*at || !parse_number(uid, UINT32_MAX - 1, &numbers[0]) ||
	    !parse_number(gid, UINT32_MAX - 1, &numbers[1]))
		return false;
	u->uid = (uint32_t)numbers[0];
	u->gid = (uint32_t)numbers[1];
	u->capabilities = strtoull(at, &end, 16);
	return !*end;
}

/* Gives up all capabilities but `kept`; those that this process lacks stay away. */
static int limit_capabilities(uint64_t kept)
{
	struct capability_header header = { .version = CAPABILITY_VERSION_3 };
	struct capability_sets sets[2];

	if (syscall(SYS_capget, &header, sets) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		sets[i].permitted &= (uint32_t)(kept >> 32 * i);
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &header, sets);
}

/* Credentials that change make a process unreadable (PR_SET_DUMPABLE(2const)); an exec ends that.
 */
static int become(const struct user *u)
{
	if (geteuid() == 0 && setgroups(0, NULL) < 0)
		return -1;
	if (setresgid(u->gid, u->gid, u->gid) < 0 || setresuid(u->uid, u->uid, u->uid) < 0)
		return -1;
	if (limit_capabilities(u->capabilities) < 0)
		return -1;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Returns the pid, or 0 with errno. */
static pid_t start(const struct user *u)
{
	int error = 0, ends[2];
	pid_t parent = getpid(), pid;

	if (pipe(ends) < 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		error = become(u) < 0 ? errno : 0;
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent || write_all(ends[1], &error, sizeof(error)) < 0 || error)
			_exit(EX_OSERR);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = pid < 0 ? errno : EIO;
	close(ends[0]);
	errno = error;
	return error ? 0 : pid;
}

int hold_processes(char **users, int count)
{
	for (int i = 0; i < count; i++) {
		struct user u;
		char line[48];
		pid_t pid;
		int length;

		if (!parse_user(users[i], &u))
			return usage("canaries processes UID:GID:CAPABILITIES...");
		pid = start(&u);
		length = pid ? snprintf(line, sizeof(line), "%d\n", pid)
			     : snprintf(line, sizeof(line), "%s\n", errno_name(errno));
		if (write_all(1, line, (size_t)length) < 0)
			die(EX_OSERR, "cannot write");
	}
	for (;;)
		pause();
}
