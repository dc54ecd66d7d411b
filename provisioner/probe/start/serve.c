/* The command serve: the server, on standard input and output or on a terminal. */
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "serve/server.h"
#include "start/start.h"

static const char synopsis[] = "serve NONCE [--init] [--tty PATH] [--host]";

/* If 0, 1 or 2 were closed, a pipe of a request would get that number. */
static void fill_standard_fds(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd < 2)
		fd = dup(fd);
	if (fd > 2)
		close(fd);
}

/*
 * Enters the mounts of process 1, which is the host's in the host's pid namespace: a privileged
 * container then sees the host as a process of the host does.
 */
static void enter_host(void)
{
	cleanup_fd int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		die(EX_NOPERM, "cannot enter the host's mount namespace");
}

int cmd_serve(int argc, char **argv)
{
	const char *tty = NULL;
	int in = 0, out = 1;
	bool init = false;

	if (argc < 2)
		return usage(synopsis);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--init") == 0)
			init = true;
		else if (strcmp(argv[i], "--host") == 0)
			enter_host();
		else if (strcmp(argv[i], "--tty") == 0 && i + 1 < argc)
			tty = argv[++i];
		else
			return usage(synopsis);
	}
	if (init)
		init_start();
	fill_standard_fds();
	if (tty)
		in = out = open_raw_tty(tty);
	else
		make_raw(in); /* a wrapper may have made a terminal; else it does nothing */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	serve(argv[1], in, out, find_verb);
	if (init)
		init_stop(out);
	return 0;
}
