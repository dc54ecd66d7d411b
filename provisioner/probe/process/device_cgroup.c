/*
 * What a sandbox may do with devices and with its root: the rules of its devices cgroup as the host
 * sees them, a node of its own that nobody granted, and whether the root folder may be written.
 */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_PROGRAMS 64

static struct { /* union bpf_attr of BPF_PROG_QUERY, up to prog_cnt */
	uint32_t target, type, query, attach;
	uint64_t ids;
	uint32_t count, spare;
	uint64_t rest[12];
} query;

static uint32_t programs[MAX_PROGRAMS];

/* How many BPF_CGROUP_DEVICE programs rule it, those of the cgroups above among them. */
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
	static char path[2200];
	int version = cgroup_folder(proc, CTL_DEVICES, path, sizeof(path));

	json_key("device_rules");
	if (version == 0)
		version = cgroup_folder(proc, 0, path, sizeof(path));
	if (version == 0 || !*path)
		json_fail(json_mark(), version ? EXDEV : ENOENT, "find the cgroup");
	else if (version == 1)
		json_rules(path);
	else
		json_programs(path);
}

/*
 * A node of a number that is nobody's (devices.txt: 60-63 are for local use) on a file system that
 * lets nodes work.  The devices cgroup answers before any driver is looked for.
 */
static void try_node(const void *in, void *out)
{
	static const char *const places[] = { "/dev", "/tmp", "", "/run", "/var/tmp" };
	int *error = out;

	(void)in;
	*error = 0;
	for (size_t i = 0; i < COUNT(places); i++) {
		char node[80];
		int fd;

		snprintf(node, sizeof(node), "%s/.probe-node-%d", places[i], getpid());
		if (mknod(node, S_IFCHR | 0600, makedev(60, 250)) < 0) {
			if (!*error || (errno != ENOENT && errno != EROFS))
				*error = errno;
			continue;
		}
		fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
		*error = fd < 0 ? errno : 0;
		close_fd(&fd);
		unlink(node);
		if (*error != EACCES) /* a mount with nodev asks nobody else: elsewhere again */
			return;
	}
}

/* access(2) leaves out another user's capabilities: those in effect count (AT_EACCESS). */
static void try_root(const void *in, void *out)
{
	long done = syscall(SYS_faccessat2, AT_FDCWD, "/", W_OK, AT_EACCESS);

	(void)in;
	/* Linux 5.8 has it; older filters do not know it */
	if (done < 0 && (errno == ENOSYS || errno == EPERM))
		done = faccessat(AT_FDCWD, "/", W_OK, 0);
	*(int *)out = done < 0 ? errno : 0;
}

static void json_guarded(const char *key, void (*call)(const void *, void *))
{
	int error = 0;
	struct guarded g = guard(call, NULL, &error, sizeof(error));

	json_key(key);
	if (g.end == GUARD_DONE)
		json_text(error ? errno_name(error) : "ok");
	else if (g.end == GUARD_TIMEOUT)
		json_text("timeout");
	else if (g.end == GUARD_KILLED && g.number == SIGSYS)
		json_text("SIGSYS");
	else
		json_fail(json_mark(), g.number, "try %s", key);
}

void json_grants(void)
{
	uint64_t number;

	if (untouched) {
		json_key("device_node");
		json_fail(json_mark(), 0, UNTOUCHED);
	} else {
		json_guarded("device_node", try_node);
	}
	json_guarded("root_access", try_root);
	json_key("legacy_tiocsti");
	if (read_number(AT_FDCWD, "/proc/sys/dev/tty/legacy_tiocsti", &number) == 0)
		json_u64(number);
	else if (errno == ENOENT)
		json_null();
	else
		json_fail(json_mark(), errno, "read legacy_tiocsti");
}
