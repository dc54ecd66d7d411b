/* The verb run: executes a program of the sandbox. */
#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

#include "acts/acts.h"
#include "base/text.h"
#include "base/verb.h"

int verb_run(const struct call *call)
{
	char **argv = call->argv;

	if (call->argc < 2)
		return usage("run ARGV...");
	execvp(argv[1], argv + 1);
	die(errno == ENOENT ? EX_UNAVAILABLE : EX_OSERR, "cannot execute %s", argv[1]);
}
