/* One try to reach an address; its socket never blocks. */
#ifndef NETWORK_ATTEMPT_H
#define NETWORK_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network/endpoint.h"

#define MOST_ID	    64
#define MOST_ANSWER 160

enum phase { PHASE_WAITING, PHASE_CONNECTING, PHASE_ASKED, PHASE_DONE };

struct attempt {
	char id[MOST_ID + 1], token[MOST_TOKEN + 1];
	struct endpoint to;
	enum phase phase;
	int fd;
	bool raw;
	uint16_t echo_id;
	uint64_t start, end, next; /* next: when a datagram is sent again */
	/* The outcome: the errno, the text that came, and who sent the text or the error. */
	const char *result;
	int error;
	size_t used;
	char answer[MOST_ANSWER + 1], from[ENDPOINT_TEXT];
};

/* Opens the socket, connects or sends.  False if no descriptor is free: it can be called again. */
bool attempt_start(struct attempt *a, uint64_t now, uint64_t ms);

/* What poll(2) waits for. */
short attempt_events(const struct attempt *a);

/* Goes on after poll(2). */
void attempt_continue(struct attempt *a);

/* Sends a datagram again when it is due; ends the try when its time is over. */
void attempt_tick(struct attempt *a, uint64_t now);

/* Ends the try. */
void attempt_end(struct attempt *a, const char *result, int error);

#endif
