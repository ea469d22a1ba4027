/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL contexts of TLS listeners, from PEM in memory. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/vec.h"
#include "lib/http/server_internal.h"

static int tls_error(struct error *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	return error_set(err, -EINVAL, "%s: %s", what, text);
}

static int use_certificates(SSL_CTX *ctx, const char *pem, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	int r = 0;

	if (!cert || SSL_CTX_use_certificate(ctx, cert) != 1)
		r = tls_error(err, "server certificate");
	X509_free(cert);
	while (r == 0 && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1)
			r = tls_error(err, "server certificate chain");
	ERR_clear_error();
	BIO_free(bio);
	return r;
}

static int use_key(SSL_CTX *ctx, const char *pem, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	int r = 0;

	if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		r = tls_error(err, "server key");
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}

static int use_client_ca(SSL_CTX *ctx, const char *pem, bool required, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	size_t n = 0;
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_STORE_add_cert(store, cert);
		SSL_CTX_add_client_CA(ctx, cert);
		X509_free(cert);
		n++;
	}
	BIO_free(bio);
	if (!n)
		return tls_error(err, "client authority");
	ERR_clear_error();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
			   NULL);
	return 0;
}

static int pick_http1(UNUSED SSL *ssl, const unsigned char **out, unsigned char *outlen,
		      const unsigned char *in, unsigned int inlen, UNUSED void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *picked = NULL;

	if (SSL_select_next_proto(&picked, outlen, ours, sizeof(ours) - 1, in, inlen) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

int tls_server_context(const struct http_server_tls *tls, SSL_CTX **ret_ctx, struct error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r;

	if (!ctx)
		return tls_error(err, "TLS");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_alpn_select_cb(ctx, pick_http1, NULL);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"sidestep", 8);
	r = use_certificates(ctx, tls->cert_pem, err);
	if (r == 0)
		r = use_key(ctx, tls->key_pem, err);
	if (r == 0 && tls->client_ca_pem)
		r = use_client_ca(ctx, tls->client_ca_pem, tls->client_required, err);
	if (r) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}

static char *name_entry(const X509_NAME_ENTRY *entry)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
	char *s = n >= 0 ? xstrndup((const char *)utf8, (size_t)n) : xstrdup("");

	OPENSSL_free(utf8);
	return s;
}

void tls_peer_subject(SSL *ssl, char **ret_cn, char ***ret_orgs)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	VEC(char *) orgs = VEC_INIT;
	const X509_NAME *name;

	if (!cert)
		return;
	name = X509_get_subject_name(cert);
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));

		if (nid == NID_commonName && !*ret_cn)
			*ret_cn = name_entry(entry);
		else if (nid == NID_organizationName)
			vec_push(&orgs, name_entry(entry));
	}
	vec_push(&orgs, NULL);
	*ret_orgs = orgs.items;
	if (!*ret_cn)
		*ret_cn = xstrdup("");
	X509_free(cert);
}
