/* The size of the tmpfs on /dev/shm in a process's mount table (tmpfs(5)). */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "limits/limits.h"

static char line[1 << 16];

/* The bytes of the option size=64k; 0 without it.  shmem_show_options() writes whole KiB. */
static uint64_t size_of(const char *options)
{
	const char *at = strstr(options, "size=");

	return at ? strtoull(at + strlen("size="), NULL, 10) << 10 : 0;
}

void json_shm(int proc)
{
	size_t mark = json_mark();
	struct reader r;
	struct mount m;
	uint64_t size = 0;
	bool mounted = false;
	int got;

	if (proc < 0 || reader_open(&r, proc, "mountinfo") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open mountinfo");
		return;
	}
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		if (parse_mount(line, &m) && strcmp(m.target, "/dev/shm") == 0) {
			mounted = strcmp(m.fstype, "tmpfs") == 0;
			size = mounted ? size_of(m.super) : 0;
		}
	close_fd(&r.fd);
	if (got < 0) {
		json_fail(mark, errno, "read mountinfo");
		return;
	}
	json_open('{');
	json_key("limit");
	if (size)
		json_u64(size);
	else
		json_null();
	json_key("mounted");
	json_bool(mounted);
	json_close('}');
}
