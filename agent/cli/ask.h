/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/ask.h - one question to the agent of this node, and its answer. */
#pragma once

#include "lib/doc/doc.h"

/* The socket to use: wanted, SIDESTEP_SOCKET, or the only one below /run/sidestep. The sentence
 * lists them when there are several. */
int ask_socket(struct arena *a, const char *wanted, const char **ret_path, struct error *err);
/*
 * Sends a request and reads the JSON of the answer. -ECONNREFUSED or -ENOENT when no agent
 * listens, -EREMOTEIO with the agent's own sentence when it refuses, *ret_status its HTTP status
 * (may be NULL).
 */
int ask_agent(struct arena *a, const char *socket, const char *method, const char *path,
	      struct doc **ret_doc, int *ret_status, struct error *err);
