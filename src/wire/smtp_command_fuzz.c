/* smtp_command_fuzz.c — any line gives a command or a reply that refuses it. */
#include "base/err.h"
#include "wire/smtp_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		must(str_at(s, i) >= ' ' && str_at(s, i) != 0x7f, "no control character passes");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	char mem[2048];
	struct buf b = buf_over(mem, sizeof(mem));
	struct str all = str_of(p, n);
	struct smtp_command c;
	enum reply_id why;

	if (!smtp_command_parse(str_from(all, 1), (unsigned)str_at(all, 0) & 1, &a, &c, &why)) {
		must(reply_is_error(why), "a refusal is an error");
		reply_add(&b, &(struct reply){ .id = why });
		must(!b.full && b.n > 5, "it can be said");
		return 0;
	}
	must(c.verb > SMTP_FOREIGN && c.verb < SMTP_VERB_COUNT, "a verb we obey");
	check_clean(c.arg);
	check_clean(c.path.local);
	check_clean(c.path.domain);
	check_clean(c.envid);
	check_clean(c.auth);
	check_clean(c.orcpt);
	check_clean(c.orcpt_type);
	helo_is_valid(c.arg, S("_"), true);
	return 0;
}
