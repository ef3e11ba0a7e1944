/* keys.c — the only process that holds private keys.
 *
 * The parent sends descriptors of certificate and key; a pair that does not fit,
 * or a file that is half written, keeps the old one and says so; a half that came
 * alone gets HALF_WITHIN for the other one to come.  Fronts learn the
 * certificates and ask for signatures by number; the padding is done here, so
 * nobody gets a raw operation.  Each key that is loaded has a number of its own, and
 * a replaced one still signs for RETIRE_WITHIN: a handshake under way has shown the
 * certificate of before.  Without a certificate in the configuration one is
 * made and signed by itself on the first start. */
#include "role/keys/dkim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/rnd.h"
#include "fiber/certificate.h"
#include "fiber/private_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, RETIRED_MAX = 32 };
#define SOON (14 * DAY)
#define RETIRE_WITHIN (60 * SECOND)
#define HALF_WITHIN (5 * SECOND)

struct evp_pkey_st;

/* Text as it came from a file, until it was tried. */
struct pem {
	char *p;
	size_t n;
};

struct pair {
	struct pem cert_pem, key_pem;    /* what came since */
	struct certificate cert;         /* what is in force, if key is set */
	struct evp_pkey_st *key;
	uint32_t number;                 /* the key's */
	struct certificate_look look;    /* how the file of cert looked */
	bool is_waiting;                 /* for its other half, in a fiber */
	char trouble[200];
};

/* A key that was replaced. */
struct retired {
	struct evp_pkey_st *key;         /* NULL: the place is free */
	uint32_t number;
	int64_t until;                   /* time_mono() */
};

static struct pair pairs[PAIRS_MAX];
static struct retired retired[RETIRED_MAX];
static bool is_sweeping;
static uint32_t next_number;     /* begins anywhere: a number of the process before names nothing */

static void tell(struct link *l)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct ipc_certificate *list = ARENA_ARRAY(&a, struct ipc_certificate, PAIRS_MAX);
	struct keys_certificates t = { .certificates = { list, 0 } };
	struct err e;

	for (uint32_t i = 0; list && i < PAIRS_MAX; i++) {
		struct buf b = buf_on_heap(CERTIFICATE_PEM_MAX);

		if (pairs[i].key && certificate_print(&pairs[i].cert, &b, &e))
			list[t.certificates.n++] = (struct ipc_certificate){ .key = pairs[i].number, .chain = arena_str(&a, buf_str(&b)) };
		buf_end(&b);
	}
	keys_certificates(l, &t);
}

static bool is_front(enum role r)
{
	return r == ROLE_SMTPD || r == ROLE_LOGIN;
}

static void tell_all(void)
{
	for (struct link *l = link_next(NULL); l; l = link_next(l))
		if (is_front(l->peer))
			tell(l);
}

static void wipe(struct pem *t)
{
	if (t->p)
		private_bytes_wipe(t->p, t->n);
	free(t->p);
	*t = (struct pem){ 0 };
}

/* Frees replaced keys when their time has come; gives how long the next one has. */
static int64_t sweep(void)
{
	int64_t now = time_mono(), soonest = INT64_MAX;

	for (size_t i = 0; i < RETIRED_MAX; i++) {
		struct retired *r = &retired[i];

		if (r->key && r->until <= now)
			private_key_end(&r->key);
		if (r->key && r->until - now < soonest)
			soonest = r->until - now;
	}
	return soonest;
}

SUSPENDS static void sweep_all(void *unused)
{
	struct err e;
	int64_t left;

	(void)unused;
	do
		left = sweep();
	while (left < INT64_MAX && fiber_sleep(left, &e));
	is_sweeping = false;
}

/* The one that has waited longest gives way if there is no room. */
static void retire(struct evp_pkey_st **key, uint32_t number)
{
	struct retired *to = &retired[0];

	if (!*key)
		return;
	for (size_t i = 0; i < RETIRED_MAX && to->key; i++)
		if (!retired[i].key || retired[i].until < to->until)
			to = &retired[i];
	private_key_end(&to->key);
	*to = (struct retired){ *key, number, time_mono() + RETIRE_WITHIN };
	*key = NULL;
	if (!is_sweeping)
		is_sweeping = fiber_start(&self.fibers, "sweep", sweep_all, NULL);
}

