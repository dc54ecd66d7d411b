/* The parts of json_system(): each writes the keys that its comment names. */
#ifndef SYSTEM_PARTS_H
#define SYSTEM_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNTOUCHED "not tried, for it would touch the sandbox"

void json_interfaces(void);	      /* interfaces */
void json_devices(void);	      /* devices */
void json_nodes(bool asked);	      /* nodes */
void json_paths(void);		      /* paths */
void json_cgroup_files(void);	      /* further keys of paths */
void json_tries(bool untouched);      /* tries */
void json_rights(bool untouched);     /* device_node, root_access, legacy_tiocsti */
void json_kernel_state(void);	      /* kernel_state */
void json_canary(const char *canary); /* canary */
void json_init_maps(void);	      /* init_maps */
void json_peers(const char *const *peers, size_t count);   /* peers */
void json_others(const char *const *others, size_t count); /* canaries */
void json_platform(void);				   /* platform */
void json_ssh(void);					   /* ssh */
void json_objects(const char *objects);			   /* objects */
void json_keys(void);					   /* keys */
void json_guest_api(void);				   /* guest_api */
void json_disks(bool asked);				   /* disks */

/* One device node, with the result of opening it; for the lists of nodes. */
void json_device(const char *path, uint32_t mode, unsigned int major, unsigned int minor);

#endif
