/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/config_kept.h"

#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "upgrade/config_history.h"

static const struct object_kind *secret_kind(void)
{
	return object_kind(KIND_SECRET);
}

static const char *piece_name(struct arena *a, const char *name, size_t piece)
{
	return arena_printf(a, "%s.%zu", name, piece);
}

static struct doc *piece_object(struct config_place *p, const char *name, size_t piece,
				size_t pieces, int64_t until_s, const char *coded)
{
	struct arena *a = p->arena;
	struct doc *d = kube_object_new(a, secret_kind(), CONFIG_HOME, piece_name(a, name, piece));
	struct doc *meta = doc_get(d, "metadata"), *labels, *notes;
	char until[CLOCK_RFC3339_SIZE];

	labels = doc_set_map(a, meta, "labels");
	doc_set_string(a, labels, SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, labels, CONFIG_LABEL, p->name);
	doc_set_string(a, labels, CONFIG_KEPT_LABEL, strrchr(name, '-') + 1);
	notes = doc_set_map(a, meta, "annotations");
	doc_set_string(a, notes, CONFIG_KEPT_UNTIL,
		       clock_rfc3339(until_s * (int64_t)NS_PER_S, 0, until));
	doc_setf(a, notes, CONFIG_KEPT_PIECES, "%zu", pieces);
	doc_set_string(a, doc_set_map(a, d, "data"), "text", coded);
	return d;
}

static int put_piece(struct config_place *p, const struct doc *object, struct error *err)
{
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = secret_kind(),
				       .namespace_ = CONFIG_HOME,
				       .body = object};
	struct error why = ERROR_INIT;
	int r = cluster_do(p->cluster, &request, p->arena, NULL, &why);

	/* Of an attempt that did not come to its run; or the answer to ours got lost. */
	if (r == -EEXIST) {
		request.verb = KUBE_UPDATE;
		request.name = kube_name(object);
		r = cluster_do(p->cluster, &request, p->arena, NULL, &why);
	}
	return r ? error_set(err, r, "%s", why.msg) : 0;
}

/* "hmac-sha256:0123456789abcdef (12 bytes)" */
static const char *digest_hex(struct arena *a, const char *digest)
{
	const char *hex = strchr(digest, ':');

	return hex ? arena_strndup(a, hex + 1, strcspn(hex + 1, " ")) : "none";
}

int config_kept_write(struct config_place *p, const struct doc *kept, int64_t until_s,
		      struct doc **ret_ref, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena *a = p->arena;
	struct doc *ref = doc_map(a);
	const char *digest, *name;
	size_t pieces;
	int r = 0;

	doc_write_json(kept, DOC_COMPACT, &text);
	pieces = (text.len + CONFIG_PIECE_BYTES - 1) / CONFIG_PIECE_BYTES;
	if (pieces > CONFIG_MAX_PIECES)
		return error_set(err, -E2BIG,
				 "the objects of this change have %zu MB together, at most %u: "
				 "apply them in parts. Nothing was changed",
				 text.len >> 20, (CONFIG_MAX_PIECES * CONFIG_PIECE_BYTES) >> 20);
	digest = secret_digest(a, &p->key, text.buf, text.len);
	name = arena_printf(a, "sidestep-config-%s-kept-%s", p->name, digest_hex(a, digest));
	for (size_t i = 0; !r && i < pieces; i++) {
		auto_release(strbuf) struct strbuf coded = STRBUF_INIT;
		const size_t at = i * CONFIG_PIECE_BYTES;

		base64_encode(text.buf + at, MIN(CONFIG_PIECE_BYTES, text.len - at), &coded);
		r = put_piece(p, piece_object(p, name, i, pieces, until_s, strbuf_cstr(&coded)),
			      err);
	}
	doc_set_string(a, ref, "name", name);
	doc_set_int(a, ref, "pieces", (int64_t)pieces);
	doc_set_string(a, ref, "digest", digest);
	*ret_ref = ref;
	return r;
}

static bool add_piece(const struct doc *secret, struct strbuf *text)
{
	const char *coded = doc_find_str(secret, "data.text");

	return coded && base64_decode(coded, strlen(coded), text) == 0;
}

