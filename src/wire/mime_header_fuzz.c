/* mime_header_fuzz.c — decoded header text is one line of UTF-8 and not longer than three times
 * what came; addresses, parameters, dates and subjects are read from the same bytes. */
#include "base/err.h"
#include "base/utf8.h"
#include "wire/charset.h"
#include "wire/mail_address.h"
#include "wire/mail_date.h"
#include "wire/mime_field.h"
#include "wire/mime_header.h"
#include "wire/thread_subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_text(struct str s)
{
	must(utf8_valid(s), "decoded text is UTF-8");
	for (size_t i = 0; i < s.n; i++)
		must(str_at(s, i) >= ' ' && str_at(s, i) != 0x7f, "without control characters");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static bool is_open;
	AUTO(arena_end) struct arena a = { .limit = 32 << 20 };
	AUTO(buf_end) struct buf b = buf_on_heap(4 * n + 64);
	struct str in = str_of(p, n), type, subtype, id;
	struct mail_address *list = NULL;
	struct mime_param *params = NULL;
	struct mail_date date;
	size_t count = 0;
	struct err e;
	bool is_reply;

	is_open = is_open || charset_open_all(&e);
	mime_header_decode(in, &b);
	must(!b.full, "there is room");
	check_text(buf_str(&b));
	thread_base_subject(buf_str(&b), &a, &is_reply);
	mail_address_parse(in, &a, &list, &count);
	must(count <= MAIL_ADDRESS_MAX + 1, "addresses are counted");
	mime_type_parse(in, &a, &type, &subtype, &params);
	for (count = 0; params; params = params->next, count++) {
		struct str text = mime_param_text(params, &a);

		must(utf8_valid(text), "a parameter is UTF-8");
	}
	must(count <= MIME_PARAMS_MAX, "parameters are limited");
	if (mail_date_parse(in, &date))
		must(date.utc > -INT64_C(62200000000) && date.utc < INT64_C(253500000000), "a year has four digits");
	while ((id = thread_id_next(&in, &a)).n)
		must(!str_has(id, '\n'), "an id is one word");
	return 0;
}
