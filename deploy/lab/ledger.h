/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/ledger.h - a workload's numbers where kill -9 cannot lose them.
 *
 * Each run of a workload keeps them in a file mapped beside its counts (X.ledger beside X.json):
 * the last second before a kill is in it, and what was on its way then is sent less everything
 * settled. The owner holds a lock on the file for as long as it lives.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

#define LEDGER_FLOWS   256u
#define LEDGER_SERVED  512u
#define LEDGER_VERSION 1u

struct ledger_flow {
	int64_t sent, ok, refused, refused_missing, failed;
	int64_t opened, ended_with_pod, lost; /* long-lived connections */
	int64_t begun_wall_ns;                /* when the last request was begun */
};

struct ledger_served {
	char client[120];
	int64_t port, requests;
};

struct ledger {
	uint32_t version, n_flows, n_served;
	struct ledger_flow flows[LEDGER_FLOWS]; /* in the order of the counts' edges */
	struct ledger_served served[LEDGER_SERVED];
};

/* The ledger of the counts at path (which ends in .json); NULL: nobody reads it. Made anew. */
int ledger_open(const char *counts_path, struct ledger **ret_ledger, struct error *err);
/*
 * Copies the ledger of the counts at path; *ret_ended: its owner is gone. -ENOENT: there is none.
 */
int ledger_read(const char *counts_path, struct ledger *out, bool *ret_ended, struct error *err);
