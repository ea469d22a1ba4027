/* SPDX-License-Identifier: Apache-2.0 */
/* The packet parser: what it accepts stays inside the frame, and the two parsers agree. */
#include <stdlib.h>
#include <string.h>

#include "datapath/bpf/flow.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct packet *p, const struct conntrack_key *quick, int fast, size_t size)
{
	if (!(p->flags & PACKET_LATER) && p->l4_off > size)
		abort();
	if (p->flags & PACKET_ICMP_ERROR && (size_t)p->inner_l4_off + 8 > size)
		abort();
	if (fast && (p->flags || memcmp(&p->tuple, quick, sizeof(*quick)) ||
		     p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As in the kernel, the IP header is on a four-byte boundary; the frame ends where memory
	 * does. */
	uint8_t *room = malloc(size + 2), *frame = room + 2;
	struct conntrack_key quick = {0}, twin, again;
	struct conntrack_entry e = {.flags = CONNTRACK_NAT};
	struct packet p = {.tuple = {0}};
	int fast, reason;

	memcpy(frame, data, size);
	if (packet_ethertype(frame, frame + size) != net16(ETH_P_IP)) {
		free(room);
		return 0;
	}
	fast = packet_fast(frame, frame + size, &quick);
	reason = packet_parse(frame, frame + size, &p);
	if (!reason)
		check(&p, &quick, fast, size);
	else if (fast && reason != REASON_INVALID) /* only the slow one reads the total length */
		abort();
	if (!reason)
		packet_check_options(frame, frame + size);
	/* The twin's twin is the packet itself, whatever the rewrite. */
	flow_reverse(&p.inner, 0, &again);
	flow_set_nat(&e, &p.tuple, &again);
	if (e.flags & CONNTRACK_NAT && memcmp(&p.tuple, &again, sizeof(again))) {
		struct conntrack_entry back = {.flags = 0};

		flow_twin_key(&p.tuple, &e, &twin);
		flow_reverse(&p.tuple, 0, &again);
		flow_set_nat(&back, &twin, &again);
		flow_twin_key(&twin, &back, &again);
		if (memcmp(&again, &p.tuple, sizeof(again)) && p.tuple.icmp == 0)
			abort();
	}
	free(room);
	return 0;
}
