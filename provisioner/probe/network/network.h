/* Tries to reach addresses, and answers such tries. */
#ifndef NETWORK_NETWORK_H
#define NETWORK_NETWORK_H

/* Reads tries from standard input, makes them side by side, and prints what each came to. */
int net_try(const char *milliseconds);

/* Answers on these sockets for some seconds, and prints each token that came. */
int net_serve(const char *seconds, const char *name, char **sockets);

/* Speaks in another's name, by one packet; prints "ok" or the errno's name. */
int net_spoof(int argc, char **argv);

#endif
