/* The verbs facts and outside: one document about this process, or about another on this host. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUTSIDE "outside NONCE SUBJECT|pid:N [filters]"

bool untouched, look_at_files;

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

int verb_facts(int argc, char **argv)
{
	const char *canary = NULL, *objects = NULL, *peers[MAX_PEERS];
	size_t npeers = 0;
	int proc;

	draw_entropy();
	for (int i = 2; i < argc; i++) {
		if (starts_with(argv[i], "canary="))
			canary = argv[i] + strlen("canary=");
		else if (starts_with(argv[i], "objects="))
			objects = argv[i] + strlen("objects=");
		else if (starts_with(argv[i], "peer=") && npeers < COUNT(peers))
			peers[npeers++] = argv[i] + strlen("peer=");
		else if (strcmp(argv[i], "untouched") == 0)
			untouched = true;
		else if (strcmp(argv[i], "disks") == 0)
			look_at_disks = true;
		else if (strcmp(argv[i], "files") == 0)
			look_at_files = true;
		else
			argc = 0;
	}
	if (argc < 2)
		return usage("facts NONCE [canary=PID:NONCE] [objects=KEY:NAME] "
			     "[peer=PID:NONCE]... [untouched] [disks] [files]");
	json_head("inside", argv[1]);
	proc = open_self();
	json_key("process");
	json_process(proc, getpid(), true, false);
	json_key("limits");
	json_limits(proc);
	json_key("listeners");
	json_fail(json_mark(), 0, "looked at from outside alone");
	json_key("system");
	json_system(canary, objects, peers, npeers);
	json_key("tasks");
	json_null();
	json_close('}');
	return json_write(argv[1]);
}

static bool is_subject(pid_t pid, const char *subject)
{
	char path[32], text[4096];
	const char *word = text, *end;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	size = read_file(AT_FDCWD, path, text, sizeof(text));
	if (size <= 0)
		return false;
	end = text + size;
	for (int i = 0; i < 3 && word < end; i++, word += strlen(word) + 1) {
		if (i == 1 && strcmp(word, "serve") != 0)
			return false;
		if (i == 2)
			return strcmp(word, subject) == 0;
	}
	return false;
}

pid_t parent_of(pid_t pid)
{
	char path[32];
	uint64_t parent;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return read_key(AT_FDCWD, path, "PPid", &parent) == 0 ? (pid_t)parent : 0;
}

/* The process that serves the subject's nonce; its requests are children with the same words. */
pid_t find_subject(const char *subject)
{
	struct folder f;
	const char *name;
	uint64_t pid;
	pid_t found = 0;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		die(EX_UNAVAILABLE, "cannot list /proc");
	while ((name = folder_next(&f))) {
		if (!parse_number(name, INT32_MAX, &pid) || !is_subject((pid_t)pid, subject))
			continue;
		if (is_subject(parent_of((pid_t)pid), subject))
			continue;
		errno = 0;
		if (found)
			die(EX_DATAERR, "several processes serve '%s': %d and %s", subject, found,
			    name);
		found = (pid_t)pid;
	}
	close_fd(&f.fd);
	errno = 0;
	if (!found)
		die(EX_UNAVAILABLE, "no process serves '%s'", subject);
	return found;
}

int verb_outside(int argc, char **argv)
{
	uint64_t number, before, after;
	bool filters = argc == 4 && strcmp(argv[3], "filters") == 0;
	char path[32];
	pid_t pid;
	int proc;

	if (argc != 3 && !filters)
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
		die(EX_UNAVAILABLE, "cannot look at process %d", pid);
	json_head("outside", argv[1]);
	json_key("process");
	json_process(proc, pid, false, filters);
	json_key("limits");
	json_limits(proc);
	json_listeners(proc);
	json_key("system");
	json_null();
	json_key("tasks");
	json_other_tasks(proc, pid);
	json_close('}');
	if (read_start_time(proc, &after) < 0 || before != after)
		die(EX_UNAVAILABLE, "process %d ended while it was looked at", pid);
	return json_write(argv[1]);
}
