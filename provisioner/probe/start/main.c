/* The probe: examines the isolation of a process from inside; docs/reference/protocol.md. */
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "acts/acts.h"
#include "base/text.h"
#include "base/verb.h"
#include "process/process.h"
#include "start/start.h"

static const struct verb verbs[] = {
	{ "facts", verb_facts, false },	  { "outside", verb_outside, false },
	{ "image", verb_image, false },	  { "echo", verb_echo, true },
	{ "load", verb_load, false },	  { "net", verb_net, true },
	{ "touch", verb_touch, false },	  { "canaries", verb_canaries, false },
	{ "run", verb_run, true },	  { "served_sockets", verb_served_sockets, false },
	{ "read", verb_read, false },	  { "write", verb_write, true },
	{ "exists", verb_exists, false },
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

int main(int argc, char **argv)
{
	const struct verb *verb;

	/* this program itself, if it is the sealed copy; a file of the host there is a finding */
	if (strcmp(argc ? argv[0] : "", MEMFD_PATH) == 0 && is_sealed(MEMFD_FD))
		close(MEMFD_FD);
	record_fds();
	record_descriptors();
	if (argc < 2)
		return usage("serve|launch|facts|outside|image|echo|load|net|touch|canaries|run|"
			     "served_sockets|read|write|exists [ARG]...");
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	verb = find_verb(argv[1]);
	if (verb)
		return verb->run(&(struct call){ .argc = argc - 1, .argv = argv + 1 });
	errno = 0;
	die(EX_USAGE, "unknown verb %s", argv[1]);
}
