/* conf_fuzz.c — any text: never a crash; what is accepted is printed and read back the same. */
#include "conf/conf.h"

static bool include_self(void *arg, struct str glob, size_t i, struct str *ret_name,
			 struct str *ret_text, struct err *e)
{
	(void)e;
	*ret_name = glob;
	*ret_text = str_head(*(struct str *)arg, 64);
	return i == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = CONF_MEMORY_MAX };
	AUTO(arena_end) struct arena b = { .limit = CONF_IMAGE_MEMORY_MAX };
	AUTO(buf_end)
	struct buf one = buf_on_heap(CONF_IMAGE_MAX),
		   two = buf_on_heap(CONF_IMAGE_MAX);
	struct str text = str_of(p, n);
	struct conf_world world = { .file = S("/etc/w"), .includes = { include_self, &text } };
	struct conf_notes notes = { 0 };
	struct err e = { 0 };
	static struct conf c, back;     /* too big for a frame */

	if (!conf_read(text, &world, &a, &notes, &c))
		return 0;
	conf_print_for_role(&c, S("parent"), &one);
	must(conf_read_image(buf_str(&one), &b, &back, &e), e.text);
	conf_print_for_role(&back, S("parent"), &two);
	must(str_eq(buf_str(&one), buf_str(&two)), "reading and printing come to rest");
	return 0;
}