static struct evp_pkey_st *key_find(uint32_t number)
{
	for (size_t i = 0; i < PAIRS_MAX; i++)
		if (pairs[i].key && pairs[i].number == number)
			return pairs[i].key;
	for (size_t i = 0; i < RETIRED_MAX; i++)
		if (retired[i].key && retired[i].number == number)
			return retired[i].key;
	return NULL;
}

/* What came, and for the half that did not come the one in force; *key then stays NULL. */
static bool load_pair(const struct pair *p, struct certificate *cert, struct certificate_look *look, struct evp_pkey_st **key,
		      struct err *e)
{
	AUTO(buf_end) struct buf own = buf_on_heap(CERTIFICATE_PEM_MAX);
	struct str chain = str_of(p->cert_pem.p, p->cert_pem.n);

	if (!p->cert_pem.p && !certificate_print(&p->cert, &own, e))
		return false;
	if (!p->cert_pem.p)
		chain = buf_str(&own);
	if (p->key_pem.p && !private_key_load(str_of(p->key_pem.p, p->key_pem.n), key, e))
		return fail_in(e, "the key");
	if (certificate_load(chain, *key ? *key : p->key, cert, e)) {
		if (!p->cert_pem.p || !certificate_look(chain, cert, look, e))
			*look = p->look;
		return true;
	}
	private_key_end(key);
	return fail_in(e, "the certificate");
}

static void complain(const struct pair *p)
{
	log_error("certificate", "number=%u why=%s next=\"%s\"", (unsigned)(p - pairs), LOGQ(str_from_z(p->trouble)),
		  p->key ? "the old one stays in use until both fit" : "STARTTLS is not offered with it");
}

static bool has_one_half(const struct pair *p)
{
	return !p->cert_pem.p != !p->key_pem.p;
}

SUSPENDS static void wait_half(void *arg)
{
	struct pair *p = arg;
	struct err e;

	if (fiber_sleep(HALF_WITHIN, &e) && has_one_half(p))
		complain(p);
	p->is_waiting = false;
}

/* A file of its pair has come and does not fit. */
static void misfit(struct pair *p, const struct err *e)
{
	snprintf(p->trouble, sizeof(p->trouble), "%s", e->text);
	if (!has_one_half(p))
		complain(p);
	else if (!p->is_waiting)
		p->is_waiting = fiber_start(&self.fibers, "half", wait_half, p);
}

/* Take what fits, or keep what is in force.  A pair is replaced one file after the other, so a
 * half that does not fit is kept until its other half comes.  A certificate may also be renewed
 * with the same key. */
static void try_pair(uint32_t i)
{
	struct pair *p = &pairs[i];
	struct buf warning = buf_over(p->trouble, sizeof(p->trouble) - 1);
	struct certificate_look look = { 0 };
	struct certificate cert = { 0 };
	struct evp_pkey_st *key = NULL;
	struct err e = { 0 };

	if (!p->key && (!p->cert_pem.p || !p->key_pem.p))
		return;
	if (!load_pair(p, &cert, &look, &key, &e)) {
		misfit(p, &e);
		return;
	}
	certificate_end(&p->cert);
	p->cert = cert;
	p->look = look;
	if (key) {
		retire(&p->key, p->number);
		p->key = key;
		p->number = next_number++;
	}
	certificate_warn(&cert, time_now(), SOON, &warning);
	p->trouble[warning.n] = '\0';
	log_info("certificate", "number=%u name=%s why=\"taken up%s%s\"", i,
		 LOGQ(cert.n_names ? cert.names[0] : S("")), warning.n ? "; " : "", p->trouble);
	wipe(&p->cert_pem);
	wipe(&p->key_pem);
	tell_all();
}

