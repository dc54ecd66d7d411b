/* Tries to reach what exists outside: a process, IPC objects, a session keyring, a guest API. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

#define SESSION (-3) /* KEY_SPEC_SESSION_KEYRING */

struct outcome {
	long value;
	int error;
};

/* Makes a try in a child process; writes "ok", the name of an errno, or "SIGSYS". */
static void json_try(const char *key, void (*call)(const void *, void *), const void *in,
		     long *value)
{
	struct outcome o = { 0, 0 };
	struct call_result done = fork_call(call, in, &o, sizeof(o));

	json_key(key);
	if (done.end == CALL_DONE)
		json_text(o.error ? errno_name(o.error) : "ok");
	else if (done.end == CALL_KILLED && done.number == SIGSYS)
		json_text("SIGSYS");
	else
		json_fail(json_mark(), done.end == CALL_ERROR ? done.number : 0, "try %s: %s", key,
			  done.end == CALL_TIMEOUT ? "no end" : "no answer");
	if (value)
		*value = done.end == CALL_DONE ? o.value : 0;
}

static void take(struct outcome *o, long value)
{
	o->value = value;
	o->error = value < 0 ? errno : 0;
}

/* The kernel checks the ptrace(2) access mode at open: nothing is read. */
static void try_open(const void *in, void *out)
{
	take(out, open(in, O_RDONLY | O_CLOEXEC));
}

