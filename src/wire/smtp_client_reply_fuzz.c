/* smtp_client_reply_fuzz.c — whatever a server sends, in two pieces, is a reply of printable text or none. */
#include "base/err.h"
#include "base/utf8.h"
#include "wire/smtp_client_reply.h"
#include "wire/smtp_extensions.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct client_reply r;
	struct str all = str_of(p, n), head = str_head(str_from(all, 1), n ? p[0] : 0), rest = str_from(all, 1 + head.n);
	struct buf b = buf_over((char[1024]){ 0 }, 1024);
	struct smtp_extensions x;

	client_reply_begin(&r);
	if (client_reply_feed(&r, &head) != CLIENT_REPLY_MORE || client_reply_feed(&r, &rest) != CLIENT_REPLY_DONE)
		return 0;
	must(r.code >= 200 && r.code < 600 && utf8_valid(client_reply_text(&r)), "a reply");
	client_reply_print(&r, &b, 1000);
	must(!b.full && b.n <= 1000 && utf8_valid(buf_str(&b)), "it can be said");
	for (size_t i = 0; i < b.n; i++)
		must(str_at(buf_str(&b), i) >= ' ' && b.p[i] != 0x7f, "no control character passes");
	smtp_extensions_parse(client_reply_text(&r), &x);
	smtp_extensions_print(&x, &b);
	return 0;
}
