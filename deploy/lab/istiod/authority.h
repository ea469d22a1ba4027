/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/istiod/authority.h - the mesh's certificate authority, kept in a folder.
 *
 * DIR/root.pem and DIR/key.pem; made when they are not there. A certificate that still verifies is
 * never made anew, so a restart changes nothing that a proxy has read.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/http/tls.h"

/* Reads the authority of dir or makes one there. */
int authority_load(const char *dir, const char *name, int64_t now_wall_ns, struct tls_pair *ret_ca,
		   struct error *err);
/*
 * DIR/cert.pem and DIR/key.pem for request, signed by ca, unless what lies there verifies for at
 * least another day. key.pem is 0600 and belongs to uid (-1: ours). *ret_pair may be NULL.
 */
int authority_issue(const struct tls_pair *ca, const char *dir, const struct tls_request *request,
		    int uid, struct tls_pair *ret_pair, struct error *err);
