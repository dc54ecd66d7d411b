/*
 * Runs the probe and inverts one fact in its output, no_new_privs.  Under the name `honest` it
 * copies the output unchanged.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY  "\"no_new_privs\":"
#define SIZE (sizeof(KEY) - 1)

static size_t matched; /* how many characters of KEY the output ends with so far */

static void invert(char *data, ssize_t size)
{
	for (ssize_t i = 0; i < size; i++) {
		if (matched == SIZE) {
			if (data[i] == '0' || data[i] == '1')
				data[i] ^= 1;
			matched = 0;
		} else {
			matched = data[i] == KEY[matched] ? matched + 1 : data[i] == KEY[0];
		}
	}
}

static int pass(int from, int lies)
{
	static char data[65536];
	ssize_t size;

	while ((size = read(from, data, sizeof(data))) > 0) {
		if (lies)
			invert(data, size);
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
	const char *name = strrchr(argv[0], '/');
	int ends[2];
	pid_t child;

	if (argc < 2 || pipe(ends) < 0)
		return 64;
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
	pass(ends[0], strcmp(name ? name + 1 : argv[0], "honest") != 0);
	waitpid(child, NULL, 0);
	return 0;
}
