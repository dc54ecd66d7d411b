/* Copies this program into memory, for a runtime's exec that inherits descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "start/start.h"

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif
#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

#define MEMORY_CLOEXEC	0x01u
#define MEMORY_SEALABLE 0x02u
#define MEMORY_EXEC	0x10u /* since Linux 6.3; required if vm.memfd_noexec is 1 */
#define SEALS		0x0f  /* seal, shrink, grow, write */

bool is_sealed(int fd)
{
	return fcntl(fd, F_GET_SEALS) == SEALS;
}

/* A sealed copy, because a sandbox could write to the program itself (CVE-2019-5736). */
int copy_program(void)
{
	static char piece[16384];
	cleanup_fd int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int memory = (int)syscall(SYS_memfd_create, MEMFD_NAME,
					     MEMORY_CLOEXEC | MEMORY_SEALABLE | MEMORY_EXEC);
	char path[32];
	ssize_t n;

	if (memory < 0 && errno == EINVAL)
		memory = (int)syscall(SYS_memfd_create, MEMFD_NAME,
				      MEMORY_CLOEXEC | MEMORY_SEALABLE);
	if (from < 0 || memory < 0)
		return -1;
	while ((n = read(from, piece, sizeof(piece))) > 0)
		if (write_all(memory, piece, (size_t)n) < 0)
			return -1;
	if (n < 0 || fchmod(memory, 0555) < 0 || fcntl(memory, F_ADD_SEALS, SEALS) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	return open(path, O_RDONLY | O_CLOEXEC);
}
