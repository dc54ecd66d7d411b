/*
 * The facts about the system: kernel, tasks and random bytes, of which a document shows only the
 * hash; and all parts.
 */
#include "system/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/text.h"
#include "exposed/exposed.h"
#include "limits/limits.h"
#include "system/parts.h"

static void json_file(const char *key, const char *path, bool absent_is_null)
{
	char text[MAX_TEXT + 1];

	json_key(key);
	if (read_file(AT_FDCWD, path, text, sizeof(text)) >= 0)
		json_text(trim(text));
	else if (absent_is_null && errno == ENOENT)
		json_null();
	else
		json_fail(json_mark(), errno, "read %s", path);
}

static void json_kernel(const struct utsname *u)
{
	json_open('{');
	json_key("sysname");
	json_text(u->sysname);
	json_key("release");
	json_text(u->release);
	json_key("version");
	json_text(u->version);
	json_key("machine");
	json_text(u->machine);
	json_file("banner", "/proc/version", false);
	json_close('}');
}

static void json_tasks(void)
{
	size_t mark, count = 0;
	struct folder f;
	const char *name;
	uint64_t pid;
	int error;

	json_key("tasks");
	mark = json_mark();
	if (folder_open(&f, AT_FDCWD, "/proc") < 0 || access("/proc/self", F_OK) < 0) {
		error = errno;
		json_fail(mark, error, "list /proc");
		json_key("processes");
		json_fail(json_mark(), error, "list /proc");
		close_fd(&f.fd);
		return;
	}
	json_open('[');
	while ((name = folder_next(&f))) {
		char path[300], comm[64];

		if (!parse_number(name, INT32_MAX, &pid) || ++count > 64)
			continue;
		snprintf(path, sizeof(path), "%s/comm", name);
		if (read_file(f.fd, path, comm, sizeof(comm)) < 0)
			comm[0] = 0; /* ended meanwhile */
		json_open('{');
		json_key("pid");
		json_u64(pid);
		json_key("name");
		json_text(trim(comm));
		json_close('}');
	}
	json_close(']');
	json_key("processes");
	json_u64(count);
	close_fd(&f.fd);
}

static void json_proc_self(void)
{
	char text[64];
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);

	json_key("proc_self");
	if (n < 0) {
		json_fail(json_mark(), errno, "readlink /proc/self");
		return;
	}
	text[n] = 0;
	json_text(text);
}

static unsigned char drawn[32];
static int draw_error = EAGAIN;

/*
 * Two machines restored from one snapshot draw equal bytes first; later ones differ, because the
 * kernel mixes in what happens to each machine (random(7)).
 */
void draw_entropy(void)
{
	long n = syscall(SYS_getrandom, drawn, sizeof(drawn), 1 /* GRND_NONBLOCK */);

	draw_error = n == (long)sizeof(drawn) ? 0 : n < 0 ? errno : EAGAIN;
}

static void json_entropy(void)
{
	char hex[65];

	json_key("entropy");
	if (draw_error) {
		json_fail(json_mark(), draw_error, "getrandom");
		return;
	}
	sha256(drawn, sizeof(drawn), hex);
	json_text(hex);
}

void json_system(const struct system_options *options)
{
	struct utsname u;

	if (uname(&u) < 0)
		die(EX_OSERR, "uname");
	json_open('{');
	json_key("kernel");
	json_kernel(&u);
	json_key("hostname");
	json_text(u.nodename);
	json_proc_self();
	json_init_maps();
	json_tasks();
	json_file("lsms", "/sys/kernel/security/lsm", false);
	json_user_files(options->user_files, options->nuser_files);
	json_interfaces();
	json_devices();
	json_nodes(options->nodes);
	json_paths();
	json_tries(options->untouched);
	json_rights(options->untouched);
	json_kernel_state();
	json_resources();
	json_file("machine_id", "/etc/machine-id", true);
	json_canary(options->canary);
	json_peers(options->peers, options->npeers);
	json_others(options->others, options->nothers);
	json_platform();
	json_ssh();
	json_entropy();
	json_objects(options->objects);
	json_keys();
	json_guest_api();
	json_sockets();
	json_engine_ports();
	json_disks(options->disks);
	json_groups_file();
	json_surrounding_values(options->canary != NULL);
	if (options->files) {
		json_privileged("");
	} else {
		json_key("privileged");
		json_fail(json_mark(), 0, "not asked for");
	}
	json_close('}');
}
