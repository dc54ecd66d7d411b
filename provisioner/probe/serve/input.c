/*
 * A request's standard input on its way to the child.  There are two slots, for which the host
 * holds two credits: nothing that arrives finds no place.
 */
#include "base/probe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void protocol_error(const char *what)
{
	errno = 0;
	die(EX_PROTOCOL, "%s", what);
}

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

/* Puts one frame away; an empty one is the end, for which no credit is given back. */
void input_take(struct input *in, uint32_t id, const unsigned char *data, size_t size)
{
	unsigned slot = (in->head + in->filled) % SLOTS;

	if (size > PIECE || (size && in->filled == SLOTS))
		protocol_error("more input than there are credits for");
	if (size == 0) {
		in->end = true;
	} else if (in->fd < 0) { /* nobody reads it */
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

/* Writes what the child takes for now. */
void input_feed(struct input *in, uint32_t id)
{
	while (in->fd >= 0 && in->filled) {
		struct slot *slot = &in->slots[in->head];
		ssize_t n = write(in->fd, slot->data + slot->pos, slot->len - slot->pos);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			close_fd(&in->fd); /* the child reads no more: what is left is dropped */
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
