/* decode.c — base64 and quoted-printable; see decode.h. */
#include "wire/decode.h"

#include "wire/charset.h"
#include "wire/mime_field.h"

enum { OTHER = 64, PAD = 65, BLANK = 66 };

/* What a byte means in base64: 0 … 63, or one of the above; those above ASCII mean nothing. */
#define O_ OTHER
#define P_ PAD
#define B_ BLANK
static const uint8_t meanings[256] = {
	O_, O_, O_, O_, O_, O_, O_, O_, O_, B_, B_, O_, O_, B_, O_, O_,
	O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_,
	B_, O_, O_, O_, O_, O_, O_, O_, O_, O_, O_, 62, O_, O_, O_, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, O_, O_, O_, P_, O_, O_,
	O_, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, O_, O_, O_, O_, O_,
	O_, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, O_, O_, O_, O_, O_,
	[128 ... 255] = OTHER,
};
#undef O_
#undef P_
#undef B_

bool decode_knows(enum mime_encoding e)
{
	return e != MIME_UNKNOWN;
}

/* Whole groups of a line, as nearly all of a part is, from the i-th byte on; *n of `block` are written. */
static size_t base64_groups(struct str in, size_t i, char *block, size_t size, size_t *n)
{
	const uint8_t *p = (const uint8_t *)in.p;

	for (; in.n - i >= 4 && size - *n >= 3; i += 4, *n += 3) {
		uint32_t w = meanings[p[i]], x = meanings[p[i + 1]], y = meanings[p[i + 2]], z = meanings[p[i + 3]];
		uint32_t bits = w << 18 | x << 12 | y << 6 | z;

		if ((w | x | y | z) >= 64)
			break;
		block[*n] = (char)(bits >> 16);
		block[*n + 1] = (char)(bits >> 8);
		block[*n + 2] = (char)bits;
	}
	return i;
}

/* Bits that are no whole byte are dropped: they are padding, or their group was cut. */
static void base64_feed(struct decode *d, struct str in, struct buf *ret)
{
	char block[384];
	size_t n = 0;

	for (size_t i = 0; i < in.n;) {
		unsigned v;

		if (!d->n_bits)
			i = base64_groups(in, i, block, sizeof(block), &n);
		if (n > sizeof(block) - 3) {
			buf_add(ret, str_of(block, n));
			n = 0;
			continue;
		}
		v = i < in.n ? meanings[(unsigned char)in.p[i++]] : BLANK;
		if (v < 64) {
			d->bits = d->bits << 6 | v;
			d->n_bits += 6;
			if (d->n_bits >= 8) {
				d->n_bits -= 8;
				block[n++] = (char)(d->bits >> d->n_bits);
			}
		} else if (v == PAD) {
			d->n_bits = 0;
		} else {
			d->is_wrong |= v == OTHER;
		}
	}
	buf_add(ret, str_of(block, n));
}

static void qp_give(struct decode *d, struct buf *ret)
{
	buf_add(ret, str_of(d->held, d->n_held));
	d->n_held = 0;
}

/* Blanks at the end of a line were added on the way (RFC 2045 §6.7 rule 3). */
static void qp_blank(struct decode *d, char c, struct buf *ret)
{
	if (c == '\n') {
		bool has_cr = d->n_held && d->held[d->n_held - 1] == '\r';

		d->n_held = 0;
		buf_add(ret, has_cr ? S("\r\n") : S("\n"));
		return;
	}
	if (c == ' ' || c == '\t' || c == '\r') {
		if (d->n_held == sizeof(d->held))
			qp_give(d, ret);
		d->held[d->n_held++] = c;
		return;
	}
	qp_give(d, ret);
	if (c == '=')
		d->held[d->n_held++] = c;
	else
		buf_add_char(ret, c);
}

/* What is held begins with "=": "=" XX is a byte, "=" blanks line end is nothing; else it stays and c
 * is looked at afresh. */
static void qp_escape(struct decode *d, char c, struct buf *ret)
{
	int high = d->n_held > 1 ? ascii_hex((unsigned char)d->held[1]) : -1, digit = ascii_hex((unsigned char)c);
	bool is_blank = c == ' ' || c == '\t' || c == '\r';

	if (high < 0 && c == '\n') {
		d->n_held = 0;
	} else if (high >= 0 && digit >= 0) {
		buf_add_char(ret, (char)(high * 16 + digit));
		d->n_held = 0;
	} else if ((d->n_held == 1 && digit >= 0) || (high < 0 && is_blank && d->n_held < sizeof(d->held))) {
		d->held[d->n_held++] = c;
	} else {
		d->is_wrong = true;
		qp_give(d, ret);
		qp_blank(d, c, ret);
	}
}

/* Length of what stands for itself wherever it is. */
static size_t qp_plain(struct str s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] > '=' || (s.p[n] > ' ' && s.p[n] < '=')))
		n++;
	return n;
}

static void qp_feed(struct decode *d, struct str in, struct buf *ret)
{
	while (in.n) {
		size_t n = d->n_held ? 0 : qp_plain(in);

		buf_add(ret, str_head(in, n));
		in = str_from(in, n);
		if (in.n == 0)
			return;
		if (d->n_held && d->held[0] == '=')
			qp_escape(d, in.p[0], ret);
		else
			qp_blank(d, in.p[0], ret);
		in = str_from(in, 1);
	}
}

void decode_feed(struct decode *d, struct str in, struct buf *ret)
{
	if (d->encoding == MIME_BASE64)
		base64_feed(d, in, ret);
	else if (d->encoding == MIME_QUOTED_PRINTABLE)
		qp_feed(d, in, ret);
	else
		buf_add(ret, in);
}

void decode_finish(struct decode *d, struct buf *ret)
{
	/* a "=" or blanks at the very end are dropped, as before a line end */
	if (d->n_held > 1 && d->held[0] == '=' && ascii_hex((unsigned char)d->held[1]) >= 0)
		qp_give(d, ret);
	d->n_held = 0;
	d->n_bits = 0;
}

void decode_all(enum mime_encoding e, struct str in, struct buf *ret)
{
	struct decode d = { .encoding = e };

	decode_feed(&d, in, ret);
	decode_finish(&d, ret);
}

void mime_bytes_text(const struct mime_part *p, struct str bytes, struct buf *ret)
{
	const struct mime_param *label = mime_param_find(p->params, S("charset"));
	const struct charset *c = label ? charset_find(label->value) : NULL;
	AUTO(buf_end) struct buf plain = buf_on_heap(bytes.n);

	if (p->encoding == MIME_BASE64 || p->encoding == MIME_QUOTED_PRINTABLE) {
		decode_all(p->encoding, bytes, &plain);
		ret->full |= plain.full;
		bytes = buf_str(&plain);
	}
	if (c)
		charset_to_utf8(c, bytes, ret);
	else
		charset_guess_to_utf8(bytes, ret);
}

void mime_part_text(struct str letter, const struct mime_part *p, struct buf *ret)
{
	mime_bytes_text(p, mime_bytes(letter, &p->body), ret);
}
