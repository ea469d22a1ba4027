/* SPDX-License-Identifier: Apache-2.0 */
/* Making and reading certificates with OpenSSL. */
#include "lib/http/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/strbuf.h"
#include "lib/base/vec.h"

#define DAY_NS (86400ULL * NS_PER_S)

void tls_pair_release(struct tls_pair *p)
{
	free(p->cert_pem);
	if (p->key_pem)
		OPENSSL_cleanse(p->key_pem, strlen(p->key_pem));
	free(p->key_pem);
	p->cert_pem = p->key_pem = NULL;
}

static int tls_error(struct error *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	return error_set(err, -EINVAL, "%s: %s", what, text);
}

static char *bio_text(BIO *bio)
{
	char *data = NULL;
	long n = BIO_get_mem_data(bio, &data);

	return xstrndup(data, (size_t)n);
}

static char *cert_text(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *s;

	PEM_write_bio_X509(bio, cert);
	s = bio_text(bio);
	BIO_free(bio);
	return s;
}

static char *key_text(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *s;

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	s = bio_text(bio);
	BIO_free(bio);
	return s;
}

static X509 *read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return key;
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int r;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!ext)
		return 0;
	r = X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return r;
}

static void push_name(GENERAL_NAMES *names, int type, const void *data, int n)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *s = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

	ASN1_STRING_set(s, data, n);
	GENERAL_NAME_set0_value(name, type, s);
	sk_GENERAL_NAME_push(names, name);
}

/* By structure and not by text, so that a comma in a name stays in the name. */
static int add_names(X509 *cert, const struct tls_request *q, struct error *err)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	unsigned char raw[16];
	int r = 0;

	for (const char *const *s = q->dns; s && *s; s++)
		push_name(names, GEN_DNS, *s, (int)strlen(*s));
	for (const char *const *s = q->uri; s && *s; s++)
		push_name(names, GEN_URI, *s, (int)strlen(*s));
	for (const char *const *s = q->ip; s && *s && r == 0; s++) {
		if (inet_pton(AF_INET, *s, raw) == 1)
			push_name(names, GEN_IPADD, raw, 4);
		else if (inet_pton(AF_INET6, *s, raw) == 1)
			push_name(names, GEN_IPADD, raw, 16);
		else
			r = error_set(err, -EINVAL, "%s is no address", *s);
	}
	if (r == 0 && sk_GENERAL_NAME_num(names) > 0 &&
	    X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1)
		r = tls_error(err, "subject alternative names");
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return r;
}

static void set_subject(X509 *cert, const struct tls_request *q)
{
	X509_NAME *name = X509_get_subject_name(cert);

	if (q->organisation)
		X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
					   (const unsigned char *)q->organisation, -1, -1, 0);
	if (q->common_name)
		X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					   (const unsigned char *)q->common_name, -1, -1, 0);
}

static void set_times(X509 *cert, const struct tls_request *q, uint64_t default_lifetime)
{
	time_t from = (time_t)(q->not_before_wall_ns / (int64_t)NS_PER_S) - 60;
	uint64_t life = q->lifetime_ns ? q->lifetime_ns : default_lifetime;

	X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from);
	X509_time_adj_ex(X509_getm_notAfter(cert), (int)(life / DAY_NS),
			 (long)(life % DAY_NS / NS_PER_S) + 60, &from);
}

static int set_serial(X509 *cert, struct error *err)
{
	unsigned char serial[16];
	BIGNUM *n;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return tls_error(err, "random numbers");
	serial[0] &= 0x7f;
	n = BN_bin2bn(serial, sizeof(serial), NULL);
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return 0;
}

static int add_usage(X509 *cert, X509 *issuer, const struct tls_request *q, bool authority)
{
	const char *extended = q->client && q->server ? "clientAuth,serverAuth"
			       : q->client            ? "clientAuth"
						      : "serverAuth";

	if (add_extension(cert, issuer, NID_basic_constraints,
			  authority ? "critical,CA:TRUE" : "critical,CA:FALSE") != 1 ||
	    add_extension(cert, issuer, NID_key_usage,
			  authority ? "critical,keyCertSign,cRLSign"
				    : "critical,digitalSignature,keyEncipherment") != 1 ||
	    add_extension(cert, issuer, NID_subject_key_identifier, "hash") != 1)
		return 0;
	if (authority)
		return 1;
	return add_extension(cert, issuer, NID_authority_key_identifier, "keyid") == 1 &&
	       (!(q->client || q->server) ||
		add_extension(cert, issuer, NID_ext_key_usage, extended) == 1);
}

