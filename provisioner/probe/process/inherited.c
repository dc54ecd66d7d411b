/*
 * What a process inherits from its starter and may set for itself: umask, resource limits, its
 * weight for the OOM killer, securebits and whether it may be dumped.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "limits/limits.h"
#include "process/parts.h"

static void json_umask(int proc)
{
	uint64_t digits, mask = 0;

	json_key("umask");
	errno = proc < 0 ? -proc : 0;
	if (proc < 0 || read_key(proc, "status", "Umask", &digits) < 0) {
		json_fail(json_mark(), errno, "read Umask of status");
		return;
	}
	for (uint64_t shift = 0; digits; digits /= 10, shift += 3) /* they are octal */
		mask |= digits % 10 << shift;
	json_u64(mask);
}

static void json_oom_score_adj(int proc)
{
	char text[32];

	json_key("oom_score_adj");
	errno = proc < 0 ? -proc : 0;
	if (proc >= 0 && read_file(proc, "oom_score_adj", text, sizeof(text)) >= 0)
		json_i64(strtoll(text, NULL, 10));
	else
		json_fail(json_mark(), errno, "read oom_score_adj");
}

static void json_rlimits(int proc)
{
	static const struct {
		const char *line, *name;
	} names[] = {
		{ "Max cpu time", "cpu" },
		{ "Max file size", "fsize" },
		{ "Max data size", "data" },
		{ "Max stack size", "stack" },
		{ "Max core file size", "core" },
		{ "Max resident set", "rss" },
		{ "Max processes", "nproc" },
		{ "Max open files", "nofile" },
		{ "Max locked memory", "memlock" },
		{ "Max address space", "as" },
		{ "Max file locks", "locks" },
		{ "Max pending signals", "sigpending" },
		{ "Max msgqueue size", "msgqueue" },
		{ "Max nice priority", "nice" },
		{ "Max realtime priority", "rtprio" },
		{ "Max realtime timeout", "rttime" },
	};
	size_t mark;
	struct reader r;
	char line[256];

	json_key("rlimits");
	mark = json_mark();
	if (proc < 0 || reader_open(&r, proc, "limits") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open limits");
		return;
	}
	json_open('{');
	while (reader_line(&r, line, sizeof(line)) > 0)
		for (size_t i = 0; i < COUNT(names); i++)
			if (starts_with(line, names[i].line) && strlen(line) > NAME_COLUMNS) {
				char *at = line + NAME_COLUMNS;

				json_key(names[i].name);
				json_open('{');
				at = json_bound("soft", at);
				if (at)
					json_bound("hard", at);
				json_close('}');
				break;
			}
	json_close('}');
	close_fd(&r.fd);
}

/* Only the process itself can ask (PR_GET_SECUREBITS(2const), PR_GET_DUMPABLE(2const)). */
static void json_own(const char *key, int option, bool self)
{
	int value = self ? prctl(option, 0, 0, 0, 0) : -1;

	json_key(key);
	if (value >= 0)
		json_i64(value);
	else
		json_fail(json_mark(), self ? errno : 0, "only the process itself can ask");
}

void json_inherited(int proc, bool self)
{
	json_umask(proc);
	json_oom_score_adj(proc);
	json_rlimits(proc);
	json_own("securebits", PR_GET_SECUREBITS, self);
	json_own("dumpable", PR_GET_DUMPABLE, self);
}
