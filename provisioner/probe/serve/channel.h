/*
 * The byte stream of frames: `u32 length | u32 request id | u8 type | payload`, big endian.  Each
 * direction has one buffer.
 */
#ifndef SERVE_CHANNEL_H
#define SERVE_CHANNEL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame {
	FRAME_HELLO,
	FRAME_REQUEST,
	FRAME_DATA,
	FRAME_RESULT,
	FRAME_ERROR,
	FRAME_CANCEL,
	FRAME_INPUT,
	FRAME_CREDIT,
	FRAME_LOG,
	FRAME_END
};

#define HEADER	    9
#define MAX_PAYLOAD 32768
#define PIECE	    16384 /* most bytes of an input frame and of a data frame */
#define RESERVE	    4096  /* room for the small frames that one turn of the server may cause */

/* Ends the server: the host broke the protocol. */
_Noreturn void protocol_error(const char *what);

/* Sets the descriptors, and queues the magic bytes and the hello frame. */
void channel_open(int in, int out, const char *nonce);

/* In the child of a request, after 0, 1 and 2 are replaced. */
void channel_close(void);

/* Free bytes in the output buffer; whether it holds bytes to write. */
size_t channel_room(void);
bool channel_pending(void);

/* Fills in what to wait for: input if `readable`, output if some is pending. */
void channel_poll(struct pollfd fds[2], bool readable);

/* Queues a frame; the caller has checked channel_room(). */
void channel_put(uint32_t id, enum frame type, const void *data, size_t size);

/* Writes once; false if the other end is closed. */
bool channel_flush(void);

/* Reads once; false at the end of input. */
bool channel_fill(void);

/* Takes the next complete frame, if there is one. */
bool channel_next(uint32_t *id, int *type, unsigned char **payload, size_t *size);

#endif
