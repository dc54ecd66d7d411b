/*
 * Calls a function in a child process with a 1 s alarm: the call may hang, or a seccomp filter may
 * kill it.  The child writes its result, `size` bytes, to a pipe; `out` receives them.
 */
#ifndef BASE_FORK_CALL_H
#define BASE_FORK_CALL_H

#include <stddef.h>

enum call_end { CALL_DONE, CALL_KILLED, CALL_TIMEOUT, CALL_ERROR };

struct call_result {
	enum call_end end;
	int number; /* the signal of CALL_KILLED, the errno of CALL_ERROR */
};

struct call_result fork_call(void (*call)(const void *in, void *out), const void *in, void *out,
			     size_t size);

/*
 * Like fork_call, but returns before the child has ended: for many calls in a row.  Call
 * fork_call_wait() after the last one.
 */
struct call_result fork_call_next(void (*call)(const void *in, void *out), const void *in,
				  void *out, size_t size);
void fork_call_wait(void);

#endif
