/*
 * The first process of a box: loads kernel modules, sets an early address, mounts the root file
 * system, moves into it and executes systemd. In: /modules/NN.ko in the order of loading;
 * earlynet=IP,MASK,GATEWAY[,NAMESERVER] from the kernel's command line, which the kernel passes on
 * as an environment variable. Allocates nothing. On an error it prints one line to the console and
 * exits; then the kernel panics.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_finit_module
#define SYS_finit_module 313 /* x86_64 */
#endif
#define MODULES_MAX    64
#define DEVICE_WAIT_MS 30000
#define DISK	       "/dev/vda"

static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("boxinit: ", stderr);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(arguments);
}

static void load_modules(void)
{
	for (int i = 0; i < MODULES_MAX; i++) {
		char path[32];
		int fd;

		snprintf(path, sizeof(path), "/modules/%02d.ko", i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
			say("cannot load %s", path);
		close(fd);
		unlink(path);
	}
}

static int set_address(int fd, unsigned long request, const char *text)
{
	struct ifreq wanted;
	struct sockaddr_in *address = (struct sockaddr_in *)&wanted.ifr_addr;

	memset(&wanted, 0, sizeof(wanted));
	strcpy(wanted.ifr_name, "eth0");
	address->sin_family = AF_INET;
	if (inet_pton(AF_INET, text, &address->sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	return ioctl(fd, request, &wanted);
}

static int set_up(int fd, const char *name)
{
	struct ifreq wanted;

	memset(&wanted, 0, sizeof(wanted));
	strncpy(wanted.ifr_name, name, IFNAMSIZ - 1);
	wanted.ifr_flags = IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &wanted);
}

static int set_gateway(int fd, const char *text)
{
	struct rtentry route;
	struct sockaddr_in *gateway = (struct sockaddr_in *)&route.rt_gateway;

	memset(&route, 0, sizeof(route));
	gateway->sin_family = AF_INET;
	if (inet_pton(AF_INET, text, &gateway->sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	route.rt_dst.sa_family = AF_INET;
	route.rt_genmask.sa_family = AF_INET;
	route.rt_flags = RTF_UP | RTF_GATEWAY;
	return ioctl(fd, SIOCADDRT, &route);
}

/* systemd keeps a mounted /run, so the file outlives the switch to it. */
static void write_resolver(const char *nameserver)
{
	int fd = open("/run/resolv.conf", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "nameserver %s\n", nameserver) < 0)
		say("cannot write /run/resolv.conf");
	if (fd >= 0)
		close(fd);
}

static void set_network(const char *earlynet)
{
	char text[128];
	char *part[4] = { NULL, NULL, NULL, NULL }, *rest = text;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(text, sizeof(text), "%s", earlynet);
	for (int i = 0; i < 4; i++)
		part[i] = strsep(&rest, ",");
	if (fd < 0 || !part[2]) {
		say("cannot use earlynet=%s", earlynet);
		return;
	}
	if (set_up(fd, "lo") < 0 || set_address(fd, SIOCSIFADDR, part[0]) < 0 ||
	    set_address(fd, SIOCSIFNETMASK, part[1]) < 0 || set_up(fd, "eth0") < 0 ||
	    set_gateway(fd, part[2]) < 0)
		say("cannot set up eth0 by earlynet=%s", earlynet);
	close(fd);
	if (part[3])
		write_resolver(part[3]);
}

/* The virtio bus's work queue finds disks shortly after the module is loaded. */
static int wait_for(const char *path)
{
	const struct timespec pause = { 0, 5 * 1000 * 1000 };

	for (int waited = 0; waited < DEVICE_WAIT_MS; waited += 5) {
		if (access(path, F_OK) == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -1;
}

static int move_into(const char *root)
{
	if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) < 0 ||
	    mount("/run", "/root/run", NULL, MS_MOVE, NULL) < 0)
		say("cannot move /dev and /run");
	if (unlink("/init") < 0) /* the rest of the initramfs is a few empty folders */
		say("cannot remove /init");
	if (chdir(root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -1;
	return chdir("/");
}

int main(void)
{
	static char *const systemd[] = { "/sbin/init", NULL };
	const char *earlynet = getenv("earlynet");
	int console;

	if (getpid() != 1)
		return 64; /* EX_USAGE, sysexits(3): lets a build be tried */
	umask(022);
	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755") < 0 ||
	    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
		  "mode=0755,size=20%,nr_inodes=800k") < 0) /* as systemd mounts it */
		return 1;
	console = open("/dev/console", O_RDWR);
	if (console >= 0) {
		dup2(console, 0);
		dup2(console, 1);
		dup2(console, 2);
	}
	load_modules();
	if (earlynet)
		set_network(earlynet);
	if (wait_for(DISK) < 0 || mount(DISK, "/root", "ext4", MS_RELATIME, "") < 0) {
		say("cannot mount %s", DISK);
		return 1;
	}
	if (move_into("/root") < 0) {
		say("cannot move into the root file system");
		return 1;
	}
	unsetenv("earlynet");
	execv(systemd[0], systemd);
	say("cannot start %s", systemd[0]);
	return 1;
}
