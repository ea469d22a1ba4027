/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/shipped.h - the runbooks that come with the program, within it: none of its files is
 * needed where it runs. Made by the build from shipped/ (embed.cmake). */
#pragma once

#include <stddef.h>

struct shipped_runbook {
	const char *file; /* "rb-1-mtls-auth-failure.yaml" */
	const char *text;
	size_t n;
};
extern const struct shipped_runbook shipped_runbooks[];
extern const size_t shipped_n;
