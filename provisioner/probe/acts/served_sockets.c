/* The verb served_sockets: the unix sockets on which processes serve, as seen beside one sandbox.
 */
#include <stdint.h>
#include <string.h>

#include "acts/acts.h"
#include "acts/unix_sockets.h"
#include "base/json.h"
#include "base/text.h"
#include "process/process.h"

int verb_served_sockets(const struct call *call)
{
	char **argv = call->argv;
	uint64_t number = 0;

	if (call->argc != 3)
		return usage("served_sockets NONCE SUBJECT|pid:N");
	if (!starts_with(argv[2], "pid:"))
		number = (uint64_t)find_subject(argv[2]);
	else if (!parse_number(argv[2] + 4, INT32_MAX, &number))
		return usage("served_sockets NONCE SUBJECT|pid:N");
	json_open('{');
	json_key("schema");
	json_u64(1);
	json_key("nonce");
	json_text(argv[1]);
	json_key("served_sockets");
	json_unix_sockets((pid_t)number);
	json_close('}');
	return json_write(call->served ? NULL : argv[1]);
}
