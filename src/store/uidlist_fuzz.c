/* uidlist_fuzz.c — Dovecot's files as anybody may have left them: what is read is printed and read
 * again the same. */
#include "store/letter.h"
#include "store/uidlist.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void uidlist(struct str in)
{
	struct buf text = buf_on_heap(1 << 20);
	struct uidlist_header h, again_h;
	struct uidlist_line l, again;
	bool bad, again_bad;

	if (uidlist_header_parse(&in, &h)) {
		struct uidlist_header printed = h;

		uidlist_header_print(&h, &text);
		printed.version = 3;
		while (uidlist_line_parse(&in, &h, &l, &bad)) {
			struct buf line = buf_on_heap(1 << 16);
			struct str back;

			if (bad)
				continue;
			uidlist_line_print(&l, &line);
			back = buf_str(&line);
			if (!uidlist_line_parse(&back, &printed, &again, &again_bad) || again_bad || back.n ||
			    again.uid != l.uid || !str_eq(again.name, l.name) || !str_eq(again.ext, l.ext))
				abort();
			buf_end(&line);
		}
		in = buf_str(&text);
		if (!uidlist_header_parse(&in, &again_h) || again_h.validity != h.validity ||
		    again_h.next != h.next || !str_eq(again_h.guid, h.guid) || in.n)
			abort();
	}
	buf_end(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct str in = str_of(bytes, n), keywords = in, names = in, name;
	struct buf folder = buf_on_heap(4096);
	unsigned index, version = 0;
	bool bad;

	uidlist(in);
	while (keywords_line_parse(&keywords, &index, &name, &bad))
		if (!bad && (index >= KEYWORDS_MAX || !name.n || str_has(name, '\n')))
			abort();
	while (subscription_parse(&names, &version, &folder))
		if (!folder.n)
			abort();
	buf_end(&folder);
	return 0;
}
