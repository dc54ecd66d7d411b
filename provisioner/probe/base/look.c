/* Looks at one path. */
#include "base/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"

static void count_entries(const char *path, struct seen *s)
{
	struct folder f;

	if (folder_open(&f, AT_FDCWD, path) < 0) {
		s->entries_error = errno;
		return;
	}
	while (folder_next(&f))
		s->entries++;
	s->entries_error = errno;
	close_fd(&f.fd);
}

void look_at(const struct look *l, struct seen *s)
{
	struct stat st;
	struct statfs fs;

	memset(s, 0, sizeof(*s));
	if (lstat(l->path, &st) < 0) {
		s->lstat_error = errno;
		return;
	}
	s->mode = st.st_mode;
	s->major = major(st.st_rdev);
	s->minor = minor(st.st_rdev);
	if (statfs(l->path, &fs) < 0)
		s->statfs_error = errno;
	else {
		s->fstype = (uint64_t)fs.f_type & UINT32_MAX;
		s->read_only = (fs.f_flags & 1) != 0; /* ST_RDONLY */
	}
	if (S_ISDIR(st.st_mode))
		count_entries(l->path, s);
	if (l->write) {
		int fd = open(l->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

		s->write_error = fd < 0 ? errno : 0;
		if (fd >= 0)
			close(fd);
	}
}

static void json_filesystem(const struct look *l, const struct seen *s, bool none)
{
	json_key("fstype");
	if (none)
		json_null();
	else if (s->statfs_error)
		json_fail(json_mark(), s->statfs_error, "statfs %s", l->path);
	else
		json_u64(s->fstype);
	json_key("read_only");
	if (none)
		json_null();
	else if (s->statfs_error)
		json_fail(json_mark(), s->statfs_error, "statfs %s", l->path);
	else
		json_bool(s->read_only);
}

void json_seen(const struct look *l, const struct seen *s)
{
	bool absent = s->lstat_error == ENOENT || s->lstat_error == ENOTDIR;

	if (s->lstat_error && !absent) {
		json_fail(json_mark(), s->lstat_error, "lstat %s", l->path);
		return;
	}
	json_open('{');
	json_key("type");
	json_text(absent ? "absent" : file_type(s->mode, "file"));
	json_key("rdev");
	if (!absent && (S_ISCHR(s->mode) || S_ISBLK(s->mode))) {
		json_open('[');
		json_u64(s->major);
		json_u64(s->minor);
		json_close(']');
	} else {
		json_null();
	}
	json_filesystem(l, s, absent || S_ISLNK(s->mode));
	json_key("entries");
	if (absent || !S_ISDIR(s->mode))
		json_null();
	else if (s->entries_error)
		json_fail(json_mark(), s->entries_error, "list %s", l->path);
	else
		json_u64(s->entries);
	json_key("write");
	if (absent || !l->write)
		json_null();
	else
		json_text(s->write_error ? errno_name(s->write_error) : "ok");
	json_close('}');
}

static void look(const void *in, void *out)
{
	look_at(in, out);
}

void json_look(const char *key, const struct look *l)
{
	struct seen s;
	struct call_result done = fork_call_next(look, l, &s, sizeof(s));

	json_key(key);
	if (done.end == CALL_DONE)
		json_seen(l, &s);
	else if (done.end == CALL_TIMEOUT)
		json_fail(json_mark(), ETIMEDOUT, "look at %s", l->path);
	else if (done.end == CALL_KILLED)
		json_fail(json_mark(), 0, "look at %s: killed by signal %d", l->path, done.number);
	else
		json_fail(json_mark(), done.number, "fork to look at %s", l->path);
}
