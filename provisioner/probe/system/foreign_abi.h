/* System calls by the numbers of i386 and x32; -1 with ENOSYS except on x86-64. */
#ifndef SYSTEM_FOREIGN_ABI_H
#define SYSTEM_FOREIGN_ABI_H

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

#endif
