/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - what may be a name, a label, an annotation; each answers NULL or why not. */
#pragma once

#include "lib/doc/doc.h"

const char *name_check_subdomain(const char *s); /* RFC 1123 subdomain, 253 */
const char *name_check_label(const char *s);     /* RFC 1123 label, 63 */
const char *name_check_1035(const char *s);      /* RFC 1035 label, 63 */
const char *name_check_path(const char *s);      /* one segment of a path */
const char *name_check_qualified(const char *s); /* "prefix/name", a label's key */
const char *name_check_label_value(const char *s);

/* base and five random characters, in the arena; base is cut so that 63 are not exceeded. */
const char *name_generate(struct arena *a, const char *base);
/* A random (version 4) UUID. */
const char *name_uuid(struct arena *a);
