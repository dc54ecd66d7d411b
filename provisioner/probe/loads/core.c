/* The load of core files: one process crashes in a folder of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

/* A new folder in the first place that this process may write; -1 if there is none. */
static int make_folder(const char **made)
{
	static char folders[][40] = { "/dev/shm/core.XXXXXX", "/tmp/core.XXXXXX",
				      "/run/core.XXXXXX", "/dev/core.XXXXXX", "/core.XXXXXX" };

	for (size_t i = 0; i < COUNT(folders); i++)
		if (mkdtemp(folders[i])) {
			*made = folders[i];
			return open(folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
	return -1;
}

/* Raises its limit as far as it may, and ends by SIGABRT with that much memory. */
static _Noreturn void crash(int folder, uint64_t bytes)
{
	struct rlimit now;
	char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED || fchdir(folder) < 0)
		_exit(EX_OSERR);
	memset(block, 1, bytes);
	if (getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_max < bytes)
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ bytes, bytes });
	if (getrlimit(RLIMIT_CORE, &now) == 0)
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ now.rlim_max, now.rlim_max });
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	signal(SIGABRT, SIG_DFL);
	abort();
}

/*
 * Deletes what is in a folder, and returns how many bytes the largest file takes: the kernel counts
 * what it writes and leaves holes beyond it (fs/coredump.c, dump_emit() and dump_skip()).
 */
static uint64_t take_files(int folder)
{
	uint64_t largest = 0;
	DIR *dir = fdopendir(dup(folder));
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if ((uint64_t)st.st_blocks * 512 > largest)
			largest = (uint64_t)st.st_blocks * 512;
		unlinkat(folder, entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
	return largest;
}

int load_core(char **argv)
{
	uint64_t bytes, largest;
	const char *made = NULL;
	char pattern[256];

	if (!parse_number(argv[0], MAX_CORE, &bytes))
		return usage("load core BYTES (at most 64 MiB)");
	if (read_file(AT_FDCWD, "/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) < 0)
		die(EX_OSERR, "read core_pattern");
	if (pattern[0] == '|' || pattern[0] == '@') { /* a program of the host's would run */
		dprintf(1, "core 0 to program\n");
		return 0;
	}
	cleanup_fd int folder = make_folder(&made);

	if (folder < 0) {
		dprintf(1, "core 0 to nowhere\n");
		return 0;
	}
	pid_t pid = fork_child();

	if (pid == 0)
		crash(folder, bytes);
	end_children(false);
	largest = take_files(folder);
	rmdir(made);
	dprintf(1, "core %llu to file\n", (unsigned long long)largest);
	return 0;
}
