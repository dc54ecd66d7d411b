/*
 * Classes and lengths of values: of a process's environment, the kernel's command line, DMI strings
 * and items of fw_cfg.  No value is written, and the buffers are cleared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "exposed/exposed.h"
#include "exposed/secret_shapes.h"

#define MOST_VALUES    512
#define MOST_PROCESSES 256

static char text[256 << 10];
static size_t written;

static void json_value(const char *place, const char *name, const char *value)
{
	if (++written > MOST_VALUES)
		return;
	json_open('{');
	json_key("place");
	json_text(place);
	json_key("name");
	json_text(name);
	json_key("shape");
	json_text(value_shape(value));
	json_key("length");
	json_u64(strlen(value));
	json_close('}');
}

/* Whether walls/environment.py may take the name for a secret's. */
static bool may_name_a_secret(const char *name)
{
	static const char *const parts[] = { "key", "token", "secret", "pass", "pwd", "pat",
					     "dsn", "cred",  "jwt",    "url",  "auth" };

	for (size_t i = 0; i < COUNT(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

/* Words without "=" may be values: they have no name. */
static void json_words(const char *place, char *words, size_t size, const char *ends, bool all)
{
	char *at = words, *last = words + size;

	while (at < last) {
		size_t length = ends ? strcspn(at, ends) : strlen(at);
		char *value;

		at[length] = 0;
		value = strchr(at, '=');
		if (value)
			*value++ = 0;
		if (value ? (all && may_name_a_secret(at)) || *value_shape(value)
			  : *value_shape(at) && strlen(at) > 15)
			json_value(place, value ? at : "", value ? value : at);
		at += length + 1;
	}
}

/* The key values: of the environment, those with a class. */
void json_environment_values(int proc)
{
	ssize_t size;

	json_key("values");
	errno = proc < 0 ? -proc : 0;
	size = proc < 0 ? -1 : read_file(proc, "environ", text, sizeof(text));
	if (size < 0) {
		json_fail(json_mark(), errno, "read environ");
		return;
	}
	written = 0;
	json_open('[');
	json_words("environment", text, (size_t)size, NULL, false);
	json_close(']');
	explicit_bzero(text, sizeof(text));
}

static void json_others(void)
{
	struct folder f;
	const char *name;
	uint64_t pid;
	int count = 0;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return;
	while (count < MOST_PROCESSES && (name = folder_next(&f))) {
		char path[32], comm[32] = "", place[80];
		ssize_t size;

		if (!parse_number(name, INT32_MAX, &pid) || (pid_t)pid == getpid())
			continue;
		count++;
		snprintf(path, sizeof(path), "%d/environ", (int)pid);
		size = read_file(f.fd, path, text, sizeof(text));
		if (size <= 0)
			continue;
		snprintf(path, sizeof(path), "%d/comm", (int)pid);
		read_file(f.fd, path, comm, sizeof(comm));
		snprintf(place, sizeof(place), "the environment of process %d (%s)", (int)pid,
			 trim(comm));
		json_words(place, text, (size_t)size, NULL, true);
	}
	close_fd(&f.fd);
}

static void json_dmi(void)
{
	struct folder f;
	const char *name;
	ssize_t size;

	if (folder_open(&f, AT_FDCWD, "/sys/class/dmi/id") == 0)
		while ((name = folder_next(&f))) {
			char place[300];

			if (strcmp(name, "modalias") == 0 || strcmp(name, "uevent") == 0 ||
			    read_file(f.fd, name, text, 4096) <= 0 || !*value_shape(trim(text)))
				continue;
			snprintf(place, sizeof(place), "DMI's %s", name);
			json_value(place, "", trim(text));
		}
	close_fd(&f.fd);
	/* type 11, OEM strings: after the header, whose length is its second byte (SMBIOS, 7.12) */
	size = read_file(AT_FDCWD, "/sys/firmware/dmi/entries/11-0/raw", text, 65536);
	if (size > 5 && (unsigned char)text[1] < size)
		json_words("DMI's OEM strings", text + (unsigned char)text[1],
			   (size_t)size - (unsigned char)text[1], NULL, true);
}

/* Items that a user gave: their names begin with "opt/" (QEMU, docs/specs/fw_cfg.rst). */
static void json_fw_cfg(void)
{
	struct folder f;
	const char *key;

	if (folder_open(&f, AT_FDCWD, "/sys/firmware/qemu_fw_cfg/by_key") < 0)
		return;
	while ((key = folder_next(&f))) {
		char path[300], name[128];

		snprintf(path, sizeof(path), "%s/name", key);
		if (read_file(f.fd, path, name, sizeof(name)) <= 0 || !starts_with(name, "opt/"))
			continue;
		snprintf(path, sizeof(path), "%s/raw", key);
		if (read_file(f.fd, path, text, 65536) > 0)
			json_value("fw_cfg", trim(name), trim(text));
	}
	close_fd(&f.fd);
}

/* The key values: of what lies around, those with a name, and others with a class. */
void json_surrounding_values(bool others)
{
	ssize_t size;

	written = 0;
	json_key("values");
	json_open('[');
	size = read_file(AT_FDCWD, "/proc/cmdline", text, 65536);
	if (size > 0)
		json_words("the kernel's command line", text, (size_t)size, " \n", true);
	json_dmi();
	json_fw_cfg();
	if (others)
		json_others();
	json_close(']');
	explicit_bzero(text, sizeof(text));
}
