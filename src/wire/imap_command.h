/* imap_command.h — one IMAP command, understood: a tag, a verb, and a struct for each verb
 * (RFC 9051 §9, RFC 3501 §9 and the extensions named below).
 *
 * imap_frame.h collects the text.  Slices point into the text or into the arena: both must live as
 * long as the command.  Names of mailboxes are UTF-8, whatever the client wrote; "inbox" is "INBOX".
 * Strings hold no NUL, names of mailboxes no control character.
 *
 * To add a command: a verb here, its struct, a row and a function in imap_command.c. */
#pragma once

#include "wire/flags.h"
#include "wire/imap_fetch.h"
#include "wire/imap_frame.h"
#include "wire/imap_search.h"
#include "wire/seqset.h"

enum {
	IMAP_NAME_MAX = 1024,            /* octets of a mailbox name in UTF-8 */
	IMAP_LIST_PATTERNS_MAX = 32,
	IMAP_MAILBOXES_MAX = 256,        /* in NOTIFY and GETMETADATA's kin */
	IMAP_ENTRIES_MAX = 256,          /* of metadata */
	IMAP_ID_MAX = 30,                /* pairs, RFC 2971 §3.3 */
	IMAP_QUOTA_LIMITS_MAX = 16,
	IMAP_WORDS_MAX = 64,             /* of ENABLE, LIST's special uses */
};

enum imap_verb {
	IMAP_UNKNOWN,
	IMAP_FOREIGN,            /* HTTP, TLS, …: the other side takes us for something else */
#define IMAP_VERB(name, states) IMAP_##name,
#include "wire/imap_verb.def"
#undef IMAP_VERB
	IMAP_VERB_COUNT
};

enum imap_states {
	IMAP_IN_CLEAR = 1 << 0,          /* nobody is known yet */
	IMAP_IN_KNOWN = 1 << 1,          /* authenticated, no mailbox is open */
	IMAP_IN_SELECTED = 1 << 2,
};

struct imap_login {
	struct str user, password;
};

struct imap_authenticate {
	struct str mechanism;            /* as written */
	bool has_initial;                /* SASL-IR, RFC 4959 */
	struct str initial;              /* base64; "=" if it is empty */
};

enum imap_enable {
	ENABLE_CONDSTORE = 1 << 0,
	ENABLE_QRESYNC = 1 << 1,
	ENABLE_UTF8 = 1 << 2,            /* UTF8=ACCEPT */
	ENABLE_REV2 = 1 << 3,            /* IMAP4rev2 */
};

/* SELECT, EXAMINE */
struct imap_select {
	struct str mailbox;
	struct str written;              /* the name as the client wrote it */
	bool condstore;
	bool qresync;                    /* RFC 7162 §3.2.5 */
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known_uids;
	struct seqset known_uids;
	bool has_matches;
	struct seqset match_seqs, match_uids;
};

enum imap_use {
	USE_ALL = 1 << 0,
	USE_ARCHIVE = 1 << 1,
	USE_DRAFTS = 1 << 2,
	USE_FLAGGED = 1 << 3,
	USE_JUNK = 1 << 4,
	USE_SENT = 1 << 5,
	USE_TRASH = 1 << 6,
	USE_IMPORTANT = 1 << 7,
	USE_UNKNOWN = 1 << 8,            /* some other attribute was named: answer USE_ATTR */
};

/* CREATE, DELETE, SUBSCRIBE, UNSUBSCRIBE, GETQUOTAROOT: a name and nothing else, but for CREATE */
struct imap_mailbox {
	struct str mailbox;              /* CREATE: a final "." or "/" is kept */
	unsigned use;                    /* CREATE: enum imap_use, RFC 6154 §3 */
};

struct imap_rename {
	struct str from, to;
};

enum status_item {
	STATUS_MESSAGES = 1 << 0,
	STATUS_UIDNEXT = 1 << 1,
	STATUS_UIDVALIDITY = 1 << 2,
	STATUS_UNSEEN = 1 << 3,
	STATUS_RECENT = 1 << 4,
	STATUS_DELETED = 1 << 5,
	STATUS_SIZE = 1 << 6,
	STATUS_HIGHESTMODSEQ = 1 << 7,
	STATUS_APPENDLIMIT = 1 << 8,
	STATUS_MAILBOXID = 1 << 9,
	STATUS_DELETED_STORAGE = 1 << 10,        /* RFC 9208 */
};

struct imap_status {
	struct str mailbox;
	unsigned items;                  /* enum status_item */
};

enum list_flags {
	LIST_SELECT_SUBSCRIBED = 1 << 0, /* RFC 5258 selection options */
	LIST_SELECT_REMOTE = 1 << 1,
	LIST_SELECT_RECURSIVE = 1 << 2,  /* RECURSIVEMATCH */
	LIST_SELECT_SPECIAL_USE = 1 << 3,
	LIST_RETURN_SUBSCRIBED = 1 << 4, /* return options */
	LIST_RETURN_CHILDREN = 1 << 5,
	LIST_RETURN_SPECIAL_USE = 1 << 6,
	LIST_RETURN_STATUS = 1 << 7,     /* RFC 5819 */
};

/* LIST, LSUB */
struct imap_list {
	bool is_extended;                /* some option, or patterns in parentheses */
	unsigned flags;                  /* enum list_flags */
	unsigned status;                 /* enum status_item */
	struct str reference;
	const struct str *patterns;      /* UTF-8 */
	size_t n_patterns;
};

/* A part of a CATENATE, or the one literal of a plain APPEND. */
struct append_part {
	bool is_url;
	struct str url;
	size_t stream;                   /* else: index of the literal, in the order of imap_text */
	uint64_t size;
	bool is_literal8;
};

