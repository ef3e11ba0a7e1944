/* mail_score_text.c — what a letter says and carries, as others judge it; see mail_score.h. */
#include "spam/mail_score_inside.h"

#include "wire/decode.h"
#include "wire/html_text.h"
#include "wire/mime_field.h"

enum { PROGRAM_NAME_MAX = 300 };

/* What a look at all parts came to. */
struct content {
	bool has_plain, has_html, has_image, has_file;
	size_t words;                    /* letters and digits in it */
	struct mail_score *s;
	struct str letter;
	struct arena *a;
};

static size_t count_words(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ascii_is_alnum(str_at(s, i)) || str_at(s, i) > 126;
	return n;
}

static bool is_host_end(int c)
{
	return c < 0 || c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '/' || c == '?' || c == '#';
}

/* "192.0.2.1", "192.0.2.1:8080", "[2001:db8::1]", "3221225985", "0xC0000201" */
static bool is_bare_address(struct str host)
{
	size_t dots = 0, i;

	if (str_starts(host, S("[")) || str_starts_nocase(host, S("0x")))
		return true;
	for (i = 0; i < host.n && (ascii_is_digit(str_at(host, i)) || str_at(host, i) == '.'); i++)
		dots += str_at(host, i) == '.';
	return i > 0 && (i == host.n || str_at(host, i) == ':') && (dots == 3 || (dots == 0 && i > 7));
}

/* http://[user@]host…: each link of a text or of HTML. */
static void judge_links(struct content *c, struct str text)
{
	for (;;) {
		size_t at = str_find_str(text, S("://")), n = 0;
		struct str link, host;
		bool is_web = at < text.n && (str_ends_nocase(str_head(text, at), S("http")) || str_ends_nocase(str_head(text, at), S("https")));

		if (at == text.n)
			return;
		text = str_from(text, at + 3);
		while (!is_host_end(str_at(text, n)))
			n++;
		link = str_head(text, n);
		host = str_from(link, str_has(link, '@') ? str_rfind(link, '@') + 1 : 0);
		if (is_web && host.n < link.n && host.n)
			mail_score_add(c->s, FLAW_CREDENTIAL_LINK, arena_str(c->a, str_head(link, MAIL_SCORE_DETAIL)));
		if (is_web && is_bare_address(host))
			mail_score_add(c->s, FLAW_IP_LINK, arena_str(c->a, str_head(host, MAIL_SCORE_DETAIL)));
		text = str_from(text, n);
	}
}

/* The names of elements, in any case. */
static void judge_elements(struct content *c, struct str html)
{
	static const struct str never[] = { S("script"), S("form"), S("object"), S("iframe"), S("embed"), S("applet") };

	while (html.n) {
		struct str tag;

		html = str_from(html, str_find(html, '<') + 1);
		tag = html;
		c->has_image |= str_starts_nocase(tag, S("img")) && !ascii_is_alnum(str_at(tag, 3));
		for (size_t i = 0; i < ARRAY_LEN(never); i++)
			if (str_starts_nocase(tag, never[i]) && !ascii_is_alnum(str_at(tag, never[i].n)))
				mail_score_add(c->s, FLAW_SCRIPT, never[i]);
	}
}

static bool has_eight_bits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) > 127)
			return true;
	return false;
}

/* Octets beyond ASCII, of which neither the encoding nor a charset says what they are. */
static bool is_unexplained(const struct mime_part *p, struct str raw)
{
	if (p->encoding != MIME_7BIT && p->encoding != MIME_8BIT && p->encoding != MIME_BINARY)
		return false;
	return has_eight_bits(raw) && (p->encoding == MIME_7BIT || !p->has_type || !mime_param_find(p->params, S("charset")));
}

static void judge_text_part(struct content *c, const struct mime_part *p, bool is_html)
{
	AUTO(buf_end) struct buf b = buf_on_heap(MAIL_SCORE_TEXT);
	AUTO(buf_end) struct buf words = buf_on_heap(MAIL_SCORE_TEXT);

	if (is_unexplained(p, mime_bytes(c->letter, &p->body)))
		mail_score_add(c->s, FLAW_NO_MIME, S(""));
	mime_part_text(c->letter, p, &b);
	judge_links(c, buf_str(&b));
	if (is_html) {
		judge_elements(c, buf_str(&b));
		html_text_add(&words, buf_str(&b));
	}
	c->words += count_words(is_html ? buf_str(&words) : buf_str(&b));
	c->has_html |= is_html;
	c->has_plain |= !is_html;
}

static void judge_file(struct content *c, const struct mime_part *p)
{
	static const struct str endings[] = {
		S(".exe"), S(".scr"), S(".com"), S(".bat"), S(".cmd"), S(".pif"), S(".vbs"), S(".vbe"), S(".js"), S(".jse"), S(".wsf"),
		S(".hta"), S(".msi"), S(".jar"), S(".ps1"), S(".lnk"), S(".cpl"), S(".iso"), S(".img"), S(".vhd"), S(".reg"),
	};
	struct str name = mime_part_filename(p, c->a);

	c->has_file = true;
	c->has_image |= mime_is(p, S("image"), S(""));
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (str_ends_nocase(name, endings[i]))
			mail_score_add(c->s, FLAW_PROGRAM, str_head(name, PROGRAM_NAME_MAX));
}

static void judge_part(struct content *c, const struct mime_part *p)
{
	struct str word = { 0 };
	struct mime_param *params;

	if (p->is_ambiguous || p->is_cut || (p->kind == MIME_MULTIPART && !p->child))
		mail_score_add(c->s, FLAW_BROKEN_MIME, S(""));
	if (p->kind != MIME_LEAF)
		return;
	mime_word_parse(p->content[CONTENT_DISPOSITION], c->a, &word, &params);
	if (str_eq_nocase(word, S("attachment")) || !mime_is(p, S("text"), S("")))
		judge_file(c, p);
	else if (mime_is(p, S("text"), S("html")))
		judge_text_part(c, p, true);
	else if (mime_is(p, S("text"), S("plain")))
		judge_text_part(c, p, false);
}

void mail_score_text(struct mail_score *s, struct str letter, const struct mime_part *root, struct arena *a)
{
	struct content c = { .s = s, .letter = letter, .a = a };

	for (const struct mime_part *p = root; p; p = mime_next(p))
		judge_part(&c, p);
	if (c.has_html && !c.has_plain)
		mail_score_add(s, FLAW_HTML_ONLY, S(""));
	if (c.has_image && c.words < MAIL_SCORE_WORDS)
		mail_score_add(s, FLAW_IMAGES, S(""));
	else if (!c.words && !c.has_file)
		mail_score_add(s, FLAW_EMPTY, S(""));
}
