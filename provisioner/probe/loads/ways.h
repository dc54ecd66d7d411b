/* The load way NAME AMOUNT. */
#ifndef LOADS_WAYS_H
#define LOADS_WAYS_H

int load_way(char **argv);

#endif
