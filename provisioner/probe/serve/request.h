/* The open requests, at most MAX_REQUESTS: each is a child process with pipes of its own. */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/verb.h"

#define MAX_REQUESTS 16

struct pollfd;

/* Sets how the name of a verb is looked up. */
void request_verbs(const struct verb *(*find)(const char *name));

/* Handles a frame of the host; false if it ends the server. */
bool request_frame(uint32_t id, int type, unsigned char *payload, size_t size);

/* Adds what the requests wait for, at most 3 entries for each; returns their number. */
size_t request_poll(struct pollfd *fds);

/* Milliseconds to the next deadline; -1 if no request is open. */
int request_timeout(void);

/* Moves input and output of all requests, and checks ends and deadlines. */
void request_turn(void);

/* Reaps all children that ended, including orphans that requests left. */
void request_reap(void);

void request_kill_all(void);

#endif
