/* login_result.h — what becomes of a login; travels as a number. */
#pragma once

enum login_result {
	LOGIN_OK,
	LOGIN_FAILED,            /* unknown user or wrong password: which, nobody is told */
	LOGIN_LATER,             /* not looked at: ask again when `delay` is over */
	LOGIN_DISABLED,          /* the password was right */
	LOGIN_LIMIT,             /* too many sessions of this account */
	LOGIN_NO_MAILBOX,        /* the password was right; it may only send */
	LOGIN_UNAVAILABLE,       /* the fault is ours */
	LOGIN_RESULTS,
};
