/* Looks at a file and at the folders on its path (path_resolution(7)).  Opens with O_PATH only. */
#include "exposed/way.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define RESOLVE_IN_ROOT_ 0x10

static int stat_in_root(int root, const char *path, struct stat *st)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT_ };
	cleanup_fd int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -1 : fstat(fd, st);
}

int look_on_way(int root, const char *path, struct stat *st, bool *open)
{
	char whole[2 * MAX_TEXT];
	struct stat folder;

	if (!copy_text(whole, sizeof(whole), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (stat_in_root(root, whole, st) < 0)
		return -1;
	*open = true;
	for (char *slash = whole; slash; slash = strchr(slash + 1, '/')) {
		char after = slash[1];

		slash[1] = 0;
		if (stat_in_root(root, whole, &folder) < 0)
			return -1;
		slash[1] = after;
		*open = *open && (folder.st_mode & S_IXOTH);
	}
	return 0;
}
