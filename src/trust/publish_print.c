/* publish_print.c — the list of wished records as text: for a zone file, a web form, a program, nsupdate.
 *
 * A zone file may be fed as it is: what this zone's owner cannot publish, and all that is said, is a comment. */
#include "trust/publish.h"

#include "wire/json.h"

enum { STRING_MAX = 255, TEXT_MAX = 65535 };

/* As RDATA: a length in front of each string (RFC 1035 §3.3). */
static void add_strings(struct buf *b, struct str text)
{
	do {
		struct str part = str_head(text, STRING_MAX);

		buf_add_char(b, (char)part.n);
		buf_add(b, part);
		text = str_from(text, part.n);
	} while (text.n);
}

void publish_data_print(const struct publish_record *r, struct buf *b)
{
	AUTO(buf_end) struct buf rdata = buf_on_heap(TEXT_MAX);

	if (r->type != DNS_TXT) {
		buf_add(b, r->text);
		return;
	}
	add_strings(&rdata, r->text);
	dns_record_print(DNS_TXT, buf_str(&rdata), b);
}

static void add_line(struct buf *b, const struct publish_record *r)
{
	buf_addf(b, STR_FMT ". %d IN ", STR_ARG(r->owner), PUBLISH_TTL);
	dns_type_print(r->type, b);
	buf_add_char(b, ' ');
	publish_data_print(r, b);
	buf_add_char(b, '\n');
}

/* Each line of a text behind a comment sign. */
static void add_comment(struct buf *b, const char *sign, struct str text)
{
	while (text.n) {
		struct str line = str_cut(text, '\n', &text);

		buf_addf(b, "%s" STR_FMT "\n", sign, STR_ARG(line));
	}
}

static void print_bind(const struct publish_list *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct publish_record *r = &l->p[i];

		add_comment(b, "; ", r->note);
		if (r->is_foreign || r->is_removal)
			buf_add(b, S("; "));
		add_line(b, r);
	}
}

/* An update for each, since they may lie in several zones; of what is there already only an equal record goes. */
static void print_nsupdate(const struct publish_list *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct publish_record *r = &l->p[i];
		AUTO(buf_end) struct buf line = buf_on_heap(TEXT_MAX);

		add_comment(b, "; ", r->note);
		if (r->is_foreign)
			buf_add(b, S("; "));
		add_line(&line, r);
		buf_addf(b, "update %s " STR_FMT, r->is_removal ? "delete" : "add", STR_ARG(buf_str(&line)));
		buf_add(b, r->is_foreign ? S("") : S("send\n"));
	}
}

static void print_plain(const struct publish_list *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct publish_record *r = &l->p[i];

		buf_addf(b, "%sname:  " STR_FMT "\ntype:  ", i ? "\n" : "", STR_ARG(r->owner));
		dns_type_print(r->type, b);
		buf_addf(b, "\nvalue: " STR_FMT "\n", STR_ARG(r->text));
		if (r->is_removal)
			buf_add(b, S("  to be removed\n"));
		add_comment(b, "  ", r->note);
	}
}

static void json_record(struct json *j, const struct publish_record *r)
{
	AUTO(buf_end) struct buf data = buf_on_heap(TEXT_MAX);
	char mem[32];
	struct buf type = buf_over(mem, sizeof(mem));

	dns_type_print(r->type, &type);
	publish_data_print(r, &data);
	json_object(j, NULL);
	json_str(j, "kind", str_from_z(publish_kind_id(r->kind)));
	json_str(j, "name", r->owner);
	json_str(j, "type", buf_str(&type));
	json_int(j, "ttl", PUBLISH_TTL);
	json_str(j, "data", buf_str(&data));
	json_str(j, "text", r->text);
	json_bool(j, "optional", r->is_optional);
	json_bool(j, "foreign", r->is_foreign);
	json_bool(j, "remove", r->is_removal);
	json_str(j, "note", r->note);
	json_end_object(j);
}

static void print_json(const struct publish_facts *f, const struct publish_list *l, struct buf *b)
{
	struct json j = json_to(b);

	json_object(&j, NULL);
	json_str(&j, "domain", f->domain);
	json_str(&j, "host", f->host);
	json_str(&j, "note", l->note);
	json_array(&j, "records");
	for (size_t i = 0; i < l->n; i++)
		json_record(&j, &l->p[i]);
	json_end_array(&j);
	json_end_object(&j);
}

void publish_print(const struct publish_facts *f, const struct publish_list *l, enum publish_format format, struct buf *b)
{
	if (format == PUBLISH_JSON) {
		print_json(f, l, b);
		return;
	}
	if (format != PUBLISH_PLAIN)
		buf_addf(b, "; " STR_FMT ", served by " STR_FMT "\n", STR_ARG(f->domain), STR_ARG(f->host));
	add_comment(b, format == PUBLISH_PLAIN ? "" : "; ", l->note);
	if (format == PUBLISH_BIND)
		print_bind(l, b);
	else if (format == PUBLISH_NSUPDATE)
		print_nsupdate(l, b);
	else
		print_plain(l, b);
}
