/*
 * The disks of a guest: whether each is in use, and whether an unused one contains data.  Reads a
 * sample: the first and the last MiB, and blocks in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

#define MIB	(1ull << 20)
#define BLOCK	4096ull
#define SAMPLES 64
#define CLEAN	UINT64_MAX

struct disk {
	const char *path;
	uint64_t number; /* of the device: makedev(3) */
};

struct disk_state {
	int error;
	bool used;
	uint64_t size, data_at;
};

/* Sets data_at to the position of the first byte that is not zero; -1 with errno. */
static int scan(int fd, uint64_t from, uint64_t to, uint64_t *data_at)
{
	static unsigned char piece[64 << 10];

	while (from < to && *data_at == CLEAN) {
		size_t size = to - from < sizeof(piece) ? (size_t)(to - from) : sizeof(piece);
		ssize_t n = pread(fd, piece, size, (off_t)from);

		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		for (ssize_t i = 0; i < n && *data_at == CLEAN; i++)
			if (piece[i])
				*data_at = from + (uint64_t)i;
		from += (uint64_t)n;
	}
	return 0;
}

static int sample(int fd, uint64_t size, uint64_t *data_at)
{
	uint64_t end = size < MIB ? size : MIB;

	*data_at = CLEAN;
	if (scan(fd, 0, end, data_at) < 0)
		return -1;
	for (uint64_t i = 1; size > 2 * MIB && i < SAMPLES; i++) {
		uint64_t at = size / SAMPLES * i / BLOCK * BLOCK;

		if (scan(fd, at, at + BLOCK, data_at) < 0)
			return -1;
	}
	return scan(fd, size - end, size, data_at);
}

/* O_EXCL without O_CREAT: EBUSY if the disk or a partition of it is mounted (open(2)). */
static void examine(const void *in, void *out)
{
	const struct disk *disk = in;
	struct disk_state *state = out;
	cleanup_fd int fd =
		open(disk->path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	off_t size;

	*state = (struct disk_state){ 0 };
	if (fd < 0) {
		state->used = errno == EBUSY;
		state->error = state->used ? 0 : errno;
		return;
	}
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != disk->number) {
		state->error = ENODEV;
		return;
	}
	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || sample(fd, (uint64_t)size, &state->data_at) < 0)
		state->error = errno;
	state->size = (uint64_t)size;
}

static void json_number_or_null(const char *key, bool known, uint64_t number)
{
	json_key(key);
	if (known)
		json_u64(number);
	else
		json_null();
}

static void json_contents(const char *name, uint64_t number)
{
	static const char *const keys[] = { "used", "size", "data_at" };
	char path[300];
	struct disk disk = { path, number };
	struct disk_state state;
	struct call_result done;

	snprintf(path, sizeof(path), "/dev/%s", name);
	done = fork_call(examine, &disk, &state, sizeof(state));
	if (done.end != CALL_DONE || state.error) {
		int error = done.end == CALL_DONE ? state.error : ETIMEDOUT;

		for (size_t i = 0; i < COUNT(keys); i++) {
			json_key(keys[i]);
			json_fail(json_mark(), error, "read %s", path);
		}
		return;
	}
	json_key("used");
	json_bool(state.used);
	json_number_or_null("size", !state.used, state.size);
	json_number_or_null("data_at", !state.used && state.data_at != CLEAN, state.data_at);
}

static void json_disk(int dir, const char *name)
{
	char path[300], text[64];
	unsigned int major, minor;
	uint64_t read_only;

	json_open('{');
	json_key("name");
	json_text(name);
	json_key("read_only");
	snprintf(path, sizeof(path), "%s/ro", name);
	if (read_number(dir, path, &read_only) == 0)
		json_bool(read_only != 0);
	else
		json_fail(json_mark(), errno, "read %s", path);
	snprintf(path, sizeof(path), "%s/dev", name);
	if (read_file(dir, path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		major = minor = 0;
	json_contents(name, makedev(major, minor));
	json_close('}');
}

/* Loop devices, RAM disks and device mappers have no `device` and are left out. */
void json_disks(bool asked)
{
	size_t mark, items = 0;
	struct folder f;
	const char *name;

	json_key("disks");
	mark = json_mark();
	if (!asked) {
		json_null();
		return;
	}
	if (folder_open(&f, AT_FDCWD, "/sys/block") < 0) {
		json_fail(mark, errno, "list /sys/block");
		return;
	}
	json_open('[');
	while ((name = folder_next(&f))) {
		char device[300];

		if ((size_t)snprintf(device, sizeof(device), "%s/device", name) >= sizeof(device) ||
		    faccessat(f.fd, device, F_OK, 0) < 0)
			continue;
		if (++items > 64) {
			errno = E2BIG;
			break;
		}
		json_disk(f.fd, name);
	}
	if (name || errno)
		json_fail(mark, errno, "list /sys/block");
	else
		json_close(']');
	close_fd(&f.fd);
}
