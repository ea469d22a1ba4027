/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as people write them: spec.ports[0].port, metadata.labels['app.kubernetes.io/name']. */
#include <ctype.h>
#include <string.h>

#include "lib/doc/doc_impl.h"

/* ['key'] or [7], with *p on the bracket. */
static struct doc *follow_bracket(const struct doc *d, const char **p)
{
	const char *s = *p + 1, *end;
	size_t index = 0;

	if (*s == '\'') {
		end = strchr(s + 1, '\'');
		if (!end || end[1] != ']')
			return NULL;
		*p = end + 2;
		return doc_get_n(d, s + 1, (size_t)(end - s - 1));
	}
	for (end = s; isdigit((unsigned char)*end); end++) {
		if (end - s > 9)
			return NULL;
		index = index * 10 + (size_t)(*end - '0');
	}
	if (end == s || *end != ']')
		return NULL;
	*p = end + 1;
	return doc_at(d, index);
}

struct doc *doc_find(const struct doc *root, const char *path)
{
	const struct doc *d = root;
	const char *p = path;

	while (d && *p) {
		size_t n;

		if (*p == '[') {
			d = follow_bracket(d, &p);
			continue;
		}
		if (*p == '.' && p != path)
			p++;
		n = strcspn(p, ".[");
		if (n == 0)
			return NULL;
		d = doc_get_n(d, p, n);
		p += n;
	}
	return (struct doc *)(uintptr_t)d;
}

const char *doc_find_str(const struct doc *root, const char *path)
{
	return doc_str(doc_find(root, path));
}

int64_t doc_find_int(const struct doc *root, const char *path, int64_t fallback)
{
	return doc_int_or(doc_find(root, path), fallback);
}
