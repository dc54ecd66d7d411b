/*
 * What a process is shown of memory and processors, each as one interface tells it (sysinfo(2),
 * proc_cpuinfo(5), proc_stat(5), sched_getaffinity(2), sysfs's cpu/online and cpu/possible).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "limits/limits.h"

#define MAX_CPUS 8192

/* How many lines of a file start with that text and, if asked for, a digit after it. */
static void json_lines(const char *key, const char *path, const char *start, bool digit)
{
	static char line[MAX_LINE];
	size_t mark, length = strlen(start);
	uint64_t count = 0;
	struct reader r;
	int got;

	json_key(key);
	mark = json_mark();
	if (reader_open(&r, AT_FDCWD, path) < 0) {
		json_fail(mark, errno, "open %s", path);
		return;
	}
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		count += starts_with(line, start) &&
			 (!digit || (line[length] >= '0' && line[length] <= '9'));
	close_fd(&r.fd);
	if (count) /* a later line may be too long, as "intr" of /proc/stat */
		json_u64(count);
	else
		json_fail(mark, got < 0 ? errno : 0, "find a processor in %s", path);
}

static void json_meminfo(const char *key, const char *name)
{
	uint64_t kib;

	json_key(key);
	if (read_key(AT_FDCWD, "/proc/meminfo", name, &kib) == 0)
		json_u64(kib * 1024);
	else
		json_fail(json_mark(), errno, "read %s in /proc/meminfo", name);
}

/* Counts a list such as "0-3,8"; 0 if it is invalid. */
static uint64_t count_ranges(char *text)
{
	uint64_t count = 0;
	char *range;

	while ((range = strsep(&text, ","))) {
		char *last = range, *first = strsep(&last, "-");
		uint64_t from, to;

		if (!parse_number(first, UINT32_MAX, &from) ||
		    !parse_number(last ? last : first, UINT32_MAX, &to) || to < from)
			return 0;
		count += to - from + 1;
	}
	return count;
}

static void json_cpus(void)
{
	char text[1024];
	cpu_set_t set;
	uint64_t count = 0;

	json_key("cpus");
	if (read_file(AT_FDCWD, "/sys/devices/system/cpu/online", text, sizeof(text)) > 0)
		count = count_ranges(trim(text));
	if (count == 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
		for (size_t i = 0; i < 8 * sizeof(set); i++)
			count += CPU_ISSET(i, &set) ? 1 : 0;
	if (count)
		json_u64(count);
	else
		json_fail(json_mark(), errno, "sched_getaffinity");
}

static void json_ranges(const char *key, const char *path)
{
	char text[1024];
	uint64_t count = 0;

	json_key(key);
	if (read_file(AT_FDCWD, path, text, sizeof(text)) > 0)
		count = count_ranges(trim(text));
	if (count)
		json_u64(count);
	else
		json_fail(json_mark(), errno, "read %s", path);
}

static void json_affinity(void)
{
	static unsigned long set[MAX_CPUS / (8 * sizeof(unsigned long))];
	long size = syscall(SYS_sched_getaffinity, 0, sizeof(set), set);
	uint64_t count = 0;

	json_key("affinity");
	for (size_t i = 0; size > 0 && i < (size_t)size / sizeof(*set); i++)
		for (unsigned long bits = set[i]; bits;
		     bits &= bits - 1) /* clears the lowest one */
			count++;
	if (count)
		json_u64(count);
	else
		json_fail(json_mark(), errno, "sched_getaffinity");
}

void json_resources(void)
{
	struct sysinfo info;

	json_meminfo("memory_total", "MemTotal");
	json_meminfo("swap_total", "SwapTotal");
	json_cpus();
	json_key("resources");
	json_open('{');
	json_key("sysinfo");
	if (sysinfo(&info) == 0)
		json_u64((uint64_t)info.totalram * info.mem_unit);
	else
		json_fail(json_mark(), errno, "sysinfo");
	json_lines("cpuinfo", "/proc/cpuinfo", "processor\t", false);
	json_lines("stat", "/proc/stat", "cpu", true);
	json_ranges("online", "/sys/devices/system/cpu/online");
	json_ranges("possible", "/sys/devices/system/cpu/possible");
	json_affinity();
	json_close('}');
}
