/* SPDX-License-Identifier: Apache-2.0 */
/* The append-only, hash-chained file of records. */
#include "lib/step/journal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/step/digest.h"

enum { HASH_HEX = 64 };

struct journal {
	struct arena arena;
	char *path;
	int fd; /* -1: read only */
	const struct clock *clock;
	VEC(struct journal_record *) records;
	char last_hash[HASH_HEX + 1];
	size_t torn;
};

char *digest_sha256(const void *data, size_t n, char out[DIGEST_HEX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!EVP_Digest(data, n, md, &len, EVP_sha256(), NULL))
		abort();
	for (unsigned i = 0; i < len; i++)
		snprintf(out + 2 * (size_t)i, 3, "%02x", md[i]);
	return out;
}

/* The hash covers the compact text of the record without its own "hash" member. */
static void record_hash(struct doc *record, char out[HASH_HEX + 1])
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_del(record, "hash");
	doc_write_json(record, DOC_COMPACT, &text);
	digest_sha256(strbuf_cstr(&text), text.len, out);
}

static struct journal *journal_new(const char *path, const struct clock *clock)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->path = xstrdup(path);
	j->fd = -1;
	j->clock = clock;
	memset(j->last_hash, '0', HASH_HEX);
	return j;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	vec_release(&j->records);
	arena_release(&j->arena);
	free(j->path);
	free(j);
}

static void keep(struct journal *j, struct doc *record, const char *hash, const char *line)
{
	struct journal_record *r = arena_new(&j->arena, struct journal_record);

	r->seq = j->records.n;
	r->type = str_or_empty(doc_str(doc_get(record, "type")));
	r->body = record;
	r->line = line;
	vec_push(&j->records, r);
	memcpy(j->last_hash, hash, HASH_HEX);
}

/* One line into one record, its place in the chain checked. */
static int take_line(struct journal *j, const char *line, size_t n, struct error *err)
{
	char want[HASH_HEX + 1];
	struct doc *record;
	const char *hash;
	int r = doc_read_json(&j->arena, line, n, j->path, &record, err);

	if (r < 0)
		return r;
	hash = doc_str(doc_get(record, "hash"));
	if (!hash || strlen(hash) != HASH_HEX)
		return error_set(err, -EBADMSG, "no hash");
	hash = arena_strdup(&j->arena, hash);
	record_hash(record, want);
	if (strcmp(hash, want) != 0)
		return error_set(err, -EBADMSG, "the record's hash does not match its content");
	if (!str_eq(doc_str(doc_get(record, "prev")), j->last_hash))
		return error_set(err, -EBADMSG,
				 "the chain is broken: a record before it was changed");
	if (doc_int_or(doc_get(record, "seq"), -1) != (int64_t)j->records.n)
		return error_set(err, -EBADMSG, "the sequence number is out of order");
	if (j->records.n >= JOURNAL_MAX_RECORDS)
		return error_set(err, -E2BIG, "more than %u records", JOURNAL_MAX_RECORDS);
	keep(j, record, hash, arena_strndup(&j->arena, line, n));
	return 0;
}

/* Only the last line may be bad, and only in the way a crash leaves it: *ret_good is where it
 * starts. */
static int take_all(struct journal *j, const char *data, size_t n, size_t *ret_good,
		    struct error *err)
{
	size_t at = 0;

	while (at < n) {
		const char *end = memchr(data + at, '\n', n - at);
		struct error why = ERROR_INIT;

		if (!end)
			break;
		if (take_line(j, data + at, (size_t)(end - data) - at, &why) < 0) {
			if ((size_t)(end - data) + 1 == n && j->records.n)
				break;
			return error_set(err, -EBADMSG, "%s:%zu: %s", j->path, j->records.n + 1,
					 why.msg);
		}
		at = (size_t)(end - data) + 1;
	}
	if (!j->records.n)
		return error_set(err, -EBADMSG, "%s: not a journal (no whole record)", j->path);
	*ret_good = at;
	return 0;
}

static int load(struct journal *j, size_t *ret_good, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int r = io_read_file(j->path, JOURNAL_MAX_BYTES, &text, err);

	if (r < 0)
		return r;
	r = take_all(j, strbuf_cstr(&text), text.len, ret_good, err);
	j->torn = r < 0 ? 0 : text.len - *ret_good;
	return r;
}

