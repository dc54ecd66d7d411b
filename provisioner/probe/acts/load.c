/* The verb load: uses up what a limit bounds, itself bounded in amount and time (loads/). */
#include <string.h>

#include "acts/acts.h"
#include "base/text.h"
#include "base/verb.h"
#include "loads/loads.h"
#include "loads/ways.h"

int verb_load(const struct call *call)
{
	static const struct {
		const char *name;
		int (*run)(char **argv);
	} loads[] = {
		{ "memory", load_memory }, { "swap", load_swap }, { "cpu", load_cpu },
		{ "cpuset", load_cpuset }, { "pids", load_pids }, { "files", load_files },
		{ "fill", load_fill },	   { "core", load_core }, { "orphans", load_orphans },
		{ "way", load_way },
	};

	for (size_t i = 0; call->argc > 2 && i < COUNT(loads); i++)
		if (strcmp(call->argv[1], loads[i].name) == 0) {
			guard_load();
			return loads[i].run(call->argv + 2);
		}
	return usage(
		"load memory BYTES | swap BYTES | cpu THREADS MS | cpuset MS | pids COUNT | "
		"files COUNT | fill FOLDER BYTES | core BYTES | orphans COUNT SECONDS | way NAME "
		"AMOUNT");
}
