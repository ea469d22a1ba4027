/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/redirect.h - the iptables rules that istio-init puts into a pod's network namespace.
 *
 * Rules as data: table nat, in the order in which they are appended, so that they can be printed,
 * compared with the real tool's output and fed to iptables-restore. REDIRECT mode, IPv4, TCP (the
 * form that injection uses by default); TPROXY and DNS capture are not rendered.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/strbuf.h"
#include "lib/doc/bind.h"

#define ISTIO_PORT_OUTBOUND 15001
#define ISTIO_PORT_INBOUND  15006
#define ISTIO_PORT_HBONE    15008
#define ISTIO_PORT_ADMIN    15000
#define ISTIO_PORT_AGENT    15020
#define ISTIO_PORT_HEALTH   15021
#define ISTIO_PORT_STATS    15090
#define ISTIO_PROXY_UID     1337

/* What istio-init is told; the strings are lists as the annotations write them. */
struct istio_redirect {
	uint16_t outbound_port, inbound_port; /* -p 15001, -z 15006 */
	const char *proxy_uids, *proxy_gids;  /* -u; "1337" */
	const char *include_inbound;          /* -b; "*", "" or ports */
	const char *exclude_inbound;          /* -d */
	const char *include_ranges;           /* -i; "*" or CIDRs */
	const char *exclude_ranges;           /* -x */
	const char *include_outbound_ports;   /* -q */
	const char *exclude_outbound_ports;   /* -o */
};

/* What injection writes without annotations. */
void istio_redirect_defaults(struct istio_redirect *r);
/* From istio-init's args ("istio-iptables", "-p", ...). -EINVAL for a flag we do not render. */
int istio_redirect_from_args(const struct strings *args, struct istio_redirect *ret,
			     struct error *err);
/* From a pod's annotations (traffic.sidecar.istio.io/...), in the arena. */
void istio_redirect_from_annotations(struct arena *a, const struct strmap *annotations,
				     struct istio_redirect *ret);
/* The args of istio-init for it, in the arena. */
struct strings istio_redirect_args(struct arena *a, const struct istio_redirect *r);
/* Whether inbound TCP to port reaches the proxy under these rules. */
bool istio_redirect_captures_inbound(const struct istio_redirect *r, uint16_t port);
/*
 * The same as a list: the ports that the lists name, at most max. *ret_except: every other port is
 * captured; else these are. Returns their number.
 */
size_t istio_redirect_inbound_ports(const struct istio_redirect *r, uint16_t *ports, size_t max,
				    bool *ret_except);
#define ISTIO_REDIRECT_MAX_PORTS 1024u
/*
 * The rules, as istio-iptables prints them in a dry run ("* nat", "-N ...", "-A ...", "COMMIT").
 * -EINVAL when a list holds something that is no port or CIDR.
 */
int istio_redirect_render(const struct istio_redirect *r, struct strbuf *out, struct error *err);
