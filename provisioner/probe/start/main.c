/* probe: looks at the walls around a process from within; docs/reference/protocol.md. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool one_shot = true;

static const struct verb verbs[] = {
	{ "facts", verb_facts, false }, { "outside", verb_outside, false },
	{ "image", verb_image, false }, { "echo", verb_echo, true },
	{ "load", verb_load, false },   { "net", verb_net, false },
	{ "touch", verb_touch, false }, { "run", verb_run, true },
};

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "serve", cmd_serve },
	{ "launch", cmd_launch },
};

const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int verb_echo(int argc, char **argv)
{
	static char piece[PIECE];
	ssize_t n;

	(void)argv;
	if (argc != 1)
		return usage("echo");
	while ((n = read(0, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(1, piece, (size_t)n) < 0)
			die(EX_OSERR, "cannot pass the input on");
	}
	return 0;
}

/* An empty file that was not there; whoever asks for it takes it away. */
int verb_touch(int argc, char **argv)
{
	cleanup_fd int fd = -1;

	if (argc != 2)
		return usage("touch PATH");
	fd = open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		die(EX_CANTCREAT, "cannot make %s", argv[1]);
	return 0;
}

int verb_run(int argc, char **argv)
{
	if (argc < 2)
		return usage("run ARGV...");
	execvp(argv[1], argv + 1);
	die(errno == ENOENT ? EX_UNAVAILABLE : EX_OSERR, "cannot execute %s", argv[1]);
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	record_fds();
	record_holdings();
	if (argc < 2)
		return usage("serve|launch|facts|outside|image|echo|load|net|touch|run [ARG]...");
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	verb = find_verb(argv[1]);
	if (verb)
		return verb->run(argc - 1, argv + 1);
	errno = 0;
	die(EX_USAGE, "unknown verb %s", argv[1]);
}
