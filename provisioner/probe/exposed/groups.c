/*
 * The ids of groups that open files of the system, by their names in group(5).  Distributions give
 * them different numbers.  The other lines of the file are not written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "exposed/exposed.h"

#define MOST_LINES 65536

/* walls/users.py has what each of them opens, and its source. */
static const char *const names[] = {
	"root", "disk", "kmem",	 "shadow",	"sudo",	  "wheel",  "adm",     "systemd-journal",
	"kvm",	"lxd",	"incus", "incus-admin", "docker", "podman", "libvirt",
};

static bool is_named(const char *name)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void json_group(char *line)
{
	char *at = line, *name = strsep(&at, ":"), *number;
	uint64_t gid;

	if (!at || !is_named(name))
		return;
	strsep(&at, ":");
	number = strsep(&at, ":");
	if (!number || !parse_number(number, UINT32_MAX, &gid))
		return;
	json_open('{');
	json_key("name");
	json_text(name);
	json_key("gid");
	json_u64(gid);
	json_close('}');
}

/* A line longer than MAX_LINE makes the fact unobserved. */
void json_groups_file(void)
{
	static char line[MAX_LINE];
	size_t mark, count = 0;
	struct reader r;
	int got;

	json_key("groups");
	mark = json_mark();
	if (reader_open(&r, AT_FDCWD, "/etc/group") < 0) {
		if (errno == ENOENT)
			json_null();
		else
			json_fail(mark, errno, "open /etc/group");
		return;
	}
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0 && ++count <= MOST_LINES)
		json_group(line);
	if (got)
		json_fail(mark, got < 0 ? errno : E2BIG, "read /etc/group");
	else
		json_close(']');
	close_fd(&r.fd);
}
