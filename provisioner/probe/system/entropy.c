/* Random bytes of getrandom(2); a document shows only their hash. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sha256.h"
#include "system/parts.h"
#include "system/system.h"

static unsigned char drawn[32];
static int draw_error = EAGAIN;

/*
 * Two machines restored from one snapshot draw equal bytes first; later ones differ, because the
 * kernel mixes in what happens to each machine (random(7)).
 */
void draw_entropy(void)
{
	long n = syscall(SYS_getrandom, drawn, sizeof(drawn), 1 /* GRND_NONBLOCK */);

	draw_error = n == (long)sizeof(drawn) ? 0 : n < 0 ? errno : EAGAIN;
}

void json_entropy(void)
{
	char hex[65];

	json_key("entropy");
	if (draw_error) {
		json_fail(json_mark(), draw_error, "getrandom");
		return;
	}
	sha256(drawn, sizeof(drawn), hex);
	json_text(hex);
}
