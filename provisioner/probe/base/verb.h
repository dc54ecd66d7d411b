#ifndef BASE_VERB_H
#define BASE_VERB_H

#include <stdbool.h>

/* One call of a verb, from the command line or by a request to the server. */
struct call {
	int argc;
	char **argv; /* argv[0] is the verb */
	bool served; /* a request to the server */
};

/* A request verb, which is also a command. */
struct verb {
	const char *name;
	int (*run)(const struct call *call); /* returns the exit status */
	bool input;			     /* reads standard input */
};

#endif
