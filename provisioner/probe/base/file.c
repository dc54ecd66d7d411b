/* Reads small files and folders without allocating memory. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

ssize_t read_file(int dir, const char *path, char *buf, size_t size)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;

	buf[0] = 0;
	if (fd < 0)
		return -1;
	while (used < size - 1) {
		ssize_t n = read(fd, buf + used, size - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buf[used] = 0;
	return (ssize_t)used;
}

int reader_open(struct reader *r, int dir, const char *path)
{
	r->pos = r->len = 0;
	r->fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	return r->fd < 0 ? -1 : 0;
}

int reader_line(struct reader *r, char *line, size_t size)
{
	size_t used = 0;

	for (;;) {
		if (r->pos == r->len) {
			ssize_t n = read(r->fd, r->buf, sizeof(r->buf));

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -1;
			if (n == 0) {
				line[used] = 0;
				return used > 0;
			}
			r->pos = 0;
			r->len = (size_t)n;
		}
		char c = r->buf[r->pos++];

		if (c == '\n') {
			line[used] = 0;
			return 1;
		}
		if (used + 1 >= size) {
			errno = EOVERFLOW;
			return -1;
		}
		line[used++] = c;
	}
}

int folder_open(struct folder *f, int dir, const char *path)
{
	f->pos = f->len = 0;
	f->fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	return f->fd < 0 ? -1 : 0;
}

const char *folder_next(struct folder *f)
{
	for (;;) {
		if (f->pos >= f->len) {
			long n = syscall(SYS_getdents64, f->fd, f->buf, sizeof(f->buf));

			if (n == 0)
				errno = 0;
			if (n <= 0)
				return NULL;
			f->pos = 0;
			f->len = (size_t)n;
		}
		/* struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name */
		const char *entry = f->buf + f->pos;
		uint16_t length;

		memcpy(&length, entry + 16, sizeof(length));
		f->pos += length;
		if (strcmp(entry + 19, ".") != 0 && strcmp(entry + 19, "..") != 0)
			return entry + 19;
	}
}

unsigned char folder_type(const char *name)
{
	return (unsigned char)name[-1];
}

int read_number(int dir, const char *path, uint64_t *number)
{
	char text[64];

	if (read_file(dir, path, text, sizeof(text)) < 0)
		return -1;
	if (!parse_number(trim(text), UINT64_MAX, number)) {
		errno = ERANGE;
		return -1;
	}
	return 0;
}

int read_key(int dir, const char *path, const char *key, uint64_t *number)
{
	struct reader r;
	char line[256];
	int got;

	if (reader_open(&r, dir, path) < 0)
		return -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		char *value = line + strlen(key);

		if (!starts_with(line, key) || (*value != ' ' && *value != ':'))
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strspn(value, "0123456789")] = 0;
		if (parse_number(value, UINT64_MAX, number))
			break;
	}
	close_fd(&r.fd);
	if (got == 0)
		errno = ENODATA;
	return got > 0 ? 0 : -1;
}

int read_link(int dir, const char *path, char *text, size_t size)
{
	ssize_t n = readlinkat(dir, path, text, size - 1);

	if (n < 0)
		return -1;
	text[n] = 0;
	return 0;
}

const char *file_type(uint32_t mode, const char *other)
{
	static const struct {
		uint32_t mode;
		const char *name;
	} types[] = {
		{ S_IFREG, "file" },	{ S_IFDIR, "dir" },   { S_IFLNK, "symlink" },
		{ S_IFCHR, "char" },	{ S_IFBLK, "block" }, { S_IFIFO, "fifo" },
		{ S_IFSOCK, "socket" },
	};

	for (size_t i = 0; i < COUNT(types); i++)
		if ((mode & S_IFMT) == types[i].mode)
			return types[i].name;
	return other;
}
