/* sasl_fuzz.c — a client that says anything, line by line.
 *
 * Byte 0: the mechanism, bit 2 TLS, bit 3 an initial response, bit 4 base64 is made by us. */
#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"
#include "wire/sasl.h"
#include "wire/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const uint8_t zero[SASL_PROOF];

static enum sasl_want own_step(struct sasl *s, enum sasl_want want)
{
	struct str name = sasl_name(s);

	must(utf8_valid(name) && !str_has(name, '\n') && name.n <= SASL_NAME_MAX, "a name that can be logged");
	switch (want) {
	case SASL_ASK_PASSWORD:
		must(name.n && sasl_password(s).n && !str_has(sasl_password(s), '\0'), "there is something to check");
		return sasl_checked(s, true);
	case SASL_ASK_SALT:
		must(name.n, "a name to look up");
		return sasl_salt(s, S("0123456789abcdef"), 4096);
	case SASL_ASK_PROOF:
		must(sasl_proof(s).n == SASL_PROOF && sasl_auth_message(s).n, "there is something to check");
		return sasl_proved(s, true, zero);
	default:
		return want;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct sasl_channel tls = { .tls_exporter = S("0123456789abcdef0123456789abcdef"), .plus_offered = true };
	static const struct sasl_channel none = { 0 };
	unsigned mode = n ? p[0] : 0;
	AUTO(sasl_end) struct sasl *s = sasl_open((enum sasl_mechanism)(SASL_PLAIN + (mode & 3)), mode & 4 ? &tls : &none, zero);
	struct str in = n ? str_of(p + 1, n - 1) : S("");
	enum sasl_want want = mode & 8 ? SASL_SEND : sasl_begin(s, false, S(""));

	for (unsigned lines = 0; want != SASL_OK && want != SASL_NO; lines++) {
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
		struct str line;

		if (want != SASL_SEND) {
			want = own_step(s, want);
			continue;
		}
		if (in.n == 0 && lines > 8)
			break;
		line = str_cut(in, '\n', &in);
		if (mode & 16)
			base64_add(&b, line);
		else
			buf_add(&b, line);
		want = lines == 0 && mode & 8 ? sasl_begin(s, true, buf_str(&b)) : sasl_answer(s, buf_str(&b));
	}
	must((want == SASL_NO) == (sasl_why(s) != SASL_WHY_NONE), "who says no says why");
	must(want != SASL_OK || sasl_name(s).n, "nobody is nobody");
	return 0;
}
