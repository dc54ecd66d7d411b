/*
 * Fixed paths as lstat, statfs and, where that tells something, an open for writing see them.
 * Only files with a write handler are opened for writing, never with O_CREAT or O_TRUNC, and are
 * closed at once; sysrq-trigger too is never written to.
 */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct look looks[] = {
	{ "/", false },
	{ "/..", false },
	{ "/proc", false },
	{ "/sys", false },
	{ "/dev", false },
	{ "/proc/sys", false },
	{ "/proc/sys/kernel/core_pattern", true },
	{ "/proc/sys/kernel/panic", true },
	{ "/proc/sys/kernel/modprobe", true },
	{ "/proc/sys/kernel/hotplug", true },
	{ "/proc/sys/vm/panic_on_oom", true },
	{ "/proc/sys/net/ipv4/ip_forward", true },
	{ "/proc/sysrq-trigger", true },
	{ "/proc/kcore", false },
	{ "/proc/kmem", false },
	{ "/proc/keys", false },
	{ "/proc/key-users", false },
	{ "/proc/timer_list", false },
	{ "/proc/sched_debug", false },
	{ "/proc/kallsyms", false },
	{ "/proc/interrupts", false },
	{ "/proc/mtrr", true },
	{ "/proc/acpi", false },
	{ "/proc/scsi", false },
	{ "/proc/bus", false },
	{ "/proc/fs", false },
	{ "/proc/irq", false },
	{ "/proc/bus/pci/00/00.0", true },
	{ "/proc/irq/default_smp_affinity", true },
	{ "/proc/scsi/scsi", true },
	{ "/proc/asound", false },
	{ "/proc/config.gz", false },
	{ "/proc/latency_stats", false },
	{ "/proc/timer_stats", false },
	{ "/sys/firmware", false },
	{ "/sys/firmware/efi/efivars", false },
	{ "/sys/fs/pstore", false },
	{ "/sys/fs/bpf", false },
	{ "/sys/fs/cgroup", false },
	{ "/sys/devices/virtual/powercap", false },
	{ "/sys/devices/system/cpu/cpu0/thermal_throttle", false },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", true },
	{ "/sys/power/state", true },
	{ "/sys/kernel/uevent_helper", true },
	{ "/sys/kernel/debug", false },
	{ "/sys/kernel/tracing", false },
	{ "/sys/kernel/security", false },
	{ "/dev/mem", false },
	{ "/dev/kmem", false },
	{ "/dev/port", false },
	{ "/dev/kvm", false },
	{ "/dev/kmsg", false },
	{ "/run/secrets/kubernetes.io/serviceaccount/token", false },
	{ "/var/run/secrets/kubernetes.io/serviceaccount/token", false },
};

/* What a look saw: each number with the errno of the call that gives it. */
struct seen {
	int lstat_error, statfs_error, entries_error, write_error;
	uint32_t mode;
	uint32_t major, minor;
	uint64_t fstype, entries;
	bool read_only;
};

static void count_entries(const char *path, struct seen *s)
{
	struct folder f;

	if (folder_open(&f, AT_FDCWD, path) < 0) {
		s->entries_error = errno;
		return;
	}
	while (folder_next(&f))
		s->entries++;
	s->entries_error = errno;
	close_fd(&f.fd);
}

