/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/prometheus.h - what a sidecar says of itself, in Prometheus' text format.
 *
 * Foreign bytes: read line by line in place, nothing is copied, a line that is no sample is left
 * out, and so is a value that is no number. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One answer of a sidecar is at most this; it is asked for a few of its statistics only. 16 MiB. */
#define PROMETHEUS_MAX_BYTES (16u << 20)

struct prometheus_sample {
	const char *name; /* not terminated */
	size_t name_len;
	double value;
};

/* The next sample of text[*at..n); false at the end. */
bool prometheus_next(const char *text, size_t n, size_t *at, struct prometheus_sample *out);

/* What of it tells which configuration a sidecar goes by. */
struct sidecar_stats {
	bool known;          /* it says when it last took clusters */
	uint64_t updated_ms; /* since 1970, by its node's clock; 0: never */
	uint64_t rejected;   /* how often it refused some */
};
void sidecar_stats_read(const char *text, size_t n, struct sidecar_stats *out);
/* The statistics above, as Envoy's filter wants it. */
#define SIDECAR_STATS_FILTER "^cluster_manager\\.cds\\.update_(time|rejected)$"
