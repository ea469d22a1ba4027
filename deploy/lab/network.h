/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/network.h - the machines of a lab: namespaces, the wire between them, their mounts.
 *
 *    hub (172.30.0.1)      API server's second address, DNS, controllers, webhook
 *     | bridge
 *     +-- node-a (172.30.0.11)   pods 10.244.1.0/24
 *     +-- node-b (172.30.0.12)   pods 10.244.2.0/24
 *
 * The machine's own namespace is never touched: no address, route, rule or device in it.
 */
#pragma once

#include "deploy/lab/lab.h"

/* Makes what is missing; finding it made is success. */
int lab_network_up(const struct lab *lab, struct error *err);
/* Removes namespaces, bpffs mounts and cgroups (killing what is still in them). Goes on after a
 * failure and reports the first. Every process of the lab must have been told to end before. */
int lab_network_down(const struct lab *lab, struct error *err);
