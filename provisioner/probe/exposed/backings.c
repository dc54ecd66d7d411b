/*
 * The files, named pipes and terminals that a process has open or maps shared, and whether other
 * users of the host may read or write them too: a hypervisor's memory, disks, logs and channels.
 * They are found by its descriptors and maps (proc_pid_fd(5), proc_pid_maps(5)), not by their
 * names. Files are opened with O_PATH; of a file of a few bytes the content is read, for a pid.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "exposed/exposed.h"
#include "exposed/way.h"

#define MOST	 128
#define PTMX	 makedev(5, 2)
#define PID_SIZE 12 /* the longest pid, and a newline */

struct backing {
	struct stat st;
	char target[512];
	unsigned access; /* 1: to read, 2: to write */
	bool mapped, pid;
};

static struct backing list[MOST];
static size_t count;

/* Files without a name of their own: nobody else opens them by one. */
static const char *const nameless[] = { "pipe:[",  "socket:[", "anon_inode:",
					"/memfd:", "/SYSV",    "/dev/zero" };

static bool has_name(const char *target)
{
	for (size_t i = 0; i < COUNT(nameless); i++)
		if (starts_with(target, nameless[i]))
			return false;
	return true;
}

static bool is_backing(const struct stat *st, const char *target)
{
	if (!has_name(target))
		return false;
	return S_ISREG(st->st_mode) || S_ISFIFO(st->st_mode) || st->st_rdev == PTMX ||
	       (S_ISCHR(st->st_mode) && major(st->st_rdev) - 136 < 8);
}

/* The entry of a file, made if it is new; NULL if there are too many. */
static struct backing *find(const struct stat *st, const char *target)
{
	struct backing *b = list;

	for (; b < list + count; b++)
		if (b->st.st_dev == st->st_dev && b->st.st_ino == st->st_ino &&
		    strcmp(b->target, target) == 0)
			return b;
	if (count == COUNT(list) || !copy_text(b->target, sizeof(b->target), target)) {
		errno = E2BIG;
		return NULL;
	}
	count++;
	b->st = *st;
	b->access = 0;
	b->mapped = b->pid = false;
	return b;
}

/* The other end of a pseudoterminal: ptmx itself tells nothing of it (pts(4)). */
static void find_terminal(int proc, const char *fd, struct stat *st, char *target, size_t size)
{
	char path[64];
	uint64_t index;

	snprintf(path, sizeof(path), "fdinfo/%.16s", fd);
	if (read_key(proc, path, "tty-index", &index) < 0)
		return;
	snprintf(path, sizeof(path), "root/dev/pts/%u", (unsigned)index);
	if (fstatat(proc, path, st, 0) == 0)
		snprintf(target, size, "/dev/pts/%u", (unsigned)index);
}

static bool holds_pid(int proc, const char *fd, const struct stat *st)
{
	char path[32], text[PID_SIZE + 1] = "";
	uint64_t number;

	if (!S_ISREG(st->st_mode) || !st->st_size || st->st_size > PID_SIZE)
		return false;
	snprintf(path, sizeof(path), "fd/%.16s", fd);
	return read_file(proc, path, text, sizeof(text)) > 0 &&
	       parse_number(trim(text), INT32_MAX, &number);
}

static int take_descriptor(int proc, const char *fd)
{
	char path[32], target[MAX_TEXT + 1];
	struct backing *b;
	struct stat st;
	uint64_t flags;

	snprintf(path, sizeof(path), "fd/%.16s", fd);
	if (read_link(proc, path, target, sizeof(target)) < 0 || fstatat(proc, path, &st, 0) < 0)
		return errno == ENOENT ? 0 : -1; /* closed meanwhile */
	if (!is_backing(&st, target))
		return 0;
	snprintf(path, sizeof(path), "fdinfo/%.16s", fd);
	if (read_key(proc, path, "flags", &flags) < 0)
		return errno == ENOENT ? 0 : -1;
	if (st.st_rdev == PTMX)
		find_terminal(proc, fd, &st, target, sizeof(target));
	b = find(&st, target);
	if (!b)
		return -1;
	/* the digits of fdinfo's flags are octal; O_PATH is 010000000 */
	if (flags / 10000000 % 2 == 0)
		b->access |= (unsigned)(flags % 10 & 3) + 1;
	b->pid = b->pid || holds_pid(proc, fd, &st);
	return 0;
}

