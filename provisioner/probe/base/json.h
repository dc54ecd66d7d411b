/*
 * The only writer of documents.  The document is complete in a buffer before any of it is written.
 * A mark is a position in it: what follows can be removed, or replaced by an unobserved fact.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_TEXT  4096 /* characters of a string in a document */
#define MAX_ITEMS 4096 /* items of a list in a document */

#ifndef PROBE_HASH
#define PROBE_HASH "unknown" /* the hash of the sources; the build defines it */
#endif

void json_open(char bracket);
void json_close(char bracket);
void json_key(const char *name);
void json_text(const char *text);
void json_u64(uint64_t number);
void json_i64(int64_t number);
void json_bool(bool value);
void json_null(void);

/* A base64 string (RFC 4648, section 4) written in pieces; it may be longer than MAX_TEXT. */
void json_base64_open(void);
void json_base64(const unsigned char *bytes, size_t size);
void json_base64_close(void);

size_t json_mark(void);

/* Removes everything after the mark. */
void json_back(size_t mark);

/* Whether the document is full, or holds more than `most` bytes after the mark. */
bool json_over(size_t mark, size_t most);

/* Copies the text after the mark; returns 0 if it does not fit. */
size_t json_copy(size_t mark, char *to, size_t most);

/* Whether the text after the mark begins with these bytes. */
bool json_equal(size_t mark, const char *text, size_t size);

/* Whether the text after one mark begins with `size` bytes of the text after another. */
bool json_repeats(size_t mark, size_t other, size_t size);

/* A hash of the text after the mark (FNV-1a): equal texts have equal hashes. */
uint64_t json_hash(size_t mark);

/* Replaces everything after the mark by an unobserved fact: the error's name and the reason. */
void json_fail(size_t mark, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes the document to standard output, after a header line with the nonce unless it is NULL. */
int json_write(const char *nonce);

/* Writes the document to standard output as one line and empties it; -1 with errno. */
int json_print(void);

#endif
