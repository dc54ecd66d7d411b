/* Loads of memory: touches pages, bounded in amount. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"

int load_memory(char **argv)
{
	uint64_t bytes;

	if (!parse_number(argv[0], MAX_MEMORY, &bytes))
		return usage("load memory BYTES (at most 2 GiB)");
	offer_to_oom();
	for (uint64_t done = 0; done < bytes; done += MIB) {
		size_t step = bytes - done < MIB ? (size_t)(bytes - done) : MIB;
		char *block = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);

		if (block == MAP_FAILED)
			die(EX_OSERR, "cannot map memory after %llu MiB",
			    (unsigned long long)(done / MIB));
		memset(block, 1, step);
		dprintf(1, "step %llu\n", (unsigned long long)(done / MIB + 1));
	}
	dprintf(1, "done\n");
	return 0;
}

/* The same, after a line with the bytes of swap that the host has: no namespace hides them. */
int load_swap(char **argv)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		die(EX_OSERR, "sysinfo");
	dprintf(1, "swap %llu\n", (unsigned long long)info.totalswap * info.mem_unit);
	return load_memory(argv);
}