static int take_descriptors(int proc)
{
	struct folder f;
	const char *name;
	int error = 0;

	if (folder_open(&f, proc, "fd") < 0)
		return -1;
	while (!error && (name = folder_next(&f)))
		error = take_descriptor(proc, name) < 0 ? errno : 0;
	error = error ? error : errno;
	close_fd(&f.fd);
	errno = error;
	return error ? -1 : 0;
}

/*
 * The file of a map.  Its link needs CAP_CHECKPOINT_RESTORE (proc_pid_map_files(5)); without it the
 * file is looked for by its path, and must be the one that the line names.
 */
static int stat_map(int proc, const char *range, const char *path, uint64_t inode, struct stat *st)
{
	char link[96];

	snprintf(link, sizeof(link), "map_files/%s", range);
	if (fstatat(proc, link, st, 0) == 0)
		return 0;
	if (errno != EPERM || stat(path, st) < 0)
		return -1;
	errno = EPERM;
	return st->st_ino == inode ? 0 : -1;
}

/* Takes a line of maps, if others see what the process writes there. */
static int take_map(int proc, const char *line)
{
	char range[64], perms[8];
	unsigned long long inode;
	struct backing *b;
	struct stat st;
	int at = 0;

	if (sscanf(line, "%63s %7s %*x %*x:%*x %llu %n", range, perms, &inode, &at) < 3 || !inode ||
	    perms[1] != 'w' || perms[3] != 's' || !has_name(line + at))
		return 0;
	if (stat_map(proc, range, line + at, inode, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!is_backing(&st, line + at))
		return 0;
	b = find(&st, line + at);
	if (!b)
		return -1;
	b->access |= 3;
	b->mapped = true;
	return 0;
}

static int take_maps(int proc)
{
	static char line[MAX_LINE];
	struct reader r;
	int got, error;

	if (reader_open(&r, proc, "maps") < 0)
		return -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		if (take_map(proc, line) < 0)
			break;
	error = got ? errno : 0;
	close_fd(&r.fd);
	errno = error;
	return error ? -1 : 0;
}

/*
 * Whether other users may come to the file by its path.  -1 with errno: this process finds another
 * file there or none, as in a mount namespace of the hypervisor's own.
 */
static int has_way(const struct backing *b, bool *open)
{
	cleanup_fd int root = -1;
	struct stat st;

	*open = false;
	if (!b->st.st_nlink)
		return 0; /* deleted */
	root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || look_on_way(root, b->target, &st, open) < 0)
		return -1;
	errno = ENOENT;
	return st.st_dev == b->st.st_dev && st.st_ino == b->st.st_ino ? 0 : -1;
}

static void json_others(const char *key, bool found, bool may)
{
	json_key(key);
	if (found)
		json_bool(may);
	else
		json_fail(json_mark(), ENOENT, "find the file by its path");
}

static void json_backing(const struct backing *b)
{
	static const char *const access[] = { "path", "r", "w", "rw" };
	bool open, found = has_way(b, &open) == 0;
	mode_t mode = b->st.st_mode;

	json_open('{');
	json_key("path");
	json_text(b->target);
	json_key("type");
	json_text(file_type(mode, "other"));
	json_key("access");
	json_text(access[b->access & 3]);
	json_key("mapped");
	json_bool(b->mapped);
	json_key("pid");
	json_bool(b->pid);
	json_key("uid");
	json_u64(b->st.st_uid);
	json_key("mode");
	json_u64(mode & 07777);
	json_others("others_read", found || !(mode & S_IROTH), open && mode & S_IROTH);
	json_others("others_write", found || !(mode & S_IWOTH), open && mode & S_IWOTH);
	json_close('}');
}

void json_backings(int proc)
{
	size_t mark;

	json_key("backings");
	mark = json_mark();
	count = 0;
	if (take_descriptors(proc) < 0 || take_maps(proc) < 0) {
		json_fail(mark, errno, "list fd and maps");
		return;
	}
	json_open('[');
	for (size_t i = 0; i < count; i++)
		json_backing(&list[i]);
	json_close(']');
}
