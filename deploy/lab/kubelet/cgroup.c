/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/kubelet/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/limits.h"

int cgroup_make(const char *path, struct error *err)
{
	return io_mkdirs(path, 0755, err);
}

bool cgroup_has(const char *path, pid_t pid)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	char file[4096], *save = NULL;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	if (io_read_file(file, LIMIT_SYSTEM_FILE_BYTES, &sb, NULL) < 0 || !sb.len)
		return false;
	for (char *line = strtok_r(sb.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strtol(line, NULL, 10) == pid)
			return true;
	return false;
}

void cgroup_kill(const char *path)
{
	auto_close int fd = -1;
	char file[4096];

	snprintf(file, sizeof(file), "%s/cgroup.kill", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		io_write_all(fd, "1", 1, NULL);
}

bool cgroup_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char child[4096];

	while (dir && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		cgroup_remove(child);
	}
	if (dir)
		closedir(dir);
	return rmdir(path) == 0 || errno == ENOENT;
}
