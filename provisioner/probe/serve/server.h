#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include "base/verb.h"

/*
 * Answers requests on the descriptors `in` and `out` until end of input, SIGTERM or the request
 * `exit`.  `find` returns the verb of a name, or NULL.
 */
void serve(const char *nonce, int in, int out, const struct verb *(*find)(const char *name));

#endif
