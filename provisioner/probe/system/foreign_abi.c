/*
 * On x86-64 a program may also use the system call numbers of i386 (int 0x80) and x32 (a bit in the
 * number).  A filter that checks only the numbers of x86-64 lets them pass (seccomp(2)).  The calls
 * are the harmless ones of tries.c.
 */
#include "system/foreign_abi.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __x86_64__

/* asm/unistd_32.h and asm/unistd_x32.h */
enum { I386_SOCKETCALL = 102, I386_PERSONALITY = 136, I386_ADD_KEY = 286, I386_BPF = 357 };
enum { I386_SOCKET = 359, X32_SOCKET = 41, X32_PERSONALITY = 135, X32_ADD_KEY = 248 };
enum { X32_BPF = 321, X32_BIT = 0x40000000, CALL_SOCKET = 1, NO_BPF_COMMAND = 9999 };

static long i386(long number, long first, long second, long third)
{
	long result = number;

	/* before Linux 4.17 the kernel clears r8 to r11 on return */
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(first), "c"(second), "d"(third), "S"(0L), "D"(0L)
			 : "memory", "cc", "r8", "r9", "r10", "r11");
	result = (int32_t)result;
	if (result < 0 && result >= -4095) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static long x32(long number, long first, long second, long third)
{
	return syscall(X32_BIT | number, first, second, third, 0L, 0L, 0L);
}

/* The arguments are in memory, which filters cannot read; their address must fit 32 bits. */
static long socketcall(int family, int type)
{
	uint32_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | 0x40 /* MAP_32BIT */, -1, 0);

	if (args == MAP_FAILED)
		return -1;
	args[0] = (uint32_t)family;
	args[1] = (uint32_t)type;
	args[2] = 0;
	return i386(I386_SOCKETCALL, CALL_SOCKET, (long)(uintptr_t)args, 0);
}

#else

enum { I386_PERSONALITY, I386_ADD_KEY, I386_BPF, I386_SOCKET };
enum { X32_SOCKET, X32_PERSONALITY, X32_ADD_KEY, X32_BPF, NO_BPF_COMMAND };

static long i386(long number, long first, long second, long third)
{
	(void)number, (void)first, (void)second, (void)third;
	errno = ENOSYS;
	return -1;
}

static long x32(long number, long first, long second, long third)
{
	return i386(number, first, second, third);
}

static long socketcall(int family, int type)
{
	return i386(0, family, type, 0);
}

#endif

long try_i386_personality(void)
{
	return i386(I386_PERSONALITY, ADDR_NO_RANDOMIZE, 0, 0);
}

long try_i386_add_key(void)
{
	return i386(I386_ADD_KEY, 0, 0, 0);
}

long try_i386_bpf(void)
{
	return i386(I386_BPF, NO_BPF_COMMAND, 0, 0);
}

long try_i386_vsock(void)
{
	return i386(I386_SOCKET, 40, SOCK_STREAM, 0);
}

long try_i386_alg(void)
{
	return i386(I386_SOCKET, 38, SOCK_SEQPACKET, 0);
}

long try_i386_socketcall_vsock(void)
{
	return socketcall(40, SOCK_STREAM);
}

long try_i386_socketcall_alg(void)
{
	return socketcall(38, SOCK_SEQPACKET);
}

long try_x32_personality(void)
{
	return x32(X32_PERSONALITY, ADDR_NO_RANDOMIZE, 0, 0);
}

long try_x32_add_key(void)
{
	return x32(X32_ADD_KEY, 0, 0, 0);
}

long try_x32_bpf(void)
{
	return x32(X32_BPF, NO_BPF_COMMAND, 0, 0);
}

long try_x32_vsock(void)
{
	return x32(X32_SOCKET, 40, SOCK_STREAM, 0);
}

long try_x32_alg(void)
{
	return x32(X32_SOCKET, 38, SOCK_SEQPACKET, 0);
}
