/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generation N of the store is snapshot.N, everything at one version, and log.N, what changed
 * since. Generation 0 has no snapshot. The one before the newest stays, as history for watches.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/lab/apiserver/store_impl.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

#define STORE_FILE_LIMIT ((size_t)1 << 30)

static char *file_name(const struct store *s, const char *what, unsigned generation)
{
	return xasprintf("%s/%s.%u", s->dir, what, generation);
}

/* Returns the number of bytes that were whole. */
static int replay(struct store *s, const struct strbuf *data, size_t *ret_good, struct error *err)
{
	struct storelog_entry e;
	size_t at = 0;

	for (;;) {
		int64_t n = storelog_read(data->buf + at, data->len - at, &e, err);

		if (n < 0)
			return (int)n;
		if (!n)
			break;
		store_apply(s, &e);
		at += (size_t)n;
	}
	*ret_good = at;
	return 0;
}

/* A snapshot counts only when its closing frame is there. */
static int load_snapshot(struct store *s, const char *path, struct error *err)
{
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;
	struct storelog_entry e;
	uint64_t version = 0;
	size_t at = 0;
	int r = io_read_file(path, STORE_FILE_LIMIT, &data, err);

	while (!r) {
		int64_t n = storelog_read(data.buf + at, data.len - at, &e, err);

		if (n <= 0)
			return n ? (int)n : error_set(err, -EBADMSG, "%s: cut short", path);
		if (e.op == STORELOG_SNAPSHOT)
			version = e.rv;
		else if (e.op == STORELOG_END)
			break;
		else
			store_apply(s, &e);
		at += (size_t)n;
	}
	if (!r)
		store_begin_at(s, version);
	return r;
}

static int write_snapshot(struct store *s, unsigned generation, struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	auto_free char *path = file_name(s, "snapshot", generation);
	struct storelog_entry e = {.op = STORELOG_SNAPSHOT, .rv = s->version};

	storelog_write(&out, &e);
	for (struct shelf *sh = s->shelves; sh; sh = sh->next) {
		vec_foreach (&sh->items, it) {
			const struct revision *r = *it;

			e = (struct storelog_entry){STORELOG_PUT, r->rv,  sh->name, r->ns,
						    r->name,      r->uid, r->json,  r->json_len};
			storelog_write(&out, &e);
		}
	}
	e = (struct storelog_entry){.op = STORELOG_END, .rv = s->version};
	storelog_write(&out, &e);
	return io_write_file_atomic(path, out.buf, out.len, 0600, err);
}

static int open_log(struct store *s, unsigned generation, size_t keep, struct error *err)
{
	auto_free char *path = file_name(s, "log", generation);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, -errno, "%s", path);
	if (ftruncate(fd, (off_t)keep) || lseek(fd, 0, SEEK_END) < 0)
		return error_errno(err, -errno, "%s", path);
	if (s->log_fd >= 0)
		close(s->log_fd);
	s->log_fd = TAKE_FD(fd);
	s->log_len = keep;
	s->generation = generation;
	return 0;
}

static void remove_generation(struct store *s, unsigned generation)
{
	auto_free char *log = file_name(s, "log", generation);
	auto_free char *snapshot = file_name(s, "snapshot", generation);

	unlink(log);
	unlink(snapshot);
}

/*
 * The snapshot goes first: a crash between the two leaves a snapshot without its log, which is an
 * empty log. The generation before this one stays, so that history reaches back through it.
 */
static int rotate(struct store *s, struct error *err)
{
	unsigned next = s->generation + 1;
	int e = write_snapshot(s, next, err);

	if (!e)
		e = open_log(s, next, 0, err);
	if (!e && next >= 2)
		remove_generation(s, next - 2);
	return e;
}

int store_append(struct store *s, const struct storelog_entry *entry, struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	int e;

	if (s->log_fd < 0)
		return 0;
	if (s->log_len > s->o.log_bytes) {
		e = rotate(s, err);
		if (e)
			return e;
	}
	storelog_write(&out, entry);
	e = io_write_all(s->log_fd, out.buf, out.len, err);
	if (!e && fdatasync(s->log_fd))
		e = error_errno(err, -errno, "store: fdatasync");
	if (!e)
		s->log_len += out.len;
	else if (ftruncate(s->log_fd, (off_t)s->log_len) ||
		 lseek(s->log_fd, (off_t)s->log_len, SEEK_SET) < 0)
		abort(); /* a half frame would hide every later one; what is on disk is whole */
	return e;
}

static bool has_file(const struct store *s, const char *what, unsigned generation)
{
	auto_free char *path = file_name(s, what, generation);

	return !access(path, F_OK);
}

static int replay_log(struct store *s, unsigned generation, struct error *err)
{
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;
	auto_free char *path = file_name(s, "log", generation);
	size_t good = 0;
	int e = has_file(s, "log", generation) ? io_read_file(path, STORE_FILE_LIMIT, &data, err)
					       : 0;

	if (!e)
		e = replay(s, &data, &good, err);
	if (e)
		return e;
	if (good < data.len && s->o.log)
		log_warn(s->o.log, "%s: cut off %zu torn bytes at the end", path, data.len - good);
	return open_log(s, generation, good, err);
}

/* The highest generation that has a snapshot; 0 (an empty store) has none. */
static unsigned last_generation(const struct store *s)
{
	DIR *dir = opendir(s->dir);
	struct dirent *d;
	uint64_t n, last = 0;

	while (dir && (d = readdir(dir)))
		if (str_starts(d->d_name, "snapshot.") &&
		    !str_to_u64(d->d_name + strlen("snapshot."), 1, UINT32_MAX - 1, &n, "", NULL))
			last = MAX(last, n);
	if (dir)
		closedir(dir);
	return (unsigned)last;
}

/* Starts one generation early when that is still there: its log is history for watches. */
int store_load(struct store *s, struct error *err)
{
	unsigned last = last_generation(s), first = last;
	int e = 0;

	if (last && has_file(s, "log", last - 1) &&
	    (last == 1 || has_file(s, "snapshot", last - 1)))
		first = last - 1;
	if (first) {
		auto_free char *path = file_name(s, "snapshot", first);

		e = load_snapshot(s, path, err);
	}
	for (unsigned g = first; !e && g <= last; g++)
		e = replay_log(s, g, err);
	return e;
}
