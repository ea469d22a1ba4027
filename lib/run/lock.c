/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of a session's subject: a file on this machine, a Lease in the cluster. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/lease.h"
#include "lib/run/session.h"

#define LOCK_PATIENCE_NS (40 * NS_PER_S)
#define LOCK_LOOK_NS     (200 * NS_PER_MS)

static void lease_changed(void *arg, bool held, const char *holder)
{
	struct session *s = arg;

	if (!held && !s->locked && s->progress.out && !str_empty(holder))
		progress_line(&s->progress,
			      "the lock is held by %s; waiting to see whether it lives", holder);
	/* That the API is away takes it from nobody: nothing is written until it is renewed. */
	if (s->locked && !held && kube_lease_taken(s->lease))
		s->cluster.pause =
			str_empty(holder)
				? "the lock was lost to somebody else"
				: arena_printf(&s->arena, "the lock was lost to %s", holder);
	s->locked |= held;
}

static const char *lease_name(const struct run_tool *tool, struct arena *a, const char *subject)
{
	return tool->only ? arena_printf(a, "sidestep-%s", tool->name)
			  : arena_printf(a, "sidestep-%s-%s", tool->name, subject);
}

static const char *lease_namespace(const struct run_tool *tool, const char *subject)
{
	return tool->lease_namespace ? tool->lease_namespace : subject;
}

int session_lease(const struct run_tool *tool, struct cluster *c, struct arena *a,
		  const char *subject, struct doc **ret_lease, struct error *err)
{
	return cluster_get(c, a, object_kind(KIND_LEASE), lease_namespace(tool, subject),
			   lease_name(tool, a, subject), ret_lease, err);
}

/* How a person lets the one who is at it stop. */
static const char *pause_command(const struct session *s, struct arena *a, const char *subject)
{
	return arena_printf(a, "'sidestep %s pause%s%s'", s->tool->name, s->tool->only ? "" : " ",
			    s->tool->only ? "" : subject);
}

/* Two processes on one state folder share its journals, and its name as a holder. */
static int lock_locally(struct session *s, const char *subject, struct error *err)
{
	const char *path = arena_printf(&s->arena, "%s/%s%s.lock", s->state,
					str_or_empty(s->tool->lock_prefix), subject);
	int r = io_mkdirs(s->state, 0700, err);
	int fd = r ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (r)
		return r;
	if (fd < 0)
		return error_errno(err, -errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return error_set(
			err, -EBUSY,
			"another sidestep-%s on this machine is at %s already: wait for it, or %s",
			s->tool->name, subject, pause_command(s, &s->arena, subject));
	}
	s->local_lock = fd + 1;
	return 0;
}

/*
 * Who we are to others: the state folder's own word, made once. Not the machine's name alone, which
 * two laptops may share; not the process, so that a resume after a kill need not wait.
 */
static int holder_name(struct session *s, const char **ret_name, struct error *err)
{
	const char *path = arena_printf(&s->arena, "%s/holder", s->state);
	auto_release(strbuf) struct strbuf word = STRBUF_INIT;
	char host[128] = "";
	uint64_t random;
	int r = 0;

	if (io_exists(path))
		r = io_read_file(path, 256, &word, err);
	if (!r && !word.len) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return error_errno(err, -errno, "getrandom");
		strbuf_addf(&word, "%016llx", (unsigned long long)random);
		r = io_write_file_atomic(path, word.buf, word.len, 0600, err);
	}
	gethostname(host, sizeof(host) - 1);
	*ret_name = arena_printf(&s->arena, "%s/uid %u/%s", host, (unsigned)getuid(),
				 strbuf_cstr(&word));
	return r;
}

/* What cannot be written is held by nobody. */
static int cannot_be_had(struct session *s, const char *subject, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error why = ERROR_INIT;
	int r = kube_lease_why(s->lease, &why);

	return r ? error_set(err, r,
			     "the lock of %s, Lease %s/%s, cannot be had, and nothing was changed: "
			     "%s",
			     subject, lease_namespace(s->tool, subject),
			     lease_name(s->tool, &a, subject), why.msg)
		 : 0;
}

static int held_by_another(struct session *s, const char *subject, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	char until[CLOCK_RFC3339_SIZE];
	struct doc *lease = NULL;
	int r = cannot_be_had(s, subject, err);

	if (!r)
		r = session_lease(s->tool, &s->cluster, &a, subject, &lease, err);
	if (r)
		return r;
	return error_set(err, -EBUSY,
			 "%s is at %s already and holds Lease %s/%s until %s unless renewed: wait "
			 "for it, or %s",
			 str_or_empty(doc_find_str(lease, "spec.holderIdentity")), subject,
			 lease_namespace(s->tool, subject), lease_name(s->tool, &a, subject),
			 clock_rfc3339(kube_lease_until_ns(lease), 0, until),
			 pause_command(s, &a, subject));
}

/* A holder that lives renews every few seconds; one that died is outlasted. */
int session_lock(struct session *s, const char *subject, struct error *err)
{
	struct kube_lease_options o = {.namespace_ = lease_namespace(s->tool, subject),
				       .name = lease_name(s->tool, &s->arena, subject)};
	uint64_t until = clock_now_ns(s->cluster.clock) + LOCK_PATIENCE_NS;
	int r = lock_locally(s, subject, err);

	if (!r)
		r = holder_name(s, &o.holder, err);
	if (r)
		return r;
	s->lease = kube_lease_new(s->cluster.client, &o, lease_changed, s);
	s->cluster.lock = s->lease;
	while (!kube_lease_held(s->lease)) {
		r = cluster_wait(&s->cluster, LOCK_LOOK_NS, err);
		if (r)
			return r;
		if (kube_lease_why(s->lease, NULL) == -EACCES)
			return cannot_be_had(s, subject, err);
		if (kube_lease_rival_lives(s->lease) || clock_now_ns(s->cluster.clock) > until)
			return held_by_another(s, subject, err);
	}
	return 0;
}
