/*
 * Runs the probe and changes one character of its output, wherever it stands: that after a key.
 * Its name chooses the key.  Under the name `honest` it copies the output unchanged.
 */
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct lie {
	const char *name, *key; /* the key, and all before the character */
	const char *from, *to;	/* each character of `from` becomes the one of `to` */
};

static const struct lie lies[] = {
	{ "liar", "\"no_new_privs\":", "01", "10" },
	{ "liar-filter", "\"seccomp\":{\"mode\":", "02", "20" },
	{ "liar-namespace", "\"namespaces\":{\"cgroup\":", "4", "3" },
	{ "liar-capabilities", "\"capabilities\":{\"inheritable\":", "0123456789", "1234567898" },
	{ "liar-user", "\"uid\":[", "0", "1" },
	{ "liar-cgroup", "\"path\":\"/isolation", "-", "_" },
};

static const struct lie *lie;
static size_t matched; /* how many characters of the key the output ends with so far */

static void change(char *data, ssize_t size)
{
	const char *found;

	for (ssize_t i = 0; i < size; i++) {
		if (matched == strlen(lie->key)) {
			found = strchr(lie->from, data[i]);
			if (found && *found)
				data[i] = lie->to[found - lie->from];
			matched = 0;
		} else {
			matched =
				data[i] == lie->key[matched] ? matched + 1 : data[i] == lie->key[0];
		}
	}
}

static int pass(int from)
{
	static char data[65536];
	ssize_t size;

	while ((size = read(from, data, sizeof(data))) > 0) {
		if (lie)
			change(data, size);
		for (ssize_t done = 0, n; done < size; done += n) {
			n = write(1, data + done, (size_t)(size - done));
			if (n < 0)
				return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	int ends[2];
	pid_t child;

	if (argc < 2 || pipe(ends) < 0)
		return 64;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		if (strcmp(slash ? slash + 1 : argv[0], lies[i].name) == 0)
			lie = &lies[i];
	child = fork();
	if (child == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execv(argv[1], argv + 1);
		_exit(69);
	}
	close(ends[1]);
	close(0);
	pass(ends[0]);
	waitpid(child, NULL, 0);
	return 0;
}
