/* The command launch: prepares the process, then executes ARGV. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "start/start.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static const char synopsis[] = "launch [--cgroup DIR]... [--without-mount TARGET] [--uid N] "
			       "[--gid N] [--pivot ROOT] [--loopback] [--memfd-exec] "
			       "[--supervise [--terminal] [--copy PATH]] -- ARGV...";

struct plan {
	const char *cgroups[64];
	size_t ncgroups;
	const char *uid, *gid, *pivot, *without;
	bool loopback, memfd_exec, supervise;
	struct supervision how;
};

static void join_cgroup(const char *folder)
{
	char path[MAX_TEXT], pid[16];
	int length = snprintf(pid, sizeof(pid), "%d", getpid());

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write_all(fd, pid, (size_t)length) < 0)
		die(EX_OSERR, "cannot join %s", folder);
}

static void drop(const char *uid, const char *gid)
{
	uint64_t number;

	if (!uid && !gid)
		return;
	if (setgroups(0, NULL) < 0)
		die(EX_OSERR, "cannot clear the supplementary groups");
	if (gid && (!parse_number(gid, UINT32_MAX - 1, &number) ||
		    setresgid((gid_t)number, (gid_t)number, (gid_t)number) < 0))
		die(EX_OSERR, "cannot become group %s", gid);
	if (uid && (!parse_number(uid, UINT32_MAX - 1, &number) ||
		    setresuid((uid_t)number, (uid_t)number, (uid_t)number) < 0))
		die(EX_OSERR, "cannot become user %s", uid);
}

/* Continues in a new mount namespace without the mount; does nothing if there is no mount. */
static void take_mount_away(const char *target)
{
	struct stat there, above;
	char parent[MAX_TEXT];

	snprintf(parent, sizeof(parent), "%s/..", target);
	if (stat(target, &there) < 0 || stat(parent, &above) < 0 || there.st_dev == above.st_dev)
		return;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die(EX_OSERR, "cannot make a mount namespace");
	if (umount2(target, MNT_DETACH) < 0)
		die(EX_OSERR, "cannot unmount %s", target);
}

static void bind_devices(void)
{
	static const char *const names[] = { "null", "zero", "full", "random", "urandom", "tty" };

	for (size_t i = 0; i < COUNT(names); i++) {
		char from[32], to[32];

		snprintf(from, sizeof(from), "/dev/%s", names[i]);
		snprintf(to, sizeof(to), "dev/%s", names[i]);
		if (access(from, F_OK) < 0)
			continue;
		cleanup_fd int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

		if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
			die(EX_OSERR, "cannot bind %s", from);
	}
}

/* pivot_root(".", ".") mounts the old root on the new one (pivot_root(2)); detach it there. */
static void pivot(const char *root)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die(EX_OSERR, "cannot make the mounts private");
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(root) < 0)
		die(EX_OSERR, "cannot bind %s to itself", root);
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		die(EX_OSERR, "cannot mount proc");
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") < 0)
		die(EX_OSERR, "cannot mount a tmpfs on dev");
	bind_devices();
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		die(EX_OSERR, "cannot pivot to %s", root);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die(EX_OSERR, "cannot detach the old root");
}

static void close_above_2(void)
{
	struct rlimit limit = { 1024, 1024 };

	if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 3; fd < (limit.rlim_cur > 65536 ? 65536 : (int)limit.rlim_cur); fd++)
		close(fd);
}

/* ARGV gets this program as descriptor MEMFD_FD, the only one above 2. */
static void memfd_exec(void)
{
	int fd = copy_program();

	if (fd < 0)
		die(EX_OSERR, "cannot copy this program into memory");
	if (fd == MEMFD_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, MEMFD_FD) < 0)
		die(EX_OSERR, "cannot open descriptor %d", MEMFD_FD);
}

/* Parses one option; returns the number of words, 0 if it is unknown. */
static int take_option(struct plan *plan, char **argv)
{
	const struct {
		const char *name;
		const char **value;
	} options[] = {
		{ "--uid", &plan->uid },       { "--gid", &plan->gid },
		{ "--pivot", &plan->pivot },   { "--without-mount", &plan->without },
		{ "--copy", &plan->how.copy }, { "--cgroup", &plan->cgroups[plan->ncgroups] },
	};
	const struct {
		const char *name;
		bool *set;
	} switches[] = {
		{ "--loopback", &plan->loopback },
		{ "--memfd-exec", &plan->memfd_exec },
		{ "--supervise", &plan->supervise },
		{ "--terminal", &plan->how.terminal },
	};

	for (size_t i = 0; i < COUNT(switches); i++)
		if (strcmp(argv[0], switches[i].name) == 0) {
			*switches[i].set = true;
			return 1;
		}
	for (size_t i = 0; i < COUNT(options); i++) {
		if (strcmp(argv[0], options[i].name) != 0 || !argv[1])
			continue;
		*options[i].value = argv[1];
		if (options[i].value == &plan->cgroups[plan->ncgroups])
			plan->ncgroups++;
		return 2;
	}
	return 0;
}

int cmd_launch(int argc, char **argv)
{
	struct plan plan = { .ncgroups = 0 };
	pid_t parent = getppid();
	int at = 1;

	while (at < argc && strcmp(argv[at], "--") != 0) {
		int taken = 0;

		if (plan.ncgroups < COUNT(plan.cgroups) - 1)
			taken = take_option(&plan, argv + at);

		if (!taken)
			return usage(synopsis);
		at += taken;
	}
	if (at + 1 >= argc)
		return usage(synopsis);
	errno = 0;
	for (size_t i = 0; i < plan.ncgroups; i++)
		join_cgroup(plan.cgroups[i]);
	if (plan.without)
		take_mount_away(plan.without);
	drop(plan.uid, plan.gid);
	if (plan.pivot)
		pivot(plan.pivot);
	if (plan.loopback && loopback_up() < 0)
		die(EX_OSERR, "cannot bring lo up");
	close_above_2();
	if (plan.memfd_exec)
		memfd_exec();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		die(EX_OSERR, "prctl");
	if (getppid() != parent)
		return EX_UNAVAILABLE; /* the parent ended before the signal was set */
	if (plan.supervise)
		return supervise(&plan.how, argv + at + 1);
	execvp(argv[at + 1], argv + at + 1);
	die(errno == ENOENT ? EX_UNAVAILABLE : EX_OSERR, "cannot execute %s", argv[at + 1]);
}
