/* rcpt_answer.h — what the role `user` answers about a recipient: the numbers in
 * user_rcpt and user_route (ipc/dialogues.def). */
#pragma once

/* user_rcpt_answer.kind */
enum rcpt_answer {
	RCPT_OK,
	RCPT_REFUSED,            /* 550 5.1.1: nobody of that name, or no such address */
	RCPT_LATER,              /* 451 4.3.0 */
	RCPT_NOT_OURS,           /* 550 5.7.1: the domain is not ours, relaying is denied */
	RCPT_LOOP,               /* 550 5.4.6: its aliases lead back to it */
};

/* ipc_target.kind.  A recipient has one or more targets; REFUSED and LATER may stand alone. */
enum rcpt_target {
	TARGET_ACCOUNT,          /* account: its mailbox; address: as it was finally written */
	TARGET_REMOTE,           /* address: at another server */
	TARGET_REFUSED,          /* address, text: it leads nowhere, the sender is told */
	TARGET_LATER,            /* text: route it again after a while */
	TARGET_NOTHING,          /* taken and thrown away, as a line says */
};
