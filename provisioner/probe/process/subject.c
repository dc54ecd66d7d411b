/* Finds the subject: the process that serves a nonce. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "process/process.h"

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

/* A request is a child of the subject with the same command line: it does not count. */
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