/* Both halves lie in one file of ours. */
static bool make_self_signed(int fd, struct pem *ret, struct err *e)
{
	struct buf all = buf_on_heap(CERTIFICATE_PEM_MAX), key = buf_on_heap(CERTIFICATE_PEM_MAX);
	bool ok = certificate_make(conf_now()->hostname, time_now(), &all, &key, e);

	buf_add(&all, buf_str(&key));
	ok = ok && fd_pwrite_all(fd, buf_str(&all), 0, e) && fd_sync(fd, e);
	private_bytes_wipe(key.p, key.n);
	buf_end(&key);
	if (!ok) {
		private_bytes_wipe(all.p, all.n);
		buf_end(&all);
		return false;
	}
	log_info("certificate", "why=\"made and signed by ourselves, since none is configured\"");
	*ret = (struct pem){ all.p, all.n };
	return true;
}

static bool copy_pem(const struct pem *from, struct pem *to)
{
	*to = (struct pem){ malloc(from->n), from->n };
	if (to->p)
		memcpy(to->p, from->p, from->n);
	return to->p;
}

static void take_self_signed(int fd)
{
	struct pair *p = &pairs[0];
	struct err e = { 0 };

	wipe(&p->cert_pem);
	wipe(&p->key_pem);
	if (!fd_slurp(fd, CERTIFICATE_PEM_MAX, &p->key_pem.p, &p->key_pem.n, &e) ||
	    (p->key_pem.n == 0 && (wipe(&p->key_pem), !make_self_signed(fd, &p->key_pem, &e))) ||
	    !copy_pem(&p->key_pem, &p->cert_pem)) {
		log_error("certificate", "why=%s next=\"STARTTLS is not offered\"", LOGQ(str_from_z(e.text)));
		return;
	}
	try_pair(0);
}

static void take_file(struct role_file *f)
{
	struct pair *p = &pairs[f->index % PAIRS_MAX];
	struct pem *half = str_eq(f->what, S("key")) ? &p->key_pem : &p->cert_pem;
	struct err e = { 0 };

	if (str_eq(f->what, S("dkim-book"))) {
		dkim_book_take(fd_take(&f->file));
		return;
	}
	if (str_eq(f->what, S("dkim-key"))) {
		dkim_file_take(f);
		return;
	}
	if (f->index >= PAIRS_MAX || f->file <= 0)
		return;
	if (str_eq(f->what, S("self-signed"))) {
		take_self_signed(f->file);
		return;
	}
	wipe(half);
	if (!fd_slurp(f->file, CERTIFICATE_PEM_MAX, &half->p, &half->n, &e)) {
		log_error("certificate", "path=%s why=%s", LOGQ(f->path), LOGQ(str_from_z(e.text)));
		return;
	}
	try_pair(f->index);
}

SUSPENDS static bool serve_sign(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_sign *q = question;
	struct keys_sign_answer *r = answer;
	struct evp_pkey_st *key = key_find(q->key);
	struct buf to;

	(void)l;
	if (!key)
		return fail(e, FAULT_PERM, "there is no such key");
	to = buf_over(arena_alloc(a, 1, SIGNATURE_MAX), SIGNATURE_MAX);
	if (!to.p)
		return fail(e, FAULT_TEMP, "no memory for a signature");
	if (!private_key_sign(key, q->scheme, q->digest, &to, e))
		return false;
	r->signature = buf_str(&to);
	return true;
}

static bool serve_status(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_status_answer *r = answer;
	struct buf b = buf_on_heap(32768);

	(void)l, (void)question, (void)e;
	for (uint32_t i = 0; i < PAIRS_MAX; i++) {
		const struct pair *p = &pairs[i];

		if (!p->key && !p->trouble[0])
			continue;
		buf_addf(&b, "certificate %u", i);
		if (p->key) {
			buf_addf(&b, ": " STR_FMT ", good until ", STR_ARG(p->cert.n_names ? p->cert.names[0] : S("?")));
			time_add_rfc3339(&b, p->cert.not_after);
		}
		buf_addf(&b, "%s%s\n", p->trouble[0] ? ": " : "", p->trouble);
	}
	dkim_status(&b);
	r->text = arena_str(a, buf_str(&b));
	buf_end(&b);
	return true;
}

