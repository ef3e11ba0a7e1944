/* control.h — commands as the control role runs them.
 *
 * To add one: a row in ipc/command.def and in commands.c a function that asks the
 * role that owns the matter, then says text, or JSON if the command asks for it. */
#pragma once

#include "role/runtime.h"
#include "wire/json.h"

/* Exit codes of all commands (architecture §6). */
enum {
	EXIT_DONE = 0,
	EXIT_NO = 1,             /* a negative answer */
	EXIT_USAGE = 2,
	EXIT_AWAY = 3,           /* server not reachable */
	EXIT_FORBIDDEN = 4,
	EXIT_PARTLY = 5,
};

struct command {
	struct link *tool;
	struct arena *a;
	bool is_json;
	struct str input;        /* what the tool read from its standard input */
	int channel;             /* for import and export: borrowed; 0 or less: none */
	const struct ipc_text *args;
	size_t n_args;
	void *by;                /* uid, as a pointer */
};

struct verb {
	struct str noun, verb;   /* verb may be empty */
	size_t args_min, args_max;
	SUSPENDS int (*run)(struct command *c);
	const char *usage;
};
extern const struct verb command_verbs[];        /* ends with a NULL run */

/* commands.c: the first line of what was typed. */
struct str password_of(struct command *c);

/* access.c */
SUSPENDS int run_user_app_password(struct command *c);
SUSPENDS int run_test_login(struct command *c);
SUSPENDS int run_ban_list(struct command *c);
SUSPENDS int run_ban_add(struct command *c);
SUSPENDS int run_ban_remove(struct command *c);
/* "90s", "15m", "2h", "7d"; "forever": 0. */
bool read_seconds(struct str s, uint64_t *ret);

/* entries.c */
SUSPENDS int run_block_add(struct command *c);
SUSPENDS int run_block_list(struct command *c);
SUSPENDS int run_block_remove(struct command *c);
SUSPENDS int run_allow_add(struct command *c);
SUSPENDS int run_allow_list(struct command *c);
SUSPENDS int run_allow_remove(struct command *c);
/* As block, allow and ban list it. */
void json_entry(struct json *j, const struct ipc_entry *x);
/* From the argument `at` on: --reason, and --expires where there is one.  false: something else stands there. */
bool entry_options(struct command *c, size_t at, struct str *reason, int64_t *expires);

/* refused.c */
SUSPENDS int run_refused_list(struct command *c);
SUSPENDS int run_refused_show(struct command *c);
SUSPENDS int run_refused_release(struct command *c);
SUSPENDS int run_refused_allow(struct command *c);

/* doctor_mail.c */
SUSPENDS int run_doctor_mail(struct command *c);

/* report.c */
SUSPENDS int run_report_dmarc(struct command *c);

/* relay.c */
SUSPENDS int run_test_smtp(struct command *c);
/* An address that is not ours: which servers take its mail, by what TLS. */
SUSPENDS int explain_remote(struct command *c, struct str address);

/* auth.c */
SUSPENDS int run_test_auth(struct command *c);

/* checks.c */
SUSPENDS int run_test_rcpt(struct command *c);
SUSPENDS int status_lists(struct command *c);

/* scanner.c: false: there is none. */
SUSPENDS bool scanner_status(struct relay_scanner_answer *ret, struct arena *a);
void print_scanner(struct buf *b, const struct relay_scanner_answer *r);
void json_scanner(struct json *j, const struct relay_scanner_answer *r);

/* dns.c */
SUSPENDS int run_dns_lookup(struct command *c);
/* dns_records.c */
SUSPENDS int run_dns_records(struct command *c);
/* Of the configuration, or the one that was typed; false: complained with *ret_exit. */
bool dns_domains(struct command *c, struct str typed, struct str **ret, size_t *ret_n, int *ret_exit);
/* dns_check.c */
SUSPENDS int run_dns_check(struct command *c);
/* dkim_watch.c */
SUSPENDS int run_dns_rotate_dkim(struct command *c);

/* doctor.c */
SUSPENDS int run_doctor(struct command *c);

/* why.c */
SUSPENDS int run_why(struct command *c);
/* An id or its last letters, at least three, as the bits that are known of it. */
bool id_ending_parse(struct str what, uint64_t *ret_id, uint64_t *ret_mask);

#ifdef WAXWING_HOOKS
/* hooks.c */
SUSPENDS int run_test_clock(struct command *c);
SUSPENDS int run_test_fault(struct command *c);
#endif

/* mailbox.c */
SUSPENDS int run_mailbox_list(struct command *c);
SUSPENDS int run_mailbox_status(struct command *c);
SUSPENDS int run_mailbox_create(struct command *c);
SUSPENDS int run_mailbox_delete(struct command *c);
SUSPENDS int run_mailbox_verify(struct command *c);
SUSPENDS int run_mailbox_gone(struct command *c);
SUSPENDS int run_import_maildir(struct command *c);
SUSPENDS int run_import_mbox(struct command *c);
SUSPENDS int run_export_maildir(struct command *c);
SUSPENDS int run_export_mbox(struct command *c);

/* queue.c */
SUSPENDS int run_queue_list(struct command *c);
SUSPENDS int run_queue_show(struct command *c);
SUSPENDS int run_queue_hold(struct command *c);
SUSPENDS int run_queue_release(struct command *c);
SUSPENDS int run_queue_retry(struct command *c);
SUSPENDS int run_queue_bounce(struct command *c);
SUSPENDS int run_queue_drop(struct command *c);
SUSPENDS int run_queue_redirect(struct command *c);
SUSPENDS int run_queue_stats(struct command *c);

/* trace.c */
SUSPENDS int run_trace(struct command *c);

/* "uid 0" */
struct str by_whom(struct command *c);
void say(struct command *c, struct str text);
/* As {"ok":true,"text":…} if JSON is wanted; gives EXIT_DONE. */
int say_done(struct command *c, struct str text);
/* Gives exit_code back. */
int complain(struct command *c, int exit_code, struct str text);
int complain_err(struct command *c, const struct err *e);
