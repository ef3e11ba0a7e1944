/* saslprep_fuzz.c — any UTF-8 as a password: its form is one too, and has room.
 *
 * It need not be its own form: where a mark stands within a Hangul syllable, the
 * normalisation of Unicode 3.2 is not stable (UAX #15, Corrigendum 5). */
#include "user/saslprep.h"

#include "base/err.h"
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_of(p, n), form;
	char *room;

	if (n == 0 || n > 1024 || str_has(in, '\0') || !utf8_valid(in))
		return 0;
	room = malloc(SASLPREP_GROWTH * n + 1);
	must(room, "out of memory");
	form = saslprep(in, room);
	must(form.n > 0 && form.n <= SASLPREP_GROWTH * n, "it has room");
	must(utf8_valid(form) && !str_has(form, '\0'), "a form is a password too");
	free(room);
	return 0;
}
