/* Parses lines of /proc/PID/mountinfo and finds the cgroup file systems and copies of kernel files.
 */
#include "base/mount_table.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

static char line[MAX_LINE];

void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

bool parse_mount(char *text, struct mount *m)
{
	char *id = strsep(&text, " "), *parent = strsep(&text, " ");
	char *major = strsep(&text, ":"), *minor = strsep(&text, " "), *tag;

	m->root = strsep(&text, " ");
	m->target = strsep(&text, " ");
	m->options = strsep(&text, " ");
	m->ntags = 0;
	while ((tag = strsep(&text, " ")) && strcmp(tag, "-") != 0)
		if (*tag && m->ntags < COUNT(m->tags))
			m->tags[m->ntags++] = tag;
	m->fstype = strsep(&text, " ");
	m->source = strsep(&text, " ");
	m->super = text; /* the rest of the line: an option may contain a space */
	if (!m->fstype || !m->source || !m->super)
		return false;
	if (!parse_number(id, UINT64_MAX, &m->id) ||
	    !parse_number(parent, UINT64_MAX, &m->parent) ||
	    !parse_number(major, UINT64_MAX, &m->major) ||
	    !parse_number(minor, UINT64_MAX, &m->minor))
		return false;
	unescape(m->root);
	unescape(m->target);
	unescape(m->source);
	return true;
}

bool list_has(const char *list, char separator, const char *item)
{
	while (*list) {
		size_t length = 0;

		while (list[length] && list[length] != separator && list[length] != '\n')
			length++;
		if (strlen(item) == length && strncmp(list, item, length) == 0)
			return true;
		list += length + (list[length] != 0);
	}
	return false;
}

const struct cgroup_mount *cgroup_mounts(size_t *count)
{
	static struct cgroup_mount found[32];
	static size_t known;
	static bool done;
	struct reader r;
	struct mount m;

	*count = known;
	if (done || reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0)
		return found;
	while (known < COUNT(found) && reader_line(&r, line, sizeof(line)) > 0) {
		struct cgroup_mount *c = &found[known];

		if (!parse_mount(line, &m) || !starts_with(m.fstype, "cgroup"))
			continue;
		c->version = strcmp(m.fstype, "cgroup2") == 0 ? 2 : 1;
		/* the kernel prints the controllers first (cgroup1_show_options()): cutting is safe
		 */
		snprintf(c->options, sizeof(c->options), "%s", m.super);
		if (copy_text(c->root, sizeof(c->root), m.root) &&
		    copy_text(c->target, sizeof(c->target), m.target))
			known++;
	}
	close_fd(&r.fd);
	done = true;
	*count = known;
	return found;
}

/* Whether the mount is no copy, but where runtimes have it: /proc, or /proc/sys bound to itself. */
static bool is_at_its_place(const struct copy *c)
{
	size_t length = strlen(c->place);

	return strncmp(c->target, c->place, length) == 0 &&
	       strcmp(c->target + length, c->root) == 0;
}

const struct copy *kernel_copies(size_t *count)
{
	static struct copy found[MAX_COPIES];
	static size_t known;
	static bool done;
	struct reader r;
	struct mount m;

	*count = known;
	if (done || reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0)
		return found;
	while (known < COUNT(found) && reader_line(&r, line, sizeof(line)) > 0) {
		struct copy *c = &found[known];

		if (!parse_mount(line, &m) ||
		    (strcmp(m.fstype, "proc") != 0 && strcmp(m.fstype, "sysfs") != 0))
			continue;
		c->place = m.fstype[0] == 'p' ? "/proc" : "/sys";
		if (copy_text(c->root, sizeof(c->root), strcmp(m.root, "/") == 0 ? "" : m.root) &&
		    copy_text(c->target, sizeof(c->target), m.target) && !is_at_its_place(c))
			known++;
	}
	close_fd(&r.fd);
	done = true;
	*count = known;
	return found;
}

bool name_in_copy(const struct copy *c, const char *path, char *name, size_t size)
{
	size_t place = strlen(c->place), root = strlen(c->root);

	if (strncmp(path, c->place, place) != 0 || (path[place] && path[place] != '/') ||
	    strncmp(path + place, c->root, root) != 0)
		return false;
	path += place + root;
	if (*path && *path != '/')
		return false;
	return (size_t)snprintf(name, size, "%s%s", c->target, path) < size;
}
