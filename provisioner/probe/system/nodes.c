/*
 * The device nodes outside /dev, found by a walk that is bounded and told: folders near the root
 * come first.  It stays on the mount of the root, and looks into further mounts of devtmpfs and
 * into whole tmpfs; volumes are not entered.  A mount that is one device node is found by the mount
 * table.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "system/parts.h"

enum { ENTRIES = 20000, MILLISECONDS = 10, NODES = 64, PATH = 512, QUEUE = 256 << 10 };

struct node {
	uint32_t mode, major, minor;
	char path[PATH];
};

struct walked {
	int error;
	uint64_t entries, unread, count;
	bool complete;
	struct node nodes[NODES];
};

/* Folders to list: each the id of its mount, 0 for a folder where another walk begins, and its
 * path. */
struct queue {
	size_t first, end;
	char text[QUEUE];
};

static struct queue queue;

static bool push(uint64_t mount, const char *path)
{
	size_t length = strlen(path) + 1;

	if (length > PATH || queue.end + sizeof(mount) + length > QUEUE)
		return false;
	memcpy(queue.text + queue.end, &mount, sizeof(mount));
	memcpy(queue.text + queue.end + sizeof(mount), path, length);
	queue.end += sizeof(mount) + length;
	return true;
}

static const char *pop(uint64_t *mount)
{
	const char *path = queue.text + queue.first + sizeof(*mount);

	memcpy(mount, queue.text + queue.first, sizeof(*mount));
	queue.first += sizeof(*mount) + strlen(path) + 1;
	return path;
}

static void note(struct walked *w, const char *path, const struct stat *st)
{
	struct node *n = &w->nodes[w->count];

	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->nodes[i].path, path) == 0)
			return; /* a mount in a folder that is walked too */
	if (w->count == NODES || !copy_text(n->path, sizeof(n->path), path)) {
		w->complete = false;
		return;
	}
	n->mode = st->st_mode;
	n->major = major(st->st_rdev);
	n->minor = minor(st->st_rdev);
	w->count++;
}

static bool is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 && (!path[length] || path[length] == '/');
}

/* Where other sections of the facts list nodes, or none can be. */
static bool is_elsewhere(const char *path)
{
	return is_below(path, "/dev") || is_below(path, "/proc") || is_below(path, "/sys");
}

static void begin_at(struct walked *w, const struct mount *m)
{
	struct stat st;
	bool devices = strcmp(m->fstype, "devtmpfs") == 0;
	bool memory = strcmp(m->fstype, "tmpfs") == 0 || strcmp(m->fstype, "ramfs") == 0;

	if (is_elsewhere(m->target) || strcmp(m->target, "/") == 0 ||
	    strcmp(m->fstype, "autofs") == 0 || lstat(m->target, &st) < 0)
		return;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		note(w, m->target, &st);
	else if (S_ISDIR(st.st_mode) && (devices || (memory && strcmp(m->root, "/") == 0)))
		w->complete = push(0, m->target) && w->complete;
}

static int read_mounts(struct walked *w)
{
	static char line[MAX_LINE];
	struct reader r;
	struct mount m;
	int got, seen = 0;

	if (reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0)
		return -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0 && seen++ < MAX_ITEMS)
		if (parse_mount(line, &m))
			begin_at(w, &m);
	close_fd(&r.fd);
	if (got)
		w->complete = false;
	return 0;
}

/* The id of an open folder's mount; 0 if neither statx(2) nor /proc shows it. */
static uint64_t mount_of(int fd)
{
	_Alignas(8) unsigned char buffer[256] = { 0 };
	uint64_t id = 0;
	char path[40];

	/* STATX_MNT_ID, Linux 5.8: stx_mask at 0, stx_mnt_id at 144 */
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x1000u, buffer) == 0 && (buffer[1] & 0x10)) {
		memcpy(&id, buffer + 144, sizeof(id));
		return id;
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_key(AT_FDCWD, path, "mnt_id", &id) == 0 ? id : 0;
}

/* Notes a node, or keeps a folder for later.  The type is of linux_dirent64, if the file system
 * tells it. */
static void look_at_entry(struct walked *w, int folder, uint64_t mount, const char *path,
			  const char *name)
{
	unsigned char type = folder_type(name);
	char child[2 * PATH];
	struct stat st;

	w->entries++;
	if (type != DT_DIR && type != DT_CHR && type != DT_BLK && type != DT_UNKNOWN)
		return;
	snprintf(child, sizeof(child), "%s/%s", path[1] ? path : "", name);
	if (is_elsewhere(child))
		return;
	if (type != DT_DIR) {
		if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			note(w, child, &st);
		if (!S_ISDIR(st.st_mode))
			return;
	}
	w->complete = push(mount, child) && w->complete;
}

static void list(struct walked *w, uint64_t mount, const char *path)
{
	struct folder f;
	const char *name;
	uint64_t own;

	if (folder_open(&f, AT_FDCWD, path) < 0) {
		w->unread += errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
		return;
	}
	own = mount_of(f.fd);
	if (!mount || own == mount) {
		while (w->entries < ENTRIES && (name = folder_next(&f)))
			look_at_entry(w, f.fd, own, path, name);
	}
	close_fd(&f.fd);
}

static void walk(const void *in, void *out)
{
	struct walked *w = out;
	uint64_t deadline = now_ms() + MILLISECONDS, mount;

	(void)in;
	memset(w, 0, sizeof(*w));
	w->complete = true;
	push(0, "/");
	if (read_mounts(w) < 0) {
		w->error = errno;
		return;
	}
	while (queue.first < queue.end && w->entries < ENTRIES && now_ms() <= deadline) {
		const char *path = pop(&mount);

		list(w, mount, path);
	}
	if (queue.first < queue.end || w->entries >= ENTRIES)
		w->complete = false;
}

static void json_walked(const struct walked *w)
{
	json_open('{');
	json_key("entries");
	json_u64(w->entries);
	json_key("unread");
	json_u64(w->unread);
	json_key("complete");
	json_bool(w->complete);
	json_key("devices");
	json_open('[');
	for (size_t i = 0; i < w->count && i < NODES; i++) {
		const struct node *n = &w->nodes[i];

		json_device(n->path, n->mode, n->major, n->minor);
	}
	json_close(']');
	json_close('}');
}

void json_nodes(bool asked)
{
	static struct walked w;
	struct call_result done = { CALL_DONE, 0 };

	json_key("nodes");
	if (asked)
		done = fork_call(walk, NULL, &w, sizeof(w));
	if (!asked)
		json_fail(json_mark(), 0, "not asked for");
	else if (done.end == CALL_TIMEOUT)
		json_fail(json_mark(), ETIMEDOUT, "walk through the root");
	else if (done.end == CALL_KILLED)
		json_fail(json_mark(), 0, "walk through the root: killed by signal %d",
			  done.number);
	else if (done.end != CALL_DONE)
		json_fail(json_mark(), done.number, "fork to walk through the root");
	else if (w.error)
		json_fail(json_mark(), w.error, "read /proc/self/mountinfo");
	else
		json_walked(&w);
}
