/*
 * Files of the user who started the sandbox: which of the named paths it opens (open(2)).  Nothing
 * is read or written.  access(2) would not do: Landlock refuses only open(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "exposed/exposed.h"

/* Only a regular file or a folder is opened: a pipe or a device may do something then. */
static void json_open_try(const char *key, const char *path, const struct stat *s, int how)
{
	cleanup_fd int fd = -1;

	json_key(key);
	if (!S_ISREG(s->st_mode) && (how != O_RDONLY || !S_ISDIR(s->st_mode))) {
		json_null();
		return;
	}
	fd = open(path, how | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	json_text(fd >= 0 ? "ok" : errno_name(errno));
}

static void json_user_file(const char *path)
{
	struct stat s;

	if (stat(path, &s) < 0)
		return;
	json_open('{');
	json_key("path");
	json_text(path);
	json_key("device");
	json_open('[');
	json_u64(major(s.st_dev));
	json_u64(minor(s.st_dev));
	json_close(']');
	json_key("inode");
	json_u64(s.st_ino);
	json_open_try("read", path, &s, O_RDONLY);
	json_open_try("write", path, &s, O_WRONLY);
	json_close('}');
}

void json_user_files(const char *const *paths, size_t count)
{
	json_key("user_files");
	if (count == 0) {
		json_null();
		return;
	}
	json_open('[');
	for (size_t i = 0; i < count; i++)
		json_user_file(paths[i]);
	json_close(']');
}
