/* The verb echo: copies standard input to standard output. */
#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"

int verb_echo(const struct call *call)
{
	static char piece[16384];
	ssize_t n;

	if (call->argc != 1)
		return usage("echo");
	while ((n = read(0, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(1, piece, (size_t)n) < 0)
			die(EX_OSERR, "cannot copy the input");
	}
	return 0;
}
