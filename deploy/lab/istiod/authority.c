/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/istiod/authority.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"

#define DAY_NS (86400LL * (int64_t)NS_PER_S)

static int read_text(const char *dir, const char *name, char **ret)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	struct strbuf text = STRBUF_INIT;
	int r = io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &text, NULL);

	if (r == 0)
		*ret = strbuf_take(&text);
	strbuf_release(&text);
	return r;
}

/* Without fsync: a pair that a power cut broke does not verify and is made anew. */
static int write_text(const char *dir, const char *name, const char *text, mode_t mode, int uid,
		      struct error *err)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	int r = io_replace_file(path, text, strlen(text), mode, err);

	if (r == 0 && uid >= 0 && chown(path, (uid_t)uid, (gid_t)uid) < 0)
		r = error_errno(err, -errno, "chown %s", path);
	return r;
}

/* false, with nothing in *ret, when there is no whole pair. */
static bool read_pair(const char *dir, const char *cert, struct tls_pair *ret)
{
	*ret = (struct tls_pair){0};
	if (read_text(dir, cert, &ret->cert_pem) == 0 &&
	    read_text(dir, "key.pem", &ret->key_pem) == 0)
		return true;
	tls_pair_release(ret);
	return false;
}

static int write_pair(const char *dir, const char *cert, const struct tls_pair *pair, int uid,
		      struct error *err)
{
	int r = io_mkdirs(dir, 0755, err);

	/* The key first: a certificate without its key would be taken for whole after a crash. */
	if (r == 0)
		r = write_text(dir, "key.pem", pair->key_pem, 0600, uid, err);
	if (r == 0)
		r = write_text(dir, cert, pair->cert_pem, 0644, -1, err);
	return r;
}

int authority_load(const char *dir, const char *name, int64_t now_wall_ns, struct tls_pair *ret_ca,
		   struct error *err)
{
	struct tls_request request = {.common_name = name,
				      .organisation = "cluster.local",
				      .not_before_wall_ns = now_wall_ns};
	struct tls_pair ca;
	int r;

	if (read_pair(dir, "root.pem", &ca) && tls_verifies(ca.cert_pem, &ca, now_wall_ns)) {
		*ret_ca = ca;
		return 0;
	}
	tls_pair_release(&ca);
	r = tls_authority(&request, &ca, err);
	if (r)
		return r;
	r = write_pair(dir, "root.pem", &ca, -1, err);
	if (r)
		tls_pair_release(&ca);
	else
		*ret_ca = ca;
	return r;
}

int authority_issue(const struct tls_pair *ca, const char *dir, const struct tls_request *request,
		    int uid, struct tls_pair *ret_pair, struct error *err)
{
	struct tls_pair pair;
	int r = 0;

	if (!read_pair(dir, "cert.pem", &pair) ||
	    !tls_verifies(ca->cert_pem, &pair, request->not_before_wall_ns + DAY_NS)) {
		tls_pair_release(&pair);
		r = tls_sign(ca, request, &pair, err);
		if (r == 0)
			r = write_pair(dir, "cert.pem", &pair, uid, err);
	}
	if (r == 0 && ret_pair)
		*ret_pair = pair;
	else
		tls_pair_release(&pair);
	return r;
}
