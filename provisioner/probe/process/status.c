/* Facts of /proc/PID/status: ids, capabilities, no_new_privs, seccomp (proc_pid_status(5)). */
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "process/parts.h"

static char status[96 << 10]; /* too small for 65536 groups, which are unobserved then */
static int failed;	      /* errno of reading the file */

/* The value of a line such as "Uid:"; NULL if the line is missing or incomplete. */
static const char *find(const char *name)
{
	const char *at = failed ? NULL : status;

	while (at && !starts_with(at, name)) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at || !strchr(at, '\n'))
		return NULL;
	at += strlen(name);
	return at + strspn(at, " \t");
}

static void fail(size_t mark, const char *name)
{
	json_fail(mark, failed, failed ? "read status" : "no %s line in status", name);
}

static void json_numbers(const char *key, const char *name)
{
	const char *at = find(name);
	size_t mark, items = 0;
	char *end;

	json_key(key);
	mark = json_mark();
	if (!at) {
		fail(mark, name);
		return;
	}
	json_open('[');
	while (*at != '\n' && *at) {
		json_u64(strtoull(at, &end, 10));
		if (end == at || ++items > MAX_ITEMS) {
			json_fail(mark, E2BIG, "read %s", name);
			return;
		}
		at = end + strspn(end, " \t");
	}
	json_close(']');
}

static void json_number(const char *key, const char *name)
{
	const char *at = find(name);

	json_key(key);
	if (at)
		json_u64(strtoull(at, NULL, 10));
	else
		fail(json_mark(), name);
}

static void json_line(const char *key, const char *line)
{
	const char *at = find(line);
	char name[1024];
	size_t length;

	json_key(key);
	if (!at) {
		fail(json_mark(), line);
		return;
	}
	length = strcspn(at, "\n");
	if (length >= sizeof(name))
		length = sizeof(name) - 1;
	memcpy(name, at, length);
	name[length] = 0;
	json_text(name);
}

static void json_capabilities(void)
{
	static const char *const sets[][2] = {
		{ "inheritable", "CapInh:" }, { "permitted", "CapPrm:" },
		{ "effective", "CapEff:" },   { "bounding", "CapBnd:" },
		{ "ambient", "CapAmb:" },
	};
	size_t mark;

	json_key("capabilities");
	mark = json_mark();
	json_open('{');
	for (size_t i = 0; i < COUNT(sets); i++) {
		const char *at = find(sets[i][1]);

		if (!at) {
			fail(mark, sets[i][1]);
			return;
		}
		json_key(sets[i][0]);
		json_u64(strtoull(at, NULL, 16));
	}
	json_close('}');
}

static void json_seccomp(void)
{
	const char *mode = find("Seccomp:"), *filters = find("Seccomp_filters:");

	json_key("seccomp");
	if (!mode) {
		fail(json_mark(), "Seccomp:");
		return;
	}
	json_open('{');
	json_key("mode");
	json_u64(strtoull(mode, NULL, 10));
	json_key("filters");
	if (filters)
		json_u64(strtoull(filters, NULL, 10));
	else
		json_null();
	json_close('}');
}

/* Without /proc, system calls still return the ids of this process. */
static void json_ids(const char *key, int (*get)(uid_t *, uid_t *, uid_t *))
{
	uid_t real, effective, saved;

	json_key(key);
	if (get(&real, &effective, &saved) < 0) {
		json_fail(json_mark(), errno, "getresuid");
		return;
	}
	json_open('[');
	json_u64(real);
	json_u64(effective);
	json_u64(saved);
	json_u64(effective); /* the file system id: it follows the effective one */
	json_close(']');
}

static void json_groups(void)
{
	static gid_t groups[MAX_ITEMS];
	int count = getgroups(MAX_ITEMS, groups);

	json_key("groups");
	if (count < 0) {
		json_fail(json_mark(), errno, "getgroups");
		return;
	}
	json_open('[');
	for (int i = 0; i < count; i++)
		json_u64(groups[i]);
	json_close(']');
}

static void json_capget(void)
{
	struct {
		uint32_t version;
		int pid;
	} header = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} sets[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	uint64_t bounding = 0, ambient = 0;

	json_key("capabilities");
	if (syscall(SYS_capget, &header, sets) < 0) {
		json_fail(json_mark(), errno, "capget");
		return;
	}
	for (unsigned i = 0; i < 64; i++) {
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			bounding |= 1ull << i;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
			ambient |= 1ull << i;
	}
	json_open('{');
	json_key("inheritable");
	json_u64((uint64_t)sets[1].inheritable << 32 | sets[0].inheritable);
	json_key("permitted");
	json_u64((uint64_t)sets[1].permitted << 32 | sets[0].permitted);
	json_key("effective");
	json_u64((uint64_t)sets[1].effective << 32 | sets[0].effective);
	json_key("bounding");
	json_u64(bounding);
	json_key("ambient");
	json_u64(ambient);
	json_close('}');
}

static void json_by_calls(void)
{
	int set = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

	json_ids("uid", getresuid);
	json_ids("gid", getresgid);
	json_groups();
	json_capget();
	json_key("no_new_privs");
	if (set < 0)
		json_fail(json_mark(), errno, "prctl PR_GET_NO_NEW_PRIVS");
	else
		json_u64((uint64_t)set);
}

static void load(int proc)
{
	failed = 0;
	if (proc < 0)
		failed = -proc;
	else if (read_file(proc, "status", status, sizeof(status)) < 0)
		failed = errno;
}

static void json_rest(void)
{
	json_numbers("uid", "Uid:");
	json_numbers("gid", "Gid:");
	json_numbers("groups", "Groups:");
	json_capabilities();
	json_number("no_new_privs", "NoNewPrivs:");
}

void json_credentials(int proc)
{
	load(proc);
	json_seccomp();
	json_rest();
}

void json_names(void)
{
	json_numbers("nspid", "NSpid:");
	json_line("name", "Name:");
}

void json_status(int proc, bool self)
{
	load(proc);
	json_names();
	json_line("cpus_allowed", "Cpus_allowed_list:");
	json_seccomp();
	if (failed && self) {
		json_by_calls();
		return;
	}
	json_rest();
}
