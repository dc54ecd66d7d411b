/* The verbs read, write and exists: files of the sandbox, with the rights of the probe. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"

#define MOST_MODE 07777

/* Copies until the end of input; -1 with errno. */
static int copy(int from, int to)
{
	static char piece[16384];
	ssize_t n;

	while ((n = read(from, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(to, piece, (size_t)n) < 0)
			return -1;
	}
	return 0;
}

int verb_read(const struct call *call)
{
	cleanup_fd int fd = -1;

	const char *path = call->argv[1];

	if (call->argc != 2)
		return usage("read PATH");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || copy(fd, 1) < 0)
		die(EX_NOINPUT, "cannot read %s", path);
	return 0;
}

int verb_write(const struct call *call)
{
	cleanup_fd int fd = -1;
	uint64_t mode;

	const char *path = call->argv[1];

	if (call->argc != 3 || !parse_number(call->argv[2], MOST_MODE, &mode))
		return usage("write PATH MODE");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
	if (fd < 0 || copy(0, fd) < 0)
		die(EX_CANTCREAT, "cannot write %s", path);
	return 0;
}

int verb_exists(const struct call *call)
{
	struct stat status;

	if (call->argc != 2)
		return usage("exists PATH");
	if (stat(call->argv[1], &status) == 0)
		return write_all(1, "yes", 3) < 0 ? EX_OSERR : 0;
	if (errno != ENOENT && errno != ENOTDIR)
		die(EX_OSERR, "cannot look at %s", call->argv[1]);
	return write_all(1, "no", 2) < 0 ? EX_OSERR : 0;
}
