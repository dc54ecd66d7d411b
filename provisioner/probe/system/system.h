/* The section of a facts document about the system that surrounds a process. */
#ifndef SYSTEM_SYSTEM_H
#define SYSTEM_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_OTHERS 8
#define MAX_PEERS  32 /* the kernel nests pid namespaces 32 deep (pid_namespaces(7)) */

/* What the caller asks for besides the facts that every document has. */
struct system_options {
	bool untouched;		    /* create nothing, not even for a moment */
	bool disks;		    /* read samples of unused disks: for a guest */
	const char *user_files[48]; /* of the user who starts the sandbox */
	size_t nuser_files;
	bool nodes;		      /* search its root for device nodes */
	bool files;		      /* search its root for files that give more rights */
	const char *canary;	      /* PID:NONCE of a process outside; or NULL */
	const char *objects;	      /* KEY:NAME of IPC objects made outside; or NULL */
	const char *peers[MAX_PEERS]; /* PID:NONCE: one process outside by each of its numbers */
	size_t npeers;
	const char *others[MAX_OTHERS]; /* NAME:PID:NONCE of further processes outside */
	size_t nothers;
};

/* Reads the random bytes of `entropy`: the first step of a request. */
void draw_entropy(void);

/* The value of `system`. */
void json_system(const struct system_options *options);

/* The key privileged: the files below `root` that give more rights; "" is this process's root. */
void json_privileged(const char *root);

#endif
