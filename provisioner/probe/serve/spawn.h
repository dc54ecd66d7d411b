/* Starts the child process of a request. */
#ifndef SERVE_SPAWN_H
#define SERVE_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/verb.h"

/* Splits words that each end with NUL; returns their number, or -1 if there are too many. */
int split_words(unsigned char *payload, size_t size, char **argv, int most);

/*
 * Returns the child's pid, and in `ends` the server's ends of its 0, 1 and 2; -1 with errno.  The
 * child calls `close_all` to close what belongs to the server.
 */
pid_t spawn(const struct verb *verb, const struct call *call, int ends[3], void (*close_all)(void));

#endif
