/* pop3_command_fuzz.c — any line gives a command or a reply that refuses it. */
#include "base/err.h"
#include "base/attr.h"
#include "wire/pop3_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);
	struct pop3_command c;
	enum pop3_reply_id why;

	if (!pop3_command_parse(str_of(p, n), &c, &why)) {
		must(!pop3_reply_row(why)->ok, "a refusal is an error");
		pop3_reply_add(&b, why, str_of(p, n));
		must(b.n <= POP3_REPLY_MAX && str_find(buf_str(&b), '\n') == b.n - 1, "it is said in one line");
		return 0;
	}
	must(c.verb > POP3_FOREIGN && c.verb < POP3_VERB_COUNT, "a verb we obey");
	must(!str_has(c.arg, '\0') && !str_has(c.arg, '\r') && !str_has(c.arg, '\n'), "the argument is clean");
	must(!c.has_number || c.number > 0, "letters count from 1");
	return 0;
}
