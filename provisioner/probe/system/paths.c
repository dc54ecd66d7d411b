/*
 * Looks at fixed paths, at the same files below every other mount of procfs and sysfs, and at the
 * control files of mounted file systems.  Only files with a write
 * handler are opened for writing, without O_CREAT and O_TRUNC; nothing is written.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/look.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "system/parts.h"

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

/*
 * Control files of file systems, wherever these are mounted: a process leaves its cgroup, the host
 * runs a helper program, an interpreter is registered, a cache is divided.  Only mounted ones are
 * examined: access to /proc/sys/fs/binfmt_misc would make systemd's automount mount it.
 */
static const struct {
	const char *fstype, *file;
} control_files[] = {
	{ "cgroup", "cgroup.procs" },  { "cgroup", "release_agent" }, { "cgroup2", "cgroup.procs" },
	{ "binfmt_misc", "register" }, { "resctrl", "schemata" },
};

static bool has_control_files(const char *fstype)
{
	for (size_t i = 0; i < COUNT(control_files); i++)
		if (strcmp(fstype, control_files[i].fstype) == 0)
			return true;
	return false;
}

static void json_control_files(const char *fstype, const char *target)
{
	for (size_t i = 0; i < COUNT(control_files); i++) {
		char key[1200], path[1200];
		struct look l = { path, true };

		if (strcmp(fstype, control_files[i].fstype) != 0)
			continue;
		snprintf(key, sizeof(key), "%s:%s", control_files[i].file, target);
		snprintf(path, sizeof(path), "%s/%s", target, control_files[i].file);
		json_look(key, &l);
	}
}

/* A target that occurs twice is one key: the last mount hides the earlier one. */
static void json_mount_files(void)
{
	static char line[MAX_LINE];
	static struct {
		char fstype[16], target[1024];
	} found[48];
	size_t count = 0;
	struct reader r;
	struct mount m;

	if (reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0)
		return;
	while (count < COUNT(found) && reader_line(&r, line, sizeof(line)) > 0) {
		size_t at = 0;

		if (!parse_mount(line, &m) || !has_control_files(m.fstype))
			continue;
		while (at < count && strcmp(found[at].target, m.target) != 0)
			at++;
		if (copy_text(found[at].fstype, sizeof(found[at].fstype), m.fstype) &&
		    copy_text(found[at].target, sizeof(found[at].target), m.target) && at == count)
			count++;
	}
	close_fd(&r.fd);
	for (size_t i = 0; i < count; i++)
		json_control_files(found[i].fstype, found[i].target);
}

/* Whether a name has been written: copies may be stacked, or one below another. */
static bool is_written(size_t before, size_t look, const char *name)
{
	char other[2048];
	size_t count;
	const struct copy *copies = kernel_copies(&count);

	for (size_t i = 0; i < COUNT(looks); i++)
		if (strcmp(looks[i].path, name) == 0)
			return true;
	for (size_t c = 0; c <= before; c++)
		for (size_t i = 0; i < (c == before ? look : COUNT(looks)); i++)
			if (name_in_copy(&copies[c], looks[i].path, other, sizeof(other)) &&
			    strcmp(other, name) == 0)
				return true;
	return false;
}

static void look_in_copy(const void *in, void *out)
{
	struct seen *s = out;
	char name[2048];

	for (size_t i = 0; i < COUNT(looks); i++) {
		struct look l = { name, looks[i].write };

		if (name_in_copy(in, looks[i].path, name, sizeof(name)))
			look_at(&l, &s[i]);
	}
}

static void json_copies(void)
{
	static struct seen seen[COUNT(looks)];
	size_t count;
	const struct copy *copies = kernel_copies(&count);
	char name[2048];

	for (size_t c = 0; c < count; c++) {
		struct call_result done =
			fork_call_next(look_in_copy, &copies[c], seen, sizeof(seen));

		for (size_t i = 0; i < COUNT(looks); i++) {
			struct look l = { name, looks[i].write };

			if (!name_in_copy(&copies[c], looks[i].path, name, sizeof(name)) ||
			    is_written(c, i, name))
				continue;
			if (done.end != CALL_DONE) {
				json_look(name, &l);
				continue;
			}
			json_key(name);
			json_seen(&l, &seen[i]);
		}
	}
}

static void look_all(const void *in, void *out)
{
	struct seen *s = out;

	(void)in;
	for (size_t i = 0; i < COUNT(looks); i++)
		look_at(&looks[i], &s[i]);
}

void json_paths(void)
{
	static struct seen seen[COUNT(looks)];
	struct call_result done = fork_call(look_all, NULL, seen, sizeof(seen));

	json_key("paths");
	json_open('{');
	for (size_t i = 0; i < COUNT(looks); i++) {
		if (done.end != CALL_DONE) { /* one of them hangs or kills: find it */
			json_look(looks[i].path, &looks[i]);
			continue;
		}
		json_key(looks[i].path);
		json_seen(&looks[i], &seen[i]);
	}
	json_copies();
	json_mount_files();
	json_cgroup_files();
	fork_call_wait();
	json_close('}');
}
