/*
 * Further ways to take memory or tasks than the plain loads, each bounded in amount and time.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/verb.h"
#include "loads/ways.h"
#include "loads/workers.h"

#define MIB	  (1ul << 20)
#define MAX_TASKS 4096

static bool took(uint64_t bytes, bool done)
{
	own_share()->error = done ? 0 : errno;
	own_share()->taken += done ? bytes : 0;
	return done;
}

static bool take_anonymous(uint64_t bytes)
{
	char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block != MAP_FAILED)
		memset(block, 1, bytes);
	return took(bytes, block != MAP_FAILED);
}

/* A file in memory without a name; its pages belong to no process. */
static bool take_memfd(uint64_t bytes)
{
	int fd = memfd_create("load", MFD_CLOEXEC);
	char *block = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
		block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (block != MAP_FAILED)
		memset(block, 1, bytes);
	return took(bytes, block != MAP_FAILED);
}

/* A System V segment, which ends with its last process: it is marked before it is filled. */
static bool take_sysv(uint64_t bytes)
{
	int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
	char *block = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
	int error = errno;

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	errno = error;
	if (block != (char *)-1)
		memset(block, 1, bytes);
	return took(bytes, block != (char *)-1);
}

/* A file of /dev/shm without a name. */
static bool take_tmpfs(uint64_t bytes)
{
	static char block[1 << 16];
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/shm", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return took(0, false);
	memset(block, 1, sizeof(block));
	for (uint64_t done = 0; done < bytes; done += sizeof(block))
		if (!took(sizeof(block), write(fd, block, sizeof(block)) == sizeof(block)))
			return false;
	return true;
}

/* Fills a descriptor that nothing reads. */
static void fill(int fd, uint64_t bytes)
{
	static char block[1 << 14];
	ssize_t n;

	for (uint64_t done = 0; done < bytes && (n = write(fd, block, sizeof(block))) > 0;
	     done += (uint64_t)n)
		own_share()->taken += (uint64_t)n;
}

static bool take_pipe(uint64_t bytes)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return took(0, false);
	(void)fcntl(ends[1], F_SETPIPE_SZ, (int)bytes);
	fill(ends[1], bytes);
	return true;
}

static bool take_socket(uint64_t bytes)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return took(0, false);
	fill(ends[0], bytes);
	fill(ends[1], bytes);
	return true;
}

static int asleep(void *unused)
{
	(void)unused;
	return (int)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

/* A thread counts as a task (cgroup-v2.rst, PID). */
static bool take_thread(uint64_t unused)
{
	static _Alignas(16) char stacks[MAX_TASKS][512];
	static size_t count;
	int flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	(void)unused;
	if (count == COUNT(stacks)) {
		errno = EOVERFLOW;
		return took(0, false);
	}
	count++;
	return took(1, clone(asleep, stacks[count - 1] + sizeof(stacks[0]), flags, NULL) > 0);
}

/* A child of a child, in a session of its own; it ends with the worker, which holds a pipe's end.
 */
static bool take_orphan(uint64_t unused)
{
	static int leash[2] = { -1, -1 };
	int status = 0;
	pid_t pid;
	char byte;

	(void)unused;
	if (leash[0] < 0 && pipe2(leash, O_CLOEXEC) < 0)
		return took(0, false);
	pid = fork();
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0) {
			close(leash[1]);
			(void)!read(leash[0], &byte, 1);
		}
		_exit(pid < 0 ? errno : 0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WEXITSTATUS(status)) {
		errno = WEXITSTATUS(status);
		pid = -1;
	}
	return took(1, pid > 0);
}

static const struct way ways[] = {
	{ "anonymous", take_anonymous, MIB, MAX_WORKERS, true },
	{ "memfd", take_memfd, MIB, 1, false },
	{ "sysv", take_sysv, MIB, 1, false },
	{ "tmpfs", take_tmpfs, MIB, 1, false },
	{ "pipes", take_pipe, MIB, MAX_WORKERS, false },
	{ "sockets", take_socket, MIB, MAX_WORKERS, false },
	{ "threads", take_thread, 1, 1, false },
	{ "orphans", take_orphan, 1, 1, false },
};

int load_way(char **argv)
{
	uint64_t amount;

	for (size_t i = 0; argv[0] && argv[1] && i < COUNT(ways); i++)
		if (strcmp(argv[0], ways[i].name) == 0 &&
		    parse_number(argv[1], ways[i].step == 1 ? MAX_TASKS : 1ull << 31, &amount))
			return run_way(&ways[i], amount);
	return usage("load way NAME AMOUNT");
}
