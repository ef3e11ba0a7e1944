/* scanner.c — the outside scanner in `waxwing status`. */
#include "role/control/control.h"

#include "ipc/relay_say.h"

bool scanner_status(struct relay_scanner_answer *ret, struct arena *a)
{
	AUTO(conf_release) struct conf_held *held = conf_hold();
	struct buf address = buf_over((char[128]){ 0 }, 128);
	struct err e = { 0 };

	if (!held->c.scanner.is_set)
		return false;
	if (relay_scanner(link_to_instance(ROLE_RELAY, RELAY_SCANNER), &(struct relay_scanner){ 0 }, ret, a, &e))
		return true;
	conf_scanner_print_address(&held->c.scanner, &address);
	*ret = (struct relay_scanner_answer){ .address = arena_str(a, buf_str(&address)),
					      .error = S("the process that asks it is away"), .error_at = time_now(),
					      .away_since = time_now() };
	return true;
}

void print_scanner(struct buf *b, const struct relay_scanner_answer *r)
{
	buf_addf(b, "scanner: spamd at " STR_FMT ", %llu letters today, %llu spam, %llu went on without it", STR_ARG(r->address),
		 (unsigned long long)r->letters, (unsigned long long)r->spam, (unsigned long long)r->missed);
	if (r->busy || r->waiting)
		buf_addf(b, "; %u at it now, %u wait", r->busy, r->waiting);
	if (r->last_at) {
		buf_addf(b, "; last answer " STR_FMT " at ", STR_ARG(r->last));
		time_add_known(b, r->last_at);
	}
	buf_add_char(b, '\n');
	if (r->away_since) {
		buf_add(b, S("  WARNING: it is away, letters go on without it; since "));
		time_add_known(b, r->away_since);
		buf_add_char(b, '\n');
	}
	if (r->error_at) {
		buf_add(b, S("  error: "));
		buf_add_printable(b, r->error, 300);
		buf_add(b, S(" at "));
		time_add_known(b, r->error_at);
		buf_add_char(b, '\n');
	}
}

void json_scanner(struct json *j, const struct relay_scanner_answer *r)
{
	json_object(j, "scanner");
	json_str(j, "address", r->address);
	json_int(j, "letters_today", (int64_t)r->letters);
	json_int(j, "spam_today", (int64_t)r->spam);
	json_int(j, "missed_today", (int64_t)r->missed);
	json_int(j, "busy", r->busy);
	json_int(j, "waiting", r->waiting);
	json_bool(j, "away", r->away_since != 0);
	json_time(j, "away_since", r->away_since);
	json_str(j, "last_answer", r->last);
	json_time(j, "last_at", r->last_at);
	json_str(j, "error", r->error);
	json_time(j, "error_at", r->error_at);
	json_end_object(j);
}
