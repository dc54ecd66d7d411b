/* Reads small files and folders without allocating memory. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_LINE   16384
#define cleanup_fd __attribute__((cleanup(close_fd)))

/* A file that is read line by line. */
struct reader {
	int fd;
	size_t pos, len;
	char buf[4096];
};

/* A folder that is listed. */
struct folder {
	int fd;
	size_t pos, len;
	_Alignas(8) char buf[2048];
};

/* Closes a descriptor, if it is open, and sets it to -1. */
void close_fd(int *fd);

/* Writes everything; -1 with errno. */
int write_all(int fd, const void *data, size_t size);

/* Reads at most size - 1 bytes and appends NUL; returns their number, or -1 with errno. */
ssize_t read_file(int dir, const char *path, char *buf, size_t size);

int reader_open(struct reader *r, int dir, const char *path);

/* Reads one line without its newline: 1; 0 at the end; -1 on an error or if it is too long. */
int reader_line(struct reader *r, char *line, size_t size);

int folder_open(struct folder *f, int dir, const char *path);

/* The next name except "." and ".."; NULL at the end (errno 0) or on an error (errno set). */
const char *folder_next(struct folder *f);

/* The type (DT_DIR) of a name that folder_next() returned; DT_UNKNOWN if the file system tells
 * none. */
unsigned char folder_type(const char *name);

/* Reads a file that holds one number; ERANGE if it holds something else ("max", "-1"). */
int read_number(int dir, const char *path, uint64_t *number);

/* Reads the number after "KEY " or "KEY:" at the start of a line; ENODATA if no line has it. */
int read_key(int dir, const char *path, const char *key, uint64_t *number);

/* Reads a symbolic link; -1 with errno. */
int read_link(int dir, const char *path, char *text, size_t size);

/* The name of a file type as facts documents spell it, or `other`. */
const char *file_type(uint32_t mode, const char *other);

#endif
