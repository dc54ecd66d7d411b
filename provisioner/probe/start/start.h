/* The commands, and what they share. */
#ifndef START_START_H
#define START_START_H

struct verb;

#include <stdbool.h>

#define MEMFD_NAME "isolation-probe"
#define MEMFD_FD   3
#define MEMFD_PATH "/proc/self/fd/3"

/* The verb of a name, or NULL. */
const struct verb *find_verb(const char *name);

int cmd_serve(int argc, char **argv);
int cmd_launch(int argc, char **argv);

/* Brings the interface lo up; -1 with errno. */
int loopback_up(void);

/* Mounts the kernel's file systems and brings lo up: the start of a machine's init. */
void init_start(void);

/* How a command is supervised: on a terminal of its own, with a copy of this program at a path. */
struct supervision {
	bool terminal;
	const char *copy;
};

/* Runs a command to its end, and ends all that descends from it; returns its exit status. */
int supervise(const struct supervision *how, char **argv);

/* Makes a terminal raw; -1 with errno. */
int make_raw(int fd);

/* Opens a terminal in raw mode. */
int open_raw_tty(const char *path);

/* Powers the machine off after `out` has been drained. */
_Noreturn void init_stop(int out);

/* Whether a descriptor is one of a sealed copy of this program. */
bool is_sealed(int fd);

/*
 * A descriptor of a sealed copy of this program in memory, open for reading only; -1 with errno.
 */
int copy_program(void);

#endif
