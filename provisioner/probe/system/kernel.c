/*
 * Settings of the kernel, and what it reveals about itself and the machine.  Contents of files are
 * not written, except numbers, lists of processors and the reports of processor flaws.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/text.h"
#include "system/parts.h"

#define CPUS	"/sys/devices/system/cpu"
#define SYMBOLS "/proc/kallsyms"

static const char *const reads[] = {
	"/proc/cmdline",
	"/proc/config.gz",
	"/proc/modules",
	"/sys/class/dmi/id/board_serial",
	"/sys/class/dmi/id/chassis_serial",
	"/sys/class/dmi/id/product_serial",
	"/sys/class/dmi/id/product_uuid",
	"/sys/class/thermal/thermal_zone0/temp",
	"/sys/kernel/vmcoreinfo", /* the physical address of crash notes */
};

/* The number of bytes that can be read, at most a page, and the file system. */
static void json_read(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int error = fd < 0 ? errno : 0;
	char page[4096];
	struct statfs fs;
	ssize_t bytes = 0;

	if (!error && fstatfs(fd, &fs) < 0)
		error = errno;
	if (!error && (bytes = read(fd, page, sizeof(page))) < 0)
		error = errno;
	json_open('{');
	json_key("result");
	json_text(error ? errno_name(error) : "ok");
	json_key("fstype");
	if (error)
		json_null();
	else
		json_u64((uint64_t)fs.f_type & UINT32_MAX);
	json_key("bytes");
	if (error)
		json_null();
	else
		json_u64((uint64_t)bytes);
	json_close('}');
}

/* A missing file says nothing about the kernel if /proc or /sys is missing too. */
static bool is_telling(const char *path)
{
	return access(starts_with(path, "/sys/") ? "/sys/kernel" : "/proc/self", F_OK) == 0;
}

static void json_missing(const char *path)
{
	if (errno == ENOENT && is_telling(path))
		json_null();
	else
		json_fail(json_mark(), errno ? errno : ENOENT, "read %s", path);
}

static void json_setting(const char *key, const char *path)
{
	uint64_t number;

	json_key(key);
	if (read_number(AT_FDCWD, path, &number) == 0)
		json_u64(number);
	else
		json_missing(path);
}

/* Whether a copy that was written before has the same name: copies may be stacked. */
static bool is_repeated(const struct copy *copies, size_t before, size_t read, const char *name)
{
	char other[2048];

	for (size_t c = 0; c <= before; c++)
		for (size_t i = 0; i < (c == before ? read : COUNT(reads)); i++)
			if (name_in_copy(&copies[c], reads[i], other, sizeof(other)) &&
			    strcmp(other, name) == 0)
				return true;
	for (size_t i = 0; i < COUNT(reads); i++)
		if (strcmp(reads[i], name) == 0)
			return true;
	return false;
}

static void json_reads(void)
{
	size_t count;
	const struct copy *copies = kernel_copies(&count);
	char name[2048];

	json_key("reads");
	json_open('{');
	for (size_t i = 0; i < COUNT(reads); i++) {
		json_key(reads[i]);
		json_read(reads[i]);
	}
	for (size_t c = 0; c < count; c++)
		for (size_t i = 0; i < COUNT(reads); i++)
			if (name_in_copy(&copies[c], reads[i], name, sizeof(name)) &&
			    !is_repeated(copies, c, i, name)) {
				json_key(name);
				json_read(name);
			}
	json_close('}');
}

/*
 * Whether any of the first symbols has an address; those of per-CPU variables may be 0.  A masked
 * /proc/kallsyms is not a regular file: opening a fifo would hang.  -1 with errno if it cannot be
 * read.
 */
static int shows_addresses(const char *path)
{
	int shown = 0;
	struct reader r;
	struct stat st;
	char line[1024];

	if (lstat(path, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (reader_open(&r, AT_FDCWD, path) < 0)
		return errno == EACCES || errno == EPERM ? 0 : -1;
	for (int i = 0; i < 256 && !shown && reader_line(&r, line, sizeof(line)) > 0; i++)
		shown = strtoull(line, NULL, 16) != 0;
	close_fd(&r.fd);
	return shown;
}

static void json_addresses(void)
{
	size_t count;
	const struct copy *copies = kernel_copies(&count);
	int shown = shows_addresses(SYMBOLS);
	char name[2048];

	json_key("addresses");
	if (shown < 0)
		json_missing(SYMBOLS);
	else
		json_bool(shown);
	json_key("addresses_at");
	json_open('[');
	for (size_t c = 0; c < count; c++)
		if (name_in_copy(&copies[c], SYMBOLS, name, sizeof(name)) &&
		    shows_addresses(name) > 0)
			json_text(name);
	json_close(']');
}

static void json_flaws(void)
{
	size_t mark, items = 0;
	struct folder f;
	const char *name;
	char text[512];

	json_key("flaws");
	mark = json_mark();
	if (folder_open(&f, AT_FDCWD, CPUS "/vulnerabilities") < 0) {
		json_missing(CPUS "/vulnerabilities");
		return;
	}
	json_open('{');
	while ((name = folder_next(&f)) && items++ < 256) {
		json_key(name);
		if (read_file(f.fd, name, text, sizeof(text)) >= 0)
			json_text(trim(text));
		else
			json_fail(json_mark(), errno, "read %s", name);
	}
	if (name || errno)
		json_fail(mark, name ? E2BIG : errno, "list " CPUS "/vulnerabilities");
	else
		json_close('}');
	close_fd(&f.fd);
}

/* The processors of each core, as a list such as "0-1" or "0,4". */
static void json_cores(void)
{
	size_t mark, items = 0;
	struct folder f;
	const char *name;

	json_key("cores");
	mark = json_mark();
	if (folder_open(&f, AT_FDCWD, CPUS) < 0) {
		json_missing(CPUS);
		return;
	}
	json_open('[');
	while ((name = folder_next(&f))) {
		char path[300], text[1024];
		uint64_t cpu;

		if (!starts_with(name, "cpu") || !parse_number(name + 3, UINT32_MAX, &cpu))
			continue;
		snprintf(path, sizeof(path), "%s/topology/thread_siblings_list", name);
		if (read_file(f.fd, path, text, sizeof(text)) < 0)
			continue; /* offline */
		if (strtoull(text, NULL, 10) != cpu)
			continue; /* listed by the first processor of the core */
		if (++items > MAX_ITEMS)
			break;
		json_text(trim(text));
	}
	if (name || errno)
		json_fail(mark, name ? E2BIG : errno, "list " CPUS);
	else
		json_close(']');
	close_fd(&f.fd);
}

void json_kernel_state(void)
{
	json_key("kernel_state");
	json_open('{');
	json_reads();
	json_addresses();
	json_setting("ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope");
	json_setting("selinux_enforce", "/sys/fs/selinux/enforce");
	json_setting("smt_active", CPUS "/smt/active");
	json_setting("ksm_run", "/sys/kernel/mm/ksm/run");
	json_cores();
	json_flaws();
	json_close('}');
}
