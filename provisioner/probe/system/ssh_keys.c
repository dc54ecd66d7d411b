/* Fingerprints of SSH keys: the host keys, and the keys that may log in. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/text.h"
#include "system/parts.h"

#define MAX_HOMES 64
#define MAX_KEYS  64

static size_t keys;

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Decodes base64 up to another character; returns the number of bytes. */
static size_t decode(const char *text, unsigned char *to, size_t size)
{
	uint32_t bits = 0;
	size_t used = 0;
	int count = 0, digit;

	for (; (digit = base64_digit(*text)) >= 0 && used < size; text++) {
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			to[used++] = (unsigned char)(bits >> count);
		}
	}
	return used;
}

/* "[options ]TYPE BLOB [comment]" (sshd(8)): a blob starts with a 32-bit length, so with AAAA. */
static const char *find_blob(const char *line)
{
	const char *at = line + strspn(line, " \t");

	if (*at == '#')
		return NULL;
	at = strstr(at, " AAAA");
	return at ? at + 1 : NULL;
}

static void json_line(const char *path, const char *line)
{
	static unsigned char blob[8192];
	const char *text = find_blob(line);
	char hex[65];

	if (!text || ++keys > MAX_KEYS)
		return;
	sha256(blob, decode(text, blob, sizeof(blob)), hex);
	json_open('{');
	json_key("path");
	json_text(path);
	json_key("sha256");
	json_text(hex);
	json_close('}');
}

/* The keys of one file; a missing file has none. */
static int json_file(const char *path)
{
	static char line[MAX_LINE];
	struct reader r;
	int got;

	if (reader_open(&r, AT_FDCWD, path) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	while ((got = reader_line(&r, line, sizeof(line))) > 0)
		json_line(path, line);
	got = got < 0 ? errno : 0;
	close_fd(&r.fd);
	errno = got;
	return got ? -1 : 0;
}

/* The keys of every FOLDER/PREFIX*SUFFIX with `more` appended to the path. */
static int json_folder(const char *folder, const char *prefix, const char *suffix, const char *more)
{
	struct folder f;
	const char *name;
	size_t count = 0;
	int error;

	if (folder_open(&f, AT_FDCWD, folder) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	while ((name = folder_next(&f))) {
		size_t length = strlen(name), end = strlen(suffix);
		char path[512];

		if (!starts_with(name, prefix) || length < end ||
		    strcmp(name + length - end, suffix) != 0 || ++count > MAX_HOMES)
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", folder, name, more);
		if (json_file(path) < 0)
			break;
	}
	error = errno;
	close_fd(&f.fd);
	errno = error;
	return name || error ? -1 : 0;
}

static int json_host(void)
{
	return json_folder("/etc/ssh", "ssh_host_", ".pub", "");
}

static int json_authorized(void)
{
	static const char *const files[] = {
		"/root/.ssh/authorized_keys",
		"/root/.ssh/authorized_keys2",
	};

	for (size_t i = 0; i < COUNT(files); i++)
		if (json_file(files[i]) < 0)
			return -1;
	return json_folder("/home", "", "", "/.ssh/authorized_keys");
}

static void json_list(const char *key, int (*list)(void))
{
	size_t mark;

	json_key(key);
	mark = json_mark();
	keys = 0;
	json_open('[');
	if (list() < 0)
		json_fail(mark, errno, "read the public keys");
	else if (keys > MAX_KEYS)
		json_fail(mark, E2BIG, "read the public keys");
	else
		json_close(']');
}

void json_ssh(void)
{
	json_key("ssh");
	json_open('{');
	json_list("host", json_host);
	json_list("authorized", json_authorized);
	json_close('}');
}
