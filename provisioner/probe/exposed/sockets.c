/* Unix sockets that may lead outside, and the ports of container engines' APIs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mount_table.h"
#include "base/net_table.h"
#include "base/text.h"
#include "exposed/exposed.h"

#define MOST_ENTRIES 2048 /* in one mount */
#define DEPTH	     8
#define MOST_SOCKETS 128
#define MOST_TASKS   8192

/* Sockets of engines: documentation of docker, containerd, CRI-O, podman, BuildKit, LXD. */
/* clang-format off */
static const char *const known[] = {
	"/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock",
	"/run/podman/podman.sock", "/run/buildkit/buildkitd.sock", "/run/cri-dockerd.sock",
	"/run/k3s/containerd/containerd.sock", "/run/lxd/unix.socket",
	"/var/lib/lxd/unix.socket", "/var/snap/lxd/common/lxd/unix.socket",
	"/var/lib/incus/unix.socket", "/run/incus/unix.socket", "/run/kubelet.sock",
	"/run/docker/containerd/containerd.sock", "/var/run/docker.sock",
	"/var/run/podman/podman.sock", "/dev/lxd/sock", "/dev/incus/sock",
};
/* clang-format on */

static char line[MAX_LINE];
static size_t found, looked_at;
static dev_t device; /* of the mount that is looked through */

/* Whether a process of this network namespace has bound the path: proc_pid_net(5), last column. */
static bool is_bound(const char *path)
{
	static char text[MAX_LINE];
	struct reader r;
	bool bound = false;

	if (reader_open(&r, AT_FDCWD, "/proc/self/net/unix") < 0)
		return false;
	while (!bound && reader_line(&r, text, sizeof(text)) > 0) {
		const char *name = strchr(text, '/');

		bound = name && strcmp(name, path) == 0;
	}
	close_fd(&r.fd);
	return bound;
}

static void json_socket(const char *path, const struct stat *s, const char *mount)
{
	if (!S_ISSOCK(s->st_mode) || ++found > MOST_SOCKETS)
		return;
	json_open('{');
	json_key("path");
	json_text(path);
	json_key("mount");
	if (mount)
		json_text(mount);
	else
		json_null();
	json_key("device");
	json_open('[');
	json_u64(major(s->st_dev));
	json_u64(minor(s->st_dev));
	json_close(']');
	json_key("inode");
	json_u64(s->st_ino);
	json_key("uid");
	json_u64(s->st_uid);
	json_key("gid");
	json_u64(s->st_gid);
	json_key("mode");
	json_u64(s->st_mode & 07777);
	json_key("bound");
	json_bool(is_bound(path));
	json_close('}');
}

/* These file systems hold no sockets, and some take long to list. */
static bool is_kernels(const char *fstype)
{
	static const char *const types[] = { "proc",	"sysfs",    "cgroup",	  "cgroup2",
					     "devpts",	"mqueue",   "securityfs", "debugfs",
					     "tracefs", "bpf",	    "autofs",	  "binfmt_misc",
					     "pstore",	"configfs", "efivarfs",	  "hugetlbfs",
					     "fusectl", "nsfs" };

	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i], fstype) == 0)
			return true;
	return false;
}

static bool stays_local(const struct mount *m)
{
	return !starts_with(m->fstype, "nfs") && !starts_with(m->fstype, "cifs") &&
	       (!starts_with(m->fstype, "fuse") || starts_with(m->fstype, "fuseblk"));
}

/*
 * Looks through a mounted folder.  The bounds leave out the depths of large ones: the verb
 * served_sockets finds by its path what a process of the host serves there.
 */
