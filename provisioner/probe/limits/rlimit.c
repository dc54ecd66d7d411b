/* Resource limits of a process, as /proc/PID/limits shows them (getrlimit(2)). */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "limits/limits.h"

char *json_bound(const char *key, char *at)
{
	uint64_t number = 0;
	char *end = at + strspn(at, " ");
	char *word = strsep(&end, " \n");

	json_key(key);
	if (word && parse_number(word, UINT64_MAX, &number))
		json_u64(number);
	else
		json_null();
	return end;
}

void json_rlimit(int proc, const char *name)
{
	size_t mark = json_mark();
	struct reader r;
	char line[256];

	if (proc < 0 || reader_open(&r, proc, "limits") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open limits");
		return;
	}
	bool found = false;

	while (!found && reader_line(&r, line, sizeof(line)) > 0)
		found = starts_with(line, name) && strlen(line) > NAME_COLUMNS;
	close_fd(&r.fd);
	if (!found) {
		json_fail(mark, 0, "limits names no %s", name);
		return;
	}
	json_open('{');
	char *at = json_bound("soft", line + NAME_COLUMNS);

	if (at)
		json_bound("limit", at);
	json_close('}');
}
