/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/sidecar_internal.h"

static const char downstream[] = "\
name: envoy.transport_sockets.tls\n\
typed_config:\n\
  '@type': " ENVOY_EXTENSION "transport_sockets.tls.v3.DownstreamTlsContext\n\
  require_client_certificate: true\n\
  common_tls_context:\n\
    tls_params:\n\
      tls_minimum_protocol_version: TLSv1_2\n\
      tls_maximum_protocol_version: TLSv1_3\n\
      cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384,\n\
                      ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256,\n\
                      AES256-GCM-SHA384, AES128-GCM-SHA256]\n\
    alpn_protocols: [h2, http/1.1]\n";

static const char upstream[] = "\
name: envoy.transport_sockets.tls\n\
typed_config:\n\
  '@type': " ENVOY_EXTENSION "transport_sockets.tls.v3.UpstreamTlsContext\n\
  common_tls_context:\n\
    tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}\n";

static void set_file(struct sidecar *s, struct doc *map, const char *key, const char *file)
{
	doc_set_string(s->arena, doc_set_map(s->arena, map, key), "filename", file);
}

static void own_certificate(struct sidecar *s, struct doc *common)
{
	struct doc *pair = doc_append(s->arena, doc_set_list(s->arena, common, "tls_certificates"),
				      doc_map(s->arena));

	set_file(s, pair, "certificate_chain", s->options->cert_file);
	set_file(s, pair, "private_key", s->options->key_file);
}

static void add_san(struct sidecar *s, struct doc *context, const char *how, const char *uri)
{
	struct doc *san = doc_append(
		s->arena, doc_set_list(s->arena, context, "match_typed_subject_alt_names"),
		doc_map(s->arena));

	doc_set_string(s->arena, san, "san_type", "URI");
	doc_set_string(s->arena, doc_set_map(s->arena, san, "matcher"), how, uri);
}

static struct doc *mesh_roots(struct sidecar *s, struct doc *common)
{
	struct doc *context = doc_set_map(s->arena, common, "validation_context");

	set_file(s, context, "trusted_ca", s->options->root_file);
	return context;
}

/* Any identity of the mesh: who may do what is authorization's business. */
struct doc *sidecar_downstream_tls(struct sidecar *s)
{
	struct doc *socket = sidecar_yaml(s->arena, downstream);
	struct doc *common = doc_find(socket, "typed_config.common_tls_context");
	const struct istio_mesh_config *config = &s->mesh->config;
	struct doc *context;

	own_certificate(s, common);
	context = mesh_roots(s, common);
	add_san(s, context, "prefix", arena_printf(s->arena, "spiffe://%s/", config->trust_domain));
	for (size_t i = 0; i < config->trust_domain_aliases.n; i++)
		add_san(s, context, "prefix",
			arena_printf(s->arena, "spiffe://%s/",
				     config->trust_domain_aliases.items[i]));
	return socket;
}

struct doc *sidecar_upstream_tls(struct sidecar *s, const char *sni, const struct strings *sans,
				 bool h2)
{
	struct doc *socket = sidecar_yaml(s->arena, upstream);
	struct doc *common = doc_find(socket, "typed_config.common_tls_context");
	struct doc *alpn = doc_set_list(s->arena, common, "alpn_protocols"), *context;

	doc_append(s->arena, alpn, doc_string(s->arena, "istio"));
	if (h2)
		doc_append(s->arena, alpn, doc_string(s->arena, "h2"));
	own_certificate(s, common);
	context = mesh_roots(s, common);
	for (size_t i = 0; i < sans->n; i++)
		add_san(s, context, "exact", sans->items[i]);
	doc_set_string(s->arena, doc_get(socket, "typed_config"), "sni", sni);
	return socket;
}

struct doc *sidecar_origination_tls(struct sidecar *s, const struct istio_client_tls *tls,
				    const char *host)
{
	struct doc *socket = sidecar_yaml(s->arena, upstream);
	struct doc *common = doc_find(socket, "typed_config.common_tls_context");

	if (tls->mode == TLS_MUTUAL && tls->client_certificate && tls->private_key) {
		struct doc *pair =
			doc_append(s->arena, doc_set_list(s->arena, common, "tls_certificates"),
				   doc_map(s->arena));

		set_file(s, pair, "certificate_chain", tls->client_certificate);
		set_file(s, pair, "private_key", tls->private_key);
	}
	if (tls->ca_certificates) {
		struct doc *context = doc_set_map(s->arena, common, "validation_context");

		set_file(s, context, "trusted_ca", tls->ca_certificates);
		for (size_t i = 0; i < tls->subject_alt_names.n; i++)
			add_san(s, context, "exact", tls->subject_alt_names.items[i]);
	}
	doc_set_string(s->arena, doc_get(socket, "typed_config"), "sni",
		       str_empty(tls->sni) ? host : tls->sni);
	return socket;
}

struct doc *sidecar_raw_buffer(struct arena *a)
{
	return sidecar_yaml(a, "name: envoy.transport_sockets.raw_buffer\n"
			       "typed_config:\n"
			       "  '@type': " ENVOY_EXTENSION
			       "transport_sockets.raw_buffer.v3.RawBuffer\n");
}