static int gone(const char *name, struct error *err)
{
	return error_set(err, -ENODATA,
			 "what this run found and what it writes is gone, or was changed (Secrets "
			 "%s/%s.*): it can neither go on nor go back by itself",
			 CONFIG_HOME, name);
}

int config_kept_read(struct config_place *p, const struct doc *ref, struct doc **ret_kept,
		     struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *name = str_or_empty(doc_find_str(ref, "name"));
	const int64_t pieces = doc_find_int(ref, "pieces", 0);
	struct doc *secret = NULL;

	if (pieces < 1 || pieces > CONFIG_MAX_PIECES)
		return gone(name, err);
	for (int64_t i = 0; i < pieces; i++) {
		int r = cluster_get(p->cluster, p->arena, secret_kind(), CONFIG_HOME,
				    piece_name(p->arena, name, (size_t)i), &secret, err);

		if (r)
			return r;
		if (!secret || !add_piece(secret, &text))
			return gone(name, err);
	}
	if (!str_eq(secret_digest(p->arena, &p->key, strbuf_cstr(&text), text.len),
		    doc_find_str(ref, "digest")) ||
	    doc_read_json(p->arena, strbuf_cstr(&text), text.len, NULL, ret_kept, NULL))
		return gone(name, err);
	return 0;
}

/* All of this configuration. */
static int list(struct config_place *p, struct doc **ret_list, struct error *err)
{
	return kube_list(p->cluster->client, p->arena, secret_kind(), CONFIG_HOME,
			 arena_printf(p->arena, CONFIG_LABEL "=%s," CONFIG_KEPT_LABEL, p->name),
			 ret_list, err);
}

static void add_objects(struct config_place *p, const struct doc *kept, struct doc *out)
{
	doc_foreach_item (doc_get(kept, "operations"), op) {
		if (doc_get(op, "before"))
			doc_append(p->arena, out, doc_get(op, "before"));
		if (doc_get(op, "after"))
			doc_append(p->arena, out, doc_get(op, "after"));
	}
}

int config_kept_objects(struct config_place *p, struct doc **ret_list, struct error *err)
{
	struct doc *secrets, *out = doc_list(p->arena);
	struct map by_name = MAP_INIT;
	int r = list(p, &secrets, err);

	doc_foreach_item (r ? NULL : secrets, s)
		map_set(&by_name, kube_name(s), s);
	/* Piece 0 tells how many there are. */
	map_foreach (&by_name, e) {
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;
		struct doc *first = map_value(e), *kept;
		const char *count = kube_annotation(first, CONFIG_KEPT_PIECES);
		uint64_t pieces = 0;
		bool whole = str_ends(map_key(e), ".0") && count &&
			     !str_to_u64(count, 1, CONFIG_MAX_PIECES, &pieces, "", NULL);

		for (uint64_t i = 0; whole && i < pieces; i++)
			whole = add_piece(
				map_get(&by_name, arena_printf(p->arena, "%.*s%llu",
							       (int)strlen(map_key(e)) - 1,
							       map_key(e), (unsigned long long)i)),
				&text);
		if (whole &&
		    !doc_read_json(p->arena, strbuf_cstr(&text), text.len, NULL, &kept, NULL))
			add_objects(p, kept, out);
	}
	map_release(&by_name);
	*ret_list = out;
	return r;
}

void config_kept_sweep(struct config_place *p, int64_t now_s, const struct doc *ended)
{
	const char *name = doc_find_str(ended, "name");
	struct doc *secrets;

	if (list(p, &secrets, NULL))
		return;
	doc_foreach_item (secrets, s) {
		const char *until = kube_annotation(s, CONFIG_KEPT_UNTIL);
		int64_t ns;

		if ((until && !clock_parse_rfc3339(until, &ns) && ns / (int64_t)NS_PER_S < now_s) ||
		    (name && str_starts(kube_name(s), name)))
			kube_delete(p->cluster->client, secret_kind(), CONFIG_HOME, kube_name(s),
				    NULL);
	}
}
