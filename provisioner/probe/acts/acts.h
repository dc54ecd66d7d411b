/* The verbs; docs/reference/protocol.md describes their arguments and output. */
#ifndef ACTS_ACTS_H
#define ACTS_ACTS_H

#include "base/verb.h"

int verb_facts(const struct call *call);
int verb_outside(const struct call *call);
int verb_image(const struct call *call);
int verb_echo(const struct call *call);
int verb_load(const struct call *call);
int verb_net(const struct call *call);
int verb_touch(const struct call *call);
int verb_canaries(const struct call *call);
int verb_served_sockets(const struct call *call);
int verb_run(const struct call *call);
int verb_read(const struct call *call);
int verb_write(const struct call *call);
int verb_exists(const struct call *call);

#endif
