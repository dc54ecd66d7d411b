/*
 * Supervises a command: gives it a terminal where it needs one, and ends every process that
 * descends from it, also one that became a daemon.
 *
 * Three processes: the one that was started waits, so that its end by SIGKILL is noticed; a child
 * of it supervises, as the subreaper of all descendants (PR_SET_CHILD_SUBREAPER(2const)); a child
 * of that one becomes the command, in a session of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "start/start.h"

#define KILLED	    143 /* 128 + SIGTERM */
#define PATIENCE_MS 5000

static char output[32 << 10], input[4 << 10];
static size_t pending, sent; /* of `input` */
static int status = -1;	     /* of the command; -1: it runs */

/* Copies this program to a path that must not be there yet. */
static void copy_to(const char *path)
{
	cleanup_fd int from = copy_program();
	cleanup_fd int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
	ssize_t n;

	if (from < 0 || to < 0)
		die(EX_CANTCREAT, "cannot copy the probe to %s", path);
	while ((n = read(from, output, sizeof(output))) > 0)
		if (write_all(to, output, (size_t)n) < 0)
			die(EX_IOERR, "cannot copy the probe to %s", path);
	if (n < 0 || fchmod(to, 0755) < 0)
		die(EX_IOERR, "cannot copy the probe to %s", path);
}

/* The master of a new terminal whose other end is raw. */
static int open_terminal(char **name)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	*name = master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ? NULL : ptsname(master);
	if (!*name)
		die(EX_OSERR, "cannot make a terminal");
	open_raw_tty(*name); /* stays open, so that the master does not hang up before the command
				opens it */
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	return master;
}

static _Noreturn void become(char **argv, const char *terminal, const sigset_t *before)
{
	setsid();
	if (terminal) {
		int fd = open(terminal, O_RDWR); /* the session's terminal from now on */

		if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
			die(EX_OSERR, "cannot open %s", terminal);
		ioctl(0, TIOCSCTTY, 0);
		if (fd > 1)
			close(fd);
	}
	sigprocmask(SIG_SETMASK, before, NULL);
	execvp(argv[0], argv);
	die(errno == ENOENT ? EX_UNAVAILABLE : EX_OSERR, "cannot execute %s", argv[0]);
}

static void reap(pid_t command)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
		if (pid == command)
			status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}

/* Passes on what the command wrote; false at the end. */
static bool pass_output(int master)
{
	ssize_t n = read(master, output, sizeof(output));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && write_all(1, output, (size_t)n) == 0;
}

/* Passes input on; false at its end. */
static bool pass_input(int master)
{
	ssize_t n;

	if (sent == pending) {
		n = read(0, input, sizeof(input));
		if (n <= 0)
			return n < 0 && errno == EINTR;
		pending = (size_t)n;
		sent = 0;
	}
	n = write(master, input + sent, pending - sent);
	if (n > 0)
		sent += (size_t)n;
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* Waits until the command ends or this process is to end.  `master` is -1 without a terminal. */
static void attend(pid_t command, int signals, int master)
{
	struct signalfd_siginfo info;

	while (status < 0) {
		struct pollfd polled[] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = master, .events = POLLIN | (sent < pending ? POLLOUT : 0) },
			{ .fd = master >= 0 && sent == pending ? 0 : -1, .events = POLLIN },
		};

		if (poll(polled, COUNT(polled), -1) < 0)
			continue;
		if (polled[0].revents && read(signals, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD)
			return;
		reap(command);
		if (polled[1].revents & (POLLIN | POLLHUP) && !pass_output(master) && status < 0)
			return;
		if ((polled[1].revents & POLLOUT || polled[2].revents) && !pass_input(master))
			return; /* a terminal has no end of input: it hangs up */
	}
	while (master >= 0 && pass_output(master) && errno != EAGAIN)
		;
}

static void kill_children(void)
{
	struct folder f;
	const char *name;
	uint64_t pid;

	if (folder_open(&f, AT_FDCWD, "/proc") < 0)
		return;
	while ((name = folder_next(&f)))
		if (parse_number(name, INT32_MAX, &pid) && parent_of((pid_t)pid) == getpid())
			kill((pid_t)pid, SIGKILL);
	close_fd(&f.fd);
}

/* The children of a process that ends become this one's.  A setuid program may refuse. */
static void end_all(pid_t command)
{
	for (int waited = 0; waited < PATIENCE_MS; waited += 5) {
		kill_children();
		reap(command);
		errno = 0;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

static _Noreturn void attend_to(const struct supervision *how, char **argv, pid_t starter)
{
	sigset_t asked, before;
	char *terminal = NULL;
	int master = -1, signals;
	pid_t command;

	sigemptyset(&asked);
	sigaddset(&asked, SIGTERM);
	sigaddset(&asked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &asked, &before);
	signals = signalfd(-1, &asked, SFD_CLOEXEC);
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (signals < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		die(EX_OSERR, "cannot supervise");
	if (getppid() != starter)
		_exit(KILLED);
	if (how->terminal)
		master = open_terminal(&terminal);
	if (how->copy)
		copy_to(how->copy);
	command = fork();
	if (command == 0)
		become(argv, terminal, &before);
	if (master < 0) {
		close(0);
		close(1);
	}
	if (command > 0)
		attend(command, signals, master);
	close(master);
	end_all(command);
	if (how->copy)
		unlink(how->copy);
	_exit(status < 0 ? KILLED : status);
}

int supervise(const struct supervision *how, char **argv)
{
	pid_t starter = getpid(), pid = fork();
	int ended;

	if (pid == 0)
		attend_to(how, argv, starter);
	if (pid < 0)
		die(EX_OSERR, "cannot fork");
	close(0);
	close(1);
	while (waitpid(pid, &ended, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
}
