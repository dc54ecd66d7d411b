/* Finds the sockets among the descriptors of a process. */
#include "exposed/own_sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define MAX_SOCKETS 1024

static struct {
	size_t count;
	uint64_t inode[MAX_SOCKETS];
} sockets;

int find_own_sockets(int proc)
{
	struct folder f;
	const char *name;
	char text[64];
	int error;

	sockets.count = 0;
	if (folder_open(&f, proc, "fd") < 0)
		return -1;
	while ((name = folder_next(&f))) {
		ssize_t n = readlinkat(f.fd, name, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = 0;
		if (!starts_with(text, "socket:["))
			continue;
		if (sockets.count == MAX_SOCKETS) {
			errno = E2BIG;
			break;
		}
		sockets.inode[sockets.count++] = strtoull(text + 8, NULL, 10);
	}
	error = name ? E2BIG : errno;
	close_fd(&f.fd);
	errno = error;
	return error ? -1 : (int)sockets.count;
}

bool is_own_socket(uint64_t inode)
{
	for (size_t i = 0; i < sockets.count; i++)
		if (sockets.inode[i] == inode)
			return true;
	return false;
}