/* issuer NULL makes an authority that signs itself. */
static int make(X509 *issuer, EVP_PKEY *issuer_key, const struct tls_request *q,
		struct tls_pair *ret, struct error *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	int r = 0;

	if (!key || !cert)
		r = tls_error(err, "new key");
	if (r == 0)
		r = set_serial(cert, err);
	if (r == 0) {
		X509_set_version(cert, X509_VERSION_3);
		set_subject(cert, q);
		set_times(cert, q, issuer ? 365 * DAY_NS : 3650 * DAY_NS);
		X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
		X509_set_pubkey(cert, key);
		r = add_names(cert, q, err);
	}
	if (r == 0 && (add_usage(cert, issuer ? issuer : cert, q, !issuer) != 1 ||
		       !X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256())))
		r = tls_error(err, "signing");
	if (r == 0) {
		ret->cert_pem = cert_text(cert);
		ret->key_pem = key_text(key);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

int tls_authority(const struct tls_request *request, struct tls_pair *ret_ca, struct error *err)
{
	return make(NULL, NULL, request, ret_ca, err);
}

int tls_sign(const struct tls_pair *ca, const struct tls_request *request,
	     struct tls_pair *ret_pair, struct error *err)
{
	X509 *issuer = read_cert(ca->cert_pem);
	EVP_PKEY *key = read_key(ca->key_pem);
	int r;

	if (!issuer || !key)
		r = tls_error(err, "authority");
	else
		r = make(issuer, key, request, ret_pair, err);
	X509_free(issuer);
	EVP_PKEY_free(key);
	return r;
}

typedef VEC(const char *) name_list;

static const char *const *names_end(struct arena *a, name_list *v)
{
	const char **copy = arena_array(a, v->n + 1, const char *);

	for (size_t i = 0; i < v->n; i++)
		copy[i] = v->items[i];
	vec_release(v);
	return copy;
}

static const char *ip_text(struct arena *a, const ASN1_OCTET_STRING *s)
{
	char text[INET6_ADDRSTRLEN] = "";
	int n = ASN1_STRING_length(s);

	if (n == 4)
		inet_ntop(AF_INET, ASN1_STRING_get0_data(s), text, sizeof(text));
	else if (n == 16)
		inet_ntop(AF_INET6, ASN1_STRING_get0_data(s), text, sizeof(text));
	return arena_strdup(a, text);
}

static void read_names(struct arena *a, X509 *cert, struct tls_facts *f)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	name_list dns = VEC_INIT, uri = VEC_INIT, ip = VEC_INIT;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		int type;
		const ASN1_STRING *s = GENERAL_NAME_get0_value(n, &type);

		if (type == GEN_DNS || type == GEN_URI) {
			const char *text = arena_strndup(a, (const char *)ASN1_STRING_get0_data(s),
							 (size_t)ASN1_STRING_length(s));
			if (type == GEN_DNS)
				vec_push(&dns, text);
			else
				vec_push(&uri, text);
		} else if (type == GEN_IPADD) {
			vec_push(&ip, ip_text(a, s));
		}
	}
	f->dns = names_end(a, &dns);
	f->uri = names_end(a, &uri);
	f->ip = names_end(a, &ip);
	GENERAL_NAMES_free(names);
}

static void read_subject(struct arena *a, X509 *cert, struct tls_facts *f)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	name_list orgs = VEC_INIT;

	f->common_name = "";
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
		const ASN1_STRING *s = X509_NAME_ENTRY_get_data(e);
		const char *text = arena_strndup(a, (const char *)ASN1_STRING_get0_data(s),
						 (size_t)ASN1_STRING_length(s));

		if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)) == NID_commonName)
			f->common_name = text;
		else if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)) == NID_organizationName)
			vec_push(&orgs, text);
	}
	f->orgs = names_end(a, &orgs);
}

static int64_t time_ns(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm) * (int64_t)NS_PER_S;
}

static void read_spki(X509 *cert, char hex[65])
{
	unsigned char *der = NULL, digest[SHA256_DIGEST_LENGTH];
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	SHA256(der, n > 0 ? (size_t)n : 0, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	OPENSSL_free(der);
}

int tls_read_facts(struct arena *a, const char *pem, struct tls_facts *ret_facts, struct error *err)
{
	X509 *cert = read_cert(pem);

	if (!cert)
		return tls_error(err, "certificate");
	memset(ret_facts, 0, sizeof(*ret_facts));
	read_subject(a, cert, ret_facts);
	read_names(a, cert, ret_facts);
	ret_facts->not_before_wall_ns = time_ns(X509_get0_notBefore(cert));
	ret_facts->not_after_wall_ns = time_ns(X509_get0_notAfter(cert));
	read_spki(cert, ret_facts->spki_sha256);
	X509_free(cert);
	return 0;
}

bool tls_verifies(const char *ca_pem, const struct tls_pair *pair, int64_t wall_ns)
{
	X509 *ca = read_cert(ca_pem), *cert = read_cert(pair->cert_pem);
	EVP_PKEY *key = pair->key_pem ? read_key(pair->key_pem) : NULL;
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = ca && cert && (!pair->key_pem || (key && X509_check_private_key(cert, key) == 1));

	if (ok) {
		X509_STORE_add_cert(store, ca);
		X509_STORE_CTX_init(ctx, store, cert, NULL);
		X509_STORE_CTX_set_time(ctx, 0, (time_t)(wall_ns / (int64_t)NS_PER_S));
		ok = X509_verify_cert(ctx) == 1;
	}
	ERR_clear_error();
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	EVP_PKEY_free(key);
	X509_free(cert);
	X509_free(ca);
	return ok;
}
