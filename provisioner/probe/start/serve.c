/* The command serve: the server, on standard input and output or on a terminal. */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/text.h"
#include "serve/server.h"
#include "start/start.h"

static const char synopsis[] = "serve NONCE [--init] [--tty PATH]";

/* If 0, 1 or 2 were closed, a pipe of a request would get that number. */
static void fill_standard_fds(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd < 2)
		fd = dup(fd);
	if (fd > 2)
		close(fd);
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
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	serve(argv[1], in, out, find_verb);
	if (init)
		init_stop(out);
	return 0;
}
