/* Whether every user may come to a file: every folder on its path must be searchable. */
#ifndef EXPOSED_WAY_H
#define EXPOSED_WAY_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Looks at an absolute path below `root` as a process with that root would: links stay below it.
 * `open` says whether other users may search every folder of the path.  -1 with errno.
 */
int look_on_way(int root, const char *path, struct stat *st, bool *open);

#endif
