/*
 * The verb image: examines a root folder on the host, where nothing is mounted in it.  A runtime
 * mounts over some of its folders, which hides from the sandbox what the image has there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "acts/acts.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/verb.h"
#include "system/system.h"

/* Runtimes mount over these; a link redirects their mounts and device nodes. */
static const char *const mounted_over[] = { "/dev", "/proc", "/sys" };

static void json_folders(int root)
{
	json_open('{');
	for (size_t i = 0; i < COUNT(mounted_over); i++) {
		struct stat st;

		json_key(mounted_over[i]);
		if (fstatat(root, mounted_over[i] + 1, &st, AT_SYMLINK_NOFOLLOW) == 0)
			json_text(file_type(st.st_mode, "file"));
		else if (errno == ENOENT)
			json_text("absent");
		else
			json_fail(json_mark(), errno, "lstat %s of the image", mounted_over[i]);
	}
	json_close('}');
}

int verb_image(const struct call *call)
{
	char **argv = call->argv;
	cleanup_fd int root = -1;

	if (call->argc != 3)
		return usage("image NONCE FOLDER");
	root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		die(EX_UNAVAILABLE, "cannot open %s", argv[2]);
	json_open('{');
	json_key("schema");
	json_u64(1);
	json_key("nonce");
	json_text(argv[1]);
	json_key("image");
	json_open('{');
	json_key("folders");
	json_folders(root);
	json_privileged(argv[2]);
	json_key("config");
	json_null(); /* a folder has none */
	json_close('}');
	json_close('}');
	return json_write(call->served ? NULL : argv[1]);
}