static void json_open_try(const char *name, pid_t pid)
{
	char path[40];

	if (access("/proc/self", F_OK) < 0) {
		json_key(name);
		json_fail(json_mark(), errno, "access /proc/self");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	json_try(name, try_open, path, NULL);
}

/* Whether the process has the nonce; the probe's own command line contains it too. */
static void json_same(pid_t pid, const char *nonce)
{
	static char text[64 << 10];
	char path[32];
	ssize_t size;
	bool found;

	json_key("same");
	if (access("/proc/self", F_OK) < 0) {
		json_fail(json_mark(), errno, "access /proc/self");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	size = read_file(AT_FDCWD, path, text, sizeof(text));
	if (size < 0 && errno != ENOENT && errno != ESRCH) {
		json_fail(json_mark(), errno, "read %s", path);
		return;
	}
	found = size > 0 && memmem(text, (size_t)size, nonce, strlen(nonce)) &&
		!memmem(text, (size_t)size, "canary=", 7);
	json_bool(found);
}

/* `named` is PID:NONCE of a process that must be out of reach. */
static void json_reach(const char *named)
{
	char number[16];
	const char *nonce = strchr(named, ':');
	uint64_t pid;

	snprintf(number, sizeof(number), "%.*s", (int)strcspn(named, ":"), named);
	if (!nonce || !parse_number(number, INT32_MAX, &pid) || pid == 0 || !nonce[1]) {
		errno = 0;
		die(EX_USAGE, "'%s' is not PID:NONCE", named);
	}
	json_open('{');
	json_key("pid");
	json_u64(pid);
	json_key("signal");
	json_text(kill((pid_t)pid, 0) == 0 ? "ok" : errno_name(errno));
	json_same((pid_t)pid, nonce + 1);
	json_open_try("environ", (pid_t)pid);
	json_open_try("maps", (pid_t)pid);
	json_close('}');
}

void json_canary(const char *canary)
{
	json_key("canary");
	if (canary)
		json_reach(canary);
	else
		json_null();
}

/* One process by each of its numbers: only a try shows which number is valid here. */
void json_peers(const char *const *peers, size_t count)
{
	json_key("peers");
	if (count == 0) {
		json_null();
		return;
	}
	json_open('[');
	for (size_t i = 0; i < count; i++)
		json_reach(peers[i]);
	json_close(']');
}

/* Further processes outside, by the name that the caller gives each. */
void json_others(const char *const *others, size_t count)
{
	json_key("canaries");
	json_open('{');
	for (size_t i = 0; i < count; i++) {
		char name[32];
		size_t length = strcspn(others[i], ":");

		if (!others[i][length] || length >= sizeof(name)) {
			errno = 0;
			die(EX_USAGE, "'%s' is not NAME:PID:NONCE", others[i]);
		}
		snprintf(name, sizeof(name), "%.*s", (int)length, others[i]);
		json_key(name);
		json_reach(others[i] + length + 1);
	}
	json_close('}');
}

/* Mode 0: shmget(2) then checks no permission. */
static void try_shm(const void *in, void *out)
{
	take(out, syscall(SYS_shmget, (key_t) * (const uint64_t *)in, (size_t)0, 0));
}

static void try_mqueue(const void *in, void *out)
{
	take(out, syscall(SYS_mq_open, in, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, NULL));
}

static void try_abstract(const void *in, void *out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(in);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		take(out, -1);
		return;
	}
	memcpy(address.sun_path + 1, in, length);
	take(out, connect(fd, (struct sockaddr *)&address,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
}

/* KEY of a shared memory segment, NAME of a message queue and of an abstract socket. */
void json_objects(const char *objects)
{
	const char *name = objects ? strchr(objects, ':') : NULL;
	char number[16];
	uint64_t key;

	json_key("objects");
	if (!name) {
		json_null();
		return;
	}
	snprintf(number, sizeof(number), "%.*s", (int)(name - objects), objects);
	name++;
	if (!parse_number(number, UINT32_MAX, &key) || key == 0 || !*name || strlen(name) > 64 ||
	    strchr(name, '/')) {
		errno = 0;
		die(EX_USAGE, "'%s' is not KEY:NAME", objects);
	}
	json_open('{');
	json_key("name");
	json_text(name);
	json_try("shm", try_shm, &key, NULL);
	json_try("mqueue", try_mqueue, name, NULL);
	json_try("abstract", try_abstract, name, NULL);
	json_close('}');
}

static void try_session(const void *in, void *out)
{
	(void)in;
	take(out, syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, SESSION, 0));
}

/* The serial of the session keyring (keyctl_get_keyring_ID(3)); creates none. */
void json_keys(void)
{
	long serial;

	json_key("keys");
	json_open('{');
	json_try("session", try_session, NULL, &serial);
	json_key("serial");
	if (serial > 0)
		json_i64(serial);
	else
		json_null();
	json_close('}');
}

static const char *const guest_apis[] = { "/dev/lxd/sock", "/dev/incus/sock" };

/* Counts the `user.` settings, which may hold secrets, in the instance's API of LXD and Incus. */
static void ask_guest_api(const void *in, void *out)
{
	static const char request[] = "GET /1.0/config HTTP/1.0\r\nHost: guest\r\n\r\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[16384];
	size_t used = 0;
	ssize_t n = -1;
	long count = 0;

	if (fd < 0 || !copy_text(address.sun_path, sizeof(address.sun_path), in) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    write_all(fd, request, sizeof(request) - 1) < 0) {
		take(out, -1);
		return;
	}
	while (used < sizeof(answer) - 1 &&
	       (n = read(fd, answer + used, sizeof(answer) - 1 - used)) > 0)
		used += (size_t)n;
	answer[used] = 0;
	if (!starts_with(answer, "HTTP/1.") || !strstr(answer, " 200 ")) {
		errno = n < 0 ? errno : EPROTO;
		take(out, -1);
		return;
	}
	for (const char *at = answer; (at = strstr(at, "/config/user.")); at++)
		count++;
	take(out, count);
}

void json_guest_api(void)
{
	const char *path = NULL;
	long count;

	for (size_t i = 0; i < COUNT(guest_apis) && !path; i++)
		path = access(guest_apis[i], F_OK) == 0 ? guest_apis[i] : NULL;
	json_key("guest_api");
	if (!path) {
		json_null();
		return;
	}
	json_open('{');
	json_key("path");
	json_text(path);
	json_try("result", ask_guest_api, path, &count);
	json_key("user_keys");
	json_i64(count < 0 ? 0 : count);
	json_close('}');
}