static void look(const void *in, void *out)
{
	const struct look *l = in;
	struct seen *s = out;
	struct stat st;
	struct statfs fs;

	memset(s, 0, sizeof(*s));
	if (lstat(l->path, &st) < 0) {
		s->lstat_error = errno;
		return;
	}
	s->mode = st.st_mode;
	s->major = major(st.st_rdev);
	s->minor = minor(st.st_rdev);
	if (statfs(l->path, &fs) < 0)
		s->statfs_error = errno;
	else {
		s->fstype = (uint64_t)fs.f_type & UINT32_MAX;
		s->read_only = (fs.f_flags & 1) != 0; /* ST_RDONLY */
	}
	if (S_ISDIR(st.st_mode))
		count_entries(l->path, s);
	if (l->write) {
		int fd = open(l->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

		s->write_error = fd < 0 ? errno : 0;
		if (fd >= 0)
			close(fd);
	}
}

static void look_all(const void *in, void *out)
{
	struct seen *s = out;

	(void)in;
	for (size_t i = 0; i < COUNT(looks); i++)
		look(&looks[i], &s[i]);
}

const char *type_name(uint32_t mode)
{
	static const struct {
		uint32_t mode;
		const char *name;
	} types[] = {
		{ S_IFREG, "file" }, { S_IFDIR, "dir" },     { S_IFLNK, "symlink" },
		{ S_IFCHR, "char" }, { S_IFBLK, "block" },   { S_IFIFO, "fifo" },
		{ S_IFSOCK, "socket" },
	};

	for (size_t i = 0; i < COUNT(types); i++)
		if ((mode & S_IFMT) == types[i].mode)
			return types[i].name;
	return "file";
}

static void json_filesystem(const struct look *l, const struct seen *s, bool none)
{
	json_key("fstype");
	if (none)
		json_null();
	else if (s->statfs_error)
		json_fail(json_mark(), s->statfs_error, "statfs %s", l->path);
	else
		json_u64(s->fstype);
	json_key("read_only");
	if (none)
		json_null();
	else if (s->statfs_error)
		json_fail(json_mark(), s->statfs_error, "statfs %s", l->path);
	else
		json_bool(s->read_only);
}

static void json_seen(const struct look *l, const struct seen *s)
{
	bool absent = s->lstat_error == ENOENT || s->lstat_error == ENOTDIR;

	if (s->lstat_error && !absent) {
		json_fail(json_mark(), s->lstat_error, "lstat %s", l->path);
		return;
	}
	json_open('{');
	json_key("type");
	json_text(absent ? "absent" : type_name(s->mode));
	json_key("rdev");
	if (!absent && (S_ISCHR(s->mode) || S_ISBLK(s->mode))) {
		json_open('[');
		json_u64(s->major);
		json_u64(s->minor);
		json_close(']');
	} else {
		json_null();
	}
	json_filesystem(l, s, absent || S_ISLNK(s->mode));
	json_key("entries");
	if (absent || !S_ISDIR(s->mode))
		json_null();
	else if (s->entries_error)
		json_fail(json_mark(), s->entries_error, "list %s", l->path);
	else
		json_u64(s->entries);
	json_key("write");
	if (absent || !l->write)
		json_null();
	else
		json_text(s->write_error ? errno_name(s->write_error) : "ok");
	json_close('}');
}

/* One look in a child of its own, for a path that not every system has; guard_settle() is due. */
void json_look(const char *key, const struct look *l)
{
	struct seen s;
	struct guarded g = guard_next(look, l, &s, sizeof(s));

	json_key(key);
	if (g.end == GUARD_DONE)
		json_seen(l, &s);
	else if (g.end == GUARD_TIMEOUT)
		json_fail(json_mark(), ETIMEDOUT, "look at %s", l->path);
	else if (g.end == GUARD_KILLED)
		json_fail(json_mark(), 0, "look at %s: killed by signal %d", l->path, g.number);
	else
		json_fail(json_mark(), g.number, "fork to look at %s", l->path);
}

void json_paths(void)
{
	static struct seen seen[COUNT(looks)];
	struct guarded g = guard(look_all, NULL, seen, sizeof(seen));

	json_key("paths");
	json_open('{');
	for (size_t i = 0; i < COUNT(looks); i++) {
		if (g.end != GUARD_DONE) { /* one of them hangs or kills: find out which */
			json_look(looks[i].path, &looks[i]);
			continue;
		}
		json_key(looks[i].path);
		json_seen(&looks[i], &seen[i]);
	}
	json_mount_files();
	guard_settle();
	json_close('}');
}
