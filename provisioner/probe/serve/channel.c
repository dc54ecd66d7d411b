/*
 * The byte stream of frames.  The descriptors stay blocking, because other processes may share
 * them: after POLLOUT a pipe accepts PIPE_BUF bytes without blocking (pipe(7)).
 */
#include "serve/channel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/big_endian.h"
#include "base/json.h"
#include "base/text.h"

static int channel_in, channel_out;
static unsigned char out[64 << 10];
static size_t out_start, out_end;
static unsigned char in[HEADER + MAX_PAYLOAD];
static size_t in_start, in_end;

void protocol_error(const char *what)
{
	errno = 0;
	die(EX_PROTOCOL, "%s", what);
}

size_t channel_room(void)
{
	return sizeof(out) - (out_end - out_start);
}

bool channel_pending(void)
{
	return out_end > out_start;
}

void channel_put(uint32_t id, enum frame type, const void *data, size_t size)
{
	if (channel_room() < HEADER + size) {
		errno = 0;
		die(EX_SOFTWARE, "no room for a frame");
	}
	if (sizeof(out) - out_end < HEADER + size) {
		memmove(out, out + out_start, out_end - out_start);
		out_end -= out_start;
		out_start = 0;
	}
	put_u32(out + out_end, (uint32_t)size);
	put_u32(out + out_end + 4, id);
	out[out_end + 8] = (unsigned char)type;
	if (size)
		memcpy(out + out_end + HEADER, data, size);
	out_end += HEADER + size;
}

void channel_open(int input, int output, const char *nonce)
{
	static const char magic[8] = { 0x7f, 'I', 'S', 'O', 'P', 'R', 'B', '\n' };
	char text[512];
	int length = snprintf(text, sizeof(text), "ISOLATION 1 %s %s", nonce, PROBE_HASH);

	channel_in = input;
	channel_out = output;
	errno = 0;
	if (length < 0 || (size_t)length >= sizeof(text))
		die(EX_USAGE, "the nonce is too long");
	memcpy(out, magic, sizeof(magic));
	out_end = sizeof(magic);
	channel_put(0, FRAME_HELLO, text, (size_t)length);
}

void channel_close(void)
{
	if (channel_in > 2)
		close(channel_in);
}

void channel_poll(struct pollfd fds[2], bool readable)
{
	fds[0] = (struct pollfd){ .fd = readable ? channel_in : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = channel_pending() ? channel_out : -1, .events = POLLOUT };
}

bool channel_flush(void)
{
	size_t size = out_end - out_start;
	ssize_t n = write(channel_out, out + out_start, size < PIPE_BUF ? size : PIPE_BUF);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	out_start += (size_t)n;
	if (out_start == out_end)
		out_start = out_end = 0;
	return true;
}

bool channel_fill(void)
{
	ssize_t n;

	if (in_start == in_end)
		in_start = in_end = 0;
	if (in_start) {
		memmove(in, in + in_start, in_end - in_start);
		in_end -= in_start;
		in_start = 0;
	}
	if (in_end == sizeof(in)) /* a complete frame waits for room in the output buffer */
		return true;
	n = read(channel_in, in + in_end, sizeof(in) - in_end);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	in_end += (size_t)n;
	return n > 0;
}

bool channel_next(uint32_t *id, int *type, unsigned char **payload, size_t *size)
{
	unsigned char *at = in + in_start;

	if (in_end - in_start < HEADER)
		return false;
	*size = get_u32(at);
	*id = get_u32(at + 4);
	*type = at[8];
	errno = 0;
	if (*size > MAX_PAYLOAD)
		die(EX_PROTOCOL, "a frame of %zu bytes", *size);
	if (in_end - in_start < HEADER + *size)
		return false;
	*payload = at + HEADER;
	in_start += HEADER + *size;
	return true;
}
