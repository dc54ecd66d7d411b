/*
 * The verb canaries: objects of a host that no sandbox may reach or change.  They are a System V
 * shared memory segment (svipc(7)), a POSIX message queue (mq_overview(7)), an abstract socket
 * (unix(7)) and a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "acts/acts.h"
#include "acts/canary_processes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/verb.h"

#define PREFIX	     "isolation-"
#define MARK	     "canary " PREFIX
#define MAX_NAME     64
#define SEGMENT_SIZE 4096
#define NONE	     "-" /* in place of a name: no queue; of a file: no file */

/* struct mq_attr of linux/mqueue.h; the kernel takes names without a slash before them. */
struct queue_attributes {
	long flags, most, size, count, reserved[4];
};

struct canaries {
	key_t key; /* 0: no segment */
	const char *name, *file;
	char text[MAX_NAME + 16];
};

/* Reads KEY NAME; false if one is invalid. */
static bool parse(struct canaries *c, char **argv)
{
	uint64_t key;

	if (!parse_number(argv[0], INT32_MAX, &key))
		return false;
	c->key = (key_t)key;
	c->name = argv[1];
	snprintf(c->text, sizeof(c->text), "canary %s\n", c->name);
	return strcmp(c->name, NONE) == 0 || (starts_with(c->name, PREFIX) &&
					      strlen(c->name) <= MAX_NAME && !strchr(c->name, '/'));
}

/* EX_TEMPFAIL: another segment has the key. */
static int make_segment(const struct canaries *c)
{
	int id = shmget(c->key, SEGMENT_SIZE, IPC_CREAT | IPC_EXCL | 0600);
	char *at;

	if (id < 0 && errno == EEXIST)
		return EX_TEMPFAIL;
	at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	if (at == (void *)-1)
		die(EX_CANTCREAT, "cannot create a shared memory segment");
	memcpy(at, c->text, strlen(c->text));
	shmdt(at);
	return 0;
}

/* One message of one byte: RLIMIT_MSGQUEUE limits the capacity of all queues of a user. */
static void make_queue(const struct canaries *c)
{
	struct queue_attributes one = { .most = 1, .size = 1 };
	long fd =
		syscall(SYS_mq_open, c->name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &one);

	if (fd < 0)
		die(EX_CANTCREAT, "cannot create a message queue");
	close((int)fd);
}

static void make_listener(const struct canaries *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(c->name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, c->name, length);
	length += offsetof(struct sockaddr_un, sun_path) + 1;
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)length) < 0 ||
	    listen(fd, 16) < 0)
		die(EX_CANTCREAT, "cannot create an abstract socket");
}

static void make_file(const struct canaries *c)
{
	cleanup_fd int fd =
		open(c->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, c->text, strlen(c->text)) < 0)
		die(EX_CANTCREAT, "cannot create %s", c->file);
}

/* Makes all; the socket exists until this process is killed, the others until they are deleted. */
static int hold(const struct canaries *c)
{
	int status = make_segment(c);

	if (status)
		return status;
	make_queue(c);
	make_listener(c);
	if (strcmp(c->file, NONE) != 0)
		make_file(c);
	if (write_all(1, "made\n", 5) < 0)
		die(EX_OSERR, "cannot write");
	for (;;)
		pause();
}

/* Writes the text; on an error, the error's name in brackets. */
static void json_state(const char *key, int error, const char *text)
{
	char failed[32];

	snprintf(failed, sizeof(failed), "(%s)", errno_name(error));
	json_key(key);
	json_text(error ? failed : text);
}

static const char *attach(key_t key)
{
	int id = shmget(key, 0, 0);

	return id < 0 ? (void *)-1 : shmat(id, NULL, SHM_RDONLY);
}

static void look_at_segment(const struct canaries *c)
{
	char text[sizeof(c->text)] = "";
	const char *at = attach(c->key);
	int error = errno;

	if (at != (void *)-1) {
		memcpy(text, at, strlen(c->text));
		shmdt(at);
		error = 0;
	}
	json_state("segment", error, trim(text));
}

static void look_at_queue(const struct canaries *c)
{
	struct queue_attributes now = { 0 };
	char text[80] = "";
	cleanup_fd int fd = (int)syscall(SYS_mq_open, c->name, O_RDONLY | O_CLOEXEC, 0, NULL);

	if (fd < 0 || syscall(SYS_mq_getsetattr, fd, NULL, &now) < 0) {
		json_state("queue", errno, "");
		return;
	}
	snprintf(text, sizeof(text), "%ld messages of at most %ld bytes", now.count, now.size);
	json_state("queue", 0, text);
}

static void look_at_file(const struct canaries *c)
{
	char held[256], text[sizeof(held) + 80];
	struct stat st;

	if (lstat(c->file, &st) < 0 || read_file(AT_FDCWD, c->file, held, sizeof(held)) < 0) {
		json_state("file", errno, "");
		return;
	}
	snprintf(text, sizeof(text), "%s mode %o of %u:%u", trim(held), st.st_mode, st.st_uid,
		 st.st_gid);
	json_state("file", 0, text);
}

static int look(const struct canaries *c)
{
	json_open('{');
	look_at_segment(c);
	look_at_queue(c);
	look_at_file(c);
	json_close('}');
	return json_write(NULL);
}

/* A segment without our mark is not ours; one of zeros was made by a process that was killed. */
static bool is_ours(key_t key)
{
	static const char zeros[sizeof(MARK) - 1];
	const char *at = attach(key);
	bool ours;

	if (at == (void *)-1)
		return false; /* there is none, or it is another user's */
	ours = memcmp(at, zeros, sizeof(zeros)) == 0 || memcmp(at, MARK, sizeof(zeros)) == 0;
	shmdt(at);
	return ours;
}

static int delete (const struct canaries *c)
{
	bool named = strcmp(c->name, NONE) != 0;
	int queue = named && syscall(SYS_mq_unlink, c->name) < 0 && errno != ENOENT ? errno : 0;

	/* each is deleted, whatever becomes of the other */
	if (c->key && is_ours(c->key) && shmctl(shmget(c->key, 0, 0), IPC_RMID, NULL) < 0)
		die(EX_OSERR, "cannot delete the shared memory segment");
	errno = queue;
	if (queue)
		die(EX_OSERR, "cannot delete the message queue");
	return 0;
}

int verb_canaries(const struct call *call)
{
	char **argv = call->argv;
	struct canaries c = { 0 };

	if (call->argc == 4 && strcmp(argv[1], "delete") == 0 && parse(&c, argv + 2))
		return delete (&c);
	if (call->argc > 2 && strcmp(argv[1], "processes") == 0)
		return hold_processes(argv + 2, call->argc - 2);
	if (call->argc != 5 || !parse(&c, argv + 2) || c.key == 0 || c.name[1] == '\0')
		return usage("canaries hold|look KEY NAME FILE, delete KEY NAME, or "
			     "processes UID:GID:CAPABILITIES...");
	c.file = argv[4];
	if (strcmp(argv[1], "hold") == 0)
		return hold(&c);
	if (strcmp(argv[1], "look") == 0)
		return look(&c);
	return usage("canaries hold|look|delete|processes");
}
