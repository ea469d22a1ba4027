/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - streams of changes: what is there, then what changes, with bookmarks. */
#pragma once

#include "deploy/lab/apiserver/request.h"

struct watch_fault;

/* A watcher whose unsent bytes pass this is cut off; its client lists again. 16 MiB. */
#define WATCH_MAX_PENDING (16u << 20)

/* Starts the stream that r asks for. fault may be NULL. */
void watch_start(struct request *r, const struct watch_fault *fault);
/* The store's observer hands every change here. */
void watch_dispatch(struct apiserver *s, const struct event *e);
/* Ends the watches of resources that are no longer served. */
void watch_end_retired(struct apiserver *s);
/* Ends all watches. */
void watch_end_all(struct apiserver *s);
