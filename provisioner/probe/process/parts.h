/* The parts of json_process() and json_other_tasks(); for `proc` and `self` see process.h. */
#ifndef PROCESS_PARTS_H
#define PROCESS_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The value of fds. */
void json_fds(int proc, bool self);

/* The value of namespaces; then the keys owners and user_parents. */
void json_namespaces(int proc);
void json_owners(int proc);

/* The inode in a link such as "pid:[4026531836]"; 0 with errno. */
uint64_t read_namespace(int dir, const char *path);

/* Whether a namespace is another one or below it (NS_GET_PARENT); also if the kernel does not tell.
 */
bool may_be_below(int dir, const char *path, uint64_t top);

/* The keys nspid, name, cpus_allowed, seccomp, uid, gid, groups, capabilities, no_new_privs. */
void json_status(int proc, bool self);

/* The keys seccomp, uid, gid, groups, capabilities and no_new_privs of another task. */
void json_credentials(int proc);

/* The keys nspid and name of the task that json_credentials() wrote last. */
void json_names(void);

/* The key lsm. */
void json_lsm(int proc);

/*
 * The values of mounts and of cgroups; from outside with what the folders of each overlay are on
 * this host.
 */
void json_mounts(int proc, bool outside);
void json_cgroups(int proc);

/* The values of json_other_tasks() that make up a task's state, as keys. */
void json_state(int proc);

/* Learns the mounts of a sandbox, for json_leads(). */
struct task;
void learn_mounts(int proc, const struct task *tasks, size_t count);

/* The key leads: what leads out of the sandbox. */
void json_leads(int proc);

/* The keys umask, oom_score_adj, rlimits, securebits and dumpable. */
void json_inherited(int proc, bool self);

/* The key filters; pid 0 is this process. */
void json_filters(pid_t pid, bool ask);

/* The key handles. */
void json_descriptors(int proc, bool self);

/* The keys environment, terminal and beneath. */
void json_session(int proc, bool self);

/* Records session and terminal, before a request gets a session of its own. */
void record_terminal(int proc);

/* The key keeper. */
void json_keeper(pid_t subject, bool self);

/* The key network. */
void json_network(int proc, bool self);

/* The key device_rules. */
void json_device_rules(int proc);

#endif