static int lock_file(struct journal *j, struct error *err)
{
	if (flock(j->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(err, -EBUSY, "%s: another process is working on this run",
				 j->path);
	return error_errno(err, -errno, "lock %s", j->path);
}

int journal_read(const char *path, const struct clock *clock, struct journal **ret_journal,
		 struct error *err)
{
	struct journal *j = journal_new(path, clock);
	size_t good;
	int r = load(j, &good, err);

	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret_journal = j;
	return 0;
}

static int open_locked(struct journal *j, struct error *err)
{
	size_t good = 0;
	int r;

	j->fd = open(j->path, O_RDWR | O_APPEND | O_CLOEXEC);
	if (j->fd < 0)
		return error_errno(err, -errno, "open %s", j->path);
	r = lock_file(j, err);
	if (!r)
		r = load(j, &good, err);
	if (!r && j->torn && (ftruncate(j->fd, (off_t)good) < 0 || fsync(j->fd) < 0))
		r = error_errno(err, -errno, "drop the torn end of %s", j->path);
	return r;
}

int journal_open(const char *path, const struct clock *clock, struct journal **ret_journal,
		 struct error *err)
{
	struct journal *j = journal_new(path, clock);
	int r = open_locked(j, err);

	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret_journal = j;
	return 0;
}

static int create_locked(struct journal *j, struct error *err)
{
	auto_free char *dir = xstrdup(j->path);
	char *slash = strrchr(dir, '/');
	auto_close int dirfd = -1;

	j->fd = open(j->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return error_errno(err, -errno, "create %s", j->path);
	if (slash)
		*slash = '\0';
	dirfd = open(slash ? (*dir ? dir : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || fsync(dirfd) < 0)
		return error_errno(err, -errno, "sync the folder of %s", j->path);
	return lock_file(j, err);
}

int journal_create(const char *path, const struct doc *header, const struct clock *clock,
		   struct journal **ret_journal, struct error *err)
{
	struct journal *j = journal_new(path, clock);
	int r = create_locked(j, err);

	if (!r)
		r = journal_append(j, "run", header, err);
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret_journal = j;
	return 0;
}

int journal_restore(const char *path, const char *const *lines, size_t n, const struct clock *clock,
		    struct journal **ret_journal, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int r;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&text, "%s\n", lines[i]);
	r = journal_verify(strbuf_cstr(&text), text.len, err);
	if (r < 0)
		return r;
	if (io_exists(path))
		return error_set(err, -EEXIST, "%s: there is a journal already", path);
	r = io_write_file_atomic(path, text.buf, text.len, 0600, err);
	return r < 0 ? r : journal_open(path, clock, ret_journal, err);
}

int journal_verify(const char *data, size_t n, struct error *err)
{
	struct journal *j;
	size_t good;
	int r;

	if (n > JOURNAL_MAX_BYTES)
		return error_set(err, -EFBIG, "journal: larger than %u bytes", JOURNAL_MAX_BYTES);
	j = journal_new("journal", clock_system());
	r = take_all(j, data, n, &good, err);
	if (!r)
		r = (int)j->records.n;
	journal_free(j);
	return r;
}

static struct doc *build_record(struct journal *j, const char *type, const struct doc *body)
{
	struct doc *record = doc_map(&j->arena);
	char when[CLOCK_RFC3339_SIZE];

	doc_set_int(&j->arena, record, "seq", (int64_t)j->records.n);
	doc_set_string(&j->arena, record, "time", clock_rfc3339(clock_wall_ns(j->clock), 6, when));
	doc_set_string(&j->arena, record, "type", type);
	doc_foreach_entry (body, e)
		doc_set(&j->arena, record, e->key, doc_clone(&j->arena, e->value));
	doc_set_string(&j->arena, record, "prev", j->last_hash);
	return record;
}

int journal_append(struct journal *j, const char *type, const struct doc *body, struct error *err)
{
	auto_release(strbuf) struct strbuf line = STRBUF_INIT;
	struct doc *record = build_record(j, type, body);
	char hash[HASH_HEX + 1];
	int r;

	if (j->fd < 0)
		return error_set(err, -EROFS, "%s: opened for reading", j->path);
	record_hash(record, hash);
	doc_set_string(&j->arena, record, "hash", hash);
	doc_write_json(record, DOC_COMPACT, &line);
	strbuf_addc(&line, '\n');
	r = io_write_all(j->fd, line.buf, line.len, err);
	if (!r && fsync(j->fd) < 0)
		r = error_errno(err, -errno, "sync");
	if (r < 0) {
		/* What is in the file now is unknown: nothing may follow it. Opening again repairs.
		 */
		close(TAKE_FD(j->fd));
		return error_wrap(err, r, "%s", j->path);
	}
	keep(j, record, hash, arena_strndup(&j->arena, line.buf, line.len - 1));
	return 0;
}

size_t journal_count(const struct journal *j)
{
	return j->records.n;
}

const struct journal_record *journal_at(const struct journal *j, size_t i)
{
	return i < j->records.n ? j->records.items[i] : NULL;
}

const struct doc *journal_header(const struct journal *j)
{
	return j->records.items[0]->body;
}

struct arena *journal_arena(struct journal *j)
{
	return &j->arena;
}

const char *journal_path(const struct journal *j)
{
	return j->path;
}

size_t journal_torn_bytes(const struct journal *j)
{
	return j->torn;
}
