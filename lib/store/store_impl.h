/* SPDX-License-Identifier: Apache-2.0 */
/* lib/store/store_impl.h - what the files of this folder share. */
#pragma once

#include <git2.h>

#include "lib/store/store.h"

struct store {
	git_repository *repo;
};

/* What git said, as an error of ours. */
int store_git_error(struct error *err, int git, const char *what);
