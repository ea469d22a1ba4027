/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/ledger.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static char *ledger_path(const char *counts_path)
{
	size_t n = strlen(counts_path);

	n -= str_ends(counts_path, ".json") ? 5 : 0;
	return xasprintf("%.*s.ledger", (int)n, counts_path);
}

int ledger_open(const char *counts_path, struct ledger **ret_ledger, struct error *err)
{
	auto_free char *path = counts_path ? ledger_path(counts_path) : NULL;
	int flags = path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	struct ledger *l;
	int fd = -1;

	/* Open for as long as the process lives: it carries the lock. */
	if (path)
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (path && (fd < 0 || flock(fd, LOCK_EX) < 0 || ftruncate(fd, sizeof(*l)) < 0))
		return error_errno(err, -errno, "make %s", path);
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, flags, fd, 0);
	if (l == MAP_FAILED)
		return error_errno(err, -errno, "map %s", path ? path : "a ledger");
	l->version = LEDGER_VERSION;
	*ret_ledger = l;
	return 0;
}

int ledger_read(const char *counts_path, struct ledger *out, bool *ret_ended, struct error *err)
{
	auto_free char *path = ledger_path(counts_path);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return error_errno(err, -errno, "open %s", path);
	*ret_ended = flock(fd, LOCK_SH | LOCK_NB) == 0;
	n = pread(fd, out, sizeof(*out), 0);
	if (n != (ssize_t)sizeof(*out) || out->version != LEDGER_VERSION ||
	    out->n_flows > LEDGER_FLOWS || out->n_served > LEDGER_SERVED)
		return error_set(err, -EINVAL, "%s is no ledger", path);
	for (uint32_t i = 0; i < out->n_served; i++)
		out->served[i].client[sizeof(out->served[i].client) - 1] = '\0';
	return 0;
}
