/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf.h - bodies in Kubernetes' own binary form, read into the same tree as JSON.
 *
 * kubectl sends it, without asking, where it builds an object itself (create namespace, create
 * configmap, auth can-i ...); what it reads from a file it sends as JSON. So only the kinds that it
 * builds are known, by tables of their fields. Answers are always JSON: clients take either.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/doc/doc.h"

#define PROTOBUF_TYPE "application/vnd.kubernetes.protobuf"

/*
 * -EINVAL: these bytes are no such object. -ENOSYS: the kind, or a field that is set, is none of
 * those known here; the error says which.
 */
int protobuf_read(struct arena *a, const char *data, size_t n, struct doc **ret, struct error *err);

/* How a field's bytes become a node. */
enum protobuf_form {
	PROTOBUF_STRING,
	PROTOBUF_BYTES, /* base64, as in JSON */
	PROTOBUF_INT,
	PROTOBUF_BOOL,
	PROTOBUF_TIME,
	PROTOBUF_INT_OR_STRING,
	PROTOBUF_MESSAGE,
	PROTOBUF_STRINGS, /* map<string, string> */
	PROTOBUF_BLOBS,   /* map<string, bytes> */
};

struct protobuf_message;

struct protobuf_field {
	unsigned number;
	const char *name;
	enum protobuf_form form;
	const struct protobuf_message *message;
	bool repeated;
	/* The sender writes it only when it is set: zero and empty mean something. */
	bool pointer;
};

struct protobuf_message {
	const char *name;
	const struct protobuf_field *fields;
	size_t n;
};

/* The message of a kind, or NULL. */
const struct protobuf_message *protobuf_kind(const char *api_version, const char *kind);
