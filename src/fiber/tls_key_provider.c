/* tls_key_provider.c — private keys that are somewhere else; see tls_key_provider.h.
 *
 * What OpenSSL 3.0 wants of such a provider:
 *   - a key stands for its public half, which is an ordinary EVP_PKEY of the
 *     default provider; questions about sizes and groups are passed on to it;
 *   - `has` claims the private half, but EXPORT refuses it: else libcrypto
 *     moves the "key" to the default provider and tries to sign there;
 *   - SSL_CTX_use_PrivateKey compares it with the certificate through IMPORT;
 *   - signing is the one-shot DIGEST_SIGN, called first with no room to learn
 *     the size; the RSA padding comes as a number or as "pss";
 *   - algorithms used inside are fetched from "provider=default".
 * The error queue is the thread's: after the signer, who lets other fibers
 * run, it is cleared before anything is put into it. */
#include "fiber/tls_key_provider.h"

#include "fiber/private_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define PROVIDER "wxkey"
#define PARAM_KEY_ID "wx-key-id"
#define PARAM_SIGNER "wx-signer"

/* What libcrypto calls a key; public is NULL until IMPORT. */
struct key {
	const char *type;
	EVP_PKEY *public;
	const struct tls_signer *signer;         /* NULL: the public half alone */
	uint32_t id;
};

struct signature {
	const struct key *key;
	EVP_MD *md;              /* NULL: the message itself is signed */
	bool is_pss;
};

/* ---- keys ---- */

static void *key_new(const char *type)
{
	struct key *k = calloc(1, sizeof(*k));

	if (k)
		k->type = type;
	return k;
}

static void *key_new_rsa(void *provider)
{
	(void)provider;
	return key_new("RSA");
}

static void *key_new_ec(void *provider)
{
	(void)provider;
	return key_new("EC");
}

static void *key_new_ed25519(void *provider)
{
	(void)provider;
	return key_new("ED25519");
}

static void key_free(void *key)
{
	struct key *k = key;

	if (k)
		EVP_PKEY_free(k->public);
	free(k);
}

static int key_has(const void *key, int selection)
{
	const struct key *k = key;

	return k && k->public && (k->signer || !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY));
}

static int key_match(const void *a, const void *b, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(((const struct key *)a)->public, ((const struct key *)b)->public) == 1;
}

static int key_import(void *key, int selection, const OSSL_PARAM params[])
{
	struct key *k = key;
	const OSSL_PARAM *id = OSSL_PARAM_locate_const(params, PARAM_KEY_ID);
	const OSSL_PARAM *signer = OSSL_PARAM_locate_const(params, PARAM_SIGNER);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, k->type, "provider=default");
	bool ok = ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
		EVP_PKEY_fromdata(ctx, &k->public, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) > 0;

	(void)selection;
	EVP_PKEY_CTX_free(ctx);
	if (!ok || !id || !signer)
		return ok;
	if (signer->data_size != sizeof(k->signer) || !OSSL_PARAM_get_uint32(id, &k->id))
		return 0;
	memcpy(&k->signer, signer->data, sizeof(k->signer));
	return 1;
}

static int key_export(void *key, int selection, OSSL_CALLBACK *give, void *arg)
{
	const struct key *k = key;
	OSSL_PARAM *params = NULL;
	int ok;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	if (EVP_PKEY_todata(k->public, EVP_PKEY_PUBLIC_KEY, &params) <= 0)
		return 0;
	ok = give(params, arg);
	OSSL_PARAM_free(params);
	return ok;
}

/* A type list that says "ask for anything". */
static const OSSL_PARAM *key_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	return selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? types : NULL;
}

static int key_get_params(void *key, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((const struct key *)key)->public, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return gettable;
}

static const char *key_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "WXKEY" : NULL;
}

/* ---- signatures ---- */

static void *signature_new(void *provider, const char *properties)
{
	(void)provider, (void)properties;
	return calloc(1, sizeof(struct signature));
}

static void signature_free(void *signature)
{
	struct signature *s = signature;

	if (s)
		EVP_MD_free(s->md);
	free(s);
}

static int signature_set(void *signature, const OSSL_PARAM params[])
{
	struct signature *s = signature;
	const OSSL_PARAM *pad = params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)
				       : NULL;
	int mode;

	if (!pad)
		return 1;
	if (pad->data_type == OSSL_PARAM_UTF8_STRING)
		s->is_pss = str_eq_nocase(str_of(pad->data, pad->data_size), S("pss"));
	else if (OSSL_PARAM_get_int(pad, &mode))
		s->is_pss = mode == RSA_PKCS1_PSS_PADDING;
	else
		return 0;
	return 1;
}

static const OSSL_PARAM *signature_settable(void *signature, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)signature, (void)provider;
	return settable;
}

static int signature_begin(void *signature, const char *md, void *key, const OSSL_PARAM params[])
{
	struct signature *s = signature;

	s->key = key;
	EVP_MD_free(s->md);
	s->md = NULL;
	if (md && *md && !(s->md = EVP_MD_fetch(NULL, md, "provider=default")))
		return 0;
	return signature_set(s, params);
}

