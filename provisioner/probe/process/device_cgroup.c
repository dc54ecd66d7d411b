/*
 * The rules of a process's devices cgroup: the list of version 1 (cgroup-v1/devices.rst), or the
 * BPF programs of version 2 (cgroup-v2.rst, "Device controller").
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "limits/cgroup_place.h"
#include "process/parts.h"

#define MAX_PROGRAMS 64

static struct { /* union bpf_attr of BPF_PROG_QUERY, up to prog_cnt */
	uint32_t target, type, query, attach;
	uint64_t ids;
	uint32_t count, spare;
	uint64_t rest[12];
} query;

static uint32_t programs[MAX_PROGRAMS];

/* The BPF_CGROUP_DEVICE programs in effect, including those of parent cgroups. */
static void json_programs(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t mark = json_mark();

	memset(&query, 0, sizeof(query));
	query.target = (uint32_t)fd;
	query.type = 6;	 /* BPF_CGROUP_DEVICE */
	query.query = 1; /* BPF_F_QUERY_EFFECTIVE */
	query.ids = (uint64_t)(uintptr_t)programs;
	query.count = MAX_PROGRAMS;
	if (fd < 0 || syscall(SYS_bpf, 16 /* BPF_PROG_QUERY */, &query, sizeof(query)) < 0) {
		json_fail(mark, errno, "ask for the programs of %s", path);
		return;
	}
	json_open('{');
	json_key("version");
	json_u64(2);
	json_key("rules");
	json_open('[');
	json_close(']');
	json_key("programs");
	json_open('[');
	for (uint32_t i = 0; i < query.count && i < MAX_PROGRAMS; i++)
		json_u64(programs[i]);
	json_close(']');
	json_close('}');
}

static void json_rules(const char *path)
{
	size_t mark = json_mark(), items = 0;
	struct reader r;
	char file[2300], line[256];
	int got;

	snprintf(file, sizeof(file), "%s/devices.list", path);
	if (reader_open(&r, AT_FDCWD, file) < 0) {
		json_fail(mark, errno, "open %s", file);
		return;
	}
	json_open('{');
	json_key("version");
	json_u64(1);
	json_key("rules");
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0 && ++items <= MAX_ITEMS)
		json_text(line);
	json_close(']');
	json_key("programs");
	json_open('[');
	json_close(']');
	json_close('}');
	if (got)
		json_fail(mark, got < 0 ? errno : E2BIG, "read %s", file);
	close_fd(&r.fd);
}

void json_device_rules(int proc)
{
	static struct cgroup_place place;

	json_key("device_rules");
	find_cgroup(&place, proc, "devices", "devices");
	if (place.version == 0)
		find_cgroup(&place, proc, NULL, NULL);
	if (place.version == 0 || !*place.path)
		json_fail(json_mark(), place.version ? EXDEV : ENOENT, "find the cgroup");
	else if (place.version == 1)
		json_rules(place.path);
	else
		json_programs(place.path);
}
