/* sender.h — whose a letter that we carry out of the house is (dialogues 140 to 145). */
#pragma once

enum sender_kind {
	SENDER_STRANGER,
	SENDER_ACCOUNT,          /* it has logged in */
	SENDER_NETWORK,          /* a client in a `network` */
	SENDER_LOCAL,            /* a program of this machine: sendmail */
	SENDER_DROP,             /* the same, left while there was no server */
	SENDER_KINDS
};

enum sender_answer {
	SENDER_IS_STRANGER,      /* as anybody else */
	SENDER_IS_OURS,
	SENDER_IS_REFUSED,
};

enum drop_outcome {
	DROP_LATER,
	DROP_SENT,
	DROP_REFUSED,            /* for good */
};
