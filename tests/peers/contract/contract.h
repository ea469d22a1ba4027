/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/peers/contract/contract.h - what the contract's tests say to an API server, and how.
 *
 * Requests are raw HTTP: what is checked is the wire. Paths and bodies are text in which {ns}
 * stands for the test's own namespace; bodies are YAML, sent as JSON. Whatever goes wrong in a
 * helper fails the running test with the request and the server's words.
 */
#pragma once

#include "lib/doc/doc.h"
#include "lib/http/client.h"
#include "lib/kube/config.h"
#include "lib/loop/loop.h"
#include "tests/support/test.h"

struct contract {
	struct loop *loop;
	struct http_client *http;
	struct kube_config config;
	struct arena session; /* config */
	struct arena arena;   /* of the running test */
	const char *ns;       /* its namespace, empty but for the ServiceAccount "default" */
	unsigned serial;      /* makes namespaces unlike each other */
	/*
	 * A kube-apiserver with etcd and nothing else: it applies on the server's side, and it has
	 * no controllers, so nobody collects garbage. The lab's server is the opposite.
	 */
	bool real;
};

struct answer {
	int status;
	struct doc *body; /* NULL when it is no JSON */
	const char *text;
};

/* One request; body NULL for none. type and accept NULL: JSON. */
struct answer send_as(struct contract *c, const char *method, const char *path, const char *type,
		      const char *accept, const char *body);
/* JSON both ways, and this status or the test fails. Returns the answer's body. */
struct doc *expect(struct contract *c, int status, const char *method, const char *path,
		   const char *body);
/* PATCH with a content type of application/<type>+json. */
struct doc *expect_patch(struct contract *c, int status, const char *type, const char *path,
			 const char *body);
/* The same with a body that a test has built or changed. */
struct doc *expect_doc(struct contract *c, int status, const char *method, const char *path,
		       const struct doc *body);
/* text with {ns} and {1} replaced; {1} may be NULL. */
const char *fill(struct contract *c, const char *text, const char *one);

/* A Status with this reason, and (unless NULL) these words somewhere in its message. */
void assert_status(const struct doc *status, const char *reason, const char *words);
/* Text at path equals want. */
void assert_text(const struct doc *d, const char *path, const char *want);
const char *text_at(const struct doc *d, const char *path);

/* A watch: its events one by one. */
struct watch;
struct watch *watch_open(struct contract *c, const char *path);
/* The next event {type, object}; NULL when the server has ended the watch; the test fails when
 * neither comes within 20 s. */
struct doc *watch_next(struct watch *w);
/* The next event, which must be of that type and about that object. Returns the object. */
struct doc *watch_expect(struct watch *w, const char *type, const char *name);
/* HTTP status when the server refused to watch; 200 otherwise, as soon as it is known. */
int watch_status(struct watch *w);
void watch_close(struct watch *w);

/* Runs the loop until done(arg) or 20 s are over; then the test fails, saying for what it waited.
 */
void await(struct contract *c, const char *what, bool (*done)(void *arg), void *arg);
/* Runs the loop for that long: between two questions to a server that offers nothing to wait for.
 */
void pause_ms(struct contract *c, unsigned ms);

/* Set up and tear down each test: its namespace and its arena. */
int contract_begin(void **state);
int contract_end(void **state);
#define CONTRACT_TEST(fn) cmocka_unit_test_setup_teardown(fn, contract_begin, contract_end)

/* Each file's tests. */
#define CONTRACT_FILES(X)                                                                          \
	X(objects)                                                                                 \
	X(lists) X(watches) X(patches) X(subresources) X(lifecycle) X(extensions) X(reading)
#define CONTRACT_DECLARE(file) void file##_tests(void (*add)(const struct CMUnitTest *t, size_t n));
CONTRACT_FILES(CONTRACT_DECLARE)
#undef CONTRACT_DECLARE

/*
 * Runs every test against the server of c->config; argv[1], when given, is a pattern of names.
 * Returns what main() returns.
 */
int contract_run(struct contract *c, int argc, char **argv);
