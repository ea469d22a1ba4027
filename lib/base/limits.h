/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/limits.h - how much of a foreign thing we take. Out of memory aborts (alloc.h), so every
 * byte from outside meets one of these, or one that its library names.
 */
#pragma once

/* One file read whole: a manifest, a kubeconfig, a snapshot. 64 MiB. */
#define LIMIT_FILE_BYTES (64u << 20)
/* A file of /proc, /sys or /etc that a check reads. 4 MiB. */
#define LIMIT_SYSTEM_FILE_BYTES (4u << 20)
