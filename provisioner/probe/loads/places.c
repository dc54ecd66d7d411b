/* Loads of places: the processors that a process runs on, and the bytes of a file system. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

#define MAX_CPUS   1024
#define MAX_CPU_MS 10000

/* Notes the processors that this process runs on during that time. */
static void spin(uint64_t us, cpu_set_t *used)
{
	uint64_t start = now_us();

	do {
		int cpu = sched_getcpu();

		if (cpu >= 0 && cpu < MAX_CPUS)
			CPU_SET((size_t)cpu, used);
	} while (now_us() - start < us);
}

static void print_set(const cpu_set_t *set)
{
	const char *separator = "";

	for (size_t cpu = 0; cpu < MAX_CPUS; cpu++)
		if (CPU_ISSET(cpu, set)) {
			dprintf(1, "%s%zu", separator, cpu);
			separator = ",";
		}
	dprintf(1, "\n");
}

/*
 * Asks for each configured processor alone, then for all at once.  The kernel refuses a set
 * without a processor of the cpuset, and takes out what is not in it (sched_setaffinity(2)).
 */
int load_cpuset(char **argv)
{
	cpu_set_t all, used;
	uint64_t ms;

	if (!parse_number(argv[0], MAX_CPU_MS, &ms))
		return usage("load cpuset MS (at most 10000)");
	CPU_ZERO(&all);
	CPU_ZERO(&used);
	for (size_t cpu = 0; cpu < MAX_CPUS; cpu++) {
		cpu_set_t one;

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CPU_SET(cpu, &all);
		if (sched_setaffinity(0, sizeof(one), &one) == 0)
			spin(1000, &used);
	}
	(void)sched_setaffinity(0, sizeof(all), &all);
	spin(ms * 1000, &used);
	dprintf(1, "ran on ");
	print_set(&used);
	return 0;
}

/* Writes a file without a name until the bound; the kernel deletes it with this process. */
int load_fill(char **argv)
{
	static const char block[1 << 16] = { 1 };
	uint64_t wanted, done = 0;
	int error = 0;

	if (!argv[1] || !parse_number(argv[1], MAX_FILL, &wanted))
		return usage("load fill FOLDER BYTES (at most 512 MiB)");
	offer_to_oom();

	cleanup_fd int fd = open(argv[0], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		die(EX_OSERR, "cannot make a file in %s", argv[0]);
	while (done < wanted && !error) {
		size_t step =
			wanted - done < sizeof(block) ? (size_t)(wanted - done) : sizeof(block);
		ssize_t n = write(fd, block, step);

		if (n < 0)
			error = errno;
		else
			done += (uint64_t)n;
		if (done % MIB == 0 && !error) /* what is known if it is killed */
			dprintf(1, "filled %llu errno ok\n", (unsigned long long)done);
	}
	dprintf(1, "filled %llu errno %s\n", (unsigned long long)done,
		error ? errno_name(error) : "ok");
	return 0;
}
