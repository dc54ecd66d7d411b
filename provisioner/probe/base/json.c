/* Writes a document to a fixed buffer, and the buffer to standard output. */
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/file.h"
#include "base/text.h"

static char document[1 << 20];
static size_t used;
static bool full;

static void put(const char *data, size_t size)
{
	if (size > sizeof(document) - 1 - used) {
		full = true;
		return;
	}
	memcpy(document + used, data, size);
	used += size;
}

/* The last byte tells whether a comma is due, so json_back() has no other state to restore. */
static void separate(void)
{
	if (used && !strchr("{[:", document[used - 1]))
		put(",", 1);
}

void json_open(char bracket)
{
	separate();
	put(&bracket, 1);
}

void json_close(char bracket)
{
	put(&bracket, 1);
}

/* The length of the valid UTF-8 sequence at s, or 0 (RFC 3629, section 3). */
static size_t sequence(const unsigned char *s)
{
	uint32_t code;
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (n == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	code = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if ((n == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
	    (n == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return n;
}

static void quote(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t characters = 0;
	char escape[8];

	put("\"", 1);
	while (*s) {
		size_t n = sequence(s);

		characters += n ? 1 : 4;
		if (characters > MAX_TEXT)
			break;
		if (n == 0)
			put(escape, (size_t)snprintf(escape, sizeof(escape), "\\\\x%02x", *s));
		else if (*s == '"' || *s == '\\')
			put(escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", *s));
		else if (*s < 0x20 || *s == 0x7f)
			put(escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", *s));
		else
			put((const char *)s, n);
		s += n ? n : 1;
	}
	put("\"", 1);
}

void json_text(const char *text)
{
	separate();
	quote(text);
}

void json_key(const char *name)
{
	json_text(name);
	put(":", 1);
}

static void word(const char *text)
{
	separate();
	put(text, strlen(text));
}

void json_u64(uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	word(text);
}

void json_i64(int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	word(text);
}

void json_bool(bool value)
{
	word(value ? "true" : "false");
}

void json_null(void)
{
	word("null");
}

size_t json_mark(void)
{
	return used;
}

void json_back(size_t mark)
{
	used = mark;
	full = false;
}

bool json_over(size_t mark, size_t most)
{
	return full || used - mark > most;
}

size_t json_copy(size_t mark, char *to, size_t most)
{
	if (full || used - mark > most)
		return 0;
	memcpy(to, document + mark, used - mark);
	return used - mark;
}

bool json_equal(size_t mark, const char *text, size_t size)
{
	return !full && used - mark >= size && memcmp(document + mark, text, size) == 0;
}

bool json_repeats(size_t mark, size_t other, size_t size)
{
	return json_equal(mark, document + other, size);
}

uint64_t json_hash(size_t mark)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = mark; i < used; i++)
		hash = (hash ^ (unsigned char)document[i]) * 0x100000001b3u;
	return hash;
}

void json_fail(size_t mark, int error, const char *format, ...)
{
	char why[512];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	used = mark;
	full = false;
	json_open('{');
	json_key("unobserved");
	json_text(errno_name(error));
	json_key("why");
	json_text(why);
	json_close('}');
}

/* The bytes of a base64 string that are not encoded yet. */
static struct {
	unsigned char bytes[3];
	size_t count;
} group;

static void put_group(void)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = (unsigned)group.bytes[0] << 16;
	char text[4] = { '=', '=', '=', '=' };

	bits |= (unsigned)group.bytes[1] << 8 | group.bytes[2];
	for (size_t i = 0; i <= group.count; i++)
		text[i] = digits[bits >> (18 - 6 * i) & 63];
	put(text, sizeof(text));
	memset(&group, 0, sizeof(group));
}

void json_base64_open(void)
{
	separate();
	put("\"", 1);
	memset(&group, 0, sizeof(group));
}

void json_base64(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		group.bytes[group.count++] = bytes[i];
		if (group.count == sizeof(group.bytes))
			put_group();
	}
}

void json_base64_close(void)
{
	if (group.count)
		put_group();
	put("\"", 1);
}

int json_write(const char *nonce)
{
	errno = 0;
	if (full)
		die(EX_OSERR, "cannot write the document: more than a MiB");
	if (nonce && dprintf(1, "\177ISOFACTS %s %zu\n", nonce, used) < 0)
		die(EX_OSERR, "cannot write the document");
	if (write_all(1, document, used) < 0)
		die(EX_OSERR, "cannot write the document");
	return 0;
}

int json_print(void)
{
	size_t size = used;

	put("\n", 1);
	json_back(0);
	return write_all(1, document, size + 1);
}
