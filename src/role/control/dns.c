/* dns.c — waxwing dns lookup: what the resolver says of a name, and how it came about. */
#include "role/control/control.h"

#include "dns/ask.h"

static void add_outcome(struct buf *b, const struct dns_said *said)
{
	buf_addf(b, "%s, %s, ", dns_outcome_name(said->outcome), said->is_secure ? "secure" : "insecure");
	dns_rcode_print(said->rcode, b);
	buf_addf(b, ", kept for %u s%s", said->ttl, said->is_cached ? ", from the cache" : "");
}

static void print_text(struct buf *b, struct str name, uint16_t type, const struct dns_records *r)
{
	dns_type_print(type, b);
	buf_add_char(b, ' ');
	buf_add_printable(b, name, DNS_NAME_TEXT_MAX);
	buf_add(b, S(": "));
	if (r->said.outcome == DNS_BOGUS || r->said.outcome == DNS_TEMP) {
		buf_addf(b, "%s: ", dns_outcome_name(r->said.outcome));
		buf_add_printable(b, r->said.why, 1000);
	} else {
		add_outcome(b, &r->said);
	}
	buf_add_char(b, '\n');
	if (r->said.canonical.n && !str_eq_nocase(r->said.canonical, name))
		buf_addf(b, "    its canonical name is " STR_FMT "\n", STR_ARG(r->said.canonical));
	for (size_t i = 0; i < r->n; i++) {
		buf_add(b, S("    "));
		dns_record_print(type, r->p[i], b);
		buf_add_char(b, '\n');
	}
}

static void json_records(struct json *j, uint16_t type, const struct dns_records *r)
{
	json_array(j, "records");
	for (size_t i = 0; i < r->n; i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 18);

		dns_record_print(type, r->p[i], &b);
		json_str(j, NULL, buf_str(&b));
	}
	json_end_array(j);
}

static void print_json(struct buf *b, struct str name, uint16_t type, const struct dns_records *r)
{
	char mem[64];
	struct buf word = buf_over(mem, sizeof(mem));
	struct json j = json_to(b);

	json_object(&j, NULL);
	json_str(&j, "name", name);
	dns_type_print(type, &word);
	json_str(&j, "type", buf_str(&word));
	json_str(&j, "outcome", str_from_z(dns_outcome_name(r->said.outcome)));
	json_bool(&j, "secure", r->said.is_secure);
	json_bool(&j, "cached", r->said.is_cached);
	json_int(&j, "ttl", r->said.ttl);
	buf_clear(&word);
	dns_rcode_print(r->said.rcode, &word);
	json_str(&j, "rcode", buf_str(&word));
	json_str(&j, "canonical", r->said.canonical);
	json_str(&j, "why", r->said.why);
	json_records(&j, type, r);
	json_end_object(&j);
	buf_add_char(b, '\n');
}

/* An address is asked about by its name in the reverse tree. */
static struct str name_of(struct command *c, struct str typed, uint16_t type)
{
	char mem[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	uint8_t addr[16];
	struct dns_name name;

	if (str_ends(typed, S(".")) && typed.n > 1)
		typed.n--;
	if (type != DNS_PTR || !dns_address_read(typed, addr))
		return typed;
	dns_name_of_address(addr, &name);
	dns_name_print(&name, &b);
	return arena_str(c->a, buf_str(&b));
}

SUSPENDS int run_dns_lookup(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);
	uint16_t type = dns_type_read(c->args[0].text);
	struct dns_records r;
	struct str name;
	struct err e;

	if (type == 0)
		return complain(c, EXIT_USAGE, S("that is no type of records; A, AAAA, MX, TXT, PTR, TLSA … or TYPE and its number"));
	name = name_of(c, c->args[1].text, type);
	if (!dns_raw(name, type, c->a, &r, &e))
		return complain_err(c, &e);
	if (c->is_json)
		print_json(&b, name, type, &r);
	else
		print_text(&b, name, type, &r);
	say(c, buf_str(&b));
	return r.said.outcome == DNS_FOUND ? EXIT_DONE : EXIT_NO;
}
