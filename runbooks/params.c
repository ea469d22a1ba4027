/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"

static int bad(struct arena *a, const struct param *p, struct error *err, const char *why)
{
	(void)a;
	return error_set(err, -EINVAL, "parameter %s: %s", p->name, why);
}

/* A DNS name: labels of a-z, 0-9 and -, by dots. */
static bool k8s_name(const char *s)
{
	const size_t n = strlen(s);

	if (!n || n > 253 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == 0 && !strstr(s, "..");
}

static bool plain(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

/* --- bounds ------------------------------------------------------------------------------------
 */

static int bound_of_int(const struct doc *d, int64_t *ret)
{
	if (d && d->kind != DOC_INT)
		return -EINVAL;
	*ret = doc_int_or(d, *ret);
	return 0;
}

static int bound_of_duration(const struct doc *d, uint64_t *ret)
{
	return d && (!doc_str(d) || str_to_duration_ns(doc_str(d), ret, NULL) < 0) ? -EINVAL : 0;
}

static int bounds_fit(struct arena *a, const struct param *p, struct error *err)
{
	uint64_t least = 0, most = UINT64_MAX;
	int64_t min = INT64_MIN, max = INT64_MAX;

	if (!p->min && !p->max)
		return 0;
	if (p->type == PARAM_DURATION)
		return bound_of_duration(p->min, &least) || bound_of_duration(p->max, &most) ||
				       least > most
			       ? bad(a, p, err, "min and max are durations like 15m, min first")
			       : 0;
	if (p->type != PARAM_INT)
		return bad(a, p, err, "only an int or a duration has a min and a max");
	return bound_of_int(p->min, &min) || bound_of_int(p->max, &max) || min > max
		       ? bad(a, p, err, "min and max are whole numbers, min first")
		       : 0;
}

static int read_int(struct arena *a, const struct param *p, const char *text, struct doc **ret,
		    struct error *err)
{
	int64_t n;
	int rc = str_to_i64(text, doc_int_or(p->min, INT64_MIN), doc_int_or(p->max, INT64_MAX), &n,
			    p->name, err);

	if (!rc)
		*ret = doc_int(a, n);
	return rc;
}

static int read_duration(struct arena *a, const struct param *p, const char *text, struct doc **ret,
			 struct error *err)
{
	uint64_t ns, min = 0, max = UINT64_MAX;

	if (str_to_duration_ns(text, &ns, NULL) < 0)
		return bad(a, p, err, "want a duration like 15m");
	bound_of_duration(p->min, &min);
	bound_of_duration(p->max, &max);
	if (ns < min || ns > max)
		return error_set(err, -ERANGE, "parameter %s: %s%s%s%s", p->name,
				 p->min ? "at least " : "", str_or_empty(doc_str(p->min)),
				 p->max ? " at most " : "", str_or_empty(doc_str(p->max)));
	*ret = doc_string(a, text);
	return 0;
}

static int read_choice(struct arena *a, const struct param *p, const char *text, struct doc **ret,
		       struct error *err)
{
	for (size_t i = 0; i < p->choices.n; i++) {
		if (str_eq(p->choices.items[i], text)) {
			*ret = doc_string(a, text);
			return 0;
		}
	}
	return bad(a, p, err, "it is none of its choices (sidestep runbook show)");
}

int param_check(struct arena *a, const struct param *p, const char *text, struct doc **ret,
		struct error *err)
{
	const int rc = bounds_fit(a, p, err);

	if (rc)
		return rc;
	if (strlen(text) > PARAM_MAX_BYTES)
		return bad(a, p, err, "it is longer than 1 KiB");
	if (!plain(text))
		return bad(a, p, err, "it holds a line break or another control character");
	if (text[0] == '-' && p->type != PARAM_INT)
		return bad(a, p, err, "it begins with a dash, as an option does");
	switch ((enum param_type)p->type) {
	case PARAM_INT:
		return read_int(a, p, text, ret, err);
	case PARAM_BOOL:
		if (!str_eq(text, "true") && !str_eq(text, "false"))
			return bad(a, p, err, "want true or false");
		*ret = doc_bool(a, str_eq(text, "true"));
		return 0;
	case PARAM_DURATION:
		return read_duration(a, p, text, ret, err);
	case PARAM_K8S_NAME:
		if (!k8s_name(text))
			return bad(a, p, err, "want a name as Kubernetes has them");
		break;
	case PARAM_CHOICE:
		return read_choice(a, p, text, ret, err);
	case PARAM_UNSAID:
	case PARAM_STRING:
		break;
	}
	*ret = doc_string(a, text);
	return 0;
}

int param_default(struct arena *a, const struct param *p, struct doc **ret, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const struct doc *d = p->fallback;

	*ret = NULL;
	if (!d || p->secret || doc_get(d, "discover"))
		return bounds_fit(a, p, err);
	if (d->kind == DOC_LIST || d->kind == DOC_MAP || d->kind == DOC_NULL)
		return bad(a, p, err, "its default is no value");
	if (doc_str(d))
		strbuf_adds(&text, doc_str(d));
	else
		doc_write_json(d, DOC_COMPACT, &text);
	return param_check(a, p, strbuf_cstr(&text), ret, err);
}

static const char *given_value(struct arena *a, const char *const *given, size_t n,
			       const char *name)
{
	const size_t len = strlen(name);

	(void)a;
	for (size_t i = n; i--;) {
		if (strncmp(given[i], name, len) == 0 && given[i][len] == '=')
			return given[i] + len + 1;
	}
	return NULL;
}

static int check_names(const struct runbook *rb, const char *const *given, size_t n,
		       struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const size_t len = strcspn(given[i], "=");
		bool known = false;

		if (!given[i][len])
			return error_set(err, -EINVAL, "--param %.60s: want name=value", given[i]);
		for (size_t k = 0; k < rb->n_params; k++)
			known |= strlen(rb->params[k].name) == len &&
				 strncmp(rb->params[k].name, given[i], len) == 0;
		if (!known)
			return error_set(err, -EINVAL,
					 "runbook %s has no parameter %.*s: 'sidestep runbook show "
					 "%s' lists them",
					 rb->name, (int)MIN(len, 60), given[i], rb->name);
	}
	return 0;
}

/* Never from the command line itself, where every process sees it. */
static int read_secret(struct arena *a, const struct param *p, const char *text,
		       struct param_values *v, struct error *err)
{
	auto_release(strbuf) struct strbuf file = STRBUF_INIT;
	char *variable = arena_printf(a, "SIDESTEP_PARAM_%s", p->name);
	int rc;

	for (char *c = variable; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	if (str_eq(p->from, "env")) {
		if (text || !getenv(variable))
			return error_set(err, -EINVAL,
					 "parameter %s is secret: put it into the "
					 "variable %s",
					 p->name, variable);
		doc_set_string(a, v->secrets, p->name, getenv(variable));
		return 0;
	}
	if (!text || text[0] != '@')
		return error_set(err, -EINVAL, "parameter %s is secret: --param %s=@FILE", p->name,
				 p->name);
	rc = io_read_file(text + 1, PARAM_MAX_BYTES, &file, err);
	if (!rc)
		doc_set_string(a, v->secrets, p->name, strbuf_cstr(&file));
	return rc;
}

static int read_one(struct arena *a, const struct param *p, const char *text,
		    struct param_values *v, struct error *err)
{
	struct doc *value = NULL;
	int rc;

	if (p->secret)
		return read_secret(a, p, text, v, err);
	if (text) {
		rc = param_check(a, p, text, &value, err);
		if (!rc)
			doc_set(a, v->values, p->name, value);
		return rc;
	}
	if (p->required)
		return error_set(err, -EINVAL, "parameter %s is needed (%s): --param %s=%s",
				 p->name, p->prompt ? p->prompt : param_type_names[p->type],
				 p->name, param_type_names[p->type]);
	if (doc_get(p->fallback, "discover"))
		v->discover[v->n_discover++] = p;
	rc = param_default(a, p, &value, err);
	if (!rc && value)
		doc_set(a, v->values, p->name, value);
	return rc;
}

int params_read(struct arena *a, const struct runbook *rb, const char *const *given, size_t n,
		struct param_values *ret, struct error *err)
{
	struct param_values v = {doc_map(a), doc_map(a),
				 arena_array(a, rb->n_params + 1, const struct param *), 0};
	int rc = check_names(rb, given, n, err);

	for (size_t i = 0; i < rb->n_params && !rc; i++)
		rc = read_one(a, &rb->params[i], given_value(a, given, n, rb->params[i].name), &v,
			      err);
	if (!rc)
		*ret = v;
	return rc;
}
