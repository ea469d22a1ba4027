/* SPDX-License-Identifier: Apache-2.0 */
/* pods/log: the files the lab's kubelet writes, <pod_log_dir>/<uid>/<container>.log. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/subresource.h"
#include "lib/base/str.h"

#define FOLLOW_NS UINT64_C(200000000)

enum { PIECE = 64 << 10, TAIL_MAX = 16 << 20 };

/* A log that is being followed. */
struct follow {
	struct request *r;
	struct http_exchange *x; /* NULL once the answer is over */
	struct loop_timer *timer;
	int fd;
	int64_t left; /* of limitBytes; -1: no limit */
};

/* The container asked for, or the pod's only (or marked) one. */
static const char *choose_container(struct request *r, const struct doc *pod)
{
	const char *name = request_query(r, "container");
	const struct doc *list = doc_find(pod, "spec.containers");
	const char *marked = doc_find_str(
		pod, "metadata.annotations['kubectl.kubernetes.io/default-container']");

	if (*name)
		return name;
	if (marked)
		return marked;
	return doc_len(list) == 1 ? doc_find_str(doc_at(list, 0), "name") : NULL;
}

static bool has_container(const struct doc *pod, const char *name)
{
	static const char *const lists[] = {"spec.containers", "spec.initContainers"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		doc_foreach_item (doc_find(pod, lists[i]), c)
			if (str_eq(doc_str(doc_get(c, "name")), name))
				return true;
	return false;
}

static int open_log(struct request *r, int *ret_fd)
{
	struct revision *rev = shelf_get(r->res->shelf, r->target.ns, r->target.name);
	const char *container, *path;

	if (!r->server->pod_log_dir)
		return refuse_not_served(&r->refusal,
					 "this API server was started without a folder of pod "
					 "logs");
	if (!rev)
		return refuse_not_found(&r->refusal, request_subject(r));
	r->old = revision_ref(rev);
	container = choose_container(r, revision_doc(rev));
	if (!container)
		return refuse_bad_request(
			&r->refusal, "a container name must be specified for pod %s", rev->name);
	if (!has_container(revision_doc(rev), container) || name_check_label(container))
		return refuse_bad_request(&r->refusal, "container %s is not valid for pod %s",
					  container, rev->name);
	path = arena_printf(&r->arena, "%s/%s/%s%s.log", r->server->pod_log_dir, rev->uid,
			    container,
			    http_query_bool(r->view->query, "previous") ? ".previous" : "");
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*ret_fd < 0)
		return refuse_bad_request(
			&r->refusal,
			"container \"%s\" in pod \"%s\" is waiting to start: no log yet", container,
			rev->name);
	return 0;
}

/* Where the last n lines begin; looks at the last 16 MiB at most. */
static off_t tail_offset(int fd, off_t size, uint64_t lines)
{
	auto_free char *buf = xmalloc(PIECE);
	off_t at = size, stop = size > TAIL_MAX ? size - TAIL_MAX : 0;

	while (at > stop) {
		size_t want = (size_t)MIN((off_t)PIECE, at - stop);
		ssize_t n = pread(fd, buf, want, at - (off_t)want);

		if (n != (ssize_t)want)
			break;
		for (size_t i = want; i-- > 0;) {
			off_t place = at - (off_t)want + (off_t)i;

			if (buf[i] == '\n' && place != size - 1 && !--lines)
				return place + 1;
		}
		at -= (off_t)want;
	}
	return stop;
}

/* Sends what there is; false when the limit is reached. */
static bool send_rest(struct follow *f)
{
	auto_free char *buf = xmalloc(PIECE);

	while (f->x && f->left) {
		size_t want = f->left > 0 ? (size_t)MIN((int64_t)PIECE, f->left) : PIECE;
		ssize_t n = read(f->fd, buf, want);

		if (n <= 0)
			return true;
		if (f->left > 0)
			f->left -= n;
		http_reply_write(f->x, buf, (size_t)n);
	}
	return f->left != 0;
}

static void follow_free(struct follow *f)
{
	loop_timer_free(f->timer);
	close(f->fd);
	request_unref(f->r);
	free(f);
}

static void on_close(void *arg, bool complete)
{
	struct follow *f = arg;

	(void)complete;
	f->x = f->r->x = NULL;
	loop_timer_set(f->timer, 0); /* its own turn frees it */
}

/* A pod that is gone or has ended writes no more. */
static bool still_runs(const struct follow *f)
{
	const struct revision *was = f->r->old,
			      *rev = shelf_get(f->r->res->shelf, was->ns, was->name);
	const char *phase = rev ? doc_find_str(revision_doc(rev), "status.phase") : NULL;

	return rev && str_eq(rev->uid, was->uid) && !str_eq(phase, "Succeeded") &&
	       !str_eq(phase, "Failed");
}

static void on_timer(void *arg)
{
	struct follow *f = arg;
	bool runs;

	if (!f->x) {
		follow_free(f);
		return;
	}
	runs = still_runs(f); /* asked before reading: what it wrote last is read below */
	if (send_rest(f) && runs && f->x)
		loop_timer_set(f->timer, FOLLOW_NS);
	else if (f->x)
		http_reply_end(TAKE(f->x));
}

static void start(struct request *r, int fd, bool follow)
{
	struct follow *f = xcalloc(1, sizeof(*f));
	const char *limit = request_query(r, "limitBytes");

	f->r = r; /* the exchange's reference becomes ours */
	f->x = r->x;
	f->fd = fd;
	f->left = -1;
	if (*limit)
		str_to_i64(limit, 1, INT64_MAX, &f->left, "limitBytes", NULL);
	f->timer = loop_timer_new(r->server->loop, on_timer, f);
	http_exchange_on_close(r->x, on_close, f);
	http_reply_start(r->x, 200, "text/plain");
	if (send_rest(f) && follow && f->x)
		loop_timer_set(f->timer, FOLLOW_NS);
	else if (f->x)
		http_reply_end(TAKE(f->x));
}

void podlog_get(struct request *r)
{
	const char *tail = request_query(r, "tailLines");
	uint64_t lines = 0;
	struct stat st;
	int fd = -1;

	if (open_log(r, &fd)) {
		request_reply_refusal(r);
		return;
	}
	if (*tail && !fstat(fd, &st) && !str_to_u64(tail, 0, UINT32_MAX, &lines, "tailLines", NULL))
		lseek(fd, lines ? tail_offset(fd, st.st_size, lines) : st.st_size, SEEK_SET);
	start(r, fd, http_query_bool(r->view->query, "follow"));
}
