/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in the middle of a line: a shell's words, a connection string, a URL's query. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/base64.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/secret_impl.h"

/* A line, a place in it, and what is to be hidden from there on. */
struct spot {
	struct arena *arena;
	const char *line, *at, *end;
	const char *value;
	size_t n;
};

static const char token_chars[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./+=$";

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || strchr("_.-", c);
}

static bool word_begins(const struct spot *s)
{
	return s->at == s->line || (!isalnum((unsigned char)s->at[-1]) && s->at[-1] != '_');
}

/* From p to the first of these characters, or the line's end. */
static bool found(struct spot *s, const char *p, const char *stops)
{
	s->value = p;
	s->n = MIN(strcspn(p, stops), (size_t)(s->end - p));
	return s->n > 0;
}

/* $(NAME), ${NAME}, {{ .name }}: where it comes from, not what it is; and what is hidden already.
 */
static bool is_reference(const struct spot *s)
{
	const char *v = s->value, last = v[s->n - 1];

	return str_starts(v, "hmac-sha256:") || (str_starts(v, "$(") && last == ')') ||
	       (str_starts(v, "${") && last == '}') || str_starts(v, "{{");
}

/* ghp_..., AKIA...: what issuers put in front, so that it can be found. */
static bool find_issued(struct spot *s)
{
	static const char *const prefixes[] = {
		"ghp_",     "gho_",     "ghu_",    "ghs_",     "ghr_",   "github_pat_", "glpat-",
		"xoxb-",    "xoxp-",    "xoxa-",   "xoxr-",    "xoxs-",  "xapp-",       "sk_live_",
		"sk_test_", "rk_live_", "sk-ant-", "sk-proj-", "whsec_", "npm_",        "hvs.",
		"dop_v1_",  "AKIA",     "ASIA",    "AIza",     "$apr1$", "$2a$",        "$2b$",
		"$2y$",     "$5$",      "$6$"};

	if (!word_begins(s))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const size_t m = strlen(prefixes[i]), n = strspn(s->at, token_chars);

		if (strncmp(s->at, prefixes[i], m) == 0 && n >= m + 8) {
			s->value = s->at;
			s->n = MIN(n, (size_t)(s->end - s->at));
			return true;
		}
	}
	return false;
}

/* Addresses that let in whoever knows them. */
static bool find_hook(struct spot *s)
{
	static const char *const hooks[] = {
		"hooks.slack.com/services/", "hooks.slack.com/workflows/",
		"discord.com/api/webhooks/", "discordapp.com/api/webhooks/",
		"webhook.office.com/",       "outlook.office.com/webhook/",
		"api.telegram.org/bot"};

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (str_starts(s->at, hooks[i]))
			return found(s, s->at + strlen(hooks[i]), " \t\"'<>");
	return false;
}

/* https://TOKEN@host */
static bool find_user(struct spot *s)
{
	return str_starts(s->at, "://") && found(s, s->at + 3, "@:/?# \t\"'<>") && s->n >= 20 &&
	       s->value + s->n < s->end && s->value[s->n] == '@';
}

/* Basic dXNlcjpwYXNz, Bearer 0123...; the words alone are prose. */
static bool find_scheme(struct spot *s)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const bool basic = strncasecmp(s->at, "basic ", 6) == 0;

	if (!word_begins(s) || !(basic || strncasecmp(s->at, "bearer ", 7) == 0))
		return false;
	s->value = s->at + (basic ? 6 : 7);
	s->n = MIN(strspn(s->value, token_chars), (size_t)(s->end - s->value));
	if (basic)
		return s->n >= 4 && base64_decode(s->value, s->n, &text) == 0 &&
		       memchr(text.buf, ':', text.len);
	return s->n >= 16 && strcspn(s->value, "0123456789") < s->n;
}

