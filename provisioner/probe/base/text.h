/* Strings, numbers, time and error messages. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The name of an error number, such as "EPERM"; "" for 0. */
const char *errno_name(int number);

/* Prints "probe: TEXT: REASON" to standard error and exits with `code`; errno 0 omits the reason.
 */
_Noreturn void die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints how a verb is called and returns EX_USAGE. */
int usage(const char *text);

/* Reads a decimal number of at most `most`; false if the text is anything else. */
bool parse_number(const char *text, uint64_t most, uint64_t *number);

bool starts_with(const char *text, const char *prefix);

/* Returns false if the text does not fit: a truncated path names another file. */
bool copy_text(char *to, size_t size, const char *from);

/* Removes white space at both ends, in place. */
char *trim(char *text);

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t now_ms(void);

#endif
