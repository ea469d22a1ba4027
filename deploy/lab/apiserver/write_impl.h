/* SPDX-License-Identifier: Apache-2.0 */
/* write_impl.h - the steps that create (write.c) and update (write_update.c) share. */
#pragma once

#include "deploy/lab/apiserver/write.h"

/* Answers with r's refusal and drops the reference that the write held. */
void write_refused(struct request *r);

/* apiVersion and kind of d are those of the resource, or absent and then filled in. */
int write_check_type(struct request *r, struct doc *d);
/* The namespace and name in the body may be left out, not differ from the path's. */
int write_check_place(struct request *r, struct doc *meta);
/* Drops unknown fields of a custom resource, and says so in the way the client asked for. */
int write_prune(struct request *r);
void write_set_defaults(struct request *r);
/* Reads and shapes what the client sent into r->object: all of the above. */
int write_take_object(struct request *r);
/* Metadata, schema and the kind's own rules: 422 with every cause. */
int write_check_object(struct request *r);
