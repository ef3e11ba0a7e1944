/* sent_mark.c — see sent_mark.h. */
#include "role/mailbox/sent_mark.h"

#include "wire/header.h"

#include <openssl/evp.h>

enum { HEADER_PIECE = 4096 };

void sent_reader_begin(struct sent_reader *r)
{
	*r = (struct sent_reader){ .header = buf_on_heap(SENT_HEADER_MAX), .hash = EVP_MD_CTX_new() };
	r->is_hopeless = !r->hash || !EVP_DigestInit_ex(r->hash, EVP_sha256(), NULL);
}

void sent_reader_end(struct sent_reader *r)
{
	EVP_MD_CTX_free(r->hash);
	buf_end(&r->header);
	*r = (struct sent_reader){ 0 };
}

/* Text without line ends, behind the line ends that came before it. */
static void add_text(struct sent_reader *r, struct str text)
{
	if (!text.n)
		return;
	for (; r->line_ends; r->line_ends--)
		EVP_DigestUpdate(r->hash, "\n", 1);
	EVP_DigestUpdate(r->hash, text.p, text.n);
}

static void add_body(struct sent_reader *r, struct str bytes)
{
	size_t from = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		if (bytes.p[i] != '\r' && bytes.p[i] != '\n')
			continue;
		add_text(r, str_sub(bytes, from, i - from));
		r->line_ends += bytes.p[i] == '\n';
		from = i + 1;
	}
	add_text(r, str_from(bytes, from));
}

/* Where the body begins in what was gathered; 0: not yet. */
static size_t body_at(struct str s, size_t from)
{
	for (size_t i = from; i + 1 < s.n; i++)
		if (s.p[i] == '\n' && s.p[i + 1] == '\n')
			return i + 2;
		else if (s.p[i] == '\n' && i + 2 < s.n && s.p[i + 1] == '\r' && s.p[i + 2] == '\n')
			return i + 3;
	return 0;
}

/* A piece that may hold the end of the header. */
static void add_header(struct sent_reader *r, struct str bytes)
{
	size_t was = r->header.n, at;

	buf_add(&r->header, bytes);
	r->is_hopeless = r->header.full;
	at = body_at(buf_str(&r->header), was > 2 ? was - 2 : 0);
	if (!at || r->is_hopeless)
		return;
	r->is_in_body = true;
	add_body(r, str_from(buf_str(&r->header), at));
	r->header.n = at;
}

void sent_reader_feed(struct sent_reader *r, struct str bytes)
{
	while (bytes.n && !r->is_in_body && !r->is_hopeless) {
		struct str piece = str_head(bytes, HEADER_PIECE);

		add_header(r, piece);
		bytes = str_from(bytes, piece.n);
	}
	if (bytes.n && !r->is_hopeless)
		add_body(r, bytes);
}

bool sent_reader_mark(struct sent_reader *r, struct sent_mark *ret)
{
	struct field f;
	struct str id;
	unsigned n;

	if (r->is_hopeless || !header_find(buf_str(&r->header), S("Message-ID"), &f))
		return false;
	id = str_trim(f.value);
	if (!id.n || id.n > SENT_ID_MAX || !EVP_DigestFinal_ex(r->hash, ret->body, &n))
		return false;
	memcpy(ret->id, id.p, id.n);
	ret->id[id.n] = '\0';
	r->is_hopeless = true;           /* the hash is used up */
	return true;
}

bool sent_mark_eq(const struct sent_mark *a, const struct sent_mark *b)
{
	return strcmp(a->id, b->id) == 0 && memcmp(a->body, b->body, sizeof(a->body)) == 0;
}
