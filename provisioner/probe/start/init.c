/* The init process of a machine: mounts, loopback, a raw terminal, power off. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "process/process.h"
#include "start/start.h"

static const struct {
	const char *type, *target;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", MS_NOSUID },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV },
};

int loopback_up(void)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, "lo", 3);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -1;
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &request);
}

/* EBUSY: the kernel has mounted devtmpfs (CONFIG_DEVTMPFS_MOUNT). */
void init_start(void)
{
	for (size_t i = 0; i < COUNT(mounts); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, NULL) <
			    0 &&
		    errno != EBUSY)
			dprintf(2, "probe: cannot mount %s: %s\n", mounts[i].target,
				strerror(errno));
	}
	if (loopback_up() < 0)
		dprintf(2, "probe: cannot bring lo up\n");
	record_fds();
}

/* Raw: the line discipline must not echo frames.  CLOCAL: open() must not wait for a carrier. */
int make_raw(int fd)
{
	struct termios mode;

	if (tcgetattr(fd, &mode) < 0)
		return -1;
	cfmakeraw(&mode);
	mode.c_cflag |= CLOCAL | CREAD;
	mode.c_cflag &= ~(tcflag_t)(CRTSCTS | HUPCL);
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	return tcsetattr(fd, TCSANOW, &mode);
}

int open_raw_tty(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		die(EX_UNAVAILABLE, "cannot open %s", path);
	if (make_raw(fd) < 0)
		die(EX_UNAVAILABLE, "cannot make %s a raw terminal", path);
	fcntl(fd, F_SETFL, O_RDWR);
	return fd;
}

/* A kernel that cannot power off halts instead; then the host's deadline ends the machine. */
void init_stop(int out)
{
	if (out > 2)
		tcdrain(out);
	sync();
	reboot(RB_POWER_OFF);
	die(EX_OSERR, "cannot power off");
}
