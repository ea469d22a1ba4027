/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/abi/verdict.h - what can happen to a packet, and every reason to drop one.
 *
 * Numbers, flow names and texts are those that Cilium and Hubble print, so that dashboards and jq
 * lines keep working. They are wire format (events, metrics, golden files): never renumber.
 */
#pragma once

#include <linux/types.h>

/* X(number, C name, name in a flow's JSON) */
#define FOREACH_VERDICT(X)                                                                         \
	X(0, UNKNOWN, "VERDICT_UNKNOWN")                                                           \
	X(1, FORWARDED, "FORWARDED")                                                               \
	X(2, DROPPED, "DROPPED")                                                                   \
	X(3, ERROR, "ERROR")                                                                       \
	X(4, AUDIT, "AUDIT")                                                                       \
	X(5, REDIRECTED, "REDIRECTED")                                                             \
	X(6, TRACED, "TRACED")                                                                     \
	X(7, TRANSLATED, "TRANSLATED")

enum verdict {
#define VERDICT_ENUM(num, name, text) VERDICT_##name = num,
	FOREACH_VERDICT(VERDICT_ENUM)
#undef VERDICT_ENUM
		VERDICT_COUNT
};

/*
 * X(number, C name, name in a flow's JSON, text). Numbers below 130 are not drops: they count
 * something in the metrics. 130 and above are reasons to drop.
 */