struct append_letter {
	struct flag_list flags;
	bool has_date;
	int64_t date;                    /* seconds UTC */
	int32_t zone;                    /* minutes east */
	bool is_utf8;                    /* UTF8 (~{…}), RFC 9755 §4 */
	bool is_catenate;                /* RFC 4469 */
	const struct append_part *parts;
	size_t n_parts;
};

/* APPEND, REPLACE (RFC 8508) */
struct imap_append {
	struct seqset set;               /* REPLACE: one number, or "*" */
	struct str mailbox;
	size_t first;                    /* letters before the mark of the text: they are not here */
	const struct append_letter *letters;
	size_t n_letters;
	struct append_mark mark;         /* for the text that has more of the same command */
};

enum imap_store_how { IMAP_STORE_SET, IMAP_STORE_ADD, IMAP_STORE_REMOVE };

struct imap_store {
	struct seqset set;
	enum imap_store_how how;
	bool silent;
	struct flag_list flags;
	bool has_unchangedsince;
	uint64_t unchangedsince;
};

/* COPY, MOVE; EXPUNGE with is_uid: the set alone */
struct imap_copy {
	struct seqset set;
	struct str mailbox;
};

struct imap_pair {
	struct str name;
	struct str value;
	bool is_nil;                     /* the value */
};

/* ID, SETMETADATA */
struct imap_pairs {
	struct str mailbox;              /* SETMETADATA: "" is the server */
	const struct imap_pair *pairs;
	size_t n;
};

struct imap_quota_limit {
	struct str resource;             /* "STORAGE", "MESSAGE" */
	uint64_t limit;
};

/* GETQUOTA, SETQUOTA */
struct imap_quota {
	struct str root;
	const struct imap_quota_limit *limits;
	size_t n;
};

enum { METADATA_DEPTH_INFINITY = UINT32_MAX };

struct imap_getmetadata {
	struct str mailbox;
	bool has_maxsize;
	uint32_t maxsize;
	uint32_t depth;                  /* 0, 1 or METADATA_DEPTH_INFINITY */
	const struct str *entries;
	size_t n;
};

enum notify_filter {
	NOTIFY_SELECTED,
	NOTIFY_SELECTED_DELAYED,
	NOTIFY_INBOXES,
	NOTIFY_PERSONAL,
	NOTIFY_SUBSCRIBED,
	NOTIFY_SUBTREE,
	NOTIFY_MAILBOXES,
};

enum notify_event {
	NOTIFY_MESSAGE_NEW = 1 << 0,
	NOTIFY_MESSAGE_EXPUNGE = 1 << 1,
	NOTIFY_FLAG_CHANGE = 1 << 2,
	NOTIFY_MAILBOX_NAME = 1 << 3,
	NOTIFY_SUBSCRIPTION_CHANGE = 1 << 4,
	NOTIFY_MAILBOX_METADATA = 1 << 5,
	NOTIFY_SERVER_METADATA = 1 << 6,
	NOTIFY_ANNOTATION_CHANGE = 1 << 7,
	NOTIFY_UNKNOWN_EVENT = 1 << 8,   /* answer NOTIFY_EVENTS */
};

struct notify_group {
	enum notify_filter filter;
	const struct str *mailboxes;
	size_t n_mailboxes;
	unsigned events;                 /* enum notify_event; 0: NONE */
	const struct imap_fetch *fetch;  /* of MessageNew; NULL: nothing (its set is empty) */
};

/* RFC 5465 */
struct imap_notify {
	bool is_none;
	bool status;
	const struct notify_group *groups;
	size_t n;
};

struct imap_command {
	struct str tag;
	enum imap_verb verb;
	bool is_uid;                     /* UID FETCH and the like */
	union {
		struct imap_login login;
		struct imap_authenticate authenticate;
		unsigned enable;         /* enum imap_enable; others are passed over */
		struct imap_select select;
		struct imap_mailbox mailbox;
		struct imap_rename rename;
		struct imap_status status;
		struct imap_list list;
		struct imap_append append;
		struct imap_fetch fetch;
		struct imap_search search;
		struct imap_store store;
		struct imap_copy copy;
		struct imap_pairs pairs;
		struct imap_quota quota;
		struct imap_getmetadata getmetadata;
		struct imap_notify notify;
	};
};

/* Why a command cannot be obeyed. */
struct imap_fault {
	enum imap_reply_id reply;        /* SYNTAX, UNKNOWN_COMMAND, NAME_BAD, TOO_COMPLEX, … */
	size_t at;                       /* octet of the text, from 0 */
	const char *expected;            /* "a number"; "" if the reply says it all */
};

enum imap_command_flags {
	IMAP_COMMAND_UTF8 = 1 << 0,      /* UTF8=ACCEPT or IMAP4rev2 is enabled: UTF-8 in quoted strings,
					  * names of mailboxes are UTF-8 */
};

/* False: ret->tag ("*" if there is none) and ret->verb still say what was meant. */
bool imap_command_parse(const struct imap_text *text, unsigned flags, struct arena *a,
			struct imap_command *ret, struct imap_fault *why);
/* The same at IMAP_STREAM: APPEND and REPLACE up to the letter that begins there, which is the last part of
 * the last letter.  Of a command of thousands of letters only what is new need be parsed: text->mark. */
bool imap_append_begin(const struct imap_text *text, unsigned flags, struct arena *a,
		       struct imap_command *ret, struct imap_fault *why);

/* The words of a BAD: "expected a number at 14, before \"abc\"".  In the arena. */
struct str imap_fault_text(const struct imap_fault *f, const struct imap_text *text, struct arena *a);

/* "FETCH"; "?" for what is none. */
const char *imap_verb_name(enum imap_verb v);
/* In which states it is allowed: enum imap_states. */
unsigned imap_verb_states(enum imap_verb v);
