/* /proc/PID/mountinfo and /proc/PID/cgroup: lists of a document, and where cgroup files are. */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static char line[MAX_LINE];

/* Undoes the octal escapes of seq_path(): \040 and the like. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

bool parse_mount(char *text, struct mount *m)
{
	char *id = strsep(&text, " "), *parent = strsep(&text, " ");
	char *major = strsep(&text, ":"), *minor = strsep(&text, " "), *tag;

	m->root = strsep(&text, " ");
	m->target = strsep(&text, " ");
	m->options = strsep(&text, " ");
	m->ntags = 0;
	while ((tag = strsep(&text, " ")) && strcmp(tag, "-") != 0)
		if (*tag && m->ntags < COUNT(m->tags))
			m->tags[m->ntags++] = tag;
	m->fstype = strsep(&text, " ");
	m->source = strsep(&text, " ");
	m->super = text; /* the rest: an option may hold a space */
	if (!m->fstype || !m->source || !m->super)
		return false;
	if (!parse_number(id, UINT64_MAX, &m->id) ||
	    !parse_number(parent, UINT64_MAX, &m->parent) ||
	    !parse_number(major, UINT64_MAX, &m->major) ||
	    !parse_number(minor, UINT64_MAX, &m->minor))
		return false;
	unescape(m->root);
	unescape(m->target);
	unescape(m->source);
	return true;
}

static void json_split(char *list, const char *separators)
{
	char *item;

	json_open('[');
	while ((item = strsep(&list, separators)))
		if (*item) {
			unescape(item);
			json_text(item);
		}
	json_close(']');
}

static void json_mount(struct mount *m)
{
	json_open('{');
	json_key("id");
	json_u64(m->id);
	json_key("parent");
	json_u64(m->parent);
	json_key("major");
	json_u64(m->major);
	json_key("minor");
	json_u64(m->minor);
	json_key("root");
	json_text(m->root);
	json_key("target");
	json_text(m->target);
	json_key("options");
	json_split(m->options, ",");
	json_key("tags");
	json_open('[');
	for (size_t i = 0; i < m->ntags; i++)
		json_text(m->tags[i]);
	json_close(']');
	json_key("fstype");
	json_text(m->fstype);
	json_key("source");
	json_text(m->source);
	json_key("super_options");
	json_split(m->super, ",");
	json_close('}');
}

/* A list that does not fit is unobserved as a whole: a cut one could hide what matters. */
void json_mounts(int proc)
{
	size_t mark = json_mark(), items = 0;
	struct reader r;
	struct mount m;
	int got;

	if (proc < 0 || reader_open(&r, proc, "mountinfo") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open mountinfo");
		return;
	}
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		if (!parse_mount(line, &m)) {
			got = -1;
			errno = EBADMSG;
			break;
		}
		json_mount(&m);
		if (++items > MAX_ITEMS || json_over(mark, 512 << 10)) {
			got = -1;
			errno = E2BIG;
			break;
		}
	}
	if (got < 0)
		json_fail(mark, errno, "read mountinfo");
	else
		json_close(']');
	close_fd(&r.fd);
}

void json_cgroups(int proc)
{
	size_t mark = json_mark(), items = 0;
	struct reader r;
	int got;

	if (proc < 0 || reader_open(&r, proc, "cgroup") < 0) {
		json_fail(mark, proc < 0 ? -proc : errno, "open cgroup");
		return;
	}
	json_open('[');
	while ((got = reader_line(&r, line, sizeof(line))) > 0) {
		char *path = line, *id = strsep(&path, ":"), *controllers = strsep(&path, ":");
		uint64_t number;

		if (!path || !parse_number(id, UINT64_MAX, &number) || ++items > MAX_ITEMS ||
		    json_over(mark, 64 << 10)) {
			got = -1;
			errno = EBADMSG;
			break;
		}
		json_open('{');
		json_key("hierarchy");
		json_u64(number);
		json_key("controllers");
		json_split(controllers, ",");
		json_key("path");
		json_text(path);
		json_close('}');
	}
	if (got < 0)
		json_fail(mark, errno, "read cgroup");
	else
		json_close(']');
	close_fd(&r.fd);
}

/* Which of the controllers that we read stand in a list such as "rw,cpu,cpuacct". */
unsigned parse_controllers(const char *list, char separator)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {
		{ "memory", CTL_MEMORY },
		{ "cpu", CTL_CPU },
		{ "cpuacct", CTL_CPUACCT },
		{ "pids", CTL_PIDS },
		{ "devices", CTL_DEVICES },
	};
	unsigned bits = 0;

	while (*list) {
		size_t length = 0;

		while (list[length] && list[length] != separator && list[length] != '\n')
			length++;
		for (size_t i = 0; i < COUNT(known); i++)
			if (strlen(known[i].name) == length &&
			    strncmp(list, known[i].name, length) == 0)
				bits |= known[i].bit;
		list += length + (list[length] != 0);
	}
	return bits;
}

/* The cgroup file systems that this process sees, read once. */
const struct cgroup_mount *cgroup_mounts(size_t *count)
{
	static struct cgroup_mount found[32];
	static size_t known;
	static bool done;
	struct reader r;
	struct mount m;

	*count = known;
	if (done || reader_open(&r, AT_FDCWD, "/proc/self/mountinfo") < 0)
		return found;
	while (known < COUNT(found) && reader_line(&r, line, sizeof(line)) > 0) {
		struct cgroup_mount *c = &found[known];

		if (!parse_mount(line, &m) || !starts_with(m.fstype, "cgroup"))
			continue;
		c->version = strcmp(m.fstype, "cgroup2") == 0 ? 2 : 1;
		c->controllers = c->version == 1 ? parse_controllers(m.super, ',') : 0;
		if (copy_text(c->root, sizeof(c->root), m.root) &&
		    copy_text(c->target, sizeof(c->target), m.target))
			known++;
	}
	close_fd(&r.fd);
	done = true;
	*count = known;
	return found;
}
