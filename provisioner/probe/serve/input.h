/*
 * The standard input of a request, on its way to the child.  The host holds one credit for each of
 * the two slots, so every frame that arrives has a free slot.
 */
#ifndef SERVE_INPUT_H
#define SERVE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/channel.h"

#define SLOTS 2

struct slot {
	size_t pos, len;
	unsigned char data[PIECE];
};

struct input {
	int fd; /* -1: the child has no input, or closed it */
	bool end;
	unsigned head, filled;
	struct slot slots[SLOTS];
};

void input_reset(struct input *in);

/* Stores one frame; an empty frame is the end of input and returns no credit. */
void input_take(struct input *in, uint32_t id, const unsigned char *data, size_t size);

/* Writes as much as the child accepts now. */
void input_feed(struct input *in, uint32_t id);

#endif
