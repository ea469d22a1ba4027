/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/shipped.h - the runbooks that come with the program and their recorded cases, within it:
 * none of its files is needed where it runs. Made by the build from shipped/ and fixtures/
 * (embed.cmake). */
#pragma once

#include <stddef.h>

struct shipped_file {
	const char *file; /* "rb-1-mtls-auth-failure.yaml" */
	const char *text;
	size_t n;
};
extern const struct shipped_file shipped_runbooks[], shipped_cases[];
extern const size_t shipped_runbooks_n, shipped_cases_n;
