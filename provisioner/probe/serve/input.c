/* Passes the standard input of a request to the child. */
#include "serve/input.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "serve/channel.h"

void input_reset(struct input *in)
{
	in->fd = -1;
	in->end = false;
	in->head = in->filled = 0;
}

static void credit(struct input *in, uint32_t id)
{
	in->head = (in->head + 1) % SLOTS;
	in->filled--;
	channel_put(id, FRAME_CREDIT, NULL, 0);
}

void input_take(struct input *in, uint32_t id, const unsigned char *data, size_t size)
{
	unsigned slot = (in->head + in->filled) % SLOTS;

	if (size > PIECE || (size && in->filled == SLOTS))
		protocol_error("more input than there are credits for");
	if (size == 0) {
		in->end = true;
	} else if (in->fd < 0) { /* the child has no input */
		channel_put(id, FRAME_CREDIT, NULL, 0);
	} else {
		memcpy(in->slots[slot].data, data, size);
		in->slots[slot].pos = 0;
		in->slots[slot].len = size;
		in->filled++;
	}
	if (in->end && !in->filled)
		close_fd(&in->fd);
}

void input_feed(struct input *in, uint32_t id)
{
	while (in->fd >= 0 && in->filled) {
		struct slot *slot = &in->slots[in->head];
		ssize_t n = write(in->fd, slot->data + slot->pos, slot->len - slot->pos);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			close_fd(&in->fd); /* the child closed its input: drop the rest */
			break;
		}
		slot->pos += (size_t)n;
		if (slot->pos == slot->len)
			credit(in, id);
	}
	while (in->fd < 0 && in->filled)
		credit(in, id);
	if (in->end && !in->filled)
		close_fd(&in->fd);
}
