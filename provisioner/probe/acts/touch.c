/* The verb touch: creates an empty file that did not exist.  The caller removes it. */
#include <fcntl.h>
#include <sysexits.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"

int verb_touch(const struct call *call)
{
	cleanup_fd int fd = -1;

	const char *path = call->argv[1];

	if (call->argc != 2)
		return usage("touch PATH");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		die(EX_CANTCREAT, "cannot create %s", path);
	return 0;
}