static struct str names_of(const struct certificate *c, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(CERTIFICATE_PEM_MAX);

	for (size_t i = 0; i < c->n_names; i++)
		buf_addf(&b, "%s" STR_FMT, i ? " " : "", STR_ARG(c->names[i]));
	return arena_str(a, buf_str(&b));
}

static bool serve_own_certificates(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_own_certificates_answer *r = answer;

	(void)l, (void)question;
	r->certificates.p = ARENA_ARRAY(a, struct ipc_own_certificate, PAIRS_MAX);
	if (!r->certificates.p)
		return fail(e, FAULT_TEMP, "no memory for certificates");
	for (size_t i = 0; i < PAIRS_MAX; i++) {
		const struct pair *p = &pairs[i];

		if (!p->key && !p->trouble[0])
			continue;
		r->certificates.p[r->certificates.n++] = (struct ipc_own_certificate){
			.names = names_of(&p->cert, a), .begins = p->cert.not_before, .ends = p->cert.not_after,
			.n = (uint32_t)p->look.n, .is_ordered = p->look.is_ordered, .has_root = p->look.has_root,
			.has_stranger = p->look.has_stranger, .is_self_signed = p->look.is_self_signed,
			.issuer = str_from_z(p->look.issuer), .trouble = str_from_z(p->trouble) };
	}
	return true;
}

static bool tell_key(const struct certificate *cert, struct arena *a, struct ipc_tls_key *ret)
{
	AUTO(buf_end) struct buf issuer = buf_on_heap(1024);
	uint8_t digest[CERTIFICATE_KEY_DIGEST];

	if (!certificate_key_digest(cert, digest))
		return false;
	certificate_issuer(cert, &issuer);
	*ret = (struct ipc_tls_key){ .digest = arena_str(a, str_of(digest, sizeof(digest))), .issuer = arena_str(a, buf_str(&issuer)) };
	return true;
}

/* Who asks for a name that no certificate has sees the first. */
static bool serve_tls(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_tls *q = question;
	struct keys_tls_answer *r = answer;

	(void)l;
	r->keys.p = ARENA_ARRAY(a, struct ipc_tls_key, PAIRS_MAX);
	if (!r->keys.p)
		return fail(e, FAULT_TEMP, "no memory for a list of keys");
	for (size_t i = 0; i < PAIRS_MAX; i++) {
		const struct certificate *cert = &pairs[i].cert;
		bool fits = certificate_has_name(cert, q->host) || certificate_has_wildcard_for(cert, q->host);

		if (pairs[i].key && fits)
			r->keys.n += tell_key(cert, a, &r->keys.p[r->keys.n]);
	}
	if (!r->keys.n && pairs[0].key)
		r->keys.n += tell_key(&pairs[0].cert, a, &r->keys.p[0]);
	return !a->full || fail(e, FAULT_TEMP, "no memory for a list of keys");
}

/* A pair that the configuration no longer names is not shown any more. */
static void configured(void)
{
	size_t named = conf_now()->tls.n ? conf_now()->tls.n : 1;

	for (size_t i = named; i < PAIRS_MAX; i++) {
		struct pair *p = &pairs[i];

		wipe(&p->cert_pem);
		wipe(&p->key_pem);
		certificate_end(&p->cert);
		retire(&p->key, p->number);
		p->trouble[0] = '\0';
	}
	tell_all();
	dkim_files_forget();
	dkim_changed();
}

SUSPENDS static bool prepare(struct err *e)
{
	(void)e;
	private_key_memory();
	next_number = (uint32_t)rnd_u64();
	ipc_serve(IPC_keys_sign, serve_sign);
	ipc_serve(IPC_keys_status, serve_status);
	ipc_serve(IPC_keys_own_certificates, serve_own_certificates);
	ipc_serve(IPC_keys_tls, serve_tls);
	dkim_serve();
	return true;
}

static void linked(struct link *l)
{
	if (is_front(l->peer))
		tell(l);
}

const struct role_def role_keys = { .role = ROLE_KEYS, .prepare = prepare, .configured = configured, .file = take_file,
				  .linked = linked };
