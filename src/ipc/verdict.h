/* verdict.h — what `scan` can say of a letter. */
#pragma once

enum verdict {
	VERDICT_ACCEPT,
	VERDICT_REFUSE,
	VERDICT_JUNK,
};
