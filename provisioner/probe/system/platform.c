/*
 * The machine that a guest sees: the answers of CPUID, the names in the firmware, and the devices
 * that the kernel found on its buses.  No device is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "base/text.h"
#include "system/parts.h"

#define MAX_DEVICES 1024

struct processor {
	int known; /* 0: not x86 */
	int hypervisor, vmx, svm;
	char signatures[3][16];
};

#if defined(__x86_64__) || defined(__i386__)
struct registers {
	uint32_t a, b, c, d;
};

static struct registers cpuid(uint32_t leaf)
{
	struct registers r = { leaf, 0, 0, 0 };

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(r.a), "2"(r.c));
	return r;
}

/*
 * Hypervisors answer at leaf 0x40000000; one that imitates another also answers at higher
 * multiples of 0x100 (Documentation/virt/kvm/x86/cpuid.rst).
 */
static void read_processor(const void *in, void *out)
{
	struct processor *p = out;
	struct registers r = cpuid(1);

	(void)in;
	p->known = 1;
	p->hypervisor = (int)(r.c >> 31 & 1);
	p->vmx = (int)(r.c >> 5 & 1);
	if (cpuid(0x80000000).a >= 0x80000001)
		p->svm = (int)(cpuid(0x80000001).c >> 2 & 1);
	for (uint32_t i = 0; p->hypervisor && i < COUNT(p->signatures); i++) {
		r = cpuid(0x40000000 + 0x100 * i);
		memcpy(p->signatures[i], &r.b, 4);
		memcpy(p->signatures[i] + 4, &r.c, 4);
		memcpy(p->signatures[i] + 8, &r.d, 4);
	}
}
#else
static void read_processor(const void *in, void *out)
{
	(void)in;
	((struct processor *)out)->known = 0;
}
#endif

static bool is_name(const char *text)
{
	for (const char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return *text;
}

static void json_processor(void)
{
	static const char *const keys[] = { "hypervisor", "signatures", "nested" };
	struct processor p;
	struct call_result done;

	memset(&p, 0, sizeof(p));
	done = fork_call(read_processor, NULL, &p, sizeof(p));
	for (size_t i = 0; i < COUNT(keys); i++) {
		json_key(keys[i]);
		if (done.end != CALL_DONE || !p.known) {
			json_fail(json_mark(), 0, p.known ? "cpuid" : "no x86 has no cpuid");
			continue;
		}
		if (i == 0) {
			json_bool(p.hypervisor);
			continue;
		}
		json_open('[');
		for (size_t j = 0; i == 1 && j < COUNT(p.signatures); j++)
			if (is_name(p.signatures[j]))
				json_text(p.signatures[j]);
		if (i == 2 && p.vmx)
			json_text("vmx");
		if (i == 2 && p.svm)
			json_text("svm");
		json_close(']');
	}
}

static void json_firmware(const char *key, const char *path)
{
	char text[256];

	json_key(key);
	if (read_file(AT_FDCWD, path, text, sizeof(text)) >= 0)
		json_text(trim(text));
	else if (errno == ENOENT)
		json_null();
	else
		json_fail(json_mark(), errno, "read %s", path);
}

/* The text of FOLDER/NAME/FILE without "0x"; false if there is none. */
static bool read_word(const char *folder, const char *name, const char *file, char *to, size_t size)
{
	char path[400], text[64];
	const char *word;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, name, file);
	if (read_file(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	word = trim(text);
	return copy_text(to, size, word + (starts_with(word, "0x") ? 2 : 0));
}

struct bus {
	const char *name, *folder;
	const char *files[2]; /* which identify a device */
	const char *class;
};

static const struct bus buses[] = {
	{ "pci", "/sys/bus/pci/devices", { "vendor", "device" }, "class" },
	{ "usb", "/sys/bus/usb/devices", { "idVendor", "idProduct" }, "bDeviceClass" },
	{ "virtio", "/sys/bus/virtio/devices", { "device", NULL }, NULL },
	{ "acpi", "/sys/bus/acpi/devices", { NULL, NULL }, NULL },
};

/* "pci:8086:29c0", "virtio:2", "acpi:PNP0501"; false if it is not a device of the machine. */
static bool name_device(const struct bus *bus, const char *name, char *id, size_t size)
{
	char first[32], second[32] = "";
	const char *colon = strchr(name, ':');

	if (!bus->files[0]) {
		/* NAME:NN, counted from 00; LNX… belongs to the kernel, device: has no name */
		if (!colon || strcmp(colon, ":00") != 0 || starts_with(name, "LNX") ||
		    starts_with(name, "device:"))
			return false;
		return snprintf(id, size, "%s:%.*s", bus->name, (int)(colon - name), name) > 0;
	}
	if (!read_word(bus->folder, name, bus->files[0], first, sizeof(first)))
		return false;
	if (!bus->files[1])
		return snprintf(id, size, "%s:%lu", bus->name, strtoul(first, NULL, 16)) > 0;
	if (!read_word(bus->folder, name, bus->files[1], second, sizeof(second)))
		return false;
	return snprintf(id, size, "%s:%s:%s", bus->name, first, second) > 0;
}

static int json_bus(const struct bus *bus, size_t *count)
{
	struct folder f;
	const char *name;
	int error;

	if (folder_open(&f, AT_FDCWD, bus->folder) < 0)
		return errno == ENOENT ? 0 : -1;
	while ((name = folder_next(&f))) {
		char id[128], class[32];

		if (!name_device(bus, name, id, sizeof(id)))
			continue;
		if (++*count > MAX_DEVICES) {
			errno = E2BIG;
			break;
		}
		json_open('{');
		json_key("id");
		json_text(id);
		json_key("name");
		json_text(name);
		json_key("class");
		if (bus->class && read_word(bus->folder, name, bus->class, class, sizeof(class)))
			json_text(class);
		else
			json_null();
		json_close('}');
	}
	error = errno;
	close_fd(&f.fd);
	errno = error;
	return name || error ? -1 : 0;
}

static void json_buses(void)
{
	size_t mark, count = 0;

	json_key("devices");
	mark = json_mark();
	if (access("/sys/bus", F_OK) < 0) {
		json_fail(mark, errno, "list /sys/bus");
		return;
	}
	json_open('[');
	for (size_t i = 0; i < COUNT(buses); i++)
		if (json_bus(&buses[i], &count) < 0) {
			json_fail(mark, errno, "list %s", buses[i].folder);
			return;
		}
	json_close(']');
}

/* The names of virtio-serial ports; null without a driver. */
static void json_ports(void)
{
	static const char folder[] = "/sys/class/virtio-ports";
	size_t mark, count = 0;
	struct folder f;
	const char *port;

	json_key("ports");
	mark = json_mark();
	if (folder_open(&f, AT_FDCWD, folder) < 0) {
		if (errno == ENOENT && access("/sys/class", F_OK) == 0)
			json_null();
		else
			json_fail(mark, errno, "list %s", folder);
		return;
	}
	json_open('[');
	while ((port = folder_next(&f)) && ++count <= 64) {
		char name[128];

		if (read_word(folder, port, "name", name, sizeof(name)))
			json_text(name);
	}
	json_close(']');
	close_fd(&f.fd);
}

void json_platform(void)
{
	json_key("platform");
	json_open('{');
	json_processor();
	json_firmware("vendor", "/sys/class/dmi/id/sys_vendor");
	json_firmware("product", "/sys/class/dmi/id/product_name");
	json_buses();
	json_ports();
	json_close('}');
}
