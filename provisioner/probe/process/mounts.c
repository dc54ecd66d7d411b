/* Lists /proc/PID/mountinfo and /proc/PID/cgroup. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "process/parts.h"

static char line[MAX_LINE];

static void json_split(char *list, const char *separators)
{
	char *item;

	json_open('[');
	while ((item = strsep(&list, separators)))
		if (*item) {
			unescape(item);
			json_text(item);
		}
	json_close(']');
}

/* Removes the backslashes of overlayfs from a folder's name, in place (overlayfs.rst). */
static void unescape_folder(char *name)
{
	char *to = name;

	for (; *name; name++) {
		if (*name == '\\' && name[1])
			name++;
		*to++ = *name;
	}
	*to = 0;
}

/* Ends the first folder of a list at its colon, and returns the rest; NULL for none. */
static char *split_folders(char *list)
{
	for (; *list; list++) {
		if (*list == '\\' && list[1]) {
			list++;
		} else if (*list == ':') {
			*list = 0;
			return list + 1;
		}
	}
	return NULL;
}

/*
 * One folder of an overlay, and where its symbolic links lead on this host now.  A relative name
 * is left out, for nobody knows its folder; so is one that is not there.
 */
static void json_folder(const char *option, char *name)
{
	char real[PATH_MAX];

	unescape_folder(name);
	if (*name != '/' || !realpath(name, real))
		return;
	json_open('{');
	json_key("option");
	json_text(option);
	json_key("name");
	json_text(name);
	json_key("path");
	json_text(real);
	json_close('}');
}

static void json_folders(const struct mount *m)
{
	static const char *const options[] = { "lowerdir", "lowerdir+", "datadir+", "upperdir",
					       "workdir" };
	static char copy[MAX_LINE];
	char *list = copy, *item;

	json_key("folders");
	json_open('[');
	copy[0] = 0;
	if (strcmp(m->fstype, "overlay") == 0)
		copy_text(copy, sizeof(copy), m->super);
	while ((item = strsep(&list, ","))) {
		char *value = strchr(item, '=');

		if (!value)
			continue;
		*value++ = 0;
		unescape(value);
		for (size_t i = 0; i < COUNT(options); i++)
			while (strcmp(item, options[i]) == 0 && value) {
				char *next = i ? NULL : split_folders(value);

				json_folder(item, value);
				value = next;
			}
	}
	json_close(']');
}

static void json_mount(struct mount *m, bool outside)
{
	json_open('{');
	json_key("id");
	json_u64(m->id);
	json_key("parent");
	json_u64(m->parent);
	json_key("major");
	json_u64(m->major);
	json_key("minor");
	json_u64(m->minor);
	json_key("root");
	json_text(m->root);
	json_key("target");
	json_text(m->target);
	json_key("options");
	json_split(m->options, ",");
	json_key("tags");
	json_open('[');
	for (size_t i = 0; i < m->ntags; i++)
		json_text(m->tags[i]);
	json_close(']');
	json_key("fstype");
	json_text(m->fstype);
	json_key("source");
	json_text(m->source);
	if (outside)
		json_folders(m);
	json_key("super_options");
	json_split(m->super, ",");
	json_close('}');
}

/* A list that does not fit is unobserved: a truncated one could hide a mount. */
void json_mounts(int proc, bool outside)
{
	size_t mark = json_mark(), items = 0;
	struct reader r;
	struct mount m;
	int got;

	if (proc < 0 || reader_open(&r, proc, "mountinfo") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open mountinfo");
		return;
	}
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		if (!parse_mount(line, &m)) {
			got = -1;
			errno = EBADMSG;
			break;
		}
		json_mount(&m, outside);
		if (++items > MAX_ITEMS || json_over(mark, 512 << 10)) {
			got = -1;
			errno = E2BIG;
			break;
		}
	}
	if (got < 0)
		json_fail(mark, errno, "read mountinfo");
	else
		json_close(']');
	close_fd(&r.fd);
}

void json_cgroups(int proc)
{
	size_t mark = json_mark(), items = 0;
	struct reader r;
	int got;

	if (proc < 0 || reader_open(&r, proc, "cgroup") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open cgroup");
		return;
	}
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		char *path = line, *id = strsep(&path, ":"), *controllers = strsep(&path, ":");
		uint64_t number;

		if (!path || !parse_number(id, UINT64_MAX, &number) || ++items > MAX_ITEMS ||
		    json_over(mark, 64 << 10)) {
			got = -1;
			errno = EBADMSG;
			break;
		}
		json_open('{');
		json_key("hierarchy");
		json_u64(number);
		json_key("controllers");
		json_split(controllers, ",");
		json_key("path");
		json_text(path);
		json_close('}');
	}
	if (got < 0)
		json_fail(mark, errno, "read cgroup");
	else
		json_close(']');
	close_fd(&r.fd);
}