static bool is_query_name(const char *name)
{
	static const char *const names[] = {"key", "sig", "signature", "pw", "code"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return secret_name(name);
}

/* What stands in front of '=' or ':', without quotes. *ret_first: its first character. */
static const char *name_before(const struct spot *s, const char **ret_first)
{
	const char *last = s->at, *first;

	while (last > s->line && strchr(" \"'\\", last[-1]))
		last--;
	for (first = last; first > s->line && name_char(first[-1]);)
		first--;
	*ret_first = first;
	return first < last ? arena_strndup(s->arena, first, (size_t)(last - first)) : NULL;
}

/* name=value, "name": "value", ?name=value& */
static bool find_pair(struct spot *s)
{
	const bool colon = *s->at == ':';
	const char *v = s->at + 1, *first, *name;

	if ((!colon && *s->at != '=') || s->at == s->line || *v == '=')
		return false;
	name = name_before(s, &first);
	if (!name || (colon && v < s->end && !strchr(" \t\"'\\", *v)))
		return false;
	if (colon || s->at[-1] == ' ')
		v += strspn(v, " \t");
	v += *v == '\\' && strchr("\"'", v[1]);
	if (v >= s->end)
		return false;
	if (*v == '"' || *v == '\'')
		found(s, v + 1, *v == '"' ? "\"\\" : "'\\");
	else if (first > s->line && strchr("?&", first[-1]))
		return found(s, v, "&# \t\"'<>") && is_query_name(name) && !is_reference(s);
	else
		found(s, v, colon ? ",}\"'" : " \t;\"'");
	return s->n && secret_pair(name, s->value, s->n) && !is_reference(s);
}

static bool is_number_pair(const char *s, size_t n)
{
	return strspn(s, "0123456789:") >= n;
}

bool secret_user_option(const char *option)
{
	return str_eq(option, "-u") || str_eq(option, "--user") || str_eq(option, "--proxy-user");
}

bool secret_user_value(const char *value, size_t n)
{
	return memchr(value, ':', n) && !is_number_pair(value, n) && !strstr(value, "://");
}

/* --password x; -u user:x; -px of those who have it so */
static bool find_option(struct spot *s)
{
	const char *name, *v;
	size_t n = 0;

	if (*s->at != '-' || (s->at > s->line && !strchr(" \t\"'", s->at[-1])))
		return false;
	while (s->at + n < s->end && name_char(s->at[n]))
		n++;
	name = arena_strndup(s->arena, s->at, n);
	v = s->at + n + strspn(s->at + n, " \t");
	if (str_starts(name, "-p") && n > 2) {
		const char *before = arena_strndup(s->arena, s->line, (size_t)(s->at - s->line));

		return (strstr(before, "mysql") || strstr(before, "mariadb")) &&
		       found(s, s->at + 2, " \t\"';");
	}
	if (v == s->at + n)
		return false;
	v += *v == '\'' || *v == '"';
	if (v >= s->end || *v == '-' || !found(s, v, " \t\"'"))
		return false;
	if (secret_user_option(name))
		return secret_user_value(arena_strndup(s->arena, v, s->n), s->n);
	return str_starts(name, "--") && secret_pair(name, v, s->n) && !is_reference(s);
}

/* requirepass x: a line of two words. */
static bool find_directive(struct spot *s)
{
	const char *first = s->line + strspn(s->line, " \t"), *v;
	const size_t n = strcspn(first, " \t\n");

	if (s->at != s->line || first + n >= s->end)
		return false;
	v = first + n + strspn(first + n, " \t");
	return found(s, v, " \t\n") && v + s->n == s->end &&
	       secret_pair(arena_strndup(s->arena, first, n), v, s->n) && !is_reference(s) &&
	       name_char(first[n - 1]);
}

static bool find_any(struct spot *s)
{
	static bool (*const finders[])(struct spot *) = {find_directive, find_issued, find_hook,
							 find_user,      find_scheme, find_pair,
							 find_option};

	for (size_t i = 0; i < ARRAY_SIZE(finders); i++)
		if (finders[i](s))
			return true;
	return false;
}

bool secret_scan(struct arena *a, const struct secret_key *key, const char *line, size_t n,
		 struct strbuf *out)
{
	/* A copy that ends where the line ends: nothing looks beyond. */
	const char *copy = arena_strndup(a, line, n);
	struct spot s = {.arena = a, .line = copy, .at = copy, .end = copy + strlen(copy)};
	const char *from = copy;

	for (; s.at < s.end; s.at++) {
		if (!strchr(":=-$", *s.at) && !isalpha((unsigned char)*s.at) && s.at != s.line)
			continue;
		if (!find_any(&s))
			continue;
		strbuf_add(out, from, (size_t)(s.value - from));
		strbuf_adds(out, secret_digest(a, key, s.value, s.n));
		from = s.value + s.n;
		s.at = from - 1;
	}
	strbuf_add(out, from, (size_t)(s.end - from));
	return from != copy;
}