/* Ask the signer; the error is left in OpenSSL's queue, where conn.c finds it. */
SUSPENDS static bool ask(const struct signature *s, struct str digest, struct buf *to)
{
	const struct key *k = s->key;
	uint32_t scheme = sign_scheme_of(k->type, s->md ? digest.n : 0, s->is_pss);
	struct err e = { 0 };
	bool ok;

	if (scheme == SIGN_NONE)
		ok = fail(&e, FAULT_PERM, "no signature scheme for this handshake");
	else
		ok = k->signer->sign(k->signer->ctx, k->id, scheme, digest, to, &e) && !to->full;
	ERR_clear_error();
	if (!ok)
		ERR_raise_data(ERR_LIB_USER, ERR_R_INTERNAL_ERROR, "%s", e.text);
	return ok;
}

SUSPENDS static int signature_make(void *signature, unsigned char *to, size_t *n, size_t room,
	const unsigned char *message, size_t message_n)
{
	const struct signature *s = signature;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_n = 0;
	struct str in = str_of(message, message_n);
	struct buf out = buf_over(to, room);

	if (!s->key->signer)
		return 0;
	if (!to) {
		*n = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	if (s->md) {
		if (!EVP_Digest(message, message_n, digest, &digest_n, s->md, NULL))
			return 0;
		in = str_of(digest, digest_n);
	}
	if (!ask(s, in, &out))
		return 0;
	*n = out.n;
	return 1;
}

/* ---- the tables ---- */

#define CALL(number, fn) { number, (void (*)(void))(fn) }
#define KEYMGMT(make) { \
	CALL(OSSL_FUNC_KEYMGMT_NEW, make), \
	CALL(OSSL_FUNC_KEYMGMT_FREE, key_free), \
	CALL(OSSL_FUNC_KEYMGMT_HAS, key_has), \
	CALL(OSSL_FUNC_KEYMGMT_MATCH, key_match), \
	CALL(OSSL_FUNC_KEYMGMT_IMPORT, key_import), \
	CALL(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), \
	CALL(OSSL_FUNC_KEYMGMT_EXPORT, key_export), \
	CALL(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), \
	CALL(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), \
	CALL(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable), \
	CALL(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, key_operation), \
	{ 0, NULL } }

static const OSSL_DISPATCH rsa_keys[] = KEYMGMT(key_new_rsa);
static const OSSL_DISPATCH ec_keys[] = KEYMGMT(key_new_ec);
static const OSSL_DISPATCH ed25519_keys[] = KEYMGMT(key_new_ed25519);

static const OSSL_ALGORITHM keys[] = {
	{ "RSA:rsaEncryption", "provider=" PROVIDER, rsa_keys, NULL },
	{ "EC:id-ecPublicKey", "provider=" PROVIDER, ec_keys, NULL },
	{ "ED25519", "provider=" PROVIDER, ed25519_keys, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_DISPATCH signature_calls[] = {
	CALL(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
	CALL(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),
	CALL(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_begin),
	CALL(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_make),
	CALL(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set),
	CALL(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
	{ 0, NULL },
};

static const OSSL_ALGORITHM signatures[] = {
	{ "WXKEY", "provider=" PROVIDER, signature_calls, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? keys :
		operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH calls[] = {
		CALL(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
		{ 0, NULL },
	};
	static char self;

	(void)handle, (void)in;
	*out = calls;
	*provider = &self;
	return 1;
}

/* Once one provider is loaded by name the default one no longer comes by itself; whoever names
 * no provider is to get the default one. */
static bool provider_load(void)
{
	static OSSL_PROVIDER *standard, *wxkey;  /* for the life of the process */

	if (wxkey)
		return true;
	if (!standard)
		standard = OSSL_PROVIDER_load(NULL, "default");
	if (standard && OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provider_init) &&
	    EVP_set_default_properties(NULL, "?provider=default"))
		wxkey = OSSL_PROVIDER_load(NULL, PROVIDER);
	return wxkey;
}

static const char *type_of(const EVP_PKEY *key)
{
	static const char *const types[] = { "RSA", "EC", "ED25519" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (EVP_PKEY_is_a(key, types[i]))
			return types[i];
	return NULL;
}

/* The public half's parameters and ours in one list. */
static OSSL_PARAM *key_params(const EVP_PKEY *public, const struct tls_signer *signer, uint32_t id)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *theirs = NULL, *ours = NULL, *all = NULL;

	if (b && OSSL_PARAM_BLD_push_uint32(b, PARAM_KEY_ID, id) &&
	    OSSL_PARAM_BLD_push_octet_string(b, PARAM_SIGNER, &signer, sizeof(signer)) &&
	    (ours = OSSL_PARAM_BLD_to_param(b)) &&
	    EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &theirs) > 0)
		all = OSSL_PARAM_merge(theirs, ours);
	/* the merged list still points into both: copied before they go */
	if (all) {
		OSSL_PARAM *copy = OSSL_PARAM_dup(all);

		OSSL_PARAM_free(all);
		all = copy;
	}
	OSSL_PARAM_free(theirs);
	OSSL_PARAM_free(ours);
	OSSL_PARAM_BLD_free(b);
	return all;
}

bool tls_key_open(const struct evp_pkey_st *public, const struct tls_signer *signer,
	uint32_t key_id, struct evp_pkey_st **ret, struct err *e)
{
	const char *type = type_of(public);
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	if (!type)
		return fail(e, FAULT_PERM, "a certificate for a kind of key that is not taken");
	if (!provider_load())
		return fail(e, FAULT_TEMP, "the key provider does not load");
	params = key_params(public, signer, key_id);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, type, "provider=" PROVIDER);
	if (params && ctx && EVP_PKEY_fromdata_init(ctx) > 0)
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	ERR_clear_error();
	if (!key)
		return fail(e, FAULT_TEMP, "no memory for a key");
	*ret = key;
	return true;
}