static void look_into(int dir, const char *folder, const char *mount, int depth)
{
	char path[PATH_MAX];
	struct folder f;
	const char *name;
	struct stat s;

	if (folder_open(&f, dir, dir == AT_FDCWD ? folder : strrchr(folder, '/') + 1) < 0)
		return;
	while (looked_at++ < MOST_ENTRIES && (name = folder_next(&f))) {
		if (fstatat(f.fd, name, &s, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !(S_ISSOCK(s.st_mode) || S_ISDIR(s.st_mode)) ||
		    (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
			continue;
		if (S_ISSOCK(s.st_mode))
			json_socket(path, &s, mount);
		else if (depth > 1 && s.st_dev == device)
			look_into(f.fd, path, mount, depth - 1);
	}
	close_fd(&f.fd);
}

/* The known paths, sockets that are mounts themselves, and sockets in mounted folders. */
void json_sockets(void)
{
	size_t mark;
	struct reader r;
	struct mount m;
	struct stat s;
	int got;

	found = 0;
	json_key("sockets");
	mark = json_mark();
	json_open('[');
	for (size_t i = 0; i < COUNT(known); i++)
		if (lstat(known[i], &s) == 0)
			json_socket(known[i], &s, NULL);
	if (reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0) {
		json_fail(mark, errno, "read /proc/self/mountinfo");
		return;
	}
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		if (!parse_mount(line, &m) || is_kernels(m.fstype) || !stays_local(&m) ||
		    strcmp(m.target, "/") == 0 || lstat(m.target, &s) < 0)
			continue;
		if (S_ISSOCK(s.st_mode))
			json_socket(m.target, &s, m.target);
		else if (S_ISDIR(s.st_mode)) {
			looked_at = 0;
			device = s.st_dev;
			look_into(AT_FDCWD, m.target, m.target, DEPTH);
		}
	}
	if (got < 0)
		json_fail(mark, errno, "read /proc/self/mountinfo");
	else
		json_close(']');
	close_fd(&r.fd);
}

/* Docker 2375-2377, its metrics 9323, LXD and Incus 8443, kubelet 10250, 10255, etcd 2379. */
static bool is_managing(unsigned port)
{
	static const unsigned ports[] = { 2375, 2376, 2377, 2379, 8443, 9323, 10250, 10255 };

	for (size_t i = 0; i < COUNT(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

static bool is_loopback(const char *hex, bool six)
{
	/* 32-bit words in the machine's byte order: 0100007F is 127.0.0.1 if little endian */
	const unsigned char one = 1;
	unsigned word = 1;
	bool little = memcmp(&word, &one, 1) == 0;

	if (!six)
		return little ? starts_with(hex + 6, "7F") : starts_with(hex, "7F");
	return starts_with(hex, little ? "00000000000000000000000001000000"
				       : "00000000000000000000000000000001") ||
	       starts_with(hex, little ? "0000000000000000FFFF00000100007F"
				       : "00000000000000000000FFFF7F000001");
}

/* proc_pid_net(5): "sl local_address rem_address st ..."; state 0A is TCP_LISTEN. */
static int json_table(int dir, bool six, const char *process, uint64_t net)
{
	struct reader r;
	int got = tcp_open(&r, dir, six);

	if (got <= 0)
		return got;
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		char local[64], remote[64];
		unsigned port, state;

		if (sscanf(line, " %*u: %63[0-9A-F]:%x %63s %x", local, &port, remote, &state) !=
			    4 ||
		    state != 0x0a || !is_managing(port) || ++found > MOST_SOCKETS)
			continue;
		json_open('{');
		json_key("port");
		json_u64(port);
		json_key("loopback");
		json_bool(is_loopback(local, six));
		json_key("process");
		json_text(process);
		json_key("net");
		json_u64(net);
		json_close('}');
	}
	close_fd(&r.fd);
	return got;
}

static uint64_t net_of(int dir)
{
	struct stat s;

	return fstatat(dir, "ns/net", &s, 0) < 0 ? 0 : s.st_ino;
}

static bool is_daemon(const char *name)
{
	static const char *const names[] = { "dockerd", "containerd", "crio",	    "podman", "lxd",
					     "incusd",	"kubelet",    "k3s-server", "etcd" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The ports of engines in other network namespaces, as far as /proc shows them. */
static void json_daemons(uint64_t own)
{
	struct folder f;
	const char *name;
	uint64_t pid, net;
	int count = 0;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return;
	while (count++ < MOST_TASKS && (name = folder_next(&f))) {
		char path[300], comm[64];
		cleanup_fd int dir = -1;

		if (!parse_number(name, INT32_MAX, &pid))
			continue;
		snprintf(path, sizeof(path), "%s/comm", name);
		if (read_file(f.fd, path, comm, sizeof(comm)) < 0 || !is_daemon(trim(comm)))
			continue;
		dir = openat(f.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		net = dir < 0 ? 0 : net_of(dir);
		if (!net || net == own)
			continue;
		json_table(dir, false, trim(comm), net);
		json_table(dir, true, trim(comm), net);
	}
	close_fd(&f.fd);
}

void json_engine_ports(void)
{
	size_t mark;
	cleanup_fd int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t own = self < 0 ? 0 : net_of(self);

	found = 0;
	json_key("ports");
	mark = json_mark();
	json_open('[');
	if (self < 0 || json_table(self, false, "", own) < 0 ||
	    json_table(self, true, "", own) < 0) {
		json_fail(mark, errno, "read /proc/self/net/tcp");
		return;
	}
	json_daemons(own);
	json_close(']');
}
