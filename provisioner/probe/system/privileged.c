/*
 * Files that give more rights when executed: set-user-ID and set-group-ID (inode(7)), and file
 * capabilities (capabilities(7)).  The walk stays on one mount, opens folders only and is bounded;
 * if it does not reach its end, the fact is unobserved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/system.h"

enum { DEPTH = 48, ENTRIES = 200000, MILLISECONDS = 600, FILES = 32, PATH = 1024, TOLD = 192 };

#define REVISION_3  3  /* VFS_CAP_REVISION_3: the value ends with the root's user id */
#define REVISION_AT 3  /* the highest byte of magic_etc, a little-endian number */
#define ROOT_AT	    20 /* struct vfs_ns_cap_data */

struct privileged {
	bool user, group, capabilities, has_root;
	uint32_t root;	 /* of the capabilities: the user id that is root where they count */
	char path[TOLD]; /* below the root, with a leading slash; the last characters if too long */
};

struct walked {
	int error;
	const char
		*what; /* what failed: a string constant, so the pointer is valid in the parent */
	uint64_t entries, count;
	struct privileged files[FILES];
	char path[PATH]; /* where it failed */
};

struct walk {
	const char *root;
	struct walked *to;
	dev_t device;
	uint64_t mount, deadline;
	size_t used, told; /* length of to->path: the folder, and with the name */
	struct folder folders[DEPTH];
	size_t lengths[DEPTH];
};

static bool fail(struct walk *w, int error, const char *what)
{
	w->to->error = error;
	w->to->what = what;
	return false;
}

/* The id of an open folder's mount; 0 if /proc does not show it. */
static uint64_t mount_of(int fd)
{
	char path[40];
	uint64_t id;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_key(AT_FDCWD, path, "mnt_id", &id) == 0 ? id : 0;
}

/* Reads capabilities(7), "File capability versioning". */
static bool read_capabilities(struct walk *w, struct privileged *file)
{
	unsigned char value[64];
	char path[2 * PATH];
	ssize_t size;

	snprintf(path, sizeof(path), "%s%s", w->root, w->to->path);
	size = lgetxattr(path, "security.capability", value, sizeof(value));
	if (size < 0 && errno != ERANGE)
		return errno == ENODATA || errno == EOPNOTSUPP || errno == ENOENT ||
		       fail(w, errno, "read the capabilities of");
	file->capabilities = true;
	file->has_root = size >= ROOT_AT + 4 && value[REVISION_AT] == REVISION_3;
	for (int i = 3; file->has_root && i >= 0; i--)
		file->root = file->root << 8 | value[ROOT_AT + i];
	return true;
}

static bool note_file(struct walk *w, const struct stat *st)
{
	struct privileged found = {
		.user = (st->st_mode & S_ISUID) != 0,
		/* without execute permission for the group it means mandatory locking */
		.group = (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP),
	};

	if ((st->st_mode & 0111) && !read_capabilities(w, &found))
		return false;
	if (!found.user && !found.group && !found.capabilities)
		return true;
	if (w->to->count < FILES) {
		size_t cut = w->told >= TOLD ? w->told - TOLD + 1 : 0;

		memcpy(found.path, w->to->path + cut, w->told - cut + 1);
		w->to->files[w->to->count] = found;
	}
	w->to->count++;
	return true;
}

/* Opens a folder to read next, unless another file system is mounted on it. */
static bool enter(struct walk *w, size_t *depth, int parent, const char *name)
{
	struct folder *f = &w->folders[*depth];
	uint64_t mount;

	if (*depth == DEPTH)
		return fail(w, ELOOP, "list so deep a folder as");
	if (folder_open(f, parent, name) < 0)
		return errno == ENOENT ? true : fail(w, errno, "list");
	mount = mount_of(f->fd);
	if (w->mount && mount != w->mount) {
		close_fd(&f->fd);
		return true;
	}
	w->mount = mount;
	w->lengths[(*depth)++] = w->used;
	return true;
}

static bool step(struct walk *w, size_t *depth, int parent, const char *name)
{
	struct stat st;
	int length;

	length = snprintf(w->to->path + w->used, PATH - w->used, "/%s", name);
	if (length < 0 || w->used + (size_t)length >= PATH)
		return fail(w, ENAMETOOLONG, "look below");
	w->told = w->used + (size_t)length;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? true : fail(w, errno, "look at");
	if (++w->to->entries > ENTRIES)
		return fail(w, E2BIG, "walk to the end: too many entries, at");
	if (S_ISREG(st.st_mode))
		return note_file(w, &st);
	if (!S_ISDIR(st.st_mode) || st.st_dev != w->device)
		return true;
	w->used = w->told;
	return enter(w, depth, parent, name);
}

static bool walk_on(struct walk *w, size_t *depth)
{
	struct folder *f = &w->folders[*depth - 1];
	const char *name;

	w->used = w->lengths[*depth - 1];
	w->to->path[w->used] = 0;
	if (now_ms() > w->deadline)
		return fail(w, ETIME, "walk to the end in time: came to");
	name = folder_next(f);
	if (name)
		return step(w, depth, f->fd, name);
	if (errno)
		return fail(w, errno, "list");
	close_fd(&f->fd);
	(*depth)--;
	return true;
}

static void walk_root(const void *in, void *out)
{
	static struct walk w;
	size_t depth = 0;
	struct stat st;

	w.root = in; /* the rest is zero: each walk runs in a new child */
	w.to = out;
	w.deadline = now_ms() + MILLISECONDS;
	memset(out, 0, sizeof(*w.to));
	if (!enter(&w, &depth, AT_FDCWD, *w.root ? w.root : "/"))
		return;
	if (depth == 0 || fstat(w.folders[0].fd, &st) < 0) {
		fail(&w, depth ? errno : ENOENT, "look at");
		return;
	}
	w.device = st.st_dev;
	while (depth > 0 && walk_on(&w, &depth))
		;
}

static void json_found(const struct walked *w)
{
	json_open('{');
	json_key("entries");
	json_u64(w->entries);
	json_key("count");
	json_u64(w->count);
	json_key("files");
	json_open('[');
	for (size_t i = 0; i < w->count && i < FILES; i++) {
		json_open('{');
		json_key("path");
		json_text(w->files[i].path);
		json_key("user");
		json_bool(w->files[i].user);
		json_key("group");
		json_bool(w->files[i].group);
		json_key("capabilities");
		json_bool(w->files[i].capabilities);
		json_key("capability_root");
		if (w->files[i].has_root)
			json_u64(w->files[i].root);
		else
			json_null();
		json_close('}');
	}
	json_close(']');
	json_close('}');
}

void json_privileged(const char *root)
{
	static struct walked w;
	struct call_result done = fork_call(walk_root, root, &w, sizeof(w));

	json_key("privileged");
	if (done.end == CALL_TIMEOUT)
		json_fail(json_mark(), ETIMEDOUT, "walk through the root");
	else if (done.end == CALL_KILLED)
		json_fail(json_mark(), 0, "walk through the root: killed by signal %d",
			  done.number);
	else if (done.end != CALL_DONE)
		json_fail(json_mark(), done.number, "fork to walk through the root");
	else if (w.error)
		json_fail(json_mark(), w.error, "%s %s", w.what, w.path[0] ? w.path : "/");
	else
		json_found(&w);
}
