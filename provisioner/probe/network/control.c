/* What recvmsg(2) says beside the data. */
#include "network/control.h"

#include <string.h>

bool copy_control(const struct msghdr *message, int level, int type, void *to, size_t size)
{
	const char *at = message->msg_control;
	size_t left = message->msg_controllen;
	struct cmsghdr head;

	while (left >= sizeof(head)) {
		size_t step, length;

		memcpy(&head, at, sizeof(head));
		if (head.cmsg_len < CMSG_LEN(0) || head.cmsg_len > left)
			return false;
		length = head.cmsg_len - CMSG_LEN(0);
		if (head.cmsg_level == level && head.cmsg_type == type) {
			memcpy(to, at + CMSG_LEN(0), length < size ? length : size);
			return true;
		}
		step = CMSG_SPACE(length);
		step = step > left ? left : step;
		at += step;
		left -= step;
	}
	return false;
}
