/* entry_file_fuzz.c — any bytes as the files of blocks and exceptions; what was read is found again. */
#include "user/entry_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What an entry of ours names is found by it, or by one that is at least as specific. */
static void look_up(const struct entry_file *f, const struct entry *x)
{
	struct entry_subject q = { .is_confirmed = true };
	struct entry_found found = { 0 };
	AUTO(arena_end) struct arena a = { 0 };

	if (x->form == ENTRY_NETWORK)
		q.peer = &x->net.address;
	else if (x->form == ENTRY_NAME || x->form == ENTRY_HOST)
		q.host = x->form == ENTRY_HOST ? str_from(x->what, 5) : x->what;
	else if (x->form == ENTRY_SENDERS)
		q.from = arena_printf(&a, "x" STR_FMT, STR_ARG(str_from(x->what, 1)));
	else
		q.from = x->what;
	entry_file_find(f, &q, 0, &found);
	must(x->expires || (found.entry && found.weight >= entry_weight(x)), "an entry is found by what it names");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	for (int kind = 0; kind < ENTRY_FILE_KINDS; kind++) {
		struct err e = { 0 };
		AUTO(entry_file_end) struct entry_file *f =
			entry_file_parse((enum entry_file_kind)kind, S("f"), str_of(p, n), &e);

		for (size_t i = 0; f && i < f->set.n && i < 50; i++)
			if (f->set.list[i]->form != ENTRY_EXIM)
				look_up(f, f->set.list[i]);
	}
	return 0;
}
