/* What the files of the probe share; docs/reference/protocol.md says what the program does. */
#ifndef PROBE_H
#define PROBE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sysexits.h>

#ifndef PROBE_HASH
#define PROBE_HASH "unknown"
#endif

#define MAX_TEXT   4096 /* characters of a string in a document */
#define MAX_ITEMS  4096 /* items of a list in a document */
#define MAX_PEERS  32   /* as deep as the kernel nests pid namespaces (pid_namespaces(7)) */
#define MAX_LINE   16384
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define cleanup_fd __attribute__((cleanup(close_fd)))

/* A request verb, which is also a command. */
struct verb {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the verb */
	bool input;                        /* it reads its standard input */
};

#define UNTOUCHED "not tried, for it would touch the sandbox"
extern bool untouched; /* make nothing, not even for a moment: the sandbox is somebody else's */
extern bool look_at_files; /* walk through its own root: it was asked for */
extern bool one_shot; /* carried out as a command, not for a server */
const struct verb *find_verb(const char *name);

/* verbs and commands */
int verb_facts(int argc, char **argv);
int verb_outside(int argc, char **argv);
int verb_image(int argc, char **argv);
int verb_echo(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_touch(int argc, char **argv);
int verb_load(int argc, char **argv);
int verb_net(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_launch(int argc, char **argv);

/* text.c */
const char *errno_name(int number);
void close_fd(int *fd);
_Noreturn void die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int usage(const char *text);
bool parse_number(const char *text, uint64_t most, uint64_t *number);
bool starts_with(const char *text, const char *prefix);
bool copy_text(char *to, size_t size, const char *from);
char *trim(char *text);
int write_all(int fd, const void *data, size_t size);
uint64_t now_ms(void);

/* file.c */
struct reader {
	int fd;
	size_t pos, len;
	char buf[4096];
};

struct folder {
	int fd;
	size_t pos, len;
	_Alignas(8) char buf[2048];
};

ssize_t read_file(int dir, const char *path, char *buf, size_t size);
int reader_open(struct reader *r, int dir, const char *path);
int reader_line(struct reader *r, char *line, size_t size);
int folder_open(struct folder *f, int dir, const char *path);
const char *folder_next(struct folder *f);
int read_number(int dir, const char *path, uint64_t *number);
int read_key(int dir, const char *path, const char *key, uint64_t *number);

/* tcp.c */
int tcp_open(struct reader *r, int proc, bool six);

/* json.c: the one writer of documents; a value may be taken back to a mark and become Unobserved */
void json_open(char bracket);
void json_close(char bracket);
void json_key(const char *name);
void json_text(const char *text);
void json_u64(uint64_t number);
void json_i64(int64_t number);
void json_bool(bool value);
void json_null(void);
void json_base64_open(void);
void json_base64(const unsigned char *bytes, size_t size);
void json_base64_close(void);
size_t json_mark(void);
void json_back(size_t mark);
bool json_over(size_t mark, size_t most);
size_t json_copy(size_t mark, char *to, size_t most);
bool json_equal(size_t mark, const char *text, size_t size);
bool json_repeats(size_t mark, size_t other, size_t size);
void json_fail(size_t mark, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int json_write(const char *nonce);

/* mounts.c */
struct mount {
	uint64_t id, parent, major, minor;
	char *root, *target, *options, *fstype, *source, *super;
	char *tags[8];
	size_t ntags;
};

enum { CTL_MEMORY = 1, CTL_CPU = 2, CTL_CPUACCT = 4, CTL_PIDS = 8, CTL_DEVICES = 16 };

struct cgroup_mount {
	int version;
	unsigned controllers;
	char root[1024], target[1024];
};

bool parse_mount(char *line, struct mount *m);
unsigned parse_controllers(const char *list, char separator);
const struct cgroup_mount *cgroup_mounts(size_t *count);
void json_mounts(int proc);
void json_cgroups(int proc);

/* paths.c and mount_files.c */
struct look {
	const char *path;
	bool write; /* it has a write handler */
};

const char *type_name(uint32_t mode);
void json_look(const char *key, const struct look *l);
void json_mount_files(void);

/* guard.c: what may hang or be killed runs in a child with an alarm */
enum guard_end { GUARD_DONE, GUARD_KILLED, GUARD_TIMEOUT, GUARD_ERROR };

struct guarded {
	enum guard_end end;
	int number; /* the signal or the errno */
};

struct guarded guard(void (*call)(const void *in, void *out), const void *in, void *out,
		     size_t size);
/* The same for many in a row: it goes on before the child's end, for which guard_settle() waits. */
struct guarded guard_next(void (*call)(const void *in, void *out), const void *in, void *out,
			  size_t size);
void guard_settle(void);

/* digest.c */
void sha256(const unsigned char *data, size_t size, char hex[65]);

/* entries.c: calls by the numbers of other architectures */
long try_i386_personality(void);
long try_i386_add_key(void);
long try_i386_bpf(void);
long try_i386_vsock(void);
long try_i386_alg(void);
long try_i386_socketcall_vsock(void);
long try_i386_socketcall_alg(void);
long try_x32_personality(void);
long try_x32_add_key(void);
long try_x32_bpf(void);
long try_x32_vsock(void);
long try_x32_alg(void);

/* sections of a document; proc is a descriptor of /proc/PID or a negative errno */
int read_start_time(int proc, uint64_t *ticks);
void record_fds(void);
int open_self(void);
void json_process(int proc, pid_t pid, bool self, bool filters);
void json_filters(pid_t pid, bool ask);
uint64_t read_namespace(int dir, const char *path);
void json_namespaces(int proc);
void json_owners(int proc);
void json_status(int proc, bool self);
void record_holdings(void);
void record_terminal(int proc);
void json_session(int proc, bool self);
void json_holdings(int proc, bool self);
void json_device_rules(int proc);
void json_grants(void);
int cgroup_folder(int proc, unsigned controller, char *path, size_t size);
void json_credentials(int proc);
void json_names(void);
void json_lsm(int proc);
void json_other_tasks(int proc, pid_t subject);
pid_t parent_of(pid_t pid);
void json_limits(int proc);
void json_system(const char *canary, const char *objects, const char *const *peers, size_t npeers);
void json_privileged(const char *root);
void json_canary(const char *canary);
void json_peers(const char *const *peers, size_t count);
extern bool look_at_disks; /* of a guest: they are its own, and no host's */
void json_disks(void);
void json_objects(const char *objects);
void json_keys(void);
void json_guest_api(void);
void json_sockets(void);
void json_engine_ports(void);
void json_interfaces(void);
void json_devices(void);
void json_paths(void);
void json_tries(void);
void json_platform(void);
void json_ssh(void);
void draw_entropy(void);
void json_entropy(void);
void json_listeners(int proc);
void json_kernel_state(void);
pid_t find_subject(const char *subject);

/* request.c and channel.c, the server's parts */
enum frame {
	FRAME_HELLO,
	FRAME_REQUEST,
	FRAME_DATA,
	FRAME_RESULT,
	FRAME_ERROR,
	FRAME_CANCEL,
	FRAME_INPUT,
	FRAME_CREDIT,
	FRAME_LOG
};

#define HEADER      9
#define MAX_PAYLOAD 32768
#define PIECE       16384 /* most bytes of an input frame and of a data frame */
#define RESERVE     4096  /* room kept for the frames that a turn of the loop may cause */

struct pollfd;
extern int channel_in, channel_out;
uint32_t get_u32(const unsigned char *from);
void channel_hello(const char *nonce);
size_t channel_room(void);
bool channel_pending(void);
void channel_put(uint32_t id, enum frame type, const void *data, size_t size);
bool channel_flush(void);
bool channel_fill(void);
bool channel_next(uint32_t *id, int *type, unsigned char **payload, size_t *size);

#define SLOTS 2

struct slot {
	size_t pos, len;
	unsigned char data[PIECE];
};

struct input {
	int fd; /* -1: the child has none, or reads no more */
	bool end;
	unsigned head, filled;
	struct slot slots[SLOTS];
};

_Noreturn void protocol_error(const char *what);
void input_reset(struct input *in);
void input_take(struct input *in, uint32_t id, const unsigned char *data, size_t size);
void input_feed(struct input *in, uint32_t id);

bool request_frame(uint32_t id, int type, unsigned char *payload, size_t size);
size_t request_poll(struct pollfd *fds);
int request_timeout(void);
void request_turn(void);
void request_reap(void);
void request_kill_all(void);
void request_close_all(void);
int split_words(unsigned char *payload, size_t size, char **argv, int most);
pid_t spawn(const struct verb *verb, int argc, char **argv, int ends[3]);

/* hand.c */
#define HANDED_NAME "isolation-probe"
#define HANDED_FD   3
int hand_program(void);

/* machine.c */
int loopback_up(void);
void machine_start(void);
int machine_tty(const char *path);
_Noreturn void machine_stop(void);

#endif
