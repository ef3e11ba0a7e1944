/* smtp_extensions.c — what another server's EHLO announces; see smtp_extensions.h. */
#include "wire/smtp_extensions.h"

#include "base/attr.h"
#include "base/buf.h"

static const struct {
	struct str name;
	unsigned bit;
} extensions[] = {
	{ S("STARTTLS"), SMTP_EXT_STARTTLS }, { S("PIPELINING"), SMTP_EXT_PIPELINING },
	{ S("CHUNKING"), SMTP_EXT_CHUNKING }, { S("SIZE"), SMTP_EXT_SIZE }, { S("8BITMIME"), SMTP_EXT_8BITMIME },
	{ S("SMTPUTF8"), SMTP_EXT_SMTPUTF8 }, { S("DSN"), SMTP_EXT_DSN }, { S("AUTH"), SMTP_EXT_AUTH },
}, mechanisms[] = {
	{ S("PLAIN"), SMTP_AUTH_PLAIN }, { S("LOGIN"), SMTP_AUTH_LOGIN }, { S("SCRAM-SHA-256"), SMTP_AUTH_SCRAM_SHA_256 },
};

static void auth_parse(struct str words, struct smtp_extensions *x)
{
	for (struct str w = str_word(&words); w.n; w = str_word(&words))
		for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
			if (str_eq_nocase(w, mechanisms[i].name))
				x->auth |= mechanisms[i].bit;
}

static void line_parse(struct str line, struct smtp_extensions *x)
{
	struct str word = str_word(&line), rest;

	/* "AUTH=PLAIN LOGIN": older than RFC 4954 §3, and still about */
	if (str_starts_nocase(word, S("AUTH="))) {
		x->set |= SMTP_EXT_AUTH;
		str_cut(word, '=', &rest);
		auth_parse(rest, x);
		auth_parse(line, x);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		if (str_eq_nocase(word, extensions[i].name)) {
			x->set |= extensions[i].bit;
			if (extensions[i].bit == SMTP_EXT_SIZE)
				str_u64(str_word(&line), &x->size_max);
			else if (extensions[i].bit == SMTP_EXT_AUTH)
				auth_parse(line, x);
		}
}

void smtp_extensions_parse(struct str text, struct smtp_extensions *ret)
{
	struct smtp_extensions x = { 0 };
	struct str rest, first = str_cut(text, '\n', &rest);

	x.name = str_word(&first);
	while (rest.n)
		line_parse(str_cut(rest, '\n', &rest), &x);
	*ret = x;
}

void smtp_extensions_print(const struct smtp_extensions *x, struct buf *b)
{
	for (size_t i = 0, n = 0; i < ARRAY_LEN(extensions); i++)
		if (x->set & extensions[i].bit) {
			buf_add(b, n++ ? S(" ") : S(""));
			buf_add(b, extensions[i].name);
			if (extensions[i].bit == SMTP_EXT_SIZE && x->size_max)
				buf_addf(b, " %llu", (unsigned long long)x->size_max);
		}
}
