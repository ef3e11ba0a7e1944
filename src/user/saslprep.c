/* saslprep.c — RFC 4013; see saslprep.h.
 *
 * The tables of RFC 3454 (Unicode 3.2) and the work are GNU libidn's.  Where the RFCs
 * leave a choice or are stricter than is good for a password:
 *   - characters that Unicode 3.2 does not know (an emoji) are allowed, as in a query
 *     string (RFC 3454 §7).  A stored string may not have them because another
 *     version of the tables could read them otherwise; ours are one version for ever.
 *   - what is prohibited, breaks the rule for right-to-left text (a Hebrew word with a
 *     digit behind it) or has nothing left is used as it was typed.  RFC 5802 §2.2 would
 *     refuse it, RFC 8265 §4.2 allows most of it, and clients that send the password
 *     itself send it like this. */
#include "user/saslprep.h"

#include "base/utf8.h"

#include <stringprep.h>

struct str saslprep(struct str text, char *room)
{
	if (str_is_ascii(text))
		return text;     /* has no other form */
	memcpy(room, text.p, text.n);
	room[text.n] = '\0';
	if (stringprep(room, SASLPREP_GROWTH * text.n + 1, 0, stringprep_saslprep) != STRINGPREP_OK ||
	    room[0] == '\0')
		return text;
	return str_from_z(room);
}
