/* Whether this process may look into the first one of its pid namespace (init_maps). */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

#define MOST_PROCESSES 4096

/* The numbers of a process from the procfs' pid namespace down to its own; the last one in *last.
 */
static size_t nested_pids(int dir, const char *name, uint64_t *last)
{
	char path[300], text[4096];
	char *word, *rest;
	size_t depth = 0;

	snprintf(path, sizeof(path), "%s/status", name);
	if (read_file(dir, path, text, sizeof(text)) < 0 || !(word = strstr(text, "\nNSpid:")))
		return 0;
	word += strlen("\nNSpid:");
	*strchrnul(word, '\n') = 0;
	for (word = strtok_r(word, "\t ", &rest); word; word = strtok_r(NULL, "\t ", &rest))
		depth += parse_number(word, INT32_MAX, last);
	return depth;
}

/*
 * The first process of this pid namespace as /proc names it, which may belong to a namespace above:
 * then a process that is as deep and has the number 1.  0 if there is none.
 */
static pid_t find_init(void)
{
	uint64_t pid, last = 0;
	size_t depth = nested_pids(AT_FDCWD, "/proc/self", &last), looked_at = 0;
	const char *name;
	struct folder f;
	pid_t found = 0;

	if (depth <= 1)
		return 1;
	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return 0;
	while (!found && looked_at < MOST_PROCESSES && (name = folder_next(&f)))
		if (parse_number(name, INT32_MAX, &pid) && ++looked_at &&
		    nested_pids(f.fd, name, &last) == depth && last == 1)
			found = (pid_t)pid;
	close_fd(&f.fd);
	return found;
}

/*
 * Whether this process may look into the first one of its pid namespace: ptrace(2), "Ptrace access
 * mode checking", PTRACE_MODE_READ.
 */
void json_init_maps(void)
{
	char path[40];
	pid_t pid = find_init();
	cleanup_fd int fd = -1;

	json_key("init_maps");
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = pid ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	json_text(fd >= 0 ? "ok" : errno_name(pid ? errno : ESRCH));
}
