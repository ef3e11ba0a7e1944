/* scram_fuzz.c — whatever a server says in SCRAM, our answer is one line of printable text or none, and nothing of
 * it proves that the server knows the password. */
#include "role/relay/scram.h"

#include "base/attr.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char mem[2][SCRAM_MESSAGE_MAX];
	struct buf first = buf_over(mem[0], sizeof(mem[0])), final = buf_over(mem[1], sizeof(mem[1]));
	struct str last, said = str_cut(str_of(p, n), '\n', &last);
	struct scram s;
	struct err e;

	must(scram_first(&s, S("user"), S(NONCE), &first, &e), "a name that fits");
	if (!scram_final(&s, said, S("pencil"), &final, &e))
		return 0;
	must(!final.full && str_starts(buf_str(&final), S("c=biws,r=" NONCE)), "it goes on with our nonce");
	for (size_t i = 0; i < final.n; i++)
		must((unsigned char)final.p[i] > ' ' && final.p[i] != 0x7f, "an answer is printable");
	/* the one of RFC 7677 is in the corpus; no other can be found */
	must(!scram_check(&s, last) || str_eq(last, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")), "a proof out of nothing");
	return 0;
}