#define FOREACH_REASON(X)                                                                          \
	X(0, FORWARDED, "DROP_REASON_UNKNOWN", "Success")                                          \
	X(3, PLAINTEXT, "DROP_REASON_UNKNOWN", "Interface")                                        \
	X(4, DECRYPT, "DROP_REASON_UNKNOWN", "Interface Decrypted")                                \
	X(5, LB_NO_BACKEND_SLOT, "DROP_REASON_UNKNOWN", "LB: No backend slot entry found")         \
	X(6, LB_NO_BACKEND, "DROP_REASON_UNKNOWN", "LB: No backend entry found")                   \
	X(9, FRAG_PACKET, "DROP_REASON_UNKNOWN", "Fragmented packet")                              \
	X(10, FRAG_PACKET_UPDATE, "DROP_REASON_UNKNOWN", "Fragmented packet entry update failed")  \
	X(12, DECRYPTING, "DROP_REASON_UNKNOWN", "Interface Decrypting")                           \
	X(13, ENCRYPTING, "DROP_REASON_UNKNOWN", "Interface Encrypting")                           \
	X(15, MTU_ERROR_MSG, "DROP_REASON_UNKNOWN", "MTU error message")                           \
	X(130, INVALID_SMAC, "INVALID_SOURCE_MAC", "Invalid source mac")                           \
	X(131, INVALID_DMAC, "INVALID_DESTINATION_MAC", "Invalid destination mac")                 \
	X(132, INVALID_SIP, "INVALID_SOURCE_IP", "Invalid source ip")                              \
	X(133, POLICY, "POLICY_DENIED", "Policy denied")                                           \
	X(134, INVALID, "INVALID_PACKET_DROPPED", "Invalid packet")                                \
	X(135, CT_INVALID_HDR, "CT_TRUNCATED_OR_INVALID_HEADER",                                   \
	  "CT: Truncated or invalid header")                                                       \
	X(136, FRAG_NEEDED, "CT_MISSING_TCP_ACK_FLAG", "Fragmentation needed")                     \
	X(137, CT_UNKNOWN_PROTO, "CT_UNKNOWN_L4_PROTOCOL", "CT: Unknown L4 protocol")              \
	X(139, UNKNOWN_L3, "UNSUPPORTED_L3_PROTOCOL", "Unsupported L3 protocol")                   \
	X(140, MISSED_TAIL_CALL, "MISSED_TAIL_CALL", "Missed tail call")                           \
	X(141, WRITE_ERROR, "ERROR_WRITING_TO_PACKET", "Error writing to packet")                  \
	X(142, UNKNOWN_L4, "UNKNOWN_L4_PROTOCOL", "Unknown L4 protocol")                           \
	X(143, UNKNOWN_ICMP4_CODE, "UNKNOWN_ICMPV4_CODE", "Unknown ICMPv4 code")                   \
	X(144, UNKNOWN_ICMP4_TYPE, "UNKNOWN_ICMPV4_TYPE", "Unknown ICMPv4 type")                   \
	X(145, UNKNOWN_ICMP6_CODE, "UNKNOWN_ICMPV6_CODE", "Unknown ICMPv6 code")                   \
	X(146, UNKNOWN_ICMP6_TYPE, "UNKNOWN_ICMPV6_TYPE", "Unknown ICMPv6 type")                   \
	X(147, NO_TUNNEL_KEY, "ERROR_RETRIEVING_TUNNEL_KEY", "Error retrieving tunnel key")        \
	X(150, UNKNOWN_TARGET, "UNKNOWN_L3_TARGET_ADDRESS", "Unknown L3 target address")           \
	X(151, UNROUTABLE, "STALE_OR_UNROUTABLE_IP", "Stale or unroutable IP")                     \
	X(153, CSUM_L3, "ERROR_WHILE_CORRECTING_L3_CHECKSUM",                                      \
	  "Error while correcting L3 checksum")                                                    \
	X(154, CSUM_L4, "ERROR_WHILE_CORRECTING_L4_CHECKSUM",                                      \
	  "Error while correcting L4 checksum")                                                    \
	X(155, CT_CREATE_FAILED, "CT_MAP_INSERTION_FAILED", "CT: Map insertion failed")            \
	X(156, INVALID_EXTHDR, "INVALID_IPV6_EXTENSION_HEADER", "Invalid IPv6 extension header")   \
	X(157, FRAG_NOSUPPORT, "IP_FRAGMENTATION_NOT_SUPPORTED", "IP fragmentation not supported") \
	X(158, NO_SERVICE, "SERVICE_BACKEND_NOT_FOUND", "Service backend not found")               \
	X(159, UNSUPP_SERVICE_PROTO, "DROP_REASON_UNKNOWN", "Unsupported protocol for service")    \
	X(160, NO_TUNNEL_ENDPOINT, "NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT",                          \
	  "No tunnel/encapsulation endpoint (datapath BUG!)")                                      \
	X(161, NAT_46X64_DISABLED, "FAILED_TO_INSERT_INTO_PROXYMAP", "NAT 46/64 not enabled")      \
	X(162, EDT_HORIZON, "REACHED_EDT_RATE_LIMITING_DROP_HORIZON",                              \
	  "Reached EDT rate-limiting drop horizon")                                                \
	X(163, UNKNOWN_CT, "UNKNOWN_CONNECTION_TRACKING_STATE",                                    \
	  "Unknown connection tracking state")                                                     \
	X(164, HOST_UNREACHABLE, "LOCAL_HOST_IS_UNREACHABLE", "Local host is unreachable")         \
	X(165, NO_CONFIG, "NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION",                 \
	  "No configuration available to perform policy decision")                                 \
	X(166, UNSUPPORTED_L2, "UNSUPPORTED_L2_PROTOCOL", "Unsupported L2 protocol")               \
	X(167, NAT_NO_MAPPING, "NO_MAPPING_FOR_NAT_MASQUERADE", "No mapping for NAT masquerade")   \
	X(168, NAT_UNSUPP_PROTO, "UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE",                        \
	  "Unsupported protocol for NAT masquerade")                                               \
	X(169, NO_FIB, "FIB_LOOKUP_FAILED", "FIB lookup failed")                                   \
	X(170, ENCAP_PROHIBITED, "ENCAPSULATION_TRAFFIC_IS_PROHIBITED",                            \
	  "Encapsulation traffic is prohibited")                                                   \
	X(171, INVALID_IDENTITY, "INVALID_IDENTITY", "Invalid identity")                           \
	X(172, UNKNOWN_SENDER, "UNKNOWN_SENDER", "Unknown sender")                                 \
	X(173, NAT_NOT_NEEDED, "NAT_NOT_NEEDED", "NAT not needed")                                 \
	X(174, IS_CLUSTER_IP, "IS_A_CLUSTERIP", "Is a ClusterIP")                                  \
	X(175, FRAG_NOT_FOUND, "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND",                        \
	  "First logical datagram fragment not found")                                             \
	X(176, FORBIDDEN_ICMP6, "FORBIDDEN_ICMPV6_MESSAGE", "Forbidden ICMPv6 message")            \
	X(177, NOT_IN_SRC_RANGE, "DENIED_BY_LB_SRC_RANGE_CHECK", "Denied by LB src range check")   \
	X(178, PROXY_LOOKUP_FAILED, "SOCKET_LOOKUP_FAILED", "Socket lookup failed")                \
	X(179, PROXY_SET_FAILED, "SOCKET_ASSIGN_FAILED", "Socket assign failed")                   \
	X(180, PROXY_UNKNOWN_PROTO, "PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL",                \
	  "Proxy redirection not supported for protocol")                                          \
	X(181, POLICY_DENY, "POLICY_DENY", "Policy denied by denylist")                            \
	X(182, VLAN_FILTERED, "VLAN_FILTERED", "VLAN traffic disallowed by VLAN filter")           \
	X(183, INVALID_VNI, "INVALID_VNI", "Incorrect VNI from VTEP")                              \
	X(184, INVALID_TC_BUFFER, "INVALID_TC_BUFFER", "Failed to update or lookup TC buffer")     \
	X(185, NO_SID, "NO_SID", "No SID was found for the IP address")                            \
	X(187, NAT46, "NAT46", "L3 translation from IPv4 to IPv6 failed (NAT46)")                  \
	X(188, NAT64, "NAT64", "L3 translation from IPv6 to IPv4 failed (NAT64)")                  \
	X(189, POLICY_AUTH_REQUIRED, "AUTH_REQUIRED", "Authentication required")                   \
	X(190, CT_NO_MAP_FOUND, "CT_NO_MAP_FOUND", "No conntrack map found")                       \
	X(191, SNAT_NO_MAP_FOUND, "SNAT_NO_MAP_FOUND", "No nat map found")                         \
	X(192, INVALID_CLUSTER_ID, "INVALID_CLUSTER_ID", "Invalid ClusterID")                      \
	X(193, DSR_ENCAP_UNSUPP_PROTO, "UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP",                       \
	  "Unsupported packet protocol for DSR encapsulation")                                     \
	X(194, NO_EGRESS_GATEWAY, "NO_EGRESS_GATEWAY", "No egress gateway found")                  \
	X(195, UNENCRYPTED_TRAFFIC, "UNENCRYPTED_TRAFFIC", "Traffic is unencrypted")               \
	X(196, TTL_EXCEEDED, "TTL_EXCEEDED", "TTL exceeded")                                       \
	X(197, NO_NODE_ID, "NO_NODE_ID", "No node ID found")                                       \
	X(198, RATE_LIMITED, "DROP_RATE_LIMITED", "Rate limited")                                  \
	X(199, IGMP_HANDLED, "IGMP_HANDLED", "IGMP handled")                                       \
	X(200, IGMP_SUBSCRIBED, "IGMP_SUBSCRIBED", "IGMP subscribed")                              \
	X(201, MULTICAST_HANDLED, "MULTICAST_HANDLED", "Multicast handled")                        \
	X(202, HOST_NOT_READY, "DROP_HOST_NOT_READY", "Host datapath not ready")                   \
	X(203, EP_NOT_READY, "DROP_EP_NOT_READY", "Endpoint policy program not available")         \
	X(204, NO_EGRESS_IP, "DROP_NO_EGRESS_IP", "No Egress IP configured")                       \
	X(205, PUNT_PROXY, "DROP_PUNT_PROXY", "Punt to proxy")

enum reason {
#define REASON_ENUM(num, name, flow, text) REASON_##name = num,
	FOREACH_REASON(REASON_ENUM)
#undef REASON_ENUM
};

#define REASON_FIRST_DROP 130
#define REASON_COUNT      256

/* Seen from the endpoint: traffic into it, or out of it. Index of metrics and policy. */
enum direction {
	DIRECTION_INGRESS = 0,
	DIRECTION_EGRESS = 1,
	DIRECTION_COUNT,
};
