/* Lists /proc/PID/mountinfo and /proc/PID/cgroup. */
#include <errno.h>
#include <stdint.h>
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

static void json_mount(struct mount *m)
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
	json_key("super_options");
	json_split(m->super, ",");
	json_close('}');
}

/* A list that does not fit is unobserved: a truncated one could hide a mount. */
void json_mounts(int proc)
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
		json_mount(&m);
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
