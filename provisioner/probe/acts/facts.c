/* The verbs facts and outside: a document about this process, or about another one. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/verb.h"
#include "exposed/exposed.h"
#include "limits/limits.h"
#include "process/process.h"
#include "system/system.h"

#define OUTSIDE "outside NONCE SUBJECT|pid:N [filters] [holdings] [command=PID]"

static void json_head(const char *view, const char *nonce)
{
	char boot[64];

	json_open('{');
	json_key("schema");
	json_u64(1);
	json_key("view");
	json_text(view);
	json_key("nonce");
	json_text(nonce);
	json_key("probe");
	json_text(PROBE_HASH);
	json_key("boot_id");
	if (read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) >= 0)
		json_text(trim(boot));
	else
		json_fail(json_mark(), errno, "read /proc/sys/kernel/random/boot_id");
	json_key("time");
	json_i64(time(NULL));
}

/* Parses one word after the nonce; false if it is unknown. */
static bool take_option(struct system_options *o, const char *word)
{
	if (starts_with(word, "canary="))
		o->canary = word + strlen("canary=");
	else if (starts_with(word, "objects="))
		o->objects = word + strlen("objects=");
	else if (starts_with(word, "peer=") && o->npeers < COUNT(o->peers))
		o->peers[o->npeers++] = word + strlen("peer=");
	else if (starts_with(word, "process=") && o->nothers < COUNT(o->others))
		o->others[o->nothers++] = word + strlen("process=");
	else if (starts_with(word, "user=/") && o->nuser_files < COUNT(o->user_files))
		o->user_files[o->nuser_files++] = word + strlen("user=");
	else if (strcmp(word, "untouched") == 0)
		o->untouched = true;
	else if (strcmp(word, "disks") == 0)
		o->disks = true;
	else if (strcmp(word, "nodes") == 0)
		o->nodes = true;
	else if (strcmp(word, "files") == 0)
		o->files = true;
	else
		return false;
	return true;
}

static void json_unasked(void)
{
	static const char *const keys[] = { "backings", "connections" };

	for (size_t i = 0; i < COUNT(keys); i++) {
		json_key(keys[i]);
		json_fail(json_mark(), 0, "looked at for a hypervisor alone");
	}
}

int verb_facts(const struct call *call)
{
	struct system_options options = { 0 };
	char **argv = call->argv;
	bool valid = call->argc > 1;
	int proc;

	draw_entropy();
	for (int i = 2; i < call->argc; i++)
		valid = take_option(&options, argv[i]) && valid;
	if (!valid)
		return usage("facts NONCE [canary=PID:NONCE] [objects=KEY:NAME] "
			     "[peer=PID:NONCE]... [process=NAME:PID:NONCE]... [user=PATH]... "
			     "[untouched] [disks] [nodes] [files]");
	json_head("inside", argv[1]);
	proc = open_self();
	json_key("process");
	json_process(proc, getpid(), true, false);
	json_key("limits");
	json_limits(proc);
	json_key("listeners");
	json_fail(json_mark(), 0, "looked at from outside alone");
	json_unasked();
	json_key("system");
	json_system(&options);
	json_key("tasks");
	json_null();
	json_key("left_out");
	json_null();
	json_close('}');
	return json_write(call->served ? NULL : argv[1]);
}

int verb_outside(const struct call *call)
{
	char **argv = call->argv;
	uint64_t number, before, after;
	bool filters = false, holdings = false;
	char path[32];
	pid_t pid;
	int proc;

	if (call->argc < 3)
		return usage(OUTSIDE);
	for (int i = 3; i < call->argc; i++)
		if (strcmp(argv[i], "filters") == 0)
			filters = true;
		else if (strcmp(argv[i], "holdings") == 0)
			holdings = true;
		else if (starts_with(argv[i], "command=") &&
			 parse_number(argv[i] + 8, INT32_MAX, &number) && number)
			set_command((pid_t)number);
		else
			return usage(OUTSIDE);
	if (!starts_with(argv[2], "pid:"))
		pid = find_subject(argv[2]);
	else if (parse_number(argv[2] + 4, INT32_MAX, &number) && number)
		pid = (pid_t)number;
	else
		return usage(OUTSIDE);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || read_start_time(proc, &before) < 0)
		die(EX_UNAVAILABLE, "cannot examine process %d", pid);
	find_tasks(proc, pid);
	json_head("outside", argv[1]);
	json_key("process");
	json_process(proc, pid, false, filters);
	json_key("limits");
	json_limits(proc);
	json_listeners(proc);
	if (holdings) {
		json_backings(proc);
		json_connections(proc);
	} else {
		json_unasked();
	}
	json_key("system");
	json_null();
	json_other_tasks(proc);
	json_close('}');
	if (read_start_time(proc, &after) < 0 || before != after)
		die(EX_UNAVAILABLE, "process %d ended while it was examined", pid);
	return json_write(call->served ? NULL : argv[1]);
}
