/* imap_reply.c — what an IMAP server says at the end of a command; see imap_reply.h. */
#include "wire/imap_reply.h"

#include "base/err.h"

static const struct imap_reply_row rows[IMAP_REPLY_COUNT] = {
	[IMAP_REPLY_NONE] = { "NONE", IMAP_OK, "", "" },
#define IMAP_REPLY(name, cond, code, text) [IMAP_REPLY_##name] = { #name, IMAP_##cond, code, text },
#include "wire/imap_reply.def"
#undef IMAP_REPLY
};

static const char *const conds[] = {
	[IMAP_OK] = "OK", [IMAP_NO] = "NO", [IMAP_BAD] = "BAD", [IMAP_BYE] = "BYE", [IMAP_PREAUTH] = "PREAUTH",
};

const struct imap_reply_row *imap_reply_row(enum imap_reply_id id)
{
	must((unsigned)id < IMAP_REPLY_COUNT, "a reply is a row of imap_reply.def");
	return &rows[id];
}

const char *imap_cond_name(enum imap_cond c)
{
	return conds[c];
}

/* resp-text = ["[" resp-text-code "]" SP] text   RFC 9051 §9 */
void imap_reply_add(struct buf *b, struct str tag, const struct imap_reply *r)
{
	const struct imap_reply_row *row = imap_reply_row(r->id);
	struct str code = r->code.p ? r->code : str_from_z(row->code);
	struct str text = str_head(r->text.n ? r->text : str_from_z(row->text), IMAP_REPLY_TEXT_MAX);

	if (r->id == IMAP_REPLY_NONE)
		return;
	buf_add(b, tag.n && row->cond != IMAP_BYE ? tag : S("*"));
	buf_addf(b, " %s ", conds[row->cond]);
	if (code.n) {
		buf_add_char(b, '[');
		buf_add(b, code);
		buf_add(b, S("] "));
	}
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(b, str_at(text, i) >= ' ' && str_at(text, i) < 0x7f ? text.p[i] : '?');
	buf_add(b, S("\r\n"));
}
