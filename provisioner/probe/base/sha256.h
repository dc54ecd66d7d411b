#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>

/* Writes the SHA-256 digest (FIPS 180-4) as 64 hex digits and NUL. */
void sha256(const unsigned char *data, size_t size, char hex[65]);

#endif
